package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// superSwarm plays a torrent's origin and its peers, without a network.
type superSwarm struct {
	s     *superSeeder
	now   time.Time
	peers []*playedPeer
	sent  int // pieces that left the origin
}

type playedPeer struct {
	*superPeer
	told map[int]bool // by the origin
	has  map[int]bool
	mute bool // gives nothing
	idle bool // takes nothing
}

func newSuperSwarm(mode SuperSeed, pieces, peers int) *superSwarm {
	w := &superSwarm{now: time.Unix(1e9, 0)}
	w.s = newSuperSeeder(mode, pieces, 256<<10, func() time.Time { return w.now })
	for range peers {
		w.add()
	}
	for _, p := range w.peers {
		p.hide()
	}
	return w
}

func (w *superSwarm) add() *playedPeer {
	p := &playedPeer{told: map[int]bool{}, has: map[int]bool{}}
	p.superPeer = w.s.join(func(list []int) {
		for _, i := range list {
			p.told[i] = true
		}
	})
	w.peers = append(w.peers, p)
	return p
}

func (p *playedPeer) get(i int) {
	p.has[i] = true
	p.said(binary.BigEndian.AppendUint32([]byte{byte(pp.Have)}, uint32(i)))
}

// round lets each peer take one piece from the origin and up to n from each other.
func (w *superSwarm) round(n int) {
	for _, p := range w.peers {
		if p.idle {
			continue
		}
		for i := range w.s.pieces { // any order would do
			if p.told[i] && !p.has[i] {
				p.said([]byte{byte(pp.Request), 0, 0, 0, 0})
				p.sent1()
				w.sent++
				p.get(i)
				break
			}
		}
		for _, q := range w.peers {
			left := n
			for i := range q.has {
				if q != p && !q.mute && !p.has[i] && left > 0 {
					left--
					p.get(i)
				}
			}
		}
	}
	w.now = w.now.Add(300 * time.Millisecond)
	w.s.tend()
}

func (p *playedPeer) sent1() { p.superPeer.sent(1) }

// held is how many pieces the peers hold together.
func (w *superSwarm) held() int {
	all := map[int]bool{}
	for _, p := range w.peers {
		for i := range p.has {
			all[i] = true
		}
	}
	return len(all)
}

func (w *superSwarm) finish(t *testing.T) {
	t.Helper()
	for range 10_000 {
		done := true
		for _, p := range w.peers {
			done = done && (p.idle || len(p.has) == len(w.s.pieces))
		}
		if done {
			return
		}
		w.round(2)
	}
	t.Fatalf("the swarm holds %d of %d pieces and does not get on", w.held(), len(w.s.pieces))
}

// Until the swarm holds everything no piece leaves twice, and everybody is shown no more than the window.
func TestSuperSeedShowsEachPieceOnce(t *testing.T) {
	const pieces = 240
	w := newSuperSwarm(SuperSeedAuto, pieces, 12)
	for w.held() < pieces {
		for n, p := range w.peers {
			if open := len(p.told) - len(p.has); open > superWindow+p.grown {
				t.Fatalf("peer %d was shown %d pieces more than it has, want at most %d", n, open, superWindow+p.grown)
			}
		}
		w.round(2)
	}
	if most := pieces * 11 / 10; w.sent > most {
		t.Errorf("%d pieces left the origin until the swarm held all %d, want at most %d", w.sent, pieces, most)
	}
	w.finish(t)
}

// Whatever tenth the origin leaves after, what it sent is there once.
func TestSuperSeedOriginLeavesAtEveryTenth(t *testing.T) {
	const pieces = 240
	for tenth := 1; tenth <= 13; tenth++ {
		t.Run(fmt.Sprint(tenth), func(t *testing.T) {
			w := newSuperSwarm(SuperSeedAuto, pieces, 12)
			for w.sent < tenth*pieces/10 {
				before := w.sent
				w.round(2)
				if w.sent == before {
					break // nobody needs the origin any more
				}
			}
			want := min(tenth*pieces/10, pieces) * 9 / 10
			if tenth >= 11 {
				want = pieces
			}
			if got := w.held(); got < want {
				t.Errorf("the swarm holds %d pieces after %d were sent, want %d", got, w.sent, want)
			}
		})
	}
}

