package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// heard gathers addresses.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) found(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, addr)
}

func (h *heard) has(addr string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.all, addr)
}

func TestMeetingByDHT(t *testing.T) {
	first := start(t, func(s *Settings) { s.NoDHT = false })
	join := func(s *Settings) { s.NoDHT, s.DHTNodes = false, []string{at(first)} }
	a, b, c := start(t, join), start(t, join), start(t, join)
	place := [20]byte{1, 2, 3}
	var fromB, fromC heard
	ma := a.Meet(MeetingOptions{Place: place, Found: func(string) {}})
	t.Cleanup(ma.Close)
	mb := b.Meet(MeetingOptions{Place: place, Found: fromB.found})
	waitFor(t, "b hears of a", func() bool { return fromB.has(at(a)) })
	mb.Close()
	mc := c.Meet(MeetingOptions{Place: place, Silent: true, Found: fromC.found})
	waitFor(t, "c, who says nothing, hears of a", func() bool { return fromC.has(at(a)) })
	mc.Close()
	mc.Close()
	// Nobody hears of c.
	var late heard
	md := b.Meet(MeetingOptions{Place: place, Found: late.found})
	waitFor(t, "b hears of a again", func() bool { return late.has(at(a)) })
	md.Close()
	if late.has(at(c)) {
		t.Error("one who was silent was announced")
	}
}

func TestMeetingOnTheLAN(t *testing.T) {
	onLAN := func(s *Settings) { s.NoLAN, s.ListenHost = false, "" }
	a, b := start(t, onLAN), start(t, onLAN)
	place := [20]byte{4, 5, 6}
	var h heard
	mb := b.Meet(MeetingOptions{Place: place, Silent: true, Found: h.found})
	t.Cleanup(mb.Close)
	ma := a.Meet(MeetingOptions{Place: place, Found: func(string) {}})
	t.Cleanup(ma.Close)
	port := at(a)[len("127.0.0.1:"):]
	waitFor(t, "b hears of a", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.ContainsFunc(h.all, func(addr string) bool {
			_, p, _ := net.SplitHostPort(addr)
			return p == port
		})
	})
}

// TestMeetingOnTheLANLater: who comes when the others have been there for long hears of them at once, and so does who was there, left and
// comes back, by the same port.
func TestMeetingOnTheLANLater(t *testing.T) {
	onLAN := func(s *Settings) { s.NoLAN, s.ListenHost = false, "" }
	a, b := start(t, onLAN), start(t, onLAN)
	place := [20]byte{7, 8, 9}
	ma := a.Meet(MeetingOptions{Place: place, Found: func(string) {}})
	t.Cleanup(ma.Close)
	port := at(a)[len("127.0.0.1:"):]
	for _, what := range []string{"b hears of a", "b hears of a when it is back"} {
		a.lan.mu.Lock()
		s := a.lan.swarm[ma]
		s.said, s.last, s.next = len(lanFirst), time.Now().Add(-time.Minute), time.Now().Add(lanEvery)
		a.lan.mu.Unlock()
		var h heard
		mb := b.Meet(MeetingOptions{Place: place, Found: h.found})
		waitFor(t, what, func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return slices.ContainsFunc(h.all, func(addr string) bool {
				_, p, _ := net.SplitHostPort(addr)
				return p == port
			})
		})
		mb.Close()
	}
}

// TestOnePortForAll has TLS and BitTorrent come to one port.
func TestOnePortForAll(t *testing.T) {
	got := make(chan net.Conn, 10)
	e := start(t, func(s *Settings) { s.TLS = func(c net.Conn) { got <- c } })
	p := newPayload(t, 100_000, false)
	p.seed(t, e, Spec{})
	// Some that say nothing, or too little, are in nobody's way.
	for _, head := range []string{"", "\x16", "\x16\x03"} {
		c, err := net.Dial("tcp", at(e))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, head)
	}
	p.fetch(t, start(t, nil), Spec{Peers: []string{at(e)}})
	raw, err := net.Dial("tcp", at(e))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	go func() { _ = tls.Client(raw, &tls.Config{ServerName: "x"}).Handshake() }()
	select {
	case c := <-got:
		defer c.Close()
		var name string
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_ = tls.Server(c, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, errors.New("enough")
		}}).Handshake()
		if name != "x" {
			t.Errorf("the handshake was not whole: got the name %q", name)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the TLS connection did not arrive")
	}
}

func TestSilentNewcomersAreClosed(t *testing.T) {
	e := start(t, func(s *Settings) { s.TLS = func(c net.Conn) { c.Close() } })
	c, err := net.Dial("tcp", at(e))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(2 * firstByteTime))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want it closed", err)
	}
}
