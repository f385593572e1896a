package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// allBits are the reserved bits of a peer that speaks everything.
var allBits = knownBits

// meet connects to addr and shakes hands about hash.
func meet(t testing.TB, addr string, hash [20]byte, bits [8]byte, obfuscated bool) (io.ReadWriter, *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	rw := io.ReadWriter(c)
	if obfuscated {
		if rw, _, err = mse.InitiateHandshake(c, hash[:], nil, mse.CryptoMethodRC4); err != nil {
			t.Fatal(err)
		}
	}
	shake := handshake(payload{hash: hash}, fmt.Sprintf("-XX0001-%012d", rand.Int64N(1e12)), true)
	copy(shake[reservedBegin:], bits[:])
	if _, err := rw.Write(shake); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(rw, shake); err != nil {
		t.Fatal(err)
	}
	return rw, c.(*net.TCPConn)
}

// hear reads messages until f has heard enough, or the connection ends.
func hear(t testing.TB, r io.Reader, f func(m []byte) (enough bool)) {
	t.Helper()
	for {
		head := make([]byte, lengthBytes)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatalf("no more messages: %v", err)
		}
		m := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(r, m); err != nil {
			t.Fatalf("no more messages: %v", err)
		}
		if len(m) > 0 && f(m) {
			return
		}
	}
}

// wide is a payload whose metadata is of more than so many parts.
func wide(t *testing.T, private bool, parts int) payload {
	t.Helper()
	p := newPayload(t, 64<<10, private)
	var info metainfo.Info
	if err := bencode.Unmarshal(p.info, &info); err != nil {
		t.Fatal(err)
	}
	info.Source = strings.Repeat("s", parts*metadataPart)
	var err error
	if p.info, err = bencode.Marshal(info); err != nil {
		t.Fatal(err)
	}
	p.hash = metainfo.HashBytes(p.info)
	return p
}

// layered is a v2 torrent of a file of 5 pieces, one of a part of a piece, and an empty one.
type layered struct {
	info   []byte
	hash   [32]byte
	root   [32]byte
	layers map[string]string
	data   []byte
}

func newLayered(t testing.TB) layered {
	t.Helper()
	const length = 16 << 10
	l := layered{data: make([]byte, 5*length+100)}
	rand.NewChaCha8([32]byte{1}).Read(l.data)
	var hashes [][32]byte
	for i := range 5 {
		hashes = append(hashes, sha256.Sum256(l.data[i*length:(i+1)*length]))
	}
	l.root = merkle.RootWithPadHash(hashes, metainfo.HashForPiecePad(length))
	l.layers = map[string]string{string(l.root[:]): string(bytes.Join(func() (s [][]byte) {
		for _, h := range hashes {
			s = append(s, h[:])
		}
		return s
	}(), nil))}
	small := sha256.Sum256(l.data[5*length:])
	l.info = fmt.Appendf(nil, "d9:file treed1:ad0:d6:lengthi%de11:pieces root32:%see1:bd0:d6:lengthi100e11:pieces root32:%see1:cd0:d6:lengthi0eeee12:meta versioni2e4:name1:n12:piece lengthi16384ee",
		5*length, l.root[:], small[:])
	l.hash = sha256.Sum256(l.info)
	return l
}

// rename makes another torrent of it.
func (l *layered) rename(name byte) {
	l.info = bytes.Replace(l.info, []byte("4:name1:n"), []byte{'4', ':', 'n', 'a', 'm', 'e', '1', ':', name}, 1)
	l.hash = sha256.Sum256(l.info)
}

func (l layered) short() [20]byte { return [20]byte(l.hash[:20]) }

func (l layered) add(t testing.TB, e *Engine, seed bool) *Torrent {
	t.Helper()
	m := &memory{data: bytes.Clone(l.data), done: map[int]bool{}}
	s := Spec{V2: &l.hash, Info: l.info, PieceLayers: l.layers, Storage: m}
	if !seed {
		m.data, s.Total = make([]byte, len(l.data)), int64(len(l.data))
	}
	for i := range 6 {
		m.done[i] = seed
	}
	tt, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	if !seed {
		tt.Want(0, 6)
	}
	return tt
}

// lives says whether the process still serves p, which must be seeded by e.
func lives(t *testing.T, e *Engine, addr string, p payload) {
	t.Helper()
	rw, _ := meet(t, addr, p.hash, allBits, false)
	if _, err := rw.Write(cat(ext(0, offersAll), ext(idMetadata, "d8:msg_typei0e5:piecei0ee"))); err != nil {
		t.Fatal(err)
	}
	hear(t, rw, func(m []byte) bool { return m[0] == byte(pp.Extended) && m[1] == 7 })
}

