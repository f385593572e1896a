package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// holding is the connection to a peer that pieces are fetched from. It keeps back what the peer says it has got (HAVE)
// until the client can make use of it.
//
// The client (v1.62.0) waits for twice as many blocks of a peer as it asked for the last time. It asks when it waits for
// none, and at each HAVE, of which a busy swarm has many. Then it asks for one more, because one has come, and from there
// on waits for two; or for none, and from there on waits for one. A link that holds a dozen blocks is empty most of the
// time so, and of twelve fetchers four had a third of the others' rate. What is held is told as one BITFIELD when half
// of the blocks have come: the client asks for more then than it did before.
type holding struct {
	net.Conn
	// wants says of how many pieces the torrent with an infohash is, 0 while that is not known, and whether any is fetched.
	wants func(hash [20]byte) (pieces int, any bool)
	now   func() time.Time

	free    atomic.Bool  // nothing is looked at any more
	waiting atomic.Int32 // blocks that were asked for and have not come
	batch   atomic.Int32 // blocks that were asked for the last time

	hash atomic.Pointer[[20]byte]
	said outline // by the client; belongs to the goroutine that writes
	news news    // of the peer; belongs to the goroutine that reads
}

// news is what the peer says.
type news struct {
	r     *bufio.Reader
	whole int    // bytes of the message under way that are passed on unseen
	bits  bool   // they are its bitfield
	shake []byte // its handshake, as far as it has come
	have  []byte // what it has, as a bitfield
	held  []int  // what of that the client was not told
	since time.Time
	out   []byte // for the client
	err   error  // that follows out
}

func (e *Engine) hold(c net.Conn) net.Conn {
	return newHolding(c, time.Now, func(hash [20]byte) (int, bool) {
		e.mu.Lock()
		defer e.mu.Unlock()
		t := e.byShort[hash]
		if t == nil {
			return 0, false
		}
		return t.pieces, t.pieces == 0 || !t.complete() && !t.asksForHashes()
	})
}

// asksForHashes says whether the client may ask for more hashes of files at a time than it bears (see docs/engine-notes.md),
// which it does as a peer shows the files: then they are to be shown one by one.
func (t *Torrent) asksForHashes() bool {
	return len(t.spec.PieceLayers) == 0 && t.extent != nil && t.extent.hashes > maxHashesHeld
}

func newHolding(c net.Conn, now func() time.Time, wants func([20]byte) (int, bool)) *holding {
	return &holding{Conn: c, wants: wants, now: now, news: news{r: bufio.NewReaderSize(c, heldBuffer), whole: handshakeBytes}}
}

// Write counts what the client asks for.
func (h *holding) Write(b []byte) (int, error) {
	if h.free.Load() {
		return h.Conn.Write(b)
	}
	asked := int32(0)
	h.said.each(b, func(kind pp.MessageType) {
		switch kind {
		case pp.Request:
			asked++
		case pp.Cancel:
			h.came()
		}
	}, func(handshake []byte) {
		hash := [20]byte(handshake[hashBegin:hashEnd])
		h.hash.Store(&hash)
		if _, any := h.wants(hash); !any {
			h.free.Store(true)
		}
	})
	if asked > 0 {
		h.waiting.Add(asked)
		h.batch.Store(asked)
	}
	return h.Conn.Write(b)
}

// came notes that there is one block less to wait for. One that was cancelled may come nevertheless.
func (h *holding) came() {
	for n := h.waiting.Load(); n > 0 && !h.waiting.CompareAndSwap(n, n-1); n = h.waiting.Load() {
	}
}

// Read gives on what comes, but for what is held.
func (h *holding) Read(b []byte) (int, error) {
	in := &h.news
	for len(b) > 0 {
		switch {
		case len(in.out) > 0:
			n := copy(b, in.out)
			in.out = in.out[n:]
			return n, nil
		case in.err != nil:
			return 0, in.err
		case h.free.Load():
			if in.r.Buffered() == 0 {
				return h.Conn.Read(b)
			}
			return in.r.Read(b)
		case in.whole > 0:
			n, err := in.r.Read(b[:min(len(b), in.whole)])
			h.pass(b[:n])
			return n, err
		}
		in.err = h.message()
	}
	return 0, nil
}

// pass follows what is given on unseen.
func (h *holding) pass(b []byte) {
	in := &h.news
	in.whole -= len(b)
	switch {
	case len(in.shake) < handshakeBytes:
		in.shake = append(in.shake, b...)
	case in.bits:
		in.have = append(in.have, b...)
		in.bits = in.whole > 0
	}
}

