package localapi

import (
	"sync"

	"github.com/p2pshare/p2pshare/internal/node"
)

// queue holds the lines of a stream until its reader takes them. Of progress, and of how a share's seeding goes,
// only the newest waits; every other event waits until it is taken. One side adds, another takes.
type queue struct {
	mu     sync.Mutex
	lines  [][]byte       // nil: was replaced by a newer one
	newest map[string]int // where the replaceable line of a key waits
	gone   int            // lines that are nil
	seen   map[string]bool
	bytes  int
	closed bool
	ready  chan struct{} // has one element when there is something new
}

func newQueue() *queue {
	return &queue{newest: map[string]int{}, seen: map[string]bool{}, ready: make(chan struct{}, 1)}
}

// add appends an event; false if the reader has left too much lying, and the event is lost.
func (q *queue) add(e node.Event) (bool, error) {
	b, err := encode(line{Event: &e})
	if err != nil {
		return true, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.wake()
	if key := q.replaceable(e); key != "" {
		if i, waits := q.newest[key]; waits {
			q.bytes -= len(q.lines[i])
			q.lines[i] = nil
			q.gone++
		}
		q.compact()
		q.newest[key] = len(q.lines)
	}
	if q.bytes += len(b); q.bytes > maxQueue {
		return false, nil
	}
	q.lines = append(q.lines, b)
	return true, nil
}

// compact closes the gaps once they are most of the queue: a reader that takes nothing lets progress replace
// progress for as long as the request runs.
func (q *queue) compact() {
	if q.gone < 64 || q.gone < len(q.lines)/2 {
		return
	}
	where := make(map[int]int, len(q.lines)-q.gone)
	kept := q.lines[:0]
	for i, l := range q.lines {
		if l != nil {
			where[i] = len(kept)
			kept = append(kept, l)
		}
	}
	clear(q.lines[len(kept):])
	q.lines, q.gone = kept, 0
	for key, i := range q.newest {
		if to, ok := where[i]; ok {
			q.newest[key] = to
		} else {
			delete(q.newest, key)
		}
	}
}

// replaceable is the key of events of which the newest is enough; empty for others. The first word that a share
// can be fetched is an event of its own.
func (q *queue) replaceable(e node.Event) string {
	switch {
	case e.Progress != nil:
		return "p" + e.Progress.Phase + "\x00" + e.Progress.Name
	case e.Seeding != nil:
		key := "s" + e.Seeding.Infohash + "\x00" + e.Seeding.InfohashV2
		if q.seen[key] {
			return key
		}
		q.seen[key] = true
	}
	return ""
}

// close says that nothing more comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for lines and returns them; false when there are none and none will come.
func (q *queue) take() ([][]byte, bool) {
	for {
		q.mu.Lock()
		var out [][]byte
		for _, l := range q.lines {
			if l != nil {
				out = append(out, l)
			}
		}
		q.lines, q.gone, q.bytes = nil, 0, 0
		clear(q.newest)
		closed := q.closed
		q.mu.Unlock()
		if len(out) > 0 {
			return out, true
		}
		if closed {
			return nil, false
		}
		<-q.ready
	}
}
