package webseed

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// The classes of pieces, best first. Pieces without a class are not requested.
const (
	mine   = iota + 1 // no peer has it, and it is assigned to us
	theirs            // no peer has it, and it is assigned to another peer
	held              // a peer has it
	begun             // a peer is sending it
)

// pace compares the speeds of servers and peers. Guarded by fetch.mu.
type pace struct {
	web, peers       int64 // bytes so far
	at               time.Time
	lastWeb, lastAll int64
	webRate          float64 // bytes per second while servers were asked
	peerRate         float64
	best             float64 // highest webRate so far
}

// steal decides when pieces assigned to other peers may be fetched after all. Guarded by fetch.mu.
type steal struct {
	idle time.Time // since when no piece is assigned to us; zero: there is one
	wait time.Duration
}

// next reserves pieces for a connection of s. If there are none it returns how long to wait; ok is false if the connection
// can end.
func (f *fetch) next(s *source, nth, cursor int) (r run, wait time.Duration, ok bool) {
	now := time.Now()
	if f.nothingToDo(s, nth, now) {
		return run{}, lookEvery, true
	}
	v := f.o.Swarm.Look()
	if f.o.Near {
		v.Rivals = nil // the server is one of them
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rivals = len(v.Rivals)
	f.sample(now, v)
	if f.over = f.over || !f.missing(v); s.dead || f.failed != nil || f.over {
		return run{}, 0, false
	}
	if s.exhausted = s.exhausted || f.exhausted(s, v, now); s.exhausted {
		return run{}, 0, false
	}
	if wait := s.until.Sub(now); wait > 0 {
		return run{}, min(wait, lookEvery), true
	}
	if nth >= f.allowed(s) || s.ignoresRanges() && (nth > 0 || !f.alone(s)) {
		return run{}, lookEvery, true
	}
	r = f.choose(s, v, cursor, now)
	if r.begin == r.end {
		s.nothing = now
		return r, lookEvery, true
	}
	pieces := make([]int, 0, r.end-r.begin)
	for i := r.begin; i < r.end; i++ {
		f.taken[i] = true
		pieces = append(pieces, i)
	}
	if !s.ignoresRanges() { // peers help with pieces that such a server reaches late
		f.o.Swarm.Reserve(pieces, true)
	}
	return r, 0, true
}

// nothingToDo says whether the connection would find no work, judging by the last look at the swarm. A look costs a
// hundred peers times thousands of pieces, and each idle connection would do it ten times a second.
func (f *fetch) nothingToDo(s *source, nth int, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !s.dead && !s.exhausted && f.failed == nil && !f.over && (nth >= f.allowed(s) || now.Sub(s.nothing) < lookEvery/2)
}

// missing says whether any piece is still missing.
func (f *fetch) missing(v View) bool {
	for range f.pending(v) {
		return true
	}
	return false
}

// alone says whether no other usable server supports ranges. f.mu is held.
func (f *fetch) alone(s *source) bool {
	for _, other := range f.sources {
		if other != s && !other.dead && !other.exhausted && !other.ignoresRanges() && other.failed < troubled {
			return false
		}
	}
	return true
}

// allowed returns how many connections s may have: one until it has answered, and one if several fetchers share it; else two,
// and more while they increase the speed. f.mu is held.
func (f *fetch) allowed(s *source) int {
	if s.rate == 0 || f.rivals > 0 {
		return 1
	}
	return max(s.host.allowed, 2)
}

// sample measures speeds, and adds connections as long as they pay off. f.mu is held.
func (f *fetch) sample(now time.Time, v View) {
	p := &f.pace
	p.peers = v.FromPeers
	if p.at.IsZero() {
		p.at, p.lastAll = now, p.peers
		return
	}
	dt := now.Sub(p.at)
	if dt < sampleEvery {
		return
	}
	peers := float64(p.peers-p.lastAll) / dt.Seconds()
	p.peerRate += (peers - p.peerRate) / 2
	if web := float64(p.web-p.lastWeb) / dt.Seconds(); web > 0 {
		p.webRate = web
		if web > 1.1*p.best {
			p.best = web
			for _, s := range f.sources {
				s.host.allowed = min(max(s.host.allowed, 2)+1, hostConns)
			}
		} else {
			for _, s := range f.sources {
				s.host.allowed = max(s.host.allowed-1, 2)
			}
		}
	}
	p.at, p.lastWeb, p.lastAll = now, p.web, p.peers
}

// peersFaster says whether peers are faster than servers, which then only fetch what the swarm lacks. f.mu is held.
func (f *fetch) peersFaster() bool { return f.pace.peerRate > 0 && f.pace.peerRate >= f.pace.webRate }

// choose picks a random run from the best available class. f.mu is held.
func (f *fetch) choose(s *source, v View, cursor int, now time.Time) run {
	c := chooser{f: f, s: s, now: now, v: v, deliver: !f.o.Near && f.peersFaster(), steal: f.mayTakeTheirs(now), me: peerHash(v.Me)}
	for _, id := range v.Rivals {
		c.rivals = append(c.rivals, peerHash(id))
	}
	best, own, starts := int64(0), false, []int(nil)
	for _, r := range f.o.Wanted {
		for i := r[0]; i < r[1]; i++ {
			class := c.class(i)
			own = own || class == mine
			switch rank := c.rank(i, class); {
			case class == 0:
			case best == 0 || rank < best:
				best, starts = rank, append(starts[:0], i)
			case rank == best:
				starts = append(starts, i)
			}
		}
	}
	if own {
		f.steal = steal{wait: f.o.patience.steal}
	} else if f.steal.idle.IsZero() {
		f.steal.idle = now
	}
	if len(starts) == 0 {
		return run{}
	}
	begin := starts[rand.N(len(starts))]
	if cursor >= 0 && cursor < len(v.Missing) && c.rank(cursor, c.class(cursor)) == best && c.wanted(cursor) {
		begin = cursor
	}
	if s.ignoresRanges() {
		begin = starts[0]
	}
	end := begin + 1
	if best == theirs<<32 {
		f.steal.idle, f.steal.wait = now, f.steal.wait/2
		return run{begin, end}
	}
	most := f.rangeFor(s)
	for length := f.o.Layout.PieceLength; c.wanted(end) && c.rank(end, c.class(end)) == best; end++ {
		if length += f.o.Layout.PieceLength; length > most && !s.ignoresRanges() {
			break
		}
	}
	return run{begin, end}
}

// mayTakeTheirs says whether we have waited long enough for the peers to which the rest is assigned. f.mu is held.
func (f *fetch) mayTakeTheirs(now time.Time) bool {
	return !f.steal.idle.IsZero() && now.Sub(f.steal.idle) >= f.steal.wait
}

// rangeFor returns how many bytes to request from s at a time. f.mu is held.
func (f *fetch) rangeFor(s *source) int64 {
	if s.rate == 0 || s.wrongBytes > s.rightBytes { // its bytes may be useless
		return firstRange
	}
	return min(int64(s.rate*rangeTime.Seconds()), s.size*rangeGrowth, maxRange)
}

// chooser classifies pieces for one choice.
type chooser struct {
	f              *fetch
	s              *source
	now            time.Time
	v              View
	deliver, steal bool
	me             uint64
	rivals         []uint64
}

func (c *chooser) wanted(i int) bool {
	for _, r := range c.f.o.Wanted {
		if r[0] <= i && i < r[1] {
			return true
		}
	}
	return false
}

func (c *chooser) can(i int) bool {
	ok, _ := c.f.canFetch(c.s, i, c.now)
	return ok
}

// class returns the class of a piece; 0 if it is not to be requested now.
func (c *chooser) class(i int) int {
	switch {
	case !c.v.Missing[i] || c.f.taken[i] || !c.f.o.Store.Knows(i) || !c.can(i):
		return 0
	case c.v.Begun[i]:
		if c.deliver {
			return 0
		}
		return begun
	case c.f.o.Near:
		return mine
	case c.v.Holders[i] > 0:
		if c.deliver {
			return 0
		}
		return held
	case c.assigned(i):
		return mine
	case c.steal:
		return theirs
	}
	return 0
}

// rank orders pieces by class, then by rarity.
func (c *chooser) rank(i, class int) int64 {
	if class == held {
		return int64(class)<<32 + int64(c.v.Holders[i])
	}
	return int64(class) << 32
}

// assigned says whether a piece is ours to fetch. Every peer that lacks it computes the same answer without communication, as
// far as they know each other (rendezvous hashing).
func (c *chooser) assigned(i int) bool {
	own := mix(c.me ^ uint64(i))
	for _, r := range c.rivals {
		if mix(r^uint64(i)) > own {
			return false
		}
	}
	return true
}

// peerHash hashes a peer's ID for the rendezvous hashing.
func peerHash(id [20]byte) uint64 {
	return mix(binary.LittleEndian.Uint64(id[8:16]) ^ mix(binary.LittleEndian.Uint64(id[12:20])))
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