// Each of these once ended the process.
func TestOneMessageDoesNotEndTheProcess(t *testing.T) {
	rendezvous := ext(idPunch-1, punch) // as it was offered before it was not
	for name, tc := range map[string]struct {
		utp, obfuscated bool
		messages        []byte
	}{
		"rendezvous":                 {false, false, rendezvous},
		"rendezvous, obfuscated":     {false, true, rendezvous},
		"rendezvous, with uTP":       {true, false, ext(idPunch, punch)},
		"rendezvous, as offered":     {true, false, cat(ext(0, offersAll), ext(idPunch, punch))},
		"everything, nothing, a bit": {false, false, cat(msg(pp.HaveAll), msg(pp.HaveNone), msg(pp.Have, nums(1)...))},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, func(s *Settings) { s.UTP = tc.utp })
			p := newPayload(t, 100<<10, false)
			tt := p.seed(t, e, Spec{})
			rw, _ := meet(t, at(e), p.hash, allBits, tc.obfuscated)
			if _, err := rw.Write(cat(tc.messages, ext(0, offersAll), ext(idMetadata, "d8:msg_typei0e5:piecei0ee"))); err != nil {
				t.Fatal(err)
			}
			for { // until all of it has been dealt with
				var b [1 << 10]byte
				if n, err := rw.Read(b[:]); err != nil || bytes.Contains(b[:n], []byte("total_size")) {
					break
				}
			}
			lives(t, e, at(e), p)
			tt.Close() // the client looks at what peers had
		})
	}
}

// Who asks and does not read is not heard any more, and costs next to nothing.
func TestUnreadAnswersAreBounded(t *testing.T) {
	// All of it, as often as it is given to a connection, is more than waits in sockets: they have 4 MiB at most.
	const parts = 100
	big := func(t *testing.T, e *Engine) (string, [20]byte, payload) {
		p := wide(t, false, parts)
		p.seed(t, e, Spec{})
		return at(e), p.hash, p
	}
	layers := newLayered(t)
	for name, tc := range map[string]struct {
		obfuscated bool
		where      func(*testing.T, *Engine) (string, [20]byte, payload)
		message    func(i int) []byte
		owed       bool // for sure: what is given to each connection is more than waits in sockets
	}{
		"metadata":             {false, big, func(i int) []byte { return ext(idMetadata, "d8:msg_typei0e5:piecei0ee") }, true},
		"metadata, obfuscated": {true, big, func(i int) []byte { return ext(idMetadata, "d8:msg_typei0e5:piecei4ee") }, true},
		"metadata, by a member": {false, func(t *testing.T, e *Engine) (string, [20]byte, payload) {
			c, tr := privateOf(t, e)
			p := wide(t, true, parts)
			p.seed(t, c, Spec{})
			return tr.l.Addr().String(), p.hash, payload{}
		}, func(i int) []byte { return ext(idMetadata, "d8:msg_typei0e5:piecei1ee") }, true},
		"hashes": {false, func(t *testing.T, e *Engine) (string, [20]byte, payload) {
			layers.add(t, e, true)
			return at(e), layers.short(), payload{}
		}, func(i int) []byte { return hashMsg(pp.HashRequest, layers.root, 0, 0, 8, 0) }, false},
		"refusals": {false, big, func(i int) []byte {
			return msg(pp.Request, nums(uint32(i%2), uint32(i/2%(16<<10)), uint32(1+i/(32<<10)))...)
		}, true},
		"cancels": {false, big, func(i int) []byte {
			block := nums(uint32(i%2), uint32(i/2%(16<<10)), uint32(1+i/(32<<10)))
			return cat(msg(pp.Request, block...), msg(pp.Cancel, block...))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, nil)
			addr, hash, p := tc.where(t, e)
			rw, c := meet(t, addr, hash, allBits, tc.obfuscated)
			c.SetReadBuffer(4 << 10)
			if _, err := rw.Write(ext(0, offersAll)); err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			// It is not heard any more at some time, unless the process grows or gives nothing.
			const most, all = 1 << 20, 40 << 20
			owed, sent := int64(0), 0
			var batch []byte
			for i := 0; owed <= most && sent < all; i++ {
				if batch = append(batch, tc.message(i)...); len(batch) < 16<<10 {
					continue
				}
				c.SetWriteDeadline(time.Now().Add(2 * time.Second))
				n, err := rw.Write(batch)
				sent += n
				owed = max(owed, e.unread.bytes.Load())
				if err != nil {
					break
				}
				batch = batch[:0]
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
				t.Errorf("the process has grown by %d MB, want it to stay", grown>>20)
			}
			if owed > most {
				t.Errorf("%d bytes were owed to the peer, want %d at most", owed, most)
			}
			if tc.owed && owed == 0 {
				t.Error("nothing was owed to the peer: the test proves nothing")
			}
			if p.data != nil {
				lives(t, e, at(e), p)
			}
			c.Close()
		})
	}
}

