package engine

import (
	"bytes"
	"container/list"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2/bep44"
	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
	"github.com/anacrolix/torrent/bencode"
)

// peerStore keeps the peers that others announced to us. The library has none by default, so that a
// network of such nodes would store no peers at all, and the one it ships keys by IP alone and never
// forgets.
type peerStore struct {
	now   func() time.Time
	mu    sync.Mutex
	by    map[peer_store.InfoHash]*announcedHash
	order *list.List // of *announcedHash, the one announced longest ago first
}

// announcedHash is an infohash with the peers that announced it.
type announcedHash struct {
	hash  peer_store.InfoHash
	peers map[string]storedPeer
	in    *list.Element
}

type storedPeer struct {
	addr krpc.NodeAddr
	at   time.Time
}

func newPeerStore(now func() time.Time) *peerStore {
	return &peerStore{now: now, by: map[peer_store.InfoHash]*announcedHash{}, order: list.New()}
}

// AddPeer remembers an announce for dhtPeerLife. When the store is full it drops the infohash, or the
// peer of one infohash, that was heard of longest ago. The library calls it in a goroutine for each announce,
// so that it must cost no more than one does.
func (s *peerStore) AddPeer(ih peer_store.InfoHash, a krpc.NodeAddr) {
	if a.Port <= 0 || a.Port > 65535 || a.IP == nil || a.IP.IsUnspecified() || a.IP.IsMulticast() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.by[ih]
	if h == nil {
		if len(s.by) >= dhtMaxInfohashes {
			s.drop(s.order.Front().Value.(*announcedHash))
		}
		h = &announcedHash{hash: ih, peers: map[string]storedPeer{}}
		h.in = s.order.PushBack(h)
		s.by[ih] = h
	}
	s.order.MoveToBack(h.in)
	key := net.JoinHostPort(a.IP.String(), strconv.Itoa(a.Port))
	if _, known := h.peers[key]; !known && len(h.peers) >= dhtMaxPeers {
		oldest, at := "", s.now()
		for k, p := range h.peers {
			if !p.at.After(at) {
				oldest, at = k, p.at
			}
		}
		delete(h.peers, oldest)
	}
	h.peers[key] = storedPeer{a, s.now()}
}

// GetPeers gives the announces that are not too old. An answer has to fit a datagram, and the library
// sends all that it gets, so it is given at most 50.
func (s *peerStore) GetPeers(ih peer_store.InfoHash) []krpc.NodeAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.by[ih]
	if h == nil {
		return nil
	}
	var out []krpc.NodeAddr
	for k, p := range h.peers {
		if s.now().Sub(p.at) > dhtPeerLife {
			delete(h.peers, k)
			continue
		}
		if len(out) < 50 {
			out = append(out, p.addr)
		}
	}
	if len(h.peers) == 0 {
		s.drop(h)
	}
	return out
}

func (s *peerStore) drop(h *announcedHash) {
	delete(s.by, h.hash)
	s.order.Remove(h.in)
}

// itemStore is the BEP 44 store: bounded, and it forgets. The library's wrapper checks signatures and
// sequence numbers and expires on read. What is stored is kept as it came: decoded, 1000 bytes of lists in lists take thirty
// times as much.
type itemStore struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[bep44.Target]storedItem
}

type storedItem struct {
	item *bep44.Item
	at   time.Time
}

func newItemStore(now func() time.Time) *itemStore {
	return &itemStore{now: now, by: map[bep44.Target]storedItem{}}
}

func (s *itemStore) Put(i *bep44.Item) error {
	raw, err := bencode.Marshal(i.V)
	if err != nil {
		return err
	}
	kept := *i
	kept.V, kept.Salt = bencode.Bytes(raw), bytes.Clone(i.Salt)
	target := kept.Target()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.by[target]; !known && len(s.by) >= dhtMaxItems {
		var (
			victim bep44.Target
			oldest = s.now().Add(time.Hour)
		)
		for t, it := range s.by {
			if it.at.Before(oldest) {
				victim, oldest = t, it.at
			}
		}
		delete(s.by, victim)
	}
	s.by[target] = storedItem{&kept, s.now()}
	return nil
}

func (s *itemStore) Get(t bep44.Target) (*bep44.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.by[t]
	if !ok || s.now().Sub(it.at) > dhtItemLife {
		delete(s.by, t)
		return nil, bep44.ErrItemNotFound
	}
	return it.item, nil
}

func (s *itemStore) Del(t bep44.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, t)
	return nil
}
