package fetcher

import (
	"container/list"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// memory is the state of all pieces and the bytes that are gathered for some of them.
type memory struct {
	mu    sync.Mutex
	moves *sync.Cond // something was written, evicted or closed

	state   []pieceState
	limit   int64 // bytes
	used    int64
	length  int64 // of a piece, and of each buffer
	spare   [][]byte
	partial *list.List // of *gather that are not full, the latest touched in front
	writing int        // pieces that are being written, which frees their memory
	kept    int64      // see Kept

	dirty  map[int]struct{} // slots written to since the last checkpoint
	news   bool             // pieces were saved since then
	failed error
	closed bool
}

// pieceState is what is known of one piece.
type pieceState struct {
	g        *gather // its bytes, while they are in memory
	direct   bool    // its blocks are written as they come
	writing  int     // writes of it under way, but for those of put
	put      bool    // it is being written whole; see Put
	complete bool    // proven
	saved    bool    // proven, and its bytes have been written
	kept     int64   // its bytes that came in blocks and were not forgotten
	whole    bool    // by put: what the engine says of other bytes of it is of no interest
}

// gather is a piece in memory.
type gather struct {
	piece  int
	layout *content.Layout

	mu      sync.RWMutex
	buf     []byte
	spans   []span // what has come, ascending, merged
	evicted bool   // it was written out before it was full

	// These are guarded by memory.mu.
	full    bool // from here on buf does not change
	written bool // all of it is in its files
	dead    bool // out of use, its buffer goes to the last user
	forgot  bool // what came of it is not in the files either
	refs    int
	touched time.Time
	elem    *list.Element
}

// span is bytes from begin up to but without end.
type span struct{ begin, end int64 }

var errClosed = errors.New("the staging folder is closed")

func (m *memory) init(p *Plan) {
	m.moves = sync.NewCond(&m.mu)
	m.state = make([]pieceState, p.layout.Pieces())
	for i, proven := range p.proven {
		m.state[i].complete = proven
	}
	m.limit = gatherLimit
	m.length = p.t.PieceLength
	m.partial = list.New()
	m.dirty = make(map[int]struct{})
}

// add copies a block that came, and says how much of it had not come before. It reports false if the piece was written
// out meanwhile. What has come already is left as it is, so that a full piece never changes under its hash.
func (g *gather) add(b []byte, off int64) (added int64, full, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.evicted {
		return 0, false, false
	}
	end := off + int64(len(b))
	if !g.covers(off, end) {
		copy(g.buf[off:end], b)
		added = g.mark(off, end)
	}
	return added, g.covers(0, int64(len(g.buf))), true
}

func (g *gather) covers(begin, end int64) bool {
	i := sort.Search(len(g.spans), func(i int) bool { return g.spans[i].end > begin })
	return begin >= end || i < len(g.spans) && g.spans[i].begin <= begin && end <= g.spans[i].end
}

// mark notes the bytes from begin to end, merges what they join, and says how many of them are new.
func (g *gather) mark(begin, end int64) (added int64) {
	from := sort.Search(len(g.spans), func(i int) bool { return g.spans[i].end >= begin })
	to := from
	for to < len(g.spans) && g.spans[to].begin <= end {
		added -= g.spans[to].end - g.spans[to].begin
		begin, end = min(begin, g.spans[to].begin), max(end, g.spans[to].end)
		to++
	}
	if from == to {
		g.spans = append(g.spans, span{})
		copy(g.spans[from+1:], g.spans[from:])
	} else {
		g.spans = append(g.spans[:from+1], g.spans[to:]...)
	}
	g.spans[from] = span{begin, end}
	return added + end - begin
}

// hold finds a piece in memory; drop gives it back. Half of it may be on disk while it is put: who is hashing what had
// come before would find that wrong.
func (m *memory) hold(piece int) (g *gather, full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.state[piece].put {
		m.moves.Wait()
	}
	g = m.state[piece].g
	if g == nil {
		return nil, false
	}
	g.refs++
	return g, g.full
}

func (m *memory) drop(g *gather) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deref(g)
}

func (m *memory) deref(g *gather) {
	g.refs--
	if g.dead && g.refs == 0 {
		m.recycle(g)
	}
}

// start begins to gather a piece.
func (m *memory) start(piece int, length int64, layout *content.Layout, now time.Time) *gather {
	g := &gather{piece: piece, layout: layout, touched: now}
	if n := len(m.spare); n > 0 {
		g.buf, m.spare = m.spare[n-1][:length], m.spare[:n-1]
	} else {
		g.buf = make([]byte, length, m.length)
	}
	m.used += m.length
	g.elem = m.partial.PushFront(g)
	m.state[piece].g = g
	return g
}

// release takes a piece out of memory.
func (m *memory) release(g *gather) {
	if m.state[g.piece].g == g {
		m.state[g.piece].g = nil
	}
	if g.elem != nil {
		m.partial.Remove(g.elem)
		g.elem = nil
	}
	if g.dead {
		return
	}
	g.dead = true
	if g.refs == 0 {
		m.recycle(g)
	}
	m.moves.Broadcast()
}

// forget drops what came of a piece in blocks.
func (m *memory) forget(piece int) {
	st := &m.state[piece]
	if st.g != nil {
		st.g.forgot = true
		m.release(st.g)
	}
	m.kept -= st.kept
	st.kept = 0
}

// keep counts bytes of a block.
func (m *memory) keep(piece int, n int64) {
	m.state[piece].kept += n
	m.kept += n
}

