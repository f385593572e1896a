package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"expvar"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"
)

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		descriptors uint64
		hall, seats int
	}{{0, 2048, 1024}, {100, 64, 64}, {1024, 256, 256}, {8192, 2048, 1024}, {1 << 40, 2048, 1024}} {
		if hall, seats := budget(c.descriptors); hall != c.hall || seats != c.seats {
			t.Errorf("%d: got %d and %d, want %d and %d", c.descriptors, hall, seats, c.hall, c.seats)
		}
	}
}

// dialFrom connects from an address of this machine; Linux has all of 127.0.0.0/8.
func dialFrom(t *testing.T, host, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func shake(hash [20]byte) []byte {
	b := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"), hash[:]...)
	id := make([]byte, 20)
	rand.Read(id)
	return append(b, id...)
}

// welcome says whether who shakes hands is answered.
func welcome(t *testing.T, c net.Conn, hash [20]byte) error {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(shake(hash)); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, handshakeBytes))
	return err
}

// beginnings are what a connection can say without proving anything.
func beginnings(hash [20]byte) map[string][]byte {
	noise := make([]byte, 1000)
	rand.Read(noise)
	noise[0] = 'x'
	elsewhere := shake([20]byte{1})
	return map[string][]byte{
		"nothing":                            nil,
		"a byte":                             {19},
		"half a handshake":                   shake(hash)[:30],
		"all of one but a byte":              shake(hash)[:handshakeBytes-1],
		"one for another torrent, but a bit": elsewhere[:handshakeBytes-1],
		"half an obfuscated key":             noise[:50],
		"an obfuscated key":                  noise[:greetingKey],
		"an obfuscated key and padding":      noise[:greetingKey+500],
		"the type of a TLS record":           {22},
		"the head of a TLS record":           {22, 3, 1, 0x40, 0},
		"half of GET":                        []byte("GE"),
		"half a request":                     []byte("GET /p2pshare/pieces/"),
	}
}

// TestCrowds has one address hold as many connections as it can, each begun in one way. Others get in, from the same
// address too, and no more than its share is held.
func TestCrowds(t *testing.T) {
	held := make(chan net.Conn, 1000)
	e := start(t, func(s *Settings) {
		s.Descriptors = 512 // 128 in the hall, of one address 16
		s.TLS = func(c net.Conn) { held <- c }
	})
	p := newPayload(t, 100_000, false)
	hash := p.seed(t, e, Spec{}).shorts()[0]
	for name, begin := range beginnings(hash) {
		t.Run(name, func(t *testing.T) {
			var crowd []net.Conn
			for range 100 {
				c := dialFrom(t, "127.0.0.2", at(e))
				if _, err := c.Write(begin); err == nil {
					crowd = append(crowd, c)
				}
			}
			for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
				if err := welcome(t, dialFrom(t, from, at(e)), hash); err != nil {
					t.Errorf("a peer at %s: %v", from, err)
				}
			}
			if n := e.hall.Len(); n > 16 {
				t.Errorf("%d connections of one address are held, want 16 at most", n)
			}
			// The oldest was let go.
			crowd[0].SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := crowd[0].Read(make([]byte, 1000)); err != nil && isTimeout(err) {
				t.Error("the first of the crowd is held still")
			}
			for _, c := range crowd {
				c.Close()
			}
		})
	}
	for len(held) > 0 {
		(<-held).Close()
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// TestCloseEndsWhoJustCame: a connection that was accepted while the sorter closes is closed too, and nobody waits for what it
// might say.
func TestCloseEndsWhoJustCame(t *testing.T) {
	e := start(t, nil)
	ours, theirs := net.Pipe()
	l := &lastComer{conn: patient{ours}, closed: make(chan struct{})}
	s := e.newSorter(l, e.hall, nil, nil)
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("who came last: got %v, want its connection closed", err)
	}
	<-closed
}

// lastComer is a listener that accepts one connection when it is closed.
type lastComer struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *lastComer) Accept() (c net.Conn, err error) {
	<-l.closed
	err = net.ErrClosed
	l.once.Do(func() { c, err = l.conn, nil })
	return c, err
}

func (l *lastComer) Close() error   { close(l.closed); return nil }
func (l *lastComer) Addr() net.Addr { return &net.TCPAddr{} }

// patient is a connection without deadlines.
type patient struct{ net.Conn }

func (patient) SetDeadline(time.Time) error     { return nil }
func (patient) SetReadDeadline(time.Time) error { return nil }

// Crowds of many addresses fill the hall, and the oldest of them goes.
func TestCrowdsOfManyAddresses(t *testing.T) {
	e := start(t, func(s *Settings) { s.Descriptors = 512 })
	p := newPayload(t, 100_000, false)
	hash := p.seed(t, e, Spec{}).shorts()[0]
	for i := range 300 {
		c := dialFrom(t, fmt.Sprintf("127.0.1.%d", 1+i%200), at(e))
		c.Write([]byte{19})
	}
	if err := welcome(t, dialFrom(t, "127.0.0.1", at(e)), hash); err != nil {
		t.Errorf("a peer beside them: %v", err)
	}
	if n := e.hall.Len(); n > 128 {
		t.Errorf("%d connections are held, want 128 at most", n)
	}
}

