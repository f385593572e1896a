package node

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// words are what machines have said that they have of this machine's log, by the keys of their handshakes. A home that was
// restored from an old copy signs a second history if it believes that its copy is the latest, and is then frozen for good. So
// a word ends that doubt only if its speaker's lie would be a confirmed member's.
type words struct {
	mu   sync.Mutex
	said map[signed.Key]word
	keys []signed.Key  // of said, the oldest first
	news chan struct{} // closed and made anew with each
}

type word struct {
	own    signed.Head // its head of our log that was news when it said so; zero: none
	called bool        // we called it, and it gave all that it has
}

// maxWords bounds the words that are kept. A member may not be known to be one before the logs that follow his word are here.
const maxWords = 256

func newWords() *words { return &words{said: map[signed.Key]word{}, news: make(chan struct{})} }

func (w *words) add(by signed.Key, x word) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, known := w.said[by]
	if !known {
		if len(w.keys) == maxWords {
			delete(w.said, w.keys[0])
			w.keys = w.keys[1:]
		}
		w.keys = append(w.keys, by)
	}
	x.called = x.called || was.called
	w.said[by] = x
	close(w.news)
	w.news = make(chan struct{})
}

// told takes what a caller has said.
func (m *member) told(r *http.Request, own signed.Head) {
	k, err := groupnet.PeerKey(r)
	if err != nil {
		return
	}
	m.words.add(k, word{own: own})
	m.letIn(k)
	s, err := m.State()
	if err != nil || m.Settings().Met || m.alone(s) {
		return // a stranger's call does not make anybody wait who has nobody to wait for
	}
	if err := m.met(); err != nil {
		m.s.n.log.Warn("the settings of a group", "group", m.Name(), "error", err)
	}
}

// gave takes that a machine which was called has given all that it has.
func (m *member) gave(by signed.Key, own signed.Head) {
	m.words.add(by, word{own: own, called: true})
	m.letIn(by)
}

// heardOut returns when a word counts that this machine's log here is the latest, or with ctx's error.
func (m *member) heardOut(ctx context.Context) error {
	for {
		changed, _ := m.Changed()
		m.words.mu.Lock()
		news := m.words.news
		m.words.mu.Unlock()
		if m.isLatest() {
			return nil
		}
		select {
		case <-changed:
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isLatest says whether a word counts that this machine's log here is the latest.
func (m *member) isLatest() bool {
	s, err := m.State()
	if err != nil {
		return false
	}
	alone := m.alone(s)
	m.words.mu.Lock()
	defer m.words.mu.Unlock()
	for k, x := range m.words.said {
		// Where nobody's word would count, the answers of those whom this machine has called are the best that there is.
		if (m.countsIn(s, k) || alone && x.called) && !m.lacks(x.own) {
			return true
		}
	}
	return false
}

// lacks says whether a head of this machine's log is later than what is here.
func (m *member) lacks(own signed.Head) bool {
	if own.Size == 0 {
		return false
	}
	_, news, err := m.Wants(own)
	return news || errors.Is(err, signed.ErrFuture) || errors.Is(err, signed.ErrTaken)
}

// counts says whether the word of who has a key counts: that of a machine of a confirmed account.
func (m *member) counts(k signed.Key) bool {
	s, err := m.State()
	return err == nil && m.countsIn(s, k)
}

func (m *member) countsIn(s *acl.State, k signed.Key) bool {
	a, err := s.Admit(k, time.Now())
	return err == nil && a.Pinned && k != m.Device().Public() // a second copy of this home knows no better
}

// alone says whether there is no machine but this one whose word would count.
func (m *member) alone(s *acl.State) bool {
	for _, d := range s.Devices() {
		if m.countsIn(s, d.Key) {
			return false
		}
	}
	return true
}