// Kept is how many bytes came in blocks, without those that were forgotten: they were wrong, or their piece came whole from
// elsewhere.
func (s *Stage) Kept() int64 {
	s.mem.mu.Lock()
	defer s.mem.mu.Unlock()
	return s.mem.kept
}

func (m *memory) recycle(g *gather) {
	m.used -= m.length
	m.spare = append(m.spare, g.buf[:0:m.length])
	g.buf = nil
}

// fail notes the first error of the disk.
func (s *Stage) fail(err error) {
	s.mem.mu.Lock()
	defer s.mem.mu.Unlock()
	if s.mem.failed == nil {
		s.mem.failed = err
		s.errs <- err
	}
	s.mem.moves.Broadcast()
}

// gatherFor finds or begins the gathering of a piece that a block came for. Without one, done says that
// the block is not needed; otherwise it is to be written as it is.
func (s *Stage) gatherFor(v *view, piece int) (g *gather, done bool, err error) {
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	st := &m.state[piece]
	for {
		switch {
		case m.failed != nil:
			return nil, false, m.failed
		case m.closed:
			return nil, false, errClosed
		case st.put:
			m.moves.Wait()
		case st.complete || st.g != nil && st.g.full:
			return nil, true, nil
		case st.g != nil:
			st.g.refs++
			st.g.touched = s.now()
			if st.g.elem != nil {
				m.partial.MoveToFront(st.g.elem)
			}
			return st.g, false, nil
		case st.direct:
			st.writing++
			return nil, false, nil
		case m.used+m.length <= m.limit:
			g := m.start(piece, v.pieceLength(piece), v.layout, s.now())
			g.refs++
			return g, false, nil
		case m.writing > 0:
			// Back-pressure: what is full is being written, which frees memory.
			m.moves.Wait()
		case m.limit < m.length || !s.evictStale():
			st.direct = true
		}
	}
}

// evictStale writes out the piece that waited longest for a block, if that is long. It unlocks memory
// meanwhile.
func (s *Stage) evictStale() bool {
	back := s.mem.partial.Back()
	if back == nil {
		return false
	}
	g := back.Value.(*gather)
	if g.refs > 0 || s.now().Sub(g.touched) < staleAfter {
		return false
	}
	s.evict(g)
	return true
}

// evict writes out what has come of a piece that is not full; the rest is written as it comes. It
// unlocks memory meanwhile.
func (s *Stage) evict(g *gather) {
	m := &s.mem
	m.partial.Remove(g.elem)
	g.elem = nil
	g.refs++
	m.mu.Unlock()
	var err error
	g.mu.Lock()
	for _, sp := range g.spans {
		if err = s.writeOut(g.layout, g.piece, g.buf[sp.begin:sp.end], sp.begin); err != nil {
			break
		}
	}
	g.evicted = true
	g.mu.Unlock()
	if err != nil {
		s.fail(err)
	}
	m.mu.Lock()
	// Unless the piece was given up while it was written.
	if m.state[g.piece].g == g {
		m.state[g.piece].direct = true
	}
	m.release(g)
	m.deref(g)
}

// put adds a block to a piece that gatherFor found. It reports false if the piece was written out
// meanwhile, and then only returns when that is over.
func (s *Stage) put(g *gather, b []byte, off int64) bool {
	added, full, ok := g.add(b, off)
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if !g.forgot {
		m.keep(g.piece, added)
	}
	if full && !g.full && !g.dead {
		g.full = true
		if g.elem != nil {
			m.partial.Remove(g.elem)
			g.elem = nil
		}
	}
	for !ok && m.state[g.piece].g == g {
		m.moves.Wait()
	}
	m.deref(g)
	return ok
}

// markComplete takes the engine's word that a piece is right.
func (s *Stage) markComplete(piece int) error {
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	st := &m.state[piece]
	for st.put || st.g != nil && !st.g.full {
		// The rest of the piece is on disk.
		if !st.put && st.g.elem != nil {
			s.evict(st.g)
		} else {
			m.moves.Wait() // somebody else is at it
		}
	}
	switch {
	case m.failed != nil:
		return m.failed
	case m.closed:
		return errClosed
	case st.complete:
		return nil
	}
	if g := st.g; g != nil {
		if err := s.save(g); err != nil {
			return err
		}
		if st.g != g {
			return nil // it was called wrong meanwhile
		}
		m.release(g)
	}
	st.complete, st.saved = true, true
	m.news = true
	return nil
}

// markNotComplete forgets all that was said of a piece, and its bytes.
func (s *Stage) markNotComplete(piece int) {
	s.suspect[piece].Store(true)
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	st := &m.state[piece]
	for st.put {
		m.moves.Wait()
	}
	if st.saved && !st.whole {
		m.news = true
	}
	st.complete, st.saved, st.direct = st.whole, st.whole, false
	m.forget(piece)
}

// close ends gathering. Pieces that are full but not judged yet are written, so that a resumed fetch
// can judge them.
func (m *memory) close(s *Stage) {
	m.mu.Lock()
	m.closed = true
	for m.writing > 0 {
		m.moves.Wait()
	}
	var full []*gather
	for i := range m.state {
		if g := m.state[i].g; g != nil && g.full && !g.written {
			full = append(full, g)
		}
	}
	failed := m.failed
	m.moves.Broadcast()
	m.mu.Unlock()
	for _, g := range full {
		if failed != nil {
			break
		}
		if failed = s.writeOut(g.layout, g.piece, g.buf, 0); failed != nil {
			s.fail(failed)
		}
	}
}
