package engine

import (
	"math/bits"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"

	"github.com/p2pshare/p2pshare/internal/places"
)

const (
	// copyLasts is how long a machine that has left is taken to hold what it held. A peer that is done often leaves its
	// seeds at once.
	copyLasts = 15 * time.Minute
	// maxCopies bounds the machines that are remembered for a torrent.
	maxCopies = 10_000
	// ownAddrsLast is how long the list of this machine's addresses is used.
	ownAddrsLast = 10 * time.Second
)

// copies counts the other machines that hold every piece of a torrent. A peer's word is all there is for it.
type copies struct {
	mu   sync.Mutex
	seen map[netip.Prefix]*machine
}

type machine struct {
	open int // connections to it, of peers that hold everything
	last time.Time
}

// holder is what a connected peer has said of its pieces.
type holder struct {
	t     *Torrent
	at    netip.Prefix
	have  []uint64
	count int
	all   bool
	since time.Time  // all
	both  *haveUnion // what the machine has said on this and its other connections; nil: not shared
}

// haveUnion is what a machine has said of its pieces on all of its connections to a torrent. One that super-seeds shows on each a few of
// them, and has them all.
type haveUnion struct {
	have  []uint64
	count int
	conns int
}

// unionKey says whose connections are one's: those of a machine of a group, or else of an address and what the peer calls itself, for
// many may be behind one address.
type unionKey struct {
	at netip.Prefix
	id torrent.PeerID
}

// noteHaves follows which pieces a peer says it has. The client's lock is held.
func (e *Engine) noteHaves(pc *torrent.PeerConn, m *pp.Message) {
	if m.Keepalive {
		return
	}
	switch m.Type {
	case pp.Have, pp.Bitfield, pp.HaveAll:
	default:
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.holderOf(pc)
	if h == nil {
		return
	}
	switch m.Type {
	case pp.HaveAll:
		h.count = h.t.pieces
	case pp.Bitfield:
		for i, has := range m.Bitfield {
			if has {
				h.set(i)
			}
		}
	case pp.Have:
		h.set(int(m.Index))
	}
	h.judge()
}

// holderOf is what is known of a peer; nil if its torrent is none of ours, or its info is not known. e.mu is held.
func (e *Engine) holderOf(pc *torrent.PeerConn) *holder {
	h := e.holders[pc]
	if h == nil {
		t, at := e.byTorrent[pc.Torrent()], e.machineAt(pc)
		if t == nil || t.pieces == 0 || !at.IsValid() {
			return nil
		}
		h = &holder{t: t, at: at, have: make([]uint64, (t.pieces+63)/64)}
		key := e.unionKey(pc, at)
		if h.both = t.unions[key]; h.both == nil {
			if t.unions == nil {
				t.unions = map[unionKey]*haveUnion{}
			}
			h.both = &haveUnion{have: make([]uint64, (t.pieces+63)/64)}
			t.unions[key] = h.both
		}
		h.both.conns++
		e.holders[pc] = h
	}
	return h
}

// noteEarly catches up with peers that were connected before the torrent was registered. The client's lock is not held.
func (e *Engine) noteEarly(t *Torrent) {
	for _, pc := range t.t.PeerConns() {
		has := pc.PeerPieces()
		e.mu.Lock()
		if h := e.holderOf(pc); h != nil {
			has.Iterate(func(i uint32) bool {
				h.set(int(i))
				return true
			})
			h.judge()
		}
		e.mu.Unlock()
	}
}

func (e *Engine) unionKey(pc *torrent.PeerConn, at netip.Prefix) unionKey {
	if e.members != nil {
		return unionKey{at: at}
	}
	return unionKey{at, pc.PeerID}
}

// judge notes that everything is there.
func (h *holder) judge() {
	if (h.count == h.t.pieces || h.both != nil && h.both.count == h.t.pieces) && !h.all {
		h.all, h.have, h.since = true, nil, time.Now()
		h.t.copies.arrived(h.at)
	}
}

func (h *holder) set(i int) {
	if h.all || i < 0 || i >= h.t.pieces {
		return
	}
	h.count += mark(h.have, i)
	if h.both != nil {
		h.both.count += mark(h.both.have, i)
	}
}

// mark sets a bit, and gives how many that is more.
func mark(have []uint64, i int) int {
	before := have[i/64]
	have[i/64] |= 1 << (i % 64)
	return bits.OnesCount64(have[i/64]) - bits.OnesCount64(before)
}

const (
	// seedsStay is how long two peers that both have everything stay connected: each hears that the other has.
	seedsStay = 10 * time.Second
	// seedsRest is how long they then leave each other alone: less than copyLasts, so that who counts copies hears of them
	// again in time.
	seedsRest = 10 * time.Minute
	// seedsEvery is how often such connections are looked for.
	seedsEvery = 5 * time.Second
)

// dropSeeds ends connections that are of no use to either side, until the engine ends.
func (e *Engine) dropSeeds() {
	tick := time.NewTicker(seedsEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case now := <-tick.C:
			for _, pc := range e.idleSeeds(now) {
				pc.Close()
			}
		}
	}
}

