package engine

import (
	"encoding/binary"
	"slices"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// superID is who a peer is: what it calls itself, and where it is. The name alone would do for a peer of good will.
// Another could take it, and say that its owner has everything.
type superID struct {
	host string
	id   [20]byte
}

// superHolder is one who holds pieces. It may be there by several connections: two that dialled each other, one that PEX
// brought although it had dialled us, one that is back before we know that it was gone. It holds what it said
// on any of them, and is one copy.
type superHolder struct {
	who   superID
	named bool
	peers []*superPeer
	all   bool // one of them has
}

// is says who the peer is.
func (p *superPeer) is(who superID) {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.gone || p.h.named {
		return
	}
	h := s.named[who]
	if h == nil {
		p.h.who, p.h.named = who, true
		s.named[who] = p.h
		return
	}
	s.uncount(p.h)
	s.holders--
	s.change(h, func() {
		h.peers = append(h.peers, p)
		p.h = h
	})
	s.update(p)
}

// part ends what the peer adds to who it is.
func (s *superSeeder) part(p *superPeer) {
	h := p.h
	s.change(h, func() { h.peers = slices.DeleteFunc(h.peers, func(q *superPeer) bool { return q == p }) })
	if len(h.peers) == 0 {
		s.holders--
		if h.named {
			delete(s.named, h.who)
		}
	}
}

// change does what changes more than a piece of what one holds.
func (s *superSeeder) change(h *superHolder, f func()) {
	s.uncount(h)
	f()
	if h.all = slices.ContainsFunc(h.peers, func(q *superPeer) bool { return q.all }); h.all {
		s.full++
		for _, q := range h.peers {
			s.writeOff(q)
		}
		return
	}
	h.each(func(i int) { s.count(i, 1) })
}

func (s *superSeeder) uncount(h *superHolder) {
	if h.all {
		s.full--
		h.all = false
		return
	}
	h.each(func(i int) { s.count(i, -1) })
}

// each calls f with the pieces it is known to hold, unless it holds all.
func (h *superHolder) each(f func(int)) {
	if len(h.peers) == 0 {
		return
	}
	union := newBitset(64 * len(h.peers[0].have.words))
	for _, q := range h.peers {
		q.have.each(union.set)
	}
	union.each(f)
}

// has says whether it was said on another connection than p that it has a piece.
func (h *superHolder) has(p *superPeer, i int) bool {
	return len(h.peers) > 1 && slices.ContainsFunc(h.peers, func(q *superPeer) bool { return q != p && q.have.has(i) })
}

// hear follows a message of the peer's about what it has. It says whether it was one.
func (s *superSeeder) hear(p *superPeer, m []byte) bool {
	switch pp.MessageType(m[0]) {
	case pp.Have:
		if len(m) == 5 {
			s.has(p, int(binary.BigEndian.Uint32(m[1:])))
		}
	case pp.Bitfield:
		s.forget(p)
		for i := range s.pieces {
			if i/8+1 < len(m) && m[1+i/8]&(0x80>>(i%8)) != 0 {
				s.has(p, i)
			}
		}
	case pp.HaveAll:
		s.forget(p)
		s.hasAll(p)
	case pp.HaveNone:
		s.forget(p)
	default:
		return false
	}
	return true
}

// hasAll notes that the peer is a full copy.
func (s *superSeeder) hasAll(p *superPeer) {
	if !p.all {
		s.change(p.h, func() { p.all, p.have = true, newBitset(len(s.pieces)) })
	}
}

// forget takes back what the peer said it has.
func (s *superSeeder) forget(p *superPeer) {
	if p.all || p.have.n > 0 {
		s.change(p.h, func() { p.all, p.have = false, newBitset(len(s.pieces)) })
	}
}
