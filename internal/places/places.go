package places

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// few is how many places an origin may have without being picked out: a handful of handshakes at a time is no attack.
const few = 4

// Places are given to holders of origins K: an address, or a key. Its methods are safe for concurrent use.
type Places[K comparable] struct {
	most, share int
	busy        time.Duration
	now         func() time.Time

	mu     sync.Mutex
	age    uint64     // counts arrivals and touches
	all    *list.List // of *Place[K], the least recently touched first
	groups map[K]*group[K]
	sizes  map[int]map[K]*group[K] // groups by how many places they have
	top    int                     // the largest key of sizes
}

// group holds the places of one origin.
type group[K comparable] struct {
	origin K
	places *list.List // as Places.all
}

// Place is a place that is held. A nil Place, one that was refused, and one that was left may still be touched and
// left.
type Place[K comparable] struct {
	of      *Places[K]
	group   *group[K]
	leave   func()
	touched time.Time // zero: never
	age     uint64
	in      *list.Element // in all; nil after it was left
	inGroup *list.Element
}

// New makes most places, of which one origin gets at most share. No newcomer is refused.
func New[K comparable](most, share int) *Places[K] { return NewBusy[K](most, share, 0, time.Now) }

// NewBusy is New, except that a place touched within the last busy is not given to a newcomer whose origin has at
// least as many. Take refuses a newcomer that would need such a place.
func NewBusy[K comparable](most, share int, busy time.Duration, now func() time.Time) *Places[K] {
	return &Places[K]{
		most: most, share: share, busy: busy, now: now,
		all: list.New(), groups: map[K]*group[K]{}, sizes: map[int]map[K]*group[K]{},
	}
}

// Take returns a place, or nil; see NewBusy. If another place is taken away for it, that place has been left when its
// leave is called, which happens before Take returns and must not wait for a call of Take.
func (p *Places[K]) Take(origin K, leave func()) *Place[K] {
	p.mu.Lock()
	old, ok := p.room(origin)
	if !ok {
		p.mu.Unlock()
		return nil
	}
	if old != nil {
		p.remove(old)
	}
	g := p.groups[origin]
	if g == nil {
		g = &group[K]{origin: origin, places: list.New()}
		p.groups[origin] = g
	}
	p.age++
	pl := &Place[K]{of: p, group: g, leave: leave, age: p.age}
	pl.in = p.all.PushBack(pl)
	pl.inGroup = g.places.PushBack(pl)
	p.resized(g, g.places.Len()-1)
	p.mu.Unlock()
	if old != nil {
		old.leave()
	}
	return pl
}

// room reports whether origin can have a place, and which place must be taken away for it, if any.
func (p *Places[K]) room(origin K) (old *Place[K], ok bool) {
	mine := p.groups[origin]
	switch {
	case mine != nil && mine.places.Len() >= p.share:
		old = p.idle(mine.places)
	case p.all.Len() < p.most:
		return nil, true
	case p.top > few:
		largest := p.largest()
		if old = p.idle(largest.places); old == nil && largest != mine {
			old = first[K](largest.places)
		}
	default:
		old = p.idle(p.all)
	}
	return old, old != nil
}

// largest returns the group with the most places; of several, the one whose first place is the oldest.
func (p *Places[K]) largest() (largest *group[K]) {
	for _, g := range p.sizes[p.top] {
		if largest == nil || first[K](g.places).age < first[K](largest.places).age {
			largest = g
		}
	}
	return largest
}

// idle returns the first place of a list that is not busy, or nil if all are.
func (p *Places[K]) idle(l *list.List) *Place[K] {
	for e := l.Front(); e != nil; e = e.Next() {
		if pl := e.Value.(*Place[K]); pl.touched.IsZero() || p.now().Sub(pl.touched) >= p.busy {
			return pl
		}
	}
	return nil
}

func first[K comparable](l *list.List) *Place[K] { return l.Front().Value.(*Place[K]) }

// Touch makes a place the youngest.
func (pl *Place[K]) Touch() {
	if pl == nil {
		return
	}
	p := pl.of
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl.in == nil {
		return
	}
	p.age++
	pl.age, pl.touched = p.age, p.now()
	p.all.MoveToBack(pl.in)
	pl.group.places.MoveToBack(pl.inGroup)
}

// Leave gives a place back, and reports whether it was still held.
func (pl *Place[K]) Leave() (held bool) {
	if pl == nil {
		return false
	}
	pl.of.mu.Lock()
	defer pl.of.mu.Unlock()
	if pl.in == nil {
		return false
	}
	pl.of.remove(pl)
	return true
}

// Len returns how many places are held.
func (p *Places[K]) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Len()
}

// Full reports whether the next newcomer displaces another or is refused.
func (p *Places[K]) Full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Len() >= p.most
}

func (p *Places[K]) remove(pl *Place[K]) {
	g := pl.group
	p.all.Remove(pl.in)
	g.places.Remove(pl.inGroup)
	pl.in, pl.inGroup = nil, nil
	p.resized(g, g.places.Len()+1)
}

// resized moves g, which had was places, to the groups of its new size.
func (p *Places[K]) resized(g *group[K], was int) {
	is := g.places.Len()
	if delete(p.sizes[was], g.origin); len(p.sizes[was]) == 0 {
		delete(p.sizes, was)
	}
	if is == 0 {
		delete(p.groups, g.origin)
	} else {
		if p.sizes[is] == nil {
			p.sizes[is] = map[K]*group[K]{}
		}
		p.sizes[is][g.origin] = g
	}
	p.top = max(p.top, is)
	for p.top > 0 && p.sizes[p.top] == nil {
		p.top--
	}
}

// Origin returns what counts as one address: an IPv4 address, an IPv6 network of 64 bits, in which one machine can
// have any number of addresses, or a single link-local or loopback address, because those networks belong to
// everybody. It is invalid if hostport is not an IP address with a port.
func Origin(hostport string) netip.Prefix {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		bits = ip.BitLen()
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
