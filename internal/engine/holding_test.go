package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

const heldPieces = 20

// message is one as it travels.
func message(kind pp.MessageType, body ...byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(1+len(body))), byte(kind)), body...)
}

func haveOf(i byte) []byte { return message(pp.Have, 0, 0, 0, i) }

// spoken are the messages in b, in short, and what is left.
func spoken(b []byte) (said []string, rest []byte) {
	for len(b) >= lengthBytes {
		size := lengthBytes + int(binary.BigEndian.Uint32(b))
		if size > len(b) {
			break
		}
		if size == lengthBytes {
			said = append(said, "keep-alive")
		} else if m := b[lengthBytes:size]; pp.MessageType(m[0]) == pp.Piece {
			said = append(said, "Piece")
		} else {
			said = append(said, fmt.Sprintf("%v %x", pp.MessageType(m[0]), m[1:]))
		}
		b = b[size:]
	}
	return said, b
}

// greetedHolding is one that both handshakes are through on.
func greetedHolding(t testing.TB, c net.Conn, now func() time.Time) *holding {
	t.Helper()
	h := newHolding(c, now, func([20]byte) (int, bool) { return heldPieces, true })
	if _, err := h.Write(make([]byte, handshakeBytes)); err != nil {
		t.Fatal(err)
	}
	return h
}

func theirHandshake(fast bool) []byte {
	b := make([]byte, handshakeBytes)
	if fast {
		b[fastByte] = fastBit
	}
	return b
}

func TestHaveIsHeldUntilItIsOfUse(t *testing.T) {
	request := message(pp.Request, make([]byte, 12)...)
	block := message(pp.Piece, make([]byte, 8+16<<10)...)
	reject := message(pp.Reject, make([]byte, 12)...)
	rejected := fmt.Sprintf("%v %x", pp.Reject, make([]byte, 12))
	for _, c := range []struct {
		name  string
		fast  bool
		asked int
		comes [][]byte
		want  []string
	}{
		{"nothing is waited for", true, 0, [][]byte{haveOf(3), haveOf(4)}, []string{"Have 00000003", "Have 00000004"}},
		{"half has come", true, 4, [][]byte{haveOf(3), haveOf(8), block, block, haveOf(9), block, block},
			[]string{"Piece", "Piece", "Bitfield 10c000", "Piece", "Piece"}},
		{"a single one", true, 2, [][]byte{haveOf(3), block, block}, []string{"Piece", "Have 00000003", "Piece"}},
		{"rejected", true, 2, [][]byte{haveOf(3), reject, reject}, []string{rejected, "Have 00000003", rejected}},
		{"choked, which rejects", false, 4, [][]byte{haveOf(3), message(pp.Choke), haveOf(4)}, []string{"Have 00000003", "Choke ", "Have 00000004"}},
		{"choked, and rejects follow", true, 4, [][]byte{haveOf(3), message(pp.Choke), haveOf(4), message(pp.Unchoke)},
			[]string{"Have 00000003", "Choke ", "Have 00000004", "Unchoke "}},
		{"on top of a bitfield", true, 1, [][]byte{message(pp.Bitfield, 0x80, 0, 0), {0, 0, 0, 0}, haveOf(1), haveOf(2), message(pp.Unchoke)},
			[]string{"Bitfield 800000", "keep-alive", "Bitfield e00000", "Unchoke "}},
		{"an empty bitfield", true, 1, [][]byte{message(pp.Bitfield), message(pp.Suggest, 0, 0, 0, 1), haveOf(1), haveOf(2), message(pp.Unchoke)},
			[]string{"Bitfield ", "Suggest 00000001", "Bitfield 600000", "Unchoke "}},
		{"everything", true, 4, [][]byte{haveOf(3), message(pp.HaveAll), haveOf(3)}, []string{"HaveAll ", "Have 00000003"}},
		{"a piece that there is not", true, 4, [][]byte{haveOf(3), haveOf(heldPieces)}, []string{"Have 00000003", "Have 00000014"}},
		{"a malformed one", true, 4, [][]byte{message(pp.Have, 1)}, []string{"Have 01"}},
		{"the end", true, 4, [][]byte{haveOf(3), haveOf(4)}, []string{"Bitfield 180000"}},
	} {
		for _, by := range []int{1, 7, 100_000} {
			t.Run(fmt.Sprintf("%s/%d bytes at a time", c.name, by), func(t *testing.T) {
				h := greetedHolding(t, &cut{data: slices.Concat(theirHandshake(c.fast), slices.Concat(c.comes...)), by: by}, time.Now)
				if _, err := h.Write(bytes.Repeat(request, c.asked)); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(h)
				if err != nil {
					t.Fatal(err)
				}
				said, rest := spoken(got[handshakeBytes:])
				if !slices.Equal(said, c.want) || len(rest) > 0 {
					t.Errorf("got %q and %x, want %q", said, rest, c.want)
				}
			})
		}
	}
}