// Who asks for much and reads it gets all of it.
func TestMuchMetadataIsGivenToWhoReads(t *testing.T) {
	e := start(t, nil)
	p := wide(t, false, 5)
	p.seed(t, e, Spec{})
	rw, _ := meet(t, at(e), p.hash, allBits, false)
	parts := (len(p.info) + metadataPart - 1) / metadataPart
	const times = 20 // more than a connection is owed at a time
	all := ext(0, offersAll)
	for i := range times * parts {
		all = append(all, ext(idMetadata, fmt.Sprintf("d8:msg_typei0e5:piecei%dee", i%parts))...)
	}
	if _, err := rw.Write(all); err != nil {
		t.Fatal(err)
	}
	n := 0
	hear(t, rw, func(m []byte) bool {
		if m[0] == byte(pp.Extended) && m[1] == 7 {
			n++
		}
		return n == times*parts
	})
	await(t, "nothing owed", func() bool { return e.unread.bytes.Load() == 0 })
}

// A peer that has thousands of requests under way is given every block, or told that it gets it not.
func TestManyRequestsAreAnswered(t *testing.T) {
	e := start(t, nil)
	p := newPayload(t, 8<<20, false)
	p.seed(t, e, Spec{})
	rw, _ := meet(t, at(e), p.hash, allBits, false)
	const blocks = 512 * 8 // of 2 KiB
	var all []byte
	for i := range blocks {
		all = append(all, msg(pp.Request, nums(uint32(i/16), uint32(i%16*2048), 2048)...)...)
	}
	unchoked := make(chan struct{})
	var once sync.Once
	wrote := make(chan error, 1)
	go func() {
		<-unchoked
		_, err := rw.Write(all)
		wrote <- err
	}()
	answered := map[string]bool{}
	hear(t, rw, func(m []byte) bool {
		switch pp.MessageType(m[0]) {
		case pp.Unchoke:
			once.Do(func() { close(unchoked) })
		case pp.Piece, pp.Reject:
			answered[string(m[1:9])] = true
		}
		return len(answered) == blocks
	})
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	await(t, "nothing owed", func() bool { return e.unread.bytes.Load() == 0 })
}

// Over the bound of all connections the one ends that has read nothing for the longest.
func TestOwedInAll(t *testing.T) {
	e := blank(settings(t))
	e.ctx = t.Context()
	wires := make([]*wire, 3)
	for i := range wires {
		wires[i] = e.follow(&cut{}).(*wire)
		wires[i].owe(maxOwedAll / 3)
	}
	closed := func(w *wire) bool {
		select {
		case <-w.closed:
			return true
		default:
			return false
		}
	}
	wires[0].pay(1)
	wires[2].owe(10)
	if closed(wires[0]) || !closed(wires[1]) || closed(wires[2]) {
		t.Errorf("ended: %v, %v, %v; want the second alone", closed(wires[0]), closed(wires[1]), closed(wires[2]))
	}
	wires[0].Close()
	wires[2].Close()
	wires[2].owe(5) // what it said last
	if got := e.unread.bytes.Load(); got != 0 || len(e.unread.owing) != 0 {
		t.Errorf("%d bytes are owed to %d connections that have ended", got, len(e.unread.owing))
	}
}

// What ends a connection of ours costs that connection.
func TestFaultEndsTheConnection(t *testing.T) {
	e := blank(settings(t))
	e.settings.Log = quiet()
	raw := &cut{data: make([]byte, 200), by: 10}
	c := &contained{Conn: faultyConn{}, e: e, raw: raw}
	if _, err := c.Read(nil); !errors.Is(err, errFault) {
		t.Errorf("reading: %v, want %v", err, errFault)
	}
	if _, err := c.Write(nil); !errors.Is(err, errFault) {
		t.Errorf("writing: %v, want %v", err, errFault)
	}
	if err := c.SetDeadline(time.Now()); err != nil {
		t.Errorf("a deadline of a closed connection: %v, which the client does not bear", err)
	}
	if !raw.closed {
		t.Error("the connection is open")
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type faultyConn struct{ net.Conn }

func (faultyConn) Read([]byte) (int, error)    { panic("read") }
func (faultyConn) Write([]byte) (int, error)   { panic("write") }
func (faultyConn) SetDeadline(time.Time) error { return os.ErrClosed }
