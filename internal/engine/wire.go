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
	reservedBegin  = len(pp.Protocol)
	hashBegin      = len(pp.Protocol) + 8
	hashEnd        = hashBegin + 20
	handshakeBytes = hashEnd + 20
)

// lengthBytes precede each message; the type follows.
const lengthBytes = 4

// wire is a connection as the client has it: plain messages. What comes in is judged before the client sees it; see
// judge.go. What goes out is followed while its torrent is complete: it is where super-seeding hides what we have and
// tells it piece by piece.
type wire struct {
	net.Conn
	e    *Engine
	free atomic.Bool // what goes out is of no interest to super-seeding

	in   inbound
	out  outbound
	fast atomic.Bool // both speak the fast extension; set with the peer's handshake
	debt debt

	padded padded

	queue  sync.Mutex
	line   []byte // messages of ours that wait for their turn
	owed   int64  // bytes of them that were asked for
	ready  chan struct{}
	teller sync.Once
	closed chan struct{}
	once   sync.Once
}

// outbound follows what we say. mu is held while something is written.
type outbound struct {
	mu        sync.Mutex
	handshake [handshakeBytes]byte
	shaken    int
	part      []byte // of a message that is not there whole yet
	peer      atomic.Pointer[superPeer]
	decided   bool     // what we have has been told, or hidden
	lookup    bool     // the metadata is asked for; see lookup.go
	v2        bool     // answers may have to be filled up; see bep52.go
	partOf    *Torrent // of which not all is wanted; nil: all is
	sent      answers
}

func (e *Engine) follow(c net.Conn) net.Conn {
	return &wire{Conn: c, e: e, debt: newDebt(), ready: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Write passes on what the client says, but for what is hidden.
func (w *wire) Write(b []byte) (int, error) {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if len(b) > maxUnread {
		w.Close()
		return 0, errUnread
	}
	send := b
	if !w.free.Load() {
		send = w.said(b)
	}
	for len(send) > 0 {
		part := send[:min(len(send), unreadPart)]
		if _, err := w.Conn.Write(part); err != nil {
			return 0, err
		}
		w.went(part)
		send = send[len(part):]
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
	w.out.v2, w.out.partOf, w.out.lookup = w.e.mayBeV2(hash), w.e.partOf(hash), w.e.looksUp(hash)
	p := w.e.joinSuper(w, hash)
	if p == nil {
		w.free.Store(!w.out.v2 && w.out.partOf == nil && !w.out.lookup)
		return
	}
	w.out.peer.Store(p)
}

// judge says what goes out instead of a message of the client's.
func (w *wire) judge(m []byte) (instead []byte, edit bool) {
	if len(m) == lengthBytes {
		return nil, false
	}
	if w.out.lookup && kindOf(m) == pp.Extended {
		w.startTelling() // it is our handshake, with what answers go by
	}
	if t := w.out.partOf; t != nil && kindOf(m) == pp.Extended && t.partial() {
		return uploadOnly(m)
	}
	if w.out.v2 {
		defer func() {
			if !edit {
				instead, edit = w.fill(m)
			}
		}()
	}
	p := w.out.peer.Load()
	if p == nil {
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
		w.startTelling()
		if w.fast.Load() {
			return haveNone, true
		}
		return nil, true // BEP 3: who has nothing need not say so
	case pp.Have, pp.AllowedFast:
		// An allowed-fast set (BEP 6) would show pieces as well.
		return nil, p.hidden()
	case pp.HaveNone:
		// The client does not have it all, whatever its owner thinks.
		p.leave()
		w.free.Store(!w.out.v2)
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

// tell puts pieces in line to be told. It does not wait.
func (w *wire) tell(pieces []int) {
	var m []byte
	for _, i := range pieces {
		m = append(m, 0, 0, 0, 5, byte(pp.Have))
		m = binary.BigEndian.AppendUint32(m, uint32(i))
	}
	w.put(m, 0)
}

// say puts a whole message that was asked for in line. Who asks without reading is not heard; see unread.go.
func (w *wire) say(m []byte) {
	w.owe(int64(len(m)))
	w.put(m, int64(len(m)))
	w.startTelling()
}

// put puts messages in line, of which owed bytes were asked for.
func (w *wire) put(m []byte, owed int64) {
	w.queue.Lock()
	w.line = append(w.line, m...)
	w.owed += owed
	w.queue.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *wire) startTelling() {
	w.teller.Do(func() { w.e.whileOpen(w, w.tellLine) })
}

// tellLine writes what is in line between the client's messages, until the connection ends. What the client says goes
// out in whole messages: w is not free.
func (w *wire) tellLine() {
	for {
		select {
		case <-w.closed:
			return
		case <-w.e.ctx.Done():
			return
		case <-w.ready:
		}
		w.queue.Lock()
		b, owed := w.line, w.owed
		w.line, w.owed = nil, 0
		w.queue.Unlock()
		w.out.mu.Lock()
		_, err := w.Conn.Write(b)
		w.out.mu.Unlock()
		if err != nil {
			return
		}
		w.pay(owed)
	}
}

// Close ends what waits for the connection.
func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.e.unread.forget(w)
		if p := w.out.peer.Load(); p != nil {
			p.leave()
		}
	})
	return w.Conn.Close()
}
