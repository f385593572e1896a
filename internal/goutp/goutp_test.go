package utp_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	utp "github.com/anacrolix/go-utp"
)

func socket(t *testing.T) utp.Socket {
	t.Helper()
	s, err := utp.NewSocket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t *testing.T, from utp.Socket, to net.Addr) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return from.DialContext(ctx, "udp4", to.String()) // with the network, as the engine calls it
}

func TestStream(t *testing.T) {
	a, b := socket(t), socket(t)
	got := make(chan string, 1)
	go func() {
		c, err := b.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		buf := make([]byte, 5)
		if _, err := io.ReadFull(c, buf); err != nil {
			got <- err.Error()
			return
		}
		got <- string(buf)
	}()
	c, err := dial(t, a, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != "hello" {
		t.Errorf("got %q, want %q", g, "hello")
	}
}

// Packets that are not uTP, such as the DHT's, are left to ReadFrom.
func TestOtherPackets(t *testing.T) {
	s := socket(t)
	c, err := net.Dial("udp4", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("d1:q4:ping1:t2:aa1:y1:qe")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := s.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "d1:q4:ping1:t2:aa1:y1:qe" || from.String() != c.LocalAddr().String() {
		t.Errorf("got %q from %v, %v", buf[:n], from, err)
	}
}

// A connection that the firewall refuses is never handed out; the next one is.
func TestFirewall(t *testing.T) {
	s, stranger, friend := socket(t), socket(t), socket(t)
	s.SetFirewallCallback(func(a net.Addr) bool { return a.String() == stranger.Addr().String() })
	accepted := make(chan string, 1)
	go func() {
		c, err := s.Accept()
		if err != nil {
			accepted <- err.Error()
			return
		}
		defer c.Close()
		accepted <- c.RemoteAddr().String()
	}()
	for _, from := range []utp.Socket{stranger, friend} {
		if c, err := dial(t, from, s.Addr()); err == nil {
			defer c.Close()
		}
	}
	if got := <-accepted; got != friend.Addr().String() {
		t.Errorf("accepted %s, want %s", got, friend.Addr())
	}
}
