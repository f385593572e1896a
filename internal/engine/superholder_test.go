package engine

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

var (
	someone = superID{"192.0.2.1", [20]byte{1}}
	alike   = superID{"192.0.2.2", [20]byte{1}} // says that it is someone
)

// again is another connection of p's.
func (w *superSwarm) again(p *playedPeer, who superID) *playedPeer {
	q := w.add()
	p.is(who)
	q.is(who)
	q.hide()
	return q
}

func TestSuperSeedPeerByTwoConnections(t *testing.T) {
	const pieces = 40
	everything := func(p *playedPeer) {
		for i := range pieces {
			p.get(i)
		}
	}
	for _, c := range []struct {
		name       string
		do         func(w *superSwarm, first, second *playedPeer)
		full, few0 int
		few1       int
		holders    int
		active     bool
	}{
		{"both say that they have a piece", func(_ *superSwarm, a, b *playedPeer) { a.get(3); b.get(3) }, 0, pieces - 1, 1, 2, true},
		{"each says another", func(_ *superSwarm, a, b *playedPeer) { a.get(3); b.get(4) }, 0, pieces - 2, 2, 2, true},
		{"both have got everything", func(_ *superSwarm, a, b *playedPeer) { everything(a); everything(b) }, 1, pieces, 0, 2, true},
		{"both say that they have everything", func(_ *superSwarm, a, b *playedPeer) {
			a.said([]byte{byte(pp.HaveAll)})
			b.said([]byte{byte(pp.HaveAll)})
		}, 1, pieces, 0, 2, true},
		{"the newer has nothing, it says", func(_ *superSwarm, a, b *playedPeer) {
			everything(a)
			b.said([]byte{byte(pp.HaveNone)})
		}, 1, pieces, 0, 2, true},
		{"the older takes it back", func(_ *superSwarm, a, b *playedPeer) {
			everything(a)
			b.get(7)
			a.said([]byte{byte(pp.HaveNone)})
		}, 0, pieces - 1, 1, 2, true},
		{"the older ends", func(_ *superSwarm, a, b *playedPeer) { a.get(3); b.get(3); b.get(4); a.leave() }, 0, pieces - 2, 2, 2, true},
		{"both end", func(_ *superSwarm, a, b *playedPeer) { everything(a); everything(b); a.leave(); b.leave() }, 0, pieces, 0, 1, true},
		{"a third of the same name elsewhere", func(w *superSwarm, a, b *playedPeer) {
			w.add().is(alike)
			everything(w.peers[len(w.peers)-1])
			a.get(3)
		}, 1, pieces - 1, 1, 3, true},
		{"two that are two", func(w *superSwarm, a, b *playedPeer) { everything(a); everything(w.peers[1]) }, 2, pieces, 0, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newSuperSwarm(SuperSeedAuto, pieces, 2)
			first := w.peers[0]
			second := w.again(first, someone)
			c.do(w, first, second)
			s := w.s
			if s.full != c.full || s.few != [2]int{c.few0, c.few1} || s.holders != c.holders {
				t.Errorf("got %d full copies, %v pieces with 0 and 1 holders, %d holders, want %d, [%d %d], %d",
					s.full, s.few, s.holders, c.full, c.few0, c.few1, c.holders)
			}
			if got := s.active(); got != c.active {
				t.Errorf("super-seeding goes on: got %v, want %v", got, c.active)
			}
			for _, p := range w.peers {
				p.leave()
			}
			if s.full != 0 || s.few != [2]int{pieces, 0} || s.holders != 0 || len(s.named) != 0 {
				t.Errorf("when all have left: got %d full copies, %v, %d holders, %d names, want none", s.full, s.few, s.holders, len(s.named))
			}
			for i, q := range s.pieces {
				if q != (superPiece{}) {
					t.Errorf("piece %d is held or waited for by nobody: got %+v", i, q)
				}
			}
		})
	}
}

// A peer drops when it has got what it was shown and before it says so, and is back before or after we hear of that:
// what it has is not sent again, and what it lost is another's at once.
func TestSuperSeedPeerComesBackOwing(t *testing.T) {
	const pieces = 120
	for name, before := range map[string]bool{"before the old connection ends": true, "after": false} {
		t.Run(name, func(t *testing.T) {
			w := newSuperSwarm(SuperSeedAuto, pieces, 4)
			for n := 0; w.held() < pieces; n++ {
				if n > 1000 {
					t.Fatalf("the swarm holds %d of %d pieces and does not get on", w.held(), pieces)
				}
				old := w.peers[0]
				got := 0
				for i := range old.told {
					if !old.has[i] && got < 1+n%2 { // sometimes there is one that it has not got
						old.has[i] = true
						w.sent++
						got++
					}
				}
				if !before {
					old.leave()
				}
				w.peers = w.peers[1:]
				p := w.add()
				p.has = old.has
				old.is(someone)
				p.is(someone)
				field := make([]byte, 1+(pieces+7)/8)
				field[0] = byte(pp.Bitfield)
				for i := range p.has {
					field[1+i/8] |= 0x80 >> (i % 8)
				}
				p.said(field)
				p.hide()
				old.leave()
				w.round(1)
			}
			if most := pieces * 3 / 2; w.sent > most {
				t.Errorf("%d pieces left the origin until the swarm held all %d, want at most %d", w.sent, pieces, most)
			}
			w.finish(t)
		})
	}
}

