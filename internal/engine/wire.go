package engine

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// The handshake of BEP 3: protocol, reserved bits, infohash, peer id.
const (
	fastByte       = len(pp.Protocol) + 7
	fastBit        = 4
	hashBegin      = len(pp.Protocol) + 8
	hashEnd        = hashBegin + 20
	handshakeBytes = hashEnd + 20
)

// lengthBytes precede each message; the type follows.
const lengthBytes = 4

// wire is a connection as the client has it: plain messages, which it follows in both directions while its torrent is
// complete. It is where super-seeding hides what we have and tells it piece by piece. A connection that is of no
// interest to that is carried untouched.
type wire struct {
	net.Conn
	e    *Engine
	free atomic.Bool // nothing is looked at any more

	in  inbound
	out outbound

	queue  sync.Mutex
	haves  []byte // messages of ours that wait for their turn
	ready  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// inbound follows what the peer says. It belongs to the goroutine that reads.
type inbound struct {
	handshake [handshakeBytes]byte
	shaken    int
	head      []byte // of the message under way
	left      int    // bytes of it that are not looked at
}

// outbound follows what we say. mu is held while something is written.
type outbound struct {
	mu        sync.Mutex
	handshake [handshakeBytes]byte
	shaken    int
	part      []byte // of a message that is not there whole yet
	peer      atomic.Pointer[superPeer]
	decided   bool // what we have has been told, or hidden
}

func (e *Engine) follow(c net.Conn) net.Conn {
	return &wire{Conn: c, e: e, ready: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Read looks at what comes and gives it on as it is.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 && !w.free.Load() {
		w.heard(b[:n])
	}
	return n, err
}

// heard takes messages apart, however they are cut.
func (w *wire) heard(b []byte) {
	in := &w.in
	if in.shaken < handshakeBytes {
		n := copy(in.handshake[in.shaken:], b)
		in.shaken += n
		b = b[n:]
	}
	for len(b) > 0 {
		if in.left > 0 {
			n := min(in.left, len(b))
			in.left -= n
			b = b[n:]
			continue
		}
		n := min(in.want()-len(in.head), len(b))
		in.head = append(in.head, b[:n]...)
		b = b[n:]
		if len(in.head) < in.want() {
			continue
		}
		if p := w.out.peer.Load(); p != nil && len(in.head) > lengthBytes {
			p.said(in.head[lengthBytes:])
		}
		in.left = lengthBytes + in.size() - len(in.head)
		in.head = in.head[:0]
	}
}

func (in *inbound) size() int { return int(binary.BigEndian.Uint32(in.head)) }

// want is how much of the message under way is looked at, as far as is known.
func (in *inbound) want() int {
	switch {
	case len(in.head) < lengthBytes:
		return lengthBytes
	case in.size() == 0: // a keep-alive
		return lengthBytes
	case len(in.head) == lengthBytes:
		return lengthBytes + 1
	case pp.MessageType(in.head[lengthBytes]) == pp.Bitfield:
		return lengthBytes + min(in.size(), 1+maxBitfield)
	}
	return lengthBytes + min(in.size(), 5)
}

// Write passes on what the client says, but for what is hidden.
func (w *wire) Write(b []byte) (int, error) {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if w.free.Load() {
		return w.Conn.Write(b)
	}
	send := w.said(b)
	if len(send) > 0 {
		if _, err := w.Conn.Write(send); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// said gives what is to be sent for b: b itself, or what is left of it.
func (w *wire) said(b []byte) []byte {
	out := &w.out
	if out.shaken < handshakeBytes {
		n := copy(out.handshake[out.shaken:], b)
		out.shaken += n
		if out.shaken == handshakeBytes {
			w.join([20]byte(out.handshake[hashBegin:hashEnd]))
		}
		if n == len(b) || w.free.Load() {
			return b
		}
		return append(b[:n:n], w.said(b[n:])...)
	}
	if len(out.part) > 0 {
		out.part = append(out.part, b...)
		b, out.part = out.part, nil
	}
	rest, changed := b, []byte(nil)
	edited := false
	for len(rest) >= lengthBytes {
		size := lengthBytes + int(binary.BigEndian.Uint32(rest))
		if len(rest) < size {
			break
		}
		m := rest[:size]
		rest = rest[size:]
		if instead, edit := w.judge(m); edit {
			if !edited {
				edited = true
				changed = append(changed, b[:len(b)-len(rest)-size]...)
			}
			changed = append(changed, instead...)
		} else if edited {
			changed = append(changed, m...)
		}
	}
	if len(rest) > 0 && !w.free.Load() {
		if !edited {
			edited, changed = true, append(changed, b[:len(b)-len(rest)]...)
		}
		out.part, rest = append(out.part, rest...), nil
	}
	if edited {
		return append(changed, rest...)
	}
	return b
}

// join looks the torrent up. No message has been read by then, for the client does so after its own handshake.
func (w *wire) join(hash [20]byte) {
	p := w.e.joinSuper(w, hash)
	if p == nil {
		w.free.Store(true)
		return
	}
	w.out.peer.Store(p)
}

// judge says what goes out instead of a message of the client's.
func (w *wire) judge(m []byte) (instead []byte, edit bool) {
	p := w.out.peer.Load()
	if p == nil || len(m) == lengthBytes {
		return nil, false
	}
	switch pp.MessageType(m[lengthBytes]) {
	case pp.HaveAll, pp.Bitfield:
		if w.out.decided {
			return nil, false
		}
		w.out.decided = true
		p.is(w.peer())
		if !p.hide() {
			return nil, false
		}
		w.e.whileOpen(w.tellHaves)
		if w.in.fast() {
			return haveNone, true
		}
		return nil, true // BEP 3: who has nothing need not say so
	case pp.Have, pp.AllowedFast:
		// An allowed-fast set (BEP 6) would show pieces as well.
		return nil, p.hidden()
	case pp.HaveNone:
		// The client does not have it all, whatever its owner thinks.
		p.leave()
		w.free.Store(true)
	case pp.Piece:
		p.sent(1)
	case pp.Reject:
		p.sent(0)
	}
	return nil, false
}

var haveNone = []byte{0, 0, 0, 1, byte(pp.HaveNone)}

// peer is who is there, as it says.
func (w *wire) peer() superID {
	host := w.RemoteAddr().String()
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return superID{host, [20]byte(w.in.handshake[hashEnd:])}
}

// fast says whether both sides speak the fast extension (BEP 6): the client always does. The peer's handshake has been
// read when the client begins to tell what it has.
func (in *inbound) fast() bool { return in.handshake[fastByte]&fastBit != 0 }

// tell puts pieces in line to be told. It does not wait.
func (w *wire) tell(pieces []int) {
	w.queue.Lock()
	for _, i := range pieces {
		w.haves = append(w.haves, 0, 0, 0, 5, byte(pp.Have))
		w.haves = binary.BigEndian.AppendUint32(w.haves, uint32(i))
	}
	w.queue.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// tellHaves writes what is in line between the client's messages, until the connection ends.
func (w *wire) tellHaves() {
	for {
		select {
		case <-w.closed:
			return
		case <-w.e.ctx.Done():
			return
		case <-w.ready:
		}
		w.queue.Lock()
		b := w.haves
		w.haves = nil
		w.queue.Unlock()
		w.out.mu.Lock()
		_, err := w.Conn.Write(b)
		w.out.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Close ends what waits for the connection.
func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)
		if p := w.out.peer.Load(); p != nil {
			p.leave()
		}
	})
	return w.Conn.Close()
}
