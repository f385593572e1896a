package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// SuperSeed says when a torrent that is complete here is super-seeded (BEP 16).
type SuperSeed int

// Auto is while no two others hold every piece.
const (
	SuperSeedAuto SuperSeed = iota
	SuperSeedOn
	SuperSeedOff
)

var superSeedNames = [...]string{"auto", "on", "off"}

func (s SuperSeed) String() string { return superSeedNames[s] }

// ParseSuperSeed reads auto, on or off; empty is auto.
func ParseSuperSeed(name string) (SuperSeed, error) {
	for i, n := range superSeedNames {
		if n == name {
			return SuperSeed(i), nil
		}
	}
	if name == "" {
		return SuperSeedAuto, nil
	}
	return 0, fmt.Errorf("super-seeding is auto, on or off, and not %q", name)
}

// superSeeder shows each peer a few pieces at a time, those that the fewest hold or were shown, so that each piece
// leaves us once before any leaves us twice, and peers have something to give each other. To a peer that sees nothing
// of a torrent but what it is shown we look like one that fetches as well.
//
// It decides who sees what and does no input or output. A peer's word is all it has: who claims what it does not have
// is shown less, who asks for nothing is shown more and more, and what was shown to somebody who does not fetch it is
// shown to another.
type superSeeder struct {
	mode SuperSeed
	most int // pieces in the largest window
	now  func() time.Time

	mu      sync.Mutex
	peers   map[*superPeer]struct{}
	named   map[superID]*superHolder
	holders int // that the peers are
	pieces  []superPiece
	full    int    // holders that hold everything
	few     [2]int // pieces that 0 and 1 of the others hold

	drain  time.Time // since when there has been no piece that nobody was shown, but some that nobody has yet
	spread bool      // every piece is held by somebody
}

// superPiece is what is known of a piece.
type superPiece struct {
	holders uint16 // who say that they have it, but for those that have all
	waiting uint16 // peers it was shown to that have not, and are at it: takers
}

// superPeer is one connection of a torrent that is complete here. A nil one is of no interest.
type superPeer struct {
	s    *superSeeder
	h    *superHolder
	tell func(pieces []int)

	gone   bool
	hiding bool
	all    bool
	have   bitset
	shown  bitset
	waits  bitset            // shown to it, and waited for until it has them
	since  map[int]time.Time // of waits
	grown  int               // added to the window
	taker  bool              // it has asked for something; who never does is in nobody's way
	asked  int               // blocks that it waits for
	moved  time.Time         // when it last got on
}

func newSuperSeeder(mode SuperSeed, pieces int, pieceLength int64, now func() time.Time) *superSeeder {
	s := &superSeeder{
		mode: mode, now: now, peers: map[*superPeer]struct{}{}, named: map[superID]*superHolder{}, pieces: make([]superPiece, pieces),
		most: max(superWindow, int(superMostBytes/pieceLength)),
	}
	s.few[0] = pieces
	return s
}

// join adds a peer, of which nothing is known yet.
func (s *superSeeder) join(tell func([]int)) *superPeer {
	n := len(s.pieces)
	p := &superPeer{s: s, tell: tell, have: newBitset(n), shown: newBitset(n), waits: newBitset(n), since: map[int]time.Time{}, moved: s.now()}
	p.h = &superHolder{peers: []*superPeer{p}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[p] = struct{}{}
	s.holders++
	return p
}

// hide says whether the peer is to be told that we have nothing; from then on it is shown pieces.
func (p *superPeer) hide() bool {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.gone || !s.active() {
		return false
	}
	p.hiding = true
	s.show(p)
	return true
}

func (p *superPeer) hidden() bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.hiding
}

// leave forgets the peer.
func (p *superPeer) leave() {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.gone {
		return
	}
	s.writeOff(p)
	s.part(p)
	p.gone = true
	delete(s.peers, p)
}

// said is told of a message of the peer's, type first, cut after five bytes unless it is a bitfield.
func (p *superPeer) said(m []byte) {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.gone {
		return
	}
	switch pp.MessageType(m[0]) {
	case pp.Request:
		p.asked++
		if !p.taker {
			p.taker = true
			p.waits.each(func(i int) { s.pieces[i].waiting++ })
		}
	case pp.Cancel:
		p.asked = max(p.asked-1, 0)
	default:
		if s.hear(p, m) {
			s.update(p)
		}
	}
}

// sent is told of blocks that went to the peer, and of refusals.
func (p *superPeer) sent(blocks int) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.asked = max(p.asked-1, 0)
	if blocks > 0 {
		p.moved = p.s.now()
	}
}

