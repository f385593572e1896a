package engine

import (
	"encoding/binary"
	"errors"
	"slices"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// inbound is what the peer says. It belongs to the goroutine that reads.
type inbound struct {
	handshake [handshakeBytes]byte
	shaken    int
	judge     *judge // once the first message is there
	part      []byte // of a message that is not here as far as it is looked at
	left      int    // bytes of the message under way that pass unseen
	skip      int    // bytes of it that do not pass
	out       []byte // judged, and to be given on before anything else
	rest      []byte // that waits until the peer has read what it asked for
	err       error  // ends the connection
}

// knownBits are the reserved bits of a handshake that mean something to the client: BEP 4, 5, 6, 10 and 52. It counts
// handshakes by these bytes for as long as the process lives, and so must not see any others.
var knownBits = [8]byte{5: 0x10, 7: 0x01 | fastBit | 0x10}

// Read gives on what the client can bear; see judge.go. Blocks are not copied.
func (w *wire) Read(b []byte) (int, error) {
	in := &w.in
	for {
		switch {
		case len(in.out) > 0:
			n := copy(b, in.out)
			in.out = in.out[n:]
			return n, nil
		case in.err != nil:
			w.Close()
			return 0, in.err
		case len(in.rest) > 0:
			if in.err = w.waitRead(); in.err != nil {
				continue
			}
			rest := in.rest
			in.rest = nil
			if n := w.pass(rest); n > 0 {
				in.out = rest[:n]
			}
			continue
		}
		n, err := w.Conn.Read(b)
		if n = w.pass(b[:n]); n > 0 {
			return n, nil // an error will be there again
		}
		if err != nil && in.err == nil && len(in.out) == 0 && len(in.rest) == 0 {
			return 0, err
		}
	}
}

// pass judges messages, however they are cut. What is for the client is at the beginning of b, or, where that cannot be,
// in w.in.out.
func (w *wire) pass(b []byte) (n int) {
	in := &w.in
	r := 0 // looked at
	if in.shaken < handshakeBytes {
		r = w.shake(b)
		n = r
	}
	moved := false
	for r < len(b) && in.err == nil {
		if k := min(in.skip, len(b)-r); k > 0 {
			in.skip -= k
			r += k
			continue
		}
		var m []byte // for the client
		if k := min(in.left, len(b)-r); k > 0 {
			in.left -= k
			m = b[r : r+k]
			r += k
		} else {
			if w.owes() >= maxOwed {
				in.rest = append(slices.Clone(in.part), b[r:]...)
				in.part = in.part[:0]
				break
			}
			m, r = w.message(b, r)
		}
		switch {
		case len(m) == 0:
		case moved:
			in.out = append(in.out, m...)
		case &m[0] == &b[max(r-len(m), 0)]: // it lies in b
			if n < r-len(m) {
				copy(b[n:], m)
			}
			n += len(m)
		default:
			moved = true
			in.out = append(append(in.out[:0], b[:n]...), m...)
			n = 0
		}
	}
	return n
}

// shake follows the handshake.
func (w *wire) shake(b []byte) int {
	in := &w.in
	n := min(handshakeBytes-in.shaken, len(b))
	for i := range n {
		if k := in.shaken + i - reservedBegin; k >= 0 && k < len(knownBits) {
			b[i] &= knownBits[k]
		}
	}
	copy(in.handshake[in.shaken:], b[:n])
	if in.shaken += n; in.shaken == handshakeBytes {
		w.fast.Store(in.fast())
	}
	return n
}

// message looks at the message that begins at b[r], or has begun before b. It gives what the client is to see of it so
// far, and what has been looked at.
func (w *wire) message(b []byte, r int) (give []byte, next int) {
	in := &w.in
	m, split := b[r:], len(in.part) > 0
	for {
		if split {
			k := min(in.want()-len(in.part), len(b)-r)
			in.part = append(in.part, b[r:r+k]...)
			r += k
			m = in.part
		}
		if in.judge == nil && len(m) > lengthBytes {
			if in.judge = w.newJudge(); in.judge == nil {
				in.err = errNoTorrent
				return nil, r
			}
		}
		want, err := in.judge.want(m)
		switch {
		case err != nil:
			in.err = err
			return nil, r
		case len(m) >= want:
			m = m[:want]
		case split && r < len(b):
			continue
		default:
			if !split {
				in.part = append(in.part[:0], m...)
			}
			return nil, len(b)
		}
		break
	}
	if !split {
		r += len(m)
	}
	in.part = in.part[:0]
	more := lengthBytes + int(binary.BigEndian.Uint32(m)) - len(m)
	give, in.err = in.judge.message(w, m)
	if give == nil {
		in.skip = more
		return nil, r
	}
	if p := w.out.peer.Load(); p != nil && len(m) > lengthBytes && in.err == nil {
		p.said(m[lengthBytes:])
	}
	in.left = more
	return give, r
}

// want is how much of the message that has begun is looked at, as far as is known.
func (in *inbound) want() int {
	n, err := in.judge.want(in.part)
	if err != nil {
		return len(in.part)
	}
	return n
}

// fast says whether both sides speak the fast extension (BEP 6): the client always does.
func (in *inbound) fast() bool { return in.handshake[fastByte]&fastBit != 0 }

var errNoTorrent = errors.New("the peer's handshake is about no torrent that is here")

// kindOf is the type of a message with its length before it.
func kindOf(m []byte) pp.MessageType { return pp.MessageType(m[lengthBytes]) }