// message looks at the beginning of the next one.
func (h *holding) message() error {
	in := &h.news
	head, err := h.peek(lengthBytes)
	if err != nil || head == nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(head))
	if size == 0 {
		in.whole = lengthBytes // a keep-alive
		return nil
	}
	if head, err = h.peek(lengthBytes + 1); err != nil || head == nil {
		return err
	}
	in.bits = false
	switch kind := pp.MessageType(head[lengthBytes]); kind {
	case pp.Have:
		if size == 5 {
			return h.got()
		}
	case pp.Piece, pp.Reject:
		if h.waiting.Load() <= max(1, h.batch.Load()/2) || h.late() {
			h.release()
		}
		h.came()
	case pp.Choke:
		if in.shake[fastByte]&fastBit == 0 {
			h.waiting.Store(0) // else each is rejected
		}
		h.release()
	case pp.Unchoke:
		h.release()
	case pp.HaveNone:
		in.have, in.held = nil, nil
	case pp.HaveAll:
		in.held = nil
		h.free.Store(true) // there will be no news
	case pp.Bitfield:
		in.have, in.held = nil, nil
		if in.bits = size-1 <= maxBitfield; !in.bits {
			h.free.Store(true)
		}
	}
	in.out = append(in.out, head...)
	in.whole = size - 1
	_, err = in.r.Discard(len(head))
	return err
}

// got hears of a piece that the peer has.
func (h *holding) got() error {
	in := &h.news
	m, err := h.peek(lengthBytes + 5)
	if err != nil || m == nil {
		return err
	}
	i, pieces := int(binary.BigEndian.Uint32(m[lengthBytes+1:])), h.pieces()
	if i >= pieces { // the client judges
		h.release()
		in.out = append(in.out, m...)
	} else {
		if more := (pieces+7)/8 - len(in.have); more > 0 {
			in.have = append(in.have, make([]byte, more)...)
		}
		in.have[i/8] |= 0x80 >> (i % 8)
		if len(in.held) == 0 {
			in.since = h.now()
		}
		in.held = append(in.held, i)
		if h.waiting.Load() == 0 {
			h.release()
		}
	}
	_, err = in.r.Discard(len(m))
	return err
}

// release tells the client what was held: in one message, for it asks anew at each.
func (h *holding) release() {
	in := &h.news
	switch pieces := h.pieces(); {
	case len(in.held) == 0:
	case len(in.held) == 1:
		in.out = append(in.out, 0, 0, 0, 5, byte(pp.Have))
		in.out = binary.BigEndian.AppendUint32(in.out, uint32(in.held[0]))
	default:
		n := (pieces + 7) / 8
		in.out = binary.BigEndian.AppendUint32(in.out, uint32(1+n))
		in.out = append(in.out, byte(pp.Bitfield))
		in.out = append(in.out, in.have[:n]...)
	}
	in.held = in.held[:0]
}

func (h *holding) pieces() int {
	hash := h.hash.Load()
	if hash == nil {
		return 0
	}
	n, _ := h.wants(*hash)
	return n
}

func (h *holding) late() bool {
	return len(h.news.held) > 0 && h.now().Sub(h.news.since) >= heldTime
}

// peek is the next n bytes, or nothing if there is something to tell first. What is held is not held for longer
// because the peer falls silent.
func (h *holding) peek(n int) ([]byte, error) {
	in := &h.news
	timed := len(in.held) > 0 && in.r.Buffered() < n
	if timed {
		if err := h.Conn.SetReadDeadline(in.since.Add(heldTime)); err != nil {
			return nil, err
		}
	}
	b, err := in.r.Peek(n)
	if timed {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			h.release()
			b, err = nil, nil
		}
		if no := h.Conn.SetReadDeadline(time.Time{}); err == nil {
			err = no
		}
	}
	if err != nil {
		h.release()
		in.out = append(in.out, b...) // the peer has ended in the middle
		in.r.Discard(len(b))
		return nil, err
	}
	return b, nil
}

// outline follows messages without keeping their bodies.
type outline struct {
	head  []byte // of the handshake, then of the message under way
	shook bool
	body  int // bytes that are left of it
}

// each calls begins with the type of each message that begins in b, and shake with the handshake before them.
func (o *outline) each(b []byte, begins func(pp.MessageType), shake func([]byte)) {
	for len(b) > 0 {
		want := lengthBytes + 1
		switch {
		case o.body > 0:
			n := min(o.body, len(b))
			o.body -= n
			b = b[n:]
			continue
		case !o.shook:
			want = handshakeBytes
		case len(o.head) < lengthBytes:
			want = lengthBytes
		}
		n := min(want-len(o.head), len(b))
		o.head = append(o.head, b[:n]...)
		b = b[n:]
		if len(o.head) < want {
			return
		}
		switch {
		case !o.shook:
			o.shook = true
			shake(o.head)
		case want == lengthBytes && binary.BigEndian.Uint32(o.head) > 0:
			continue // its type follows
		case want > lengthBytes:
			o.body = int(binary.BigEndian.Uint32(o.head)) - 1
			begins(pp.MessageType(o.head[lengthBytes]))
		}
		o.head = o.head[:0]
	}
}
