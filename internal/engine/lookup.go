package engine

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"hash"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The client (v1.62.0) has one place for the metadata (BEP 9) that all peers write to. What one says of its size empties
// it, and when the whole turns out to be wrong, those who have answered are not asked again: an honest peer beside one that
// lies could be connected for ever, and asked for nothing. So the client is not told that anybody has metadata, and it is
// asked for here. The parts are kept by who sent them. They come from several peers at once until that gives a wrong whole;
// from then on the whole is to come from one, and one honest peer is enough.

// lookup is a torrent that is only asked for its metadata.
type lookup struct {
	right func(parts [][]byte) bool
	now   func() time.Time
	found chan struct{} // closed when info is there

	mu     sync.Mutex
	info   []byte
	givers []*giver // the first that waits is the next to be asked
	sizes  map[int]*union
	bytes  int64 // of all parts
}

// giver is a connection whose peer offers the metadata.
type giver struct {
	ask  func(part int)
	end  func()
	gone <-chan struct{}
	u    *union

	asking bool // else it waits for its turn
	begun  time.Time
	moved  time.Time // when it last sent a part, or its turn began
	rests  time.Time // it is not asked before
	from   int       // the part that it is asked for first
	parts  [][]byte
	asked  []bool
	owes   int // parts that were asked for and have not come
	bytes  int
}

// union is what the peers have sent who say the same size.
type union struct {
	size    int
	givers  int
	by      []*giver // whose part counts
	owed    []int    // by how many a part was asked for and has not come
	missing int
	spoiled bool // they did not agree, or one of them lies
}

func newLookup(s Spec) *lookup {
	return &lookup{right: s.hashesTo, now: time.Now, found: make(chan struct{}), sizes: map[int]*union{}}
}

// hashesTo says whether parts are together what the infohashes are of.
func (s Spec) hashesTo(parts [][]byte) bool {
	is := func(h hash.Hash, want []byte) bool {
		for _, p := range parts {
			h.Write(p)
		}
		return slices.Equal(h.Sum(nil), want)
	}
	return (s.V1 == nil || is(sha1.New(), s.V1[:])) && (s.V2 == nil || is(sha256.New(), s.V2[:]))
}

// offer takes a peer that has size bytes of metadata. It is asked at once, or when others have not given it soon.
func (l *lookup) offer(size int, ask func(part int), end func(), gone <-chan struct{}) *giver {
	n := (size + metadataPart - 1) / metadataPart
	g := &giver{ask: ask, end: end, gone: gone, from: rand.N(n), parts: make([][]byte, n), asked: make([]bool, n)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.info != nil {
		return g
	}
	l.prune()
	if g.u = l.sizes[size]; g.u == nil {
		g.u = &union{size: size, by: make([]*giver, n), owed: make([]int, n), missing: n}
		l.sizes[size] = g.u
	}
	g.u.givers++
	l.givers = append(l.givers, g)
	l.next()
	return g
}

// tend asks others where those that were asked are slow or silent. It is called each metadataLook.
func (l *lookup) tend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune()
	l.next()
}

// next asks who waits, as long as there are not enough who get on.
func (l *lookup) next() {
	if l.info != nil {
		return
	}
	busy, now := 0, l.now()
	for _, g := range l.givers {
		if g.asking && now.Sub(g.moved) < metadataPatience && now.Sub(g.begun) < metadataTurn {
			busy++
		}
	}
	for _, g := range l.givers {
		if busy >= metadataAtOnce {
			return
		}
		if !g.asking && !g.rests.After(now) {
			busy++
			g.asking, g.begun, g.moved = true, now, now
			g.fill()
		}
	}
}

// fill asks for as much as a peer is asked for at a time: what nobody was asked for, and when that is all, what others have
// not sent yet.
func (g *giver) fill() {
	u, n := g.u, len(g.asked)
	for _, others := range []bool{false, true} {
		for k := 0; k < n && g.owes < metadataWindow; k++ {
			i := (g.from + k) % n
			if !g.asked[i] && (u.spoiled || u.by[i] == nil && (u.owed[i] == 0 || others)) {
				g.asked[i] = true
				g.owes++
				u.owed[i]++
				g.ask(i)
			}
		}
		if g.owes > 0 {
			return
		}
	}
}

// paid notes that a peer does not owe a part any more.
func (g *giver) paid(part int) {
	g.owes--
	g.u.owed[part]--
}

// refill asks the peers of a union again, after something of it was forgotten or more is wanted.
func (l *lookup) refill(u *union) {
	for _, g := range l.givers {
		if g.u == u && g.asking {
			g.fill()
		}
	}
}

// prune forgets the connections that have ended.
func (l *lookup) prune() {
	for _, g := range slices.Clone(l.givers) {
		select {
		case <-g.gone:
			l.leave(g)
		default:
		}
	}
}