// superState is how the super-seeding of a payload stands.
type superState struct{ peers, holders, full, saidAll int }

func superOf(t *testing.T, e *Engine, p payload) (n superState) {
	t.Helper()
	e.mu.Lock()
	s := e.byShort[p.hash].super
	e.mu.Unlock()
	if s == nil {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := range s.peers {
		if q.all {
			n.saidAll++
		}
	}
	n.peers, n.holders, n.full = len(s.peers), s.holders, s.full
	return n
}

// awaits looks until ok is true.
func awaits(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// On the wire: one drops with a report that it owes and comes back from another port, with its old connection still
// there or gone. Every piece is shown to somebody, and it is one copy when both connections say that it has all.
func TestSuperSeedPeerComesBackOnTheWire(t *testing.T) {
	for name, drops := range map[string]bool{"dropped": true, "still there": false} {
		t.Run(name, func(t *testing.T) {
			e := start(t, nil)
			p := newPayload(t, 1<<20, false)
			p.seed(t, e, Spec{})
			other := callAs(t, e, p, "-XX0001-another-one-", true, true)
			old := callAs(t, e, p, "-XX0001-the-same-one", false, true)
			kind, _ := old.next()
			_, owed := old.next()
			if kind != pp.HaveNone {
				t.Fatalf("first told: got %v, want %v", kind, pp.HaveNone)
			}
			if drops {
				old.conn.Close()
				awaits(t, "the drop is seen", func() bool { return superOf(t, e, p).peers == 1 })
			}
			back := callAs(t, e, p, "-XX0001-the-same-one", false, true)
			back.have(owed)

			var mu sync.Mutex
			shown := map[int]bool{owed: true}
			var wg sync.WaitGroup
			for _, f := range []*foreign{other, back} {
				wg.Go(func() {
					for {
						mu.Lock()
						done := len(shown) == p.pieces
						mu.Unlock()
						if done {
							return
						}
						kind, i, err := f.hears()
						if err != nil {
							return // the other one has shown why, or all
						}
						if kind == pp.Have {
							mu.Lock()
							shown[i] = true
							done = len(shown) == p.pieces
							mu.Unlock()
							if f == back || i != owed { // the other one is no copy
								f.have(i)
							}
						}
						if done {
							other.conn.SetReadDeadline(time.Now())
							back.conn.SetReadDeadline(time.Now())
						}
					}
				})
			}
			wg.Wait()
			if len(shown) != p.pieces {
				t.Fatalf("%d of %d pieces were shown: %v", len(shown), p.pieces, slices.Sorted(maps.Keys(shown)))
			}
			alive := []*foreign{back}
			if !drops {
				alive = append(alive, old)
			}
			for _, f := range alive {
				if _, err := f.rw.Write([]byte{0, 0, 0, 1, byte(pp.HaveAll)}); err != nil {
					t.Fatal(err)
				}
			}
			awaits(t, "all have been heard", func() bool { return superOf(t, e, p).saidAll == len(alive) })
			if kind, _ := call(t, e, p, false, true).next(); kind != pp.HaveNone {
				t.Errorf("with one copy elsewhere a newcomer is told %v, want %v", kind, pp.HaveNone)
			}
			if got := superOf(t, e, p).full; got != 1 {
				t.Errorf("got %d full copies, want 1", got)
			}
		})
	}
}

// PEX brings the address of a peer that has dialled us, and the client dials it: it is one peer all the same.
func TestSuperSeedPeerThatPEXBrings(t *testing.T) {
	seeder := start(t, func(s *Settings) { s.MaxUp = 400 << 10 })
	p := newPayload(t, 1<<20, false)
	seeds := p.seed(t, seeder, Spec{})
	var wg sync.WaitGroup
	for range 2 {
		e := start(t, nil)
		wg.Go(func() { p.fetch(t, e, Spec{Peers: []string{at(seeder)}}) })
		awaits(t, "it is connected twice", func() bool {
			seeds.t.AddPeers([]torrent.PeerInfo{{Addr: torrent.StringAddr(at(e)), Source: torrent.PeerSourcePex}})
			s := superOf(t, seeder, p)
			return s.peers > s.holders && s.holders > 0
		})
	}
	if got := superOf(t, seeder, p).holders; got > 2 {
		t.Errorf("got %d holders, want the 2 that there are", got)
	}
	wg.Wait()
	awaits(t, "both have all", func() bool { return superOf(t, seeder, p).full == 2 })
}