// tend looks after peers that do not get on, every superTick or so.
func (s *superSeeder) tend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for p := range s.peers {
		if !p.hiding || p.h.all {
			continue
		}
		patience := superPatience
		if p.asked == 0 {
			patience = superIdle
		}
		if now.Sub(p.moved) < patience {
			if !s.drain.IsZero() {
				s.show(p)
			}
			continue
		}
		// What it was shown is another's now. Who asks for nothing may want other pieces, or only know how to ask for
		// more; who asks and does not read has enough.
		s.writeOff(p)
		p.moved = now
		if p.asked == 0 {
			p.grown = min(2*p.grown+superWindow, len(s.pieces))
		}
		s.show(p)
	}
}

// active says whether newcomers are shown pieces. s.mu is held, as in all that follow.
func (s *superSeeder) active() bool {
	switch s.mode {
	case SuperSeedOff:
		return false
	case SuperSeedOn:
		return true
	}
	return s.full < 2 && s.few[0]+s.few[1] > 0 && (s.full < 1 || s.few[0] > 0)
}

// has notes one piece.
func (s *superSeeder) has(p *superPeer, i int) {
	if p.all || i < 0 || i >= len(s.pieces) || p.have.has(i) {
		return
	}
	p.have.set(i)
	if !p.h.all && !p.h.has(p, i) {
		s.count(i, 1)
	}
	if p.waits.clear(i) {
		if p.taker {
			s.pieces[i].waiting--
		}
		p.moved = s.now()
		switch took := p.moved.Sub(p.since[i]); {
		case took < superFast:
			p.grown++
		case took > superSlow:
			p.grown = max(p.grown-1, 0)
		}
		delete(p.since, i)
	}
	if p.have.n == len(s.pieces) {
		s.hasAll(p)
	}
}

// count changes the holders of a piece.
func (s *superSeeder) count(i, by int) {
	h := int(s.pieces[i].holders)
	if h < len(s.few) {
		s.few[h]--
	}
	h += by
	if h < len(s.few) {
		s.few[h]++
	}
	s.pieces[i].holders = uint16(h)
}

// writeOff no longer waits for what the peer was shown.
func (s *superSeeder) writeOff(p *superPeer) {
	if p.taker {
		p.waits.each(func(i int) { s.pieces[i].waiting-- })
	}
	p.waits = newBitset(len(s.pieces))
	clear(p.since)
}

// update follows news of a peer: it, or everybody, may be shown more.
func (s *superSeeder) update(p *superPeer) {
	if !s.active() {
		s.reveal()
		return
	}
	if s.alone() {
		p.grown++
	}
	s.show(p)
	if before := s.spread; s.few[0] == 0 != before {
		if s.spread = !before; s.spread {
			for q := range s.peers {
				s.show(q)
			}
		}
	}
}

// alone says whether one at most lacks anything.
func (s *superSeeder) alone() bool { return s.holders-s.full <= 1 }

// show tells the peer of more pieces, up to its window.
func (s *superSeeder) show(p *superPeer) {
	if !p.hiding || p.h.all {
		return
	}
	var pick []int
	for most := min(superWindow+p.grown, s.most); p.waits.n < most; {
		i := s.next(p)
		if i < 0 {
			break
		}
		p.shown.set(i)
		p.waits.set(i)
		p.since[i] = s.now()
		if p.taker {
			s.pieces[i].waiting++
		}
		pick = append(pick, i)
	}
	if pick != nil {
		p.tell(pick)
	}
}

// next is the piece to show to the peer: one that nobody has or was shown, then those that fewest have. Between the two
// it is waited until the last pieces are with their first holders, for a moment at most: what else would be sent
// then is in their way.
func (s *superSeeder) next(p *superPeer) int {
	best, least := -1, 0
	n := len(s.pieces)
	for k, i := 0, rand.IntN(n); k < n; k, i = k+1, (i+1)%n {
		if p.have.has(i) || p.shown.has(i) || p.h.has(p, i) {
			continue
		}
		q := s.pieces[i]
		key := int(q.holders) + int(q.waiting)
		if key == 0 {
			s.drain = time.Time{}
			return i
		}
		if best < 0 || key < least {
			best, least = i, key
		}
	}
	if best >= 0 && s.few[0] > 0 && !s.alone() && s.draining() {
		return -1
	}
	return best
}

// draining says whether the last pieces may still reach their first holders.
func (s *superSeeder) draining() bool {
	if s.drain.IsZero() {
		s.drain = s.now()
	}
	return s.now().Sub(s.drain) < superDrain
}

// reveal tells everybody of everything.
func (s *superSeeder) reveal() {
	for p := range s.peers {
		if !p.hiding {
			continue
		}
		p.hiding = false
		s.writeOff(p)
		var rest []int
		for i := range s.pieces {
			if !p.shown.has(i) && !p.have.has(i) {
				rest = append(rest, i)
			}
		}
		if !p.h.all && len(rest) > 0 {
			p.tell(rest)
		}
	}
}
