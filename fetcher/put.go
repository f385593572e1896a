package fetcher

import (
	"io"

	"github.com/p2pshare/p2pshare/internal/content"
)

// Layout is the piece space that the stage's pieces are of. It is not to be changed.
func (p *Plan) Layout() *content.Layout { return p.layout }

// Whole judges and keeps pieces that come whole, from elsewhere than the engine, while the engine writes others.
type Whole struct {
	s     *Stage
	judge *judge
}

// Whole comes after Resume.
func (s *Stage) Whole() *Whole { return &Whole{s, newJudge(s.t, len(s.mem.state))} }

// Knows reports whether a piece can be judged: a v2 magnet's pieces have no hashes before a peer has sent them.
func (w *Whole) Knows(piece int) bool { return w.judge.knows(piece) }

// Put keeps a piece, pads and all, if it is right, whatever of it came through the engine before: that is forgotten. b is
// the caller's again afterwards. fresh says that it was not there. It may be called from several goroutines; an error is
// the disk's.
func (w *Whole) Put(piece int, b []byte) (right, fresh bool, err error) {
	m, st := &w.s.mem, &w.s.mem.state[piece]
	m.mu.Lock()
	there := st.complete
	m.mu.Unlock()
	if there {
		return true, false, nil
	}
	right, err = w.judge.right(piece, func(to io.Writer) error {
		_, err := to.Write(b)
		return err
	})
	if err != nil || !right {
		return false, false, err
	}
	if done, err := w.s.take(piece); done || err != nil {
		return true, false, err
	}
	err = w.s.writeOut(w.s.plan.layout, piece, b, 0)
	if err != nil {
		w.s.fail(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	st.put = false
	st.complete, st.saved, st.whole = err == nil, err == nil, err == nil
	m.news = true
	m.moves.Broadcast()
	return true, err == nil, err
}

// take waits until nobody else writes the piece, and keeps others from it until put is false again. What was gathered of
// it may be wrong, and is dropped. done: the piece is there.
func (s *Stage) take(piece int) (done bool, err error) {
	m, st := &s.mem, &s.mem.state[piece]
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		switch {
		case m.failed != nil:
			return false, m.failed
		case m.closed:
			return false, errClosed
		case st.put, st.writing > 0, st.g != nil && st.g.elem == nil && !st.g.full:
			m.moves.Wait() // for what is being written, which may be wrong
			continue
		case st.complete:
			return true, nil
		}
		m.forget(piece)
		st.put, st.direct = true, false
		return false, nil
	}
}

// written ends a write of a block that was not gathered; n bytes of it are in the files.
func (m *memory) written(piece, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state[piece].writing--
	m.keep(piece, int64(n))
	m.moves.Broadcast()
}
