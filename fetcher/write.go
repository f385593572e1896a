package fetcher

import "io"

// hashOut gives w the bytes of a full piece, and writes them to their files besides, part by part while the
// processor has them at hand. Whoever calls it is about to judge the piece. A piece is wrong so seldom that to write
// it first costs nothing, and until it is called right no note says that it is there.
func (s *Stage) hashOut(g *gather, w io.Writer) (done int64, err error) {
	write := s.mem.beginWrite(g)
	for at := 0; at < len(g.buf) && err == nil; at += hashPart {
		part := g.buf[at:min(at+hashPart, len(g.buf))]
		var n int
		n, err = w.Write(part)
		done += int64(n)
		if write && err == nil {
			if err = s.writeOut(g.layout, g.piece, part, int64(at)); err != nil {
				s.fail(err)
			}
		}
	}
	if write {
		s.mem.endWrite(g, err == nil)
	}
	return done, err
}

// beginWrite says whether a full piece is to be written; then endWrite is to follow.
func (m *memory) beginWrite(g *gather) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := &m.state[g.piece]
	if g.written || m.failed != nil || m.closed || st.g != g {
		return false // if it is no longer the piece's, another writes what is right
	}
	m.writing++
	st.writing++
	return true
}

func (m *memory) endWrite(g *gather, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing--
	m.state[g.piece].writing--
	g.written = ok
	m.moves.Broadcast()
}

// save writes a full piece, if it was judged without. It unlocks memory meanwhile.
func (s *Stage) save(g *gather) error {
	if g.written {
		return nil
	}
	m := &s.mem
	m.writing++
	m.state[g.piece].writing++
	g.refs++
	m.mu.Unlock()
	err := s.writeOut(g.layout, g.piece, g.buf, 0)
	if err != nil {
		s.fail(err)
	}
	m.mu.Lock()
	m.writing--
	m.state[g.piece].writing--
	g.written = err == nil
	m.deref(g)
	m.moves.Broadcast()
	return err
}