func TestSuperSeedWithBadPeers(t *testing.T) {
	const pieces = 120
	for _, c := range []struct {
		name string
		make func(w *superSwarm)
	}{
		{"one claims everything and sends nothing", func(w *superSwarm) {
			p := w.add()
			p.idle, p.mute = true, true
			p.said([]byte{byte(pp.HaveAll)})
		}},
		{"three claim everything and send nothing", func(w *superSwarm) {
			for range 3 {
				p := w.add()
				p.idle, p.mute = true, true
				p.said([]byte{byte(pp.HaveAll)})
			}
		}},
		{"two take and never give", func(w *superSwarm) {
			w.peers[0].mute, w.peers[1].mute = true, true
		}},
		{"one sits still", func(w *superSwarm) { w.peers[0].idle = true }},
		{"one asks and does not read", func(w *superSwarm) {
			w.peers[0].idle = true
			w.peers[0].said([]byte{byte(pp.Request), 0, 0, 0, 0})
		}},
		{"one speaks of pieces that are not there", func(w *superSwarm) {
			w.peers[0].said([]byte{byte(pp.Have), 0xff, 0xff, 0xff, 0xff})
			w.peers[0].said([]byte{byte(pp.Have), 1})
			w.peers[0].said([]byte{byte(pp.Bitfield)})
			w.peers[0].said([]byte{byte(pp.Cancel)})
		}},
		{"one takes it all back", func(w *superSwarm) {
			w.peers[0].said([]byte{byte(pp.HaveAll)})
			w.peers[0].said([]byte{byte(pp.HaveNone)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newSuperSwarm(SuperSeedAuto, pieces, 6)
			c.make(w)
			w.finish(t)
			// Who believes in full copies seeds plainly.
			if hidden := w.s.active() || w.s.full < 2; hidden && w.sent > 3*pieces {
				t.Errorf("the origin sent %d pieces, want at most %d", w.sent, 3*pieces)
			}
		})
	}
}

// What a peer was shown and does not fetch is another's after a while, and it is shown more itself: it may want only
// some files.
func TestSuperSeedPatience(t *testing.T) {
	w := newSuperSwarm(SuperSeedAuto, 16, 2)
	idle, busy := w.peers[0], w.peers[1]
	idle.idle = true
	for range 200 {
		w.round(2)
	}
	if len(busy.has) != 16 {
		t.Errorf("the one that fetches has %d pieces, want all 16", len(busy.has))
	}
	if len(idle.told) != 16 {
		t.Errorf("the one that asks for nothing was shown %d pieces, want all 16 in the end", len(idle.told))
	}
}

// A peer that drops after each piece, and comes back with what it has, gets on, and so do the others.
func TestSuperSeedWithDrops(t *testing.T) {
	const pieces = 60
	w := newSuperSwarm(SuperSeedAuto, pieces, 4)
	for range 10_000 {
		w.round(1)
		old := w.peers[0]
		old.leave()
		old.leave() // twice is once
		w.peers = w.peers[1:]
		p := w.add()
		p.has = old.has
		field := make([]byte, 1+(pieces+7)/8)
		field[0] = byte(pp.Bitfield)
		for i := range p.has {
			field[1+i/8] |= 0x80 >> (i % 8)
		}
		p.said(field)
		p.hide()
		if len(p.has) == pieces {
			break
		}
	}
	w.finish(t)
	for _, p := range w.peers {
		p.leave()
	}
	if w.s.few[0] != pieces || w.s.full != 0 {
		t.Errorf("without peers: %d pieces that nobody holds and %d full copies, want %d and 0", w.s.few[0], w.s.full, pieces)
	}
	for i, q := range w.s.pieces {
		if q != (superPiece{}) {
			t.Errorf("piece %d is held or waited for by nobody: got %+v", i, q)
		}
	}
}

// A swarm of two halves that meet again: each has been given its part.
func TestSuperSeedHalves(t *testing.T) {
	const pieces = 120
	w := newSuperSwarm(SuperSeedAuto, pieces, 8)
	whole := w.peers
	for n := range 40 { // in turn, so that neither half hears of the other
		w.peers = whole[:4]
		if n%2 == 1 {
			w.peers = whole[4:]
		}
		w.round(2)
	}
	w.peers = whole
	w.finish(t)
}

// The only peer is not held up: its window grows as it fetches.
func TestSuperSeedAlone(t *testing.T) {
	w := newSuperSwarm(SuperSeedOn, 4000, 1)
	p := w.peers[0]
	first := len(p.told)
	rounds := 0
	for ; len(p.told) < 2000; rounds++ {
		for i := range p.told {
			if !p.has[i] {
				p.get(i)
			}
		}
	}
	if rounds > 14 {
		t.Errorf("from %d pieces shown to 2000: %d round trips, want a window that doubles", first, rounds)
	}
}

func TestSuperSeedEnds(t *testing.T) {
	for _, c := range []struct {
		mode SuperSeed
		all  bool
	}{{SuperSeedAuto, true}, {SuperSeedOn, false}} {
		w := newSuperSwarm(c.mode, 100, 4)
		for _, p := range w.peers[:2] {
			p.said([]byte{byte(pp.HaveAll)})
		}
		if got := len(w.peers[2].told) == 100; got != c.all {
			t.Errorf("%v, two full copies elsewhere: told of everything %v, want %v", c.mode, got, c.all)
		}
		late := w.add()
		if got := late.hide(); got == c.all {
			t.Errorf("%v, two full copies elsewhere: a newcomer is shown pieces: %v, want %v", c.mode, got, !c.all)
		}
	}
}

func TestParseSuperSeed(t *testing.T) {
	for name, want := range map[string]SuperSeed{"": SuperSeedAuto, "auto": SuperSeedAuto, "on": SuperSeedOn, "off": SuperSeedOff} {
		if got, err := ParseSuperSeed(name); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
	if got, err := ParseSuperSeed("yes"); err == nil {
		t.Errorf("%q: got %v, want an error", "yes", got)
	}
}

// BenchmarkSuperSeed is a swarm of 100 peers that fetch 5,000 pieces: every word of theirs, 500,000 in all, and what
// they are shown. Divide by the time such a fetch takes.
func BenchmarkSuperSeed(b *testing.B) {
	const pieces, peers = 5000, 100
	for b.Loop() {
		s := newSuperSeeder(SuperSeedOn, pieces, 1<<20, time.Now)
		list := make([]*superPeer, peers)
		order := make([][]int, peers)
		for n := range list {
			list[n] = s.join(func([]int) {})
			list[n].hide()
			order[n] = rand.Perm(pieces)
		}
		for k := range pieces {
			for n, p := range list {
				p.said(binary.BigEndian.AppendUint32([]byte{byte(pp.Have)}, uint32(order[n][k])))
			}
		}
	}
}

// Peers that ask for nothing, and are followed by others when they go, take no piece's turn from who does.
func TestIdleStrangersTakeNoTurns(t *testing.T) {
	rounds := func(strangers int) (n int) {
		w := newSuperSwarm(SuperSeedAuto, 40, 2)
		for ; n < 10_000; n++ {
			for range strangers {
				p := w.add()
				p.idle = true
				p.hide()
			}
			if idle := w.peers[2:]; len(idle) > 100 {
				for _, p := range idle[:strangers] {
					p.leave()
				}
				w.peers = append(w.peers[:2], idle[strangers:]...)
			}
			w.round(2)
			if len(w.peers[0].has) == 40 && len(w.peers[1].has) == 40 {
				return n
			}
		}
		return n
	}
	if without, with := rounds(0), rounds(30); with > without*5/4 {
		t.Errorf("two that fetch took %d rounds beside strangers, and %d without", with, without)
	}
}