// leave forgets a peer.
func (l *lookup) leave(g *giver) {
	i := slices.Index(l.givers, g)
	if i < 0 {
		return
	}
	l.givers = slices.Delete(l.givers, i, i+1)
	for part, asked := range g.asked {
		if asked && g.parts[part] == nil {
			g.asked[part] = false
			g.paid(part)
		}
	}
	l.forget(g)
	if g.u.givers--; g.u.givers == 0 {
		delete(l.sizes, g.u.size)
	}
}

// forget drops what a peer has sent.
func (l *lookup) forget(g *giver) {
	l.bytes -= int64(g.bytes)
	g.bytes = 0
	for i, p := range g.parts {
		if p == nil {
			continue
		}
		g.parts[i], g.asked[i] = nil, false
		if g.u.by[i] != g {
			continue
		}
		g.u.by[i] = nil
		g.u.missing++
		for _, o := range l.givers {
			if o.u == g.u && o.parts[i] != nil {
				g.u.by[i] = o
				g.u.missing--
				break
			}
		}
	}
	l.refill(g.u)
}

// wait puts a peer behind the others.
func (l *lookup) wait(g *giver) {
	g.asking = false
	if i := slices.Index(l.givers, g); i >= 0 {
		l.givers = append(slices.Delete(l.givers, i, i+1), g)
	}
}

var (
	errMetadataLength = errors.New("the peer sends metadata that is not as long as it says")
	errMetadata       = errors.New("the peer sends metadata of another torrent")
)

// take is a part that a peer sent, of which a copy is kept. The error ends the connection.
func (l *lookup) take(g *giver, part int, b []byte, total int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if part >= len(g.asked) || !g.asked[part] || g.parts[part] != nil {
		return nil // it was not asked for
	}
	if total != g.u.size || len(b) != min(metadataPart, g.u.size-part*metadataPart) {
		return errMetadataLength
	}
	g.paid(part)
	if l.info != nil || !slices.Contains(l.givers, g) {
		return nil
	}
	g.parts[part] = slices.Clone(b)
	g.moved = l.now()
	g.bytes += len(b)
	l.bytes += int64(len(b))
	if g.u.by[part] == nil {
		g.u.by[part] = g
		g.u.missing--
	}
	lied := l.judge(g)
	l.next()
	if l.info == nil && !lied {
		g.fill()
	}
	for l.bytes > maxLookup && l.drop() {
	}
	if lied {
		return errMetadata
	}
	return nil
}

// judge looks at what is there whole after g sent a part, and says whether g lied.
func (l *lookup) judge(g *giver) (lied bool) {
	u := g.u
	if u.missing == 0 && !u.spoiled {
		whole, alone := make([][]byte, len(u.by)), true
		for i, by := range u.by {
			whole[i] = by.parts[i]
			alone = alone && by == g
		}
		if l.right(whole) {
			l.done(whole)
			return false
		}
		if alone {
			l.leave(g)
			return true
		}
		u.spoiled = true
		defer l.refill(u)
	}
	if !u.spoiled {
		return false
	}
	// All, for some may have sent everything before it was known that it matters.
	for _, o := range slices.Clone(l.givers) {
		if o.u != u || o.bytes < u.size {
			continue
		}
		if l.right(o.parts) {
			l.done(o.parts)
			return false
		}
		l.leave(o)
		if o == g {
			lied = true
		} else {
			o.end()
		}
	}
	return lied
}

func (l *lookup) done(parts [][]byte) {
	l.info = slices.Concat(parts...)
	l.givers, l.sizes, l.bytes = nil, nil, 0
	close(l.found)
}

// drop forgets what the slowest peer has sent, and asks it again after the others. Who is quick and lies is found out.
func (l *lookup) drop() bool {
	var slowest *giver
	var least float64
	now := l.now()
	for _, g := range l.givers {
		if g.bytes == 0 {
			continue
		}
		if rate := float64(g.bytes) / max(now.Sub(g.begun).Seconds(), 1e-3); slowest == nil || rate < least {
			slowest, least = g, rate
		}
	}
	if slowest == nil {
		return false
	}
	l.wait(slowest)
	l.forget(slowest)
	slowest.rests = now.Add(metadataRest)
	return true
}

// refuse is a part that a peer does not give. It may be learning the metadata itself.
func (l *lookup) refuse(g *giver, part int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if part < 0 || part >= len(g.asked) || !g.asked[part] || g.parts[part] != nil {
		return
	}
	g.asked[part] = false
	g.paid(part)
	g.rests = l.now().Add(metadataRest)
	l.wait(g)
	l.next()
}

// saysPrivate is the private flag (BEP 27) of an info, whether or not the client can read it. An odd value counts as yes.
func saysPrivate(info []byte) (private bool) {
	eachField(info, func(key string, v bencoded) {
		if key == "private" {
			n, ok := v.count()
			private = !ok || n != 0
		}
	})
	return private
}