// A peer that falls silent delays no news.
func TestHaveIsHeldForAMoment(t *testing.T) {
	us, them := net.Pipe()
	defer them.Close()
	long := func() time.Time { return time.Now().Add(-2 * heldTime) }
	go func() { // the handshake, and a request
		io.ReadFull(them, make([]byte, handshakeBytes+17))
		them.Write(slices.Concat(theirHandshake(true), haveOf(3), haveOf(5)))
	}()
	h := greetedHolding(t, us, long)
	defer h.Close()
	if _, err := h.Write(message(pp.Request, make([]byte, 12)...)); err != nil {
		t.Fatal(err)
	}
	want := message(pp.Bitfield, 0x14, 0, 0)
	got := make([]byte, handshakeBytes+len(want))
	if _, err := io.ReadFull(h, got); err != nil || !bytes.Equal(got[handshakeBytes:], want) {
		t.Errorf("got %x, %v, want %x", got[handshakeBytes:], err, want)
	}
	if err := us.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline of the client's: got %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// Of what is not fetched nothing is looked at.
func TestHoldingOfASeed(t *testing.T) {
	data := slices.Concat(theirHandshake(true), haveOf(1), []byte{1, 2, 3})
	h := newHolding(&cut{data: slices.Clone(data), by: 50}, time.Now, func([20]byte) (int, bool) { return heldPieces, false })
	if _, err := h.Write(make([]byte, handshakeBytes)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(h)
	if err != nil || !bytes.Equal(got, data) || !h.free.Load() {
		t.Errorf("got %x, %v, free %v, want %x as it came", got, err, h.free.Load(), data)
	}
}

// heardBy is what a client has heard at the end of b: what the peer has, and all else in its order.
func heardBy(b []byte) (have map[int]bool, rest [][]byte) {
	have = map[int]bool{}
	for len(b) >= lengthBytes {
		size := lengthBytes + int(binary.BigEndian.Uint32(b))
		if size > len(b) {
			break
		}
		m := b[:size]
		b = b[size:]
		if size == lengthBytes {
			rest = append(rest, m)
			continue
		}
		body := m[lengthBytes+1:]
		switch kind := pp.MessageType(m[lengthBytes]); {
		case kind == pp.Have && len(body) == 4:
			have[int(binary.BigEndian.Uint32(body))] = true
		case kind == pp.Bitfield:
			for i := range heldPieces {
				delete(have, i)
				if i/8 < len(body) && body[i/8]&(0x80>>(i%8)) != 0 {
					have[i] = true
				}
			}
		case kind == pp.HaveNone:
			clear(have)
			rest = append(rest, m)
		default:
			rest = append(rest, m)
		}
	}
	return have, append(rest, b)
}

// FuzzHolding sends anything both ways, cut anywhere: at the end the client has heard all there was to hear.
func FuzzHolding(f *testing.F) {
	f.Add(slices.Concat(haveOf(3), haveOf(4), message(pp.Piece, 1, 2, 3, 4, 5, 6, 7, 8, 9), haveOf(200)), message(pp.Request, make([]byte, 12)...), 3)
	f.Add(slices.Concat(message(pp.Bitfield, 0xf0), haveOf(9), haveOf(10), message(pp.Choke), []byte{0, 0, 0, 0, 0, 0, 1}), bytes.Repeat(message(pp.Request, make([]byte, 12)...), 5), 100)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, byte(pp.Bitfield), 1, 2, 3}, []byte{0, 0, 0, 0, 0, 0, 0, 1, byte(pp.Cancel)}, 1)
	f.Fuzz(func(t *testing.T, in, out []byte, by int) {
		c := &cut{data: append(theirHandshake(len(in)%2 == 0), in...), by: max(by, 1)}
		h := greetedHolding(t, c, time.Now)
		if n, err := h.Write(out); n != len(out) || err != nil {
			t.Fatal(n, err)
		}
		if sent := c.got.Bytes()[handshakeBytes:]; !bytes.Equal(sent, out) {
			t.Errorf("sent %x, want %x", sent, out)
		}
		got, err := io.ReadAll(h)
		if err != nil {
			t.Fatal(err)
		}
		have, rest := heardBy(got[handshakeBytes:])
		wantHave, wantRest := heardBy(in)
		if !maps.Equal(have, wantHave) || !slices.EqualFunc(rest, wantRest, bytes.Equal) {
			t.Errorf("got %v and %x, want %v and %x", have, rest, wantHave, wantRest)
		}
	})
}
