package engine

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// foreign is a peer of another client's, by hand.
type foreign struct {
	t    testing.TB
	conn net.Conn
	rw   io.ReadWriter
}

// call connects to e and shakes hands about p.
func call(t testing.TB, e *Engine, p payload, obfuscated, fast bool) *foreign {
	t.Helper()
	return callAs(t, e, p, "-XX0001-"+time.Now().Format("150405.00000"), obfuscated, fast)
}

// callAs calls with a peer ID.
func callAs(t testing.TB, e *Engine, p payload, id string, obfuscated, fast bool) *foreign {
	t.Helper()
	c, err := net.Dial("tcp", at(e))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	f := &foreign{t: t, conn: c, rw: c}
	if obfuscated {
		if f.rw, _, err = mse.InitiateHandshake(c, p.hash[:], nil, mse.CryptoMethodRC4); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.rw.Write(handshake(p, id, fast)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, handshakeBytes)
	if _, err := io.ReadFull(f.rw, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[hashBegin:hashEnd], p.hash[:]) {
		t.Fatalf("the handshake is about %x, want %x", got[hashBegin:hashEnd], p.hash)
	}
	return f
}

func handshake(p payload, id string, fast bool) []byte {
	b := append([]byte(pp.Protocol), make([]byte, 8)...)
	if fast {
		b[fastByte] |= fastBit
	}
	b = append(b, p.hash[:]...)
	return append(b, id[:20]...)
}

// next is the next message that says what the other side has.
func (f *foreign) next() (kind pp.MessageType, index int) {
	f.t.Helper()
	kind, index, err := f.hears()
	if err != nil {
		f.t.Fatalf("no more messages: %v", err)
	}
	return kind, index
}

func (f *foreign) hears() (kind pp.MessageType, index int, err error) {
	for {
		head := make([]byte, lengthBytes)
		if _, err := io.ReadFull(f.rw, head); err != nil {
			return 0, 0, err
		}
		m := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(f.rw, m); err != nil {
			return 0, 0, err
		}
		if len(m) == 0 {
			continue
		}
		switch k := pp.MessageType(m[0]); k {
		case pp.Have:
			return k, int(binary.BigEndian.Uint32(m[1:])), nil
		case pp.HaveAll, pp.HaveNone, pp.Bitfield, pp.AllowedFast:
			return k, -1, nil
		}
	}
}

func (f *foreign) have(i int) {
	f.t.Helper()
	if _, err := f.rw.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 5, byte(pp.Have)}, uint32(i))); err != nil {
		f.t.Fatal(err)
	}
}

// Any client is shown pieces, however its connection is made, and another with each that it has.
func TestSuperSeedOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name             string
		obfuscated, fast bool
	}{{"plain", false, false}, {"fast", false, true}, {"obfuscated", true, false}, {"obfuscated, fast", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, nil)
			p := newPayload(t, 1<<20, false)
			p.seed(t, e, Spec{})
			f := call(t, e, p, c.obfuscated, c.fast)
			call(t, e, p, false, true) // the first is not alone
			if c.fast {
				if kind, _ := f.next(); kind != pp.HaveNone {
					t.Fatalf("first told: got %v, want %v", kind, pp.HaveNone)
				}
			}
			shown := map[int]bool{}
			show := func(n int) (last int) {
				for range n {
					kind, i := f.next()
					if kind != pp.Have || shown[i] {
						t.Fatalf("got %v of piece %d, want another piece shown", kind, i)
					}
					shown[i], last = true, i
				}
				return last
			}
			last := show(superWindow)
			for range 3 {
				f.have(last)
				last = show(1)
			}
		})
	}
}

func TestSuperSeedOffOnTheWire(t *testing.T) {
	e := start(t, func(s *Settings) { s.SuperSeed = SuperSeedOff })
	p := newPayload(t, 1<<20, false)
	p.seed(t, e, Spec{})
	if kind, _ := call(t, e, p, false, true).next(); kind != pp.HaveAll {
		t.Errorf("with the fast extension: got %v, want %v", kind, pp.HaveAll)
	}
	if kind, _ := call(t, e, p, true, false).next(); kind != pp.Bitfield {
		t.Errorf("without: got %v, want %v", kind, pp.Bitfield)
	}
}

// Fetchers get everything from a super-seeding origin and from each other, over TCP and uTP, and one that comes late
// does too.
func TestSuperSeededFetch(t *testing.T) {
	for _, utp := range []bool{false, true} {
		seeder := start(t, func(s *Settings) { s.SuperSeed, s.UTP = SuperSeedOn, utp })
		p := newPayload(t, 3<<20, false)
		p.seed(t, seeder, Spec{})
		var wg sync.WaitGroup
		for range 3 {
			e := start(t, func(s *Settings) { s.UTP = utp })
			wg.Go(func() { p.fetch(t, e, Spec{Peers: []string{at(seeder)}}) })
		}
		wg.Wait()
		p.fetch(t, start(t, nil), Spec{Peers: []string{at(seeder)}})
	}
}

