package engine

import (
	"context"
	"slices"
	"time"

	"github.com/anacrolix/torrent"
)

// offerPeers hands the book's addresses to the client as they become due.
func (t *Torrent) offerPeers(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.book.wake:
		}
		peers, next := t.book.due(t.connectedTo())
		if len(peers) > 0 {
			if t.e.members != nil {
				t.aliased(peers)
			} else {
				for i, p := range peers {
					peers[i].Addr = torrent.StringAddr(t.e.zones.hide(p.Addr.String()))
				}
			}
			t.t.AddPeers(peers)
		}
		timer.Reset(max(time.Until(next), 100*time.Millisecond))
		if next.IsZero() {
			timer.Stop() // nothing known: the book will wake us
		}
	}
}

// connectedTo tells whether an address, as a peer is dialled at, is connected already, in either
// direction.
func (t *Torrent) connectedTo() func(addr string) bool {
	conns := t.t.PeerConns()
	addrs := make([]string, 0, 2*len(conns))
	t.e.mu.Lock()
	for _, c := range conns {
		addrs = append(addrs, t.e.addrOf(c))
		if a := t.e.dialable[c]; a != "" {
			addrs = append(addrs, a)
		}
	}
	t.e.mu.Unlock()
	slices.Sort(addrs)
	return func(a string) bool {
		_, ok := slices.BinarySearch(addrs, a)
		return ok
	}
}

// dhtSteps are the pauses between announces to the DHT; the last goes on for ever.
var dhtSteps = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 15 * time.Minute}

// complete says whether all of the torrent is here.
func (t *Torrent) complete() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// count is how many torrents there are.
func (e *Engine) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.torrents)
}

// answers says no: who announces a torrent is connected to.
func (t *Torrent) answers() bool { return false }

// announceOpenly keeps the DHT and the LAN told of a torrent that is not private. A magnet's torrent
// may turn out to be private, and is then told no more.
func (t *Torrent) announceOpenly(ctx context.Context) {
	if t.Private() {
		return
	}
	if t.e.lan != nil {
		t.e.lan.add(t)
		defer t.e.lan.remove(t)
	}
	for i := 0; t.e.dht != nil && !t.Private(); i++ {
		turns := t.e.dht.turns
		leave, err := turns.take(ctx, turns.urgentNow(t.complete(), i, time.Now()), t.e.count())
		if err != nil {
			return
		}
		for _, short := range t.shorts() {
			t.e.dht.announce(ctx, short, t.e.Port(), func(addr string) {
				t.book.add(addr, torrent.PeerSourceDhtGetPeers)
			})
		}
		leave()
		timer := time.NewTimer(turns.next(i, t.hungry(), time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	<-ctx.Done()
}