// A handshake a byte at a time is taken, if it is whole before proofTime is over; else it is the end.
func TestDrip(t *testing.T) {
	e := start(t, nil)
	p := newPayload(t, 100_000, false)
	hash := p.seed(t, e, Spec{}).shorts()[0]
	c := dialFrom(t, "127.0.0.1", at(e))
	c.SetDeadline(time.Now().Add(2 * proofTime))
	for _, b := range shake(hash) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(c, make([]byte, handshakeBytes)); err != nil {
		t.Errorf("a handshake in parts: %v", err)
	}
	c = dialFrom(t, "127.0.0.1", at(e))
	c.Write(shake(hash)[:handshakeBytes-1])
	c.SetDeadline(time.Now().Add(3 * proofTime))
	if got, err := io.ReadAll(c); isTimeout(err) || len(got) > 0 {
		t.Errorf("one that is never whole: got %q, %v, want it closed", got, err)
	}
}

// What a hall does not know gets no answer: which torrents are here is not to be asked with less than an infohash.
func TestUnknownTorrent(t *testing.T) {
	e := start(t, nil)
	newPayload(t, 100_000, false).seed(t, e, Spec{})
	c := dialFrom(t, "127.0.0.1", at(e))
	if err := welcome(t, c, [20]byte{1, 2, 3}); err == nil || isTimeout(err) {
		t.Errorf("got %v, want the connection closed", err)
	}
}

// TestIdleStrangers: peers that shake hands and do nothing fill a torrent's seats, from one address and from many, and
// come again. Who fetches gets in all the same, and is done.
func TestIdleStrangers(t *testing.T) {
	for _, addresses := range []int{1, 40, 200} {
		t.Run(fmt.Sprint(addresses, " addresses"), func(t *testing.T) {
			e := start(t, nil)
			p := newPayload(t, 3_000_000, false)
			tt := p.seed(t, e, Spec{})
			hash := tt.shorts()[0]
			for i := range torrentSeats + 50 {
				c := dialFrom(t, fmt.Sprintf("127.0.2.%d", 1+i%addresses), at(e))
				if err := welcome(t, c, hash); err != nil {
					t.Fatalf("stranger %d: %v", i, err)
				}
			}
			p.fetch(t, start(t, nil), Spec{Peers: []string{at(e)}})
			if n := tt.seats.places.Len(); n > torrentSeats {
				t.Errorf("%d peers have seats, want %d at most", n, torrentSeats)
			}
		})
	}
}

// Who carries nothing goes before who does.
func TestBusyGuestsStay(t *testing.T) {
	s := newSeats(3, testLog(t))
	origin := netip.MustParsePrefix("192.0.2.1/32")
	var all []*guest
	var ended []chan struct{}
	for range 3 {
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		end := make(chan struct{})
		ended = append(ended, end)
		g := &guest{Conn: here}
		if !s.take(g, origin) {
			t.Fatal("a seat was refused")
		}
		all = append(all, g)
		go func() { defer close(end); io.Copy(io.Discard, there) }()
	}
	if _, err := all[0].Write(make([]byte, seatPayload)); err != nil {
		t.Fatal(err)
	}
	here, _ := net.Pipe()
	if !s.take(&guest{Conn: here}, netip.MustParsePrefix("192.0.2.2/32")) {
		t.Fatal("the newcomer was refused")
	}
	<-ended[1]
	if _, err := all[0].Write([]byte{1}); err != nil {
		t.Errorf("the busy one went: %v", err)
	}
}

// A house that is full is left alone by what we dial, but for one now and then.
func TestDialedDisplaceFew(t *testing.T) {
	s := newSeats(2, testLog(t))
	origin := netip.MustParsePrefix("192.0.2.1/32")
	took := 0
	for range 10 {
		here, _ := net.Pipe()
		if s.take(&guest{Conn: here, ours: true}, origin) {
			took++
		}
	}
	if took != 3 {
		t.Errorf("%d of 10 that were dialled got one of 2 seats, want 3", took)
	}
	here, _ := net.Pipe()
	if !s.take(&guest{Conn: here}, origin) {
		t.Error("one that came was refused")
	}
}

// TestSYNs: forged or not, they cost few places, and others fetch meanwhile.
func TestSYNs(t *testing.T) {
	e := start(t, func(s *Settings) { s.UTP = true })
	p := newPayload(t, 100_000, false)
	p.seed(t, e, Spec{})
	syn := binary.BigEndian.AppendUint16([]byte{0x41, 0}, 0)
	syn = append(syn, bytes.Repeat([]byte{0, 0, 0, 1}, 3)...)
	syn = append(syn, 0, 1, 0, 0)
	for from := range 8 {
		c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 3, byte(1+from))}}).Dial("udp4", at(e))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range 5000 {
			binary.BigEndian.PutUint16(syn[2:], uint16(i))
			c.Write(syn) // what the kernel has no room for is lost
		}
	}
	p.fetch(t, start(t, nil), Spec{Peers: []string{at(e)}})
	if n := e.utpHall.Len(); n > utpHall {
		t.Errorf("%d connections are held, want %d at most", n, utpHall)
	}
	if n := e.hall.Len(); n > 1 {
		t.Errorf("%d places of TCP are taken", n)
	}
}

// What an obfuscated greeting offers is a number of the other side's choice, and nothing is kept of it.
func TestOfferedCiphersAreForgotten(t *testing.T) {
	e := start(t, nil)
	p := newPayload(t, 1<<10, false)
	p.seed(t, e, Spec{})
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go mse.InitiateHandshake(theirs, p.hash[:], nil, 0xabcd000|mse.CryptoMethodRC4)
	if _, err := e.clear(&newcomer{Conn: ours}); err != nil {
		t.Fatal(err)
	}
	counted := expvar.Get("mseCryptoProvides").(*expvar.Map)
	if counted.Get("abcd002") != nil {
		t.Errorf("kept: %v", counted)
	}
}
