package engine

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// FuzzClient sends a real client anything after a handshake, over a connection of its own: at a v1 and a v2 torrent that
// are seeded, at both while they are fetched, at a look-up, and through the way of a private group. A panic of the
// client ends the process, and is found so.
func FuzzClient(f *testing.F) {
	c := newFuzzed(f)
	for where := range uint8(len(c.places)) {
		for _, set := range [][]sample{badMessages, leftOut, goodMessages} {
			for _, m := range set {
				f.Add(where, uint8(1), m.bytes)
				f.Add(where, uint8(0), cat(ext(0, offersAll), msg(pp.Unchoke), m.bytes))
			}
		}
		f.Add(where, uint8(0x80), []byte("a program of messages that makes use of every number there is, 0123456789"))
	}
	f.Add(uint8(0), uint8(0), cat(msg(pp.HaveAll), msg(pp.HaveNone), msg(pp.Have, nums(1)...)))
	f.Fuzz(func(t *testing.T, where, how uint8, data []byte) { c.try(t, where, how, data) })
}

// fuzzed is the engine under attack.
type fuzzed struct {
	e, private *Engine
	places     []fuzzedPlace
	runs       int
	fetches    []func(testing.TB) *Torrent
	open       []*Torrent
}

type fuzzedPlace struct {
	addr string
	hash [20]byte
	root [32]byte
}

func newFuzzed(f *testing.F) *fuzzed {
	c := &fuzzed{e: start(f, func(s *Settings) { s.Log, s.UTP = quiet(), true })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	if c.private, err = c.e.Private(plainTransport{l}); err != nil {
		f.Fatal(err)
	}
	seeded, fetched, inside := newPayload(f, 300<<10, false), newPayload(f, 400<<10, false), newPayload(f, 200<<10, true)
	seeded.seed(f, c.e, Spec{})
	inside.seed(f, c.private, Spec{})
	v2 := newLayered(f)
	v2.add(f, c.e, true)
	v2f := newLayered(f)
	v2f.rename('m')
	look := [20]byte{'l', 'o', 'o', 'k'}
	c.fetches = []func(testing.TB) *Torrent{
		func(t testing.TB) *Torrent {
			m := &memory{data: make([]byte, len(fetched.data)), done: map[int]bool{}}
			tt, err := c.e.Add(Spec{V1: &fetched.hash, Info: fetched.info, Storage: m, Total: int64(len(fetched.data))})
			if err != nil {
				t.Fatal(err)
			}
			tt.Want(0, fetched.pieces)
			return tt
		},
		func(t testing.TB) *Torrent { return v2f.add(t, c.e, false) },
		func(t testing.TB) *Torrent {
			tt, err := c.e.Add(Spec{V1: (*metainfo.Hash)(&look)})
			if err != nil {
				t.Fatal(err)
			}
			return tt
		},
	}
	for _, add := range c.fetches {
		c.open = append(c.open, add(f))
	}
	c.places = []fuzzedPlace{
		{at(c.e), seeded.hash, [32]byte{}}, {at(c.e), v2.short(), v2.root}, {at(c.e), fetched.hash, [32]byte{}},
		{at(c.e), v2f.short(), v2f.root}, {at(c.e), look, [32]byte{}}, {l.Addr().String(), inside.hash, [32]byte{}},
	}
	return c
}

// try is one connection. The client ends it when it has read all.
func (c *fuzzed) try(t *testing.T, where, how uint8, data []byte) {
	p := c.places[int(where)%len(c.places)]
	if how&0x80 != 0 {
		data = program(data, p.root)
	}
	bits := allBits
	if how&1 != 0 {
		bits[7] &^= fastBit
	}
	if how&2 != 0 {
		bits[5] = 0
	}
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatalf("nobody listens any more: %v", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	shake := handshake(payload{hash: p.hash}, fmt.Sprintf("-XX0001-%012d", c.runs), true)
	copy(shake[reservedBegin:], bits[:])
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(io.Discard, conn) }()
	conn.Write(cat(shake, data)) // it may be closed before all is written
	conn.(*net.TCPConn).CloseWrite()
	<-read
	if c.runs++; c.runs%50 == 0 { // the client counts what peers had when a torrent ends
		for i, add := range c.fetches {
			c.open[i].Close()
			c.open[i] = add(t)
		}
	}
}

// program makes messages of almost the right form out of anything.
func program(data []byte, root [32]byte) (out []byte) {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	edges := []uint32{0, 1, 2, 4, 5, 6, 9, 12, 19, 0x3fff, 0x4000, 0x4001, 1 << 15, 1 << 16, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1}
	num := func() uint32 { return edges[int(next())%len(edges)] }
	words := []string{
		offersAll, "d1:md11:ut_metadatai3e6:ut_pexi1e12:ut_holepunchi4ee4:reqqi250e13:metadata_sizei%dee", "d1:mde1:pi%dee", "d1:mde4:reqqi-%dee",
		"d8:msg_typei0e5:piecei%dee", "d8:msg_typei1e5:piecei0e10:total_sizei%dee123", "d8:msg_typei2e5:piecei%dee", "d5:added12:abcdefghijkl7:added.f2:\x00\x01e",
		"d6:added618:abcdefghijklmnopqre", "d7:dropped6:abcdefe", "d5:added5:abcdee", "d5:addedi%dee", "d1:mli%deee", "d1:vi%dee", "d13:metadata_size1:%dee", "de", "",
	}
	for len(data) > 0 {
		kind := pp.MessageType(next() % 24)
		switch kind {
		case pp.Have, pp.Suggest, pp.AllowedFast:
			out = append(out, msg(kind, nums(num())...)...)
		case pp.Request, pp.Cancel, pp.Reject:
			out = append(out, msg(kind, nums(num(), num(), num())...)...)
		case pp.Piece:
			out = append(out, msg(kind, cat(nums(num(), num()), make([]byte, min(num(), 1<<14)))...)...)
		case pp.Bitfield:
			b := make([]byte, next()%5)
			for i := range b {
				b[i] = next()
			}
			out = append(out, msg(kind, b...)...)
		case pp.Extended:
			w := words[int(next())%len(words)]
			if i := next(); i%3 == 0 {
				w = string(append([]byte{next() % 3, next() % 2}, punch[2:]...))
			}
			if n := num(); len(w) > 0 {
				w = replaced(w, n)
			}
			out = append(out, ext(next()%6, w)...)
		case pp.HashRequest, pp.HashReject:
			r := root
			r[0] ^= next() % 2
			out = append(out, hashMsg(kind, r, num(), num(), num(), num())...)
		case pp.Hashes:
			out = append(out, msg(kind, cat(root[:], nums(num(), num(), num(), num()), make([]byte, 32*int(next()%9)))...)...)
		case pp.Port:
			out = append(out, msg(kind, next(), next())...)
		default:
			out = append(out, msg(kind)...)
		}
		if next()%32 == 31 { // of another length
			binary.BigEndian.PutUint32(out[len(out)-min(len(out), 5):], num())
		}
	}
	return out
}

func replaced(w string, n uint32) string {
	for i := 0; i+1 < len(w); i++ {
		if w[i] == '%' && w[i+1] == 'd' {
			return w[:i] + fmt.Sprint(n) + w[i+2:]
		}
	}
	return w
}