func (e *Engine) idleSeeds(now time.Time) (out []*torrent.PeerConn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for pc, h := range e.holders {
		if !h.all || now.Sub(h.since) < seedsStay {
			continue
		}
		select {
		case <-h.t.done:
			out = append(out, pc)
		default:
		}
	}
	return out
}

// noteGone is told of every connection that ends. e.mu is held.
func (e *Engine) noteGone(pc *torrent.PeerConn) {
	if h := e.holders[pc]; h != nil {
		delete(e.holders, pc)
		if h.both != nil {
			if h.both.conns--; h.both.conns == 0 {
				delete(h.t.unions, e.unionKey(pc, h.at))
			}
		}
		if h.all {
			h.t.copies.left(h.at)
			if h.t.complete() {
				h.t.book.rest(e.addrOf(pc))
				h.t.book.rest(e.dialable[pc])
			}
		}
	}
}

func (c *copies) arrived(at netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[netip.Prefix]*machine{}
	}
	m := c.seen[at]
	if m == nil {
		if len(c.seen) >= maxCopies {
			return
		}
		m = &machine{}
		c.seen[at] = m
	}
	m.open++
	m.last = time.Now()
}

func (c *copies) left(at netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.seen[at]; m != nil {
		m.open = max(m.open-1, 0)
		m.last = time.Now()
	}
}

// count is how many machines hold everything now or did lately, those of own left out.
func (c *copies) count(now time.Time, own func() map[netip.Prefix]bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for at, m := range c.seen {
		switch {
		case m.open == 0 && now.Sub(m.last) > copyLasts:
			delete(c.seen, at)
		case !at.Addr().IsLoopback() && !own()[at]:
			n++
		}
	}
	return n
}

// machineOf is what stands for a machine. A link-local network is everybody's, and stands for nobody.
func machineOf(hostport string) netip.Prefix { return places.Origin(hostport) }

// ownMachine lists the addresses of this machine in the form of machineOf.
func (e *Engine) ownMachine() map[netip.Prefix]bool {
	e.own.mu.Lock()
	defer e.own.mu.Unlock()
	if time.Since(e.own.at) < ownAddrsLast {
		return e.own.list
	}
	list := map[netip.Prefix]bool{}
	addrs, _ := net.InterfaceAddrs() // without them every address counts
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			list[machineOf(net.JoinHostPort(n.IP.String(), "0"))] = true
		}
	}
	e.own.list, e.own.at = list, time.Now()
	return list
}

// ownAddrs caches ownMachine.
type ownAddrs struct {
	mu   sync.Mutex
	at   time.Time
	list map[netip.Prefix]bool
}
