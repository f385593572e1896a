package engine

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// The client (v1.62.0) puts its answers into a buffer without bounds, whether or not the peer reads them: 25 bytes that
// ask for a part of the metadata become 16 KiB. So what was asked for is counted here against what went out, and who is
// owed much is not heard until it has read: messages then wait in the peer's own buffers, as anybody's do who does not
// read. Blocks are not counted, for the client holds few of them (readyBytes) and refuses more than it has room for,
// but their refusals are.

var errUnread = errors.New("the peer does not read what it asked for")

// debt is what one connection is owed.
type debt struct {
	bytes atomic.Int64
	moved atomic.Int64  // when something last went out, or was asked for with nothing owed: nanoseconds since 1970
	less  chan struct{} // something went out
}

// unread is all connections of an engine that are owed something.
type unread struct {
	mu    sync.Mutex
	owing map[*wire]struct{}
	bytes atomic.Int64
}

func newDebt() debt { return debt{less: make(chan struct{}, 1)} }

func (w *wire) owes() int64 { return w.debt.bytes.Load() }

// owe notes that an answer of n bytes will be there. Over the bound of all, the connection ends that has been waiting
// to be read for the longest.
func (w *wire) owe(n int64) {
	u := w.e.unread
	if w.debt.bytes.Add(n) == n {
		w.debt.moved.Store(time.Now().UnixNano())
		u.mu.Lock()
		u.owing[w] = struct{}{}
		u.mu.Unlock()
	}
	all := u.bytes.Add(n)
	select {
	case <-w.closed:
		u.forget(w) // again: it was forgotten before this
		return
	default:
	}
	if all <= maxOwedAll {
		return
	}
	var worst *wire
	u.mu.Lock()
	for other := range u.owing {
		if worst == nil || other.debt.moved.Load() < worst.debt.moved.Load() {
			worst = other
		}
	}
	u.mu.Unlock()
	if worst != nil {
		worst.Close()
	}
}

// pay notes that n bytes of answers went out. Some may never have been asked for.
func (w *wire) pay(n int64) {
	for {
		owed := w.debt.bytes.Load()
		n = min(n, owed)
		if n <= 0 {
			return
		}
		if w.debt.bytes.CompareAndSwap(owed, owed-n) {
			break
		}
	}
	u := w.e.unread
	u.bytes.Add(-n)
	w.debt.moved.Store(time.Now().UnixNano())
	if w.debt.bytes.Load() == 0 {
		u.mu.Lock()
		if w.debt.bytes.Load() == 0 {
			delete(u.owing, w)
		}
		u.mu.Unlock()
	}
	select {
	case w.debt.less <- struct{}{}:
	default:
	}
}

// forget is for a connection that ends.
func (u *unread) forget(w *wire) {
	u.mu.Lock()
	delete(u.owing, w)
	u.mu.Unlock()
	u.bytes.Add(-w.debt.bytes.Swap(0))
}

// waitRead returns when the peer has read half of what it may be owed, or with the reason why it is not waited for.
func (w *wire) waitRead() error {
	patience := unreadTime
	if w.e.up.Limited() {
		patience = unreadStall // it may be that we do not write
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for w.owes() > maxOwed/2 {
		select {
		case <-w.debt.less:
		case <-w.closed:
			return errUnread
		case <-w.e.ctx.Done():
			return errUnread
		case <-timer.C:
			since := time.Since(time.Unix(0, w.debt.moved.Load()))
			if since >= patience {
				return errUnread
			}
			timer.Reset(patience - since)
		}
	}
	return nil
}

// answers follows what goes out.
type answers struct {
	shaken int
	head   []byte // of the message under way
	body   int    // bytes that are left of it
}

// went looks for answers in what has gone out.
func (w *wire) went(b []byte) {
	a := &w.out.sent
	n := min(handshakeBytes-a.shaken, len(b))
	a.shaken += n
	b = b[n:]
	for len(b) > 0 {
		if a.body > 0 {
			n := min(a.body, len(b))
			a.body -= n
			b = b[n:]
			continue
		}
		n := min(a.want()-len(a.head), len(b))
		a.head = append(a.head, b[:n]...)
		b = b[n:]
		if len(a.head) < a.want() {
			continue
		}
		a.body = lengthBytes + int(binary.BigEndian.Uint32(a.head)) - len(a.head)
		if len(a.head) > lengthBytes {
			w.pay(w.worth(a.head))
		}
		a.head = a.head[:0]
	}
}

// want is how much of the message under way is looked at, as far as is known.
func (a *answers) want() int {
	if len(a.head) < lengthBytes {
		return lengthBytes
	}
	size := int(binary.BigEndian.Uint32(a.head))
	most := 1
	if len(a.head) > lengthBytes {
		switch kindOf(a.head) {
		case pp.Extended:
			most = 2
		case pp.Hashes, pp.HashReject:
			most = hashBody
		}
	}
	return lengthBytes + min(size, most)
}

// worth is what was owed for the message that begins with m.
func (w *wire) worth(m []byte) int64 {
	switch kindOf(m) {
	case pp.Piece, pp.Reject:
		if w.fast.Load() {
			return rejectBytes
		}
	case pp.Extended:
		if len(m) == lengthBytes+2 && m[lengthBytes+1] != byte(pp.HandshakeExtendedID) {
			return metadataCost
		}
	case pp.Hashes, pp.HashReject:
		if len(m) == lengthBytes+hashBody {
			return hashCost(binary.BigEndian.Uint32(m[lengthBytes+hashLength:]))
		}
	}
	return 0
}