// We dial obfuscated first, and plainly who does not know it.
func TestDialFallsBackToPlain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	e := start(t, nil)
	p := newPayload(t, 64<<10, false)
	p.seed(t, e, Spec{Peers: []string{l.Addr().String()}})
	for n := range 20 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		head := make([]byte, handshakeBytes)
		_, err = io.ReadFull(c, head[:1])
		if err != nil || head[0] != pp.Protocol[0] {
			c.Close() // as a client that does not know obfuscation
			continue
		}
		if n == 0 {
			t.Error("the first attempt was plain, want it obfuscated")
		}
		if _, err := io.ReadFull(c, head[1:]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if !bytes.Equal(head[hashBegin:hashEnd], p.hash[:]) {
			t.Errorf("the handshake is about %x, want %x", head[hashBegin:hashEnd], p.hash)
		}
		return
	}
	t.Error("no plain attempt")
}

func TestGreetedCloses(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	g := newGreeted(a, func() (net.Conn, error) { return nil, net.ErrClosed })
	read := make(chan error)
	go func() {
		_, err := g.Read(make([]byte, 1))
		read <- err
	}()
	g.Close()
	if err := <-read; err == nil {
		t.Error("a read of a closed connection: got no error")
	}
	if _, err := g.Write(make([]byte, 100)); err == nil {
		t.Error("a write to a closed connection: got no error")
	}
}

// cut is a connection that gives bytes in pieces of its own, and keeps what is written.
type cut struct {
	net.Conn
	data []byte
	by   int
	got  bytes.Buffer

	closed bool
}

func (c *cut) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.data[:min(len(c.data), c.by)])
	c.data = c.data[n:]
	return n, nil
}

func (c *cut) Write(b []byte) (int, error)     { return c.got.Write(b) }
func (c *cut) Close() error                    { c.closed = true; return nil }
func (c *cut) SetReadDeadline(time.Time) error { return nil }
func (c *cut) RemoteAddr() net.Addr            { return &net.TCPAddr{} }

// FuzzWire sends anything both ways, cut anywhere: how it is cut makes no difference to what is given on, what goes is the
// same but for what is hidden, and nothing crashes.
func FuzzWire(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, byte(pp.HaveAll), 0, 0, 0, 5, byte(pp.Have), 0, 0, 0, 7, 0, 0, 0, 0}, 3, uint8(0))
	f.Add([]byte{0, 0, 0, 4, byte(pp.Bitfield), 0xff, 0x0f, 0xff, 0, 0, 0, 1, byte(pp.Interested)}, 1, uint8(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, byte(pp.Bitfield), 1, 2, 3}, 5, uint8(1))
	f.Add([]byte{0, 0, 0, 13, byte(pp.Request), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 9, byte(pp.Piece), 1, 2, 3, 4, 5, 6, 7, 8}, 100, uint8(2))
	for _, m := range badMessages {
		f.Add(m.bytes, 2, uint8(3))
	}
	for _, m := range goodMessages {
		f.Add(m.bytes, 7, uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, by int, which uint8) {
		if by < 1 {
			by = 1
		}
		read := func(by int) []byte {
			w, _ := judged(t, data, by, extents[int(which)%len(extents)])
			p := newSuperSeeder(SuperSeedOn, 20, 32<<10, time.Now).join(w.tell)
			w.out.peer.Store(p)
			w.debt.bytes.Store(-1 << 40) // nobody reads the answers
			got, _ := io.ReadAll(w)
			w.Close()
			return got
		}
		if cut, whole := read(by), read(len(data)+handshakeBytes); !bytes.Equal(cut, whole) {
			t.Errorf("cut by %d the client gets %x, want %x", by, cut, whole)
		}
		w, c := judged(t, nil, by, extents[0])
		w.out.shaken, w.out.sent.shaken = handshakeBytes, handshakeBytes
		p := newSuperSeeder(SuperSeedOn, 20, 32<<10, time.Now).join(w.tell)
		w.out.peer.Store(p)
		p.leave() // hides nothing any more
		for rest := data; len(rest) > 0; {
			n := min(by, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if sent := c.got.Bytes(); !bytes.HasPrefix(data, sent) {
			t.Errorf("sent %x, want the beginning of %x", sent, data)
		}
		w.Close()
	})
}
