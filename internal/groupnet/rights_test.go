package groupnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// hall is a server with one group, whose members can be put out.
type hall struct {
	*groupnet.Server
	addr string

	mu  sync.Mutex
	out map[signed.Key]bool
}

func (h *hall) putOut(k signed.Key) {
	h.mu.Lock()
	h.out[k] = true
	h.mu.Unlock()
	h.Recheck()
}

func (h *hall) admit(k signed.Key, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.out[k] {
		return errors.New("removed")
	}
	return nil
}

func newHall(t *testing.T, change func(*hall, *groupnet.Group)) *hall {
	t.Helper()
	h := &hall{out: map[signed.Key]bool{}}
	g := &groupnet.Group{Identity: secret(t), Admit: h.admit, Sync: http.NotFoundHandler()}
	if change != nil {
		change(h, g)
	}
	h.Server = groupnet.NewServer(func(n string) *groupnet.Group {
		if n == name {
			return g
		}
		return nil
	}, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- h.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		if err := errors.Join(<-served, h.Close()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return h
}

func TestWhoIsPutOutIsCutOff(t *testing.T) {
	for _, protocol := range []string{groupnet.Sync, groupnet.Swarm} {
		h := newHall(t, func(_ *hall, g *groupnet.Group) {
			g.Swarm = func(c net.Conn, _ signed.Key) { _, _ = io.Copy(io.Discard, c) }
		})
		bob, carol := secret(t), secret(t)
		dial := func(s signed.SigningKey) net.Conn {
			c, _, err := groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{Addr: h.addr, ServerName: name, Identity: s}, protocol)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		bobs, carols := dial(bob), dial(carol)
		h.putOut(bob.Public())
		_ = bobs.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err := bobs.Read(make([]byte, 1))
		var late net.Error
		if err == nil || errors.As(err, &late) && late.Timeout() {
			t.Errorf("%s: one who was put out: got %v, want the end of the connection", protocol, err)
		}
		h.Recheck()
		_ = carols.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := carols.Read(make([]byte, 1)); !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("%s: one who may stay: got %v, want a connection on which nothing comes", protocol, err)
		}
	}
}

// TestPutOutInTheHandshake has somebody put out after the handshake let them in, and before a Recheck can know of the
// connection.
func TestPutOutInTheHandshake(t *testing.T) {
	bob := secret(t)
	h := newHall(t, func(h *hall, g *groupnet.Group) {
		asked := false
		g.Admit = func(k signed.Key, p string) error {
			if err := h.admit(k, p); err != nil || asked {
				return err
			}
			asked = true
			h.mu.Lock()
			defer h.mu.Unlock()
			h.out[bob.Public()] = true
			return nil
		}
	})
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: h.addr, ServerName: name, Identity: bob})
	defer c.CloseIdleConnections()
	if answer, err := get(c); err == nil {
		t.Errorf("got the answer %q, want the end of the connection", answer)
	}
}

func TestNoRoom(t *testing.T) {
	bob, carol := secret(t), secret(t)
	h := newHall(t, func(_ *hall, g *groupnet.Group) {
		g.Room = func(k signed.Key, host string) error {
			if k == bob.Public() && host == "127.0.0.1" {
				return errors.New("too many")
			}
			return nil
		}
	})
	for _, c := range []struct {
		who  signed.SigningKey
		want bool
	}{{bob, false}, {carol, true}} {
		client := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: h.addr, ServerName: name, Identity: c.who})
		_, err := get(client)
		client.CloseIdleConnections()
		if (err == nil) != c.want {
			t.Errorf("got %v, want served %v", err, c.want)
		}
	}
}

func TestNamesOfBefore(t *testing.T) {
	h := newHall(t, nil)
	for _, c := range []struct {
		name  string
		first string
		also  []string
		want  bool
	}{
		{"the first", name, []string{"00"}, true},
		{"a later one", "11", []string{"00", name}, true},
		{"none", "11", []string{"00"}, false},
	} {
		client := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: h.addr, ServerName: c.first, Also: c.also, Identity: secret(t)})
		_, err := get(client)
		client.CloseIdleConnections()
		if (err == nil) != c.want {
			t.Errorf("%s: got %v, want an answer: %v", c.name, err, c.want)
		}
	}
}

// recorder keeps what is written.
type recorder struct {
	net.Conn
	mu   *sync.Mutex
	sent *bytes.Buffer
}

func (r recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.sent.Write(b)
	r.mu.Unlock()
	return r.Conn.Write(b)
}

type recording struct{ recorder }

func (r *recording) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	r.recorder.Conn = c
	return r.recorder, err
}

// TestReplay sends what a member has sent, again: handshake and requests.
func TestReplay(t *testing.T) {
	var asked atomic.Int64
	h := newHall(t, func(_ *hall, g *groupnet.Group) {
		g.Sync = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	})
	tape := &recording{recorder{mu: new(sync.Mutex), sent: new(bytes.Buffer)}}
	client := groupnet.Client(tape, groupnet.Member{Addr: h.addr, ServerName: name, Identity: secret(t)})
	_, err := get(client)
	client.CloseIdleConnections()
	if err != nil || asked.Load() != 1 {
		t.Fatalf("the member itself: %v, %d requests", err, asked.Load())
	}
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tape.mu.Lock()
	sent := tape.sent.Bytes()
	tape.mu.Unlock()
	if len(sent) < 500 {
		t.Fatalf("only %d bytes were recorded", len(sent))
	}
	if _, err := c.Write(sent); err != nil {
		return // it was hung up on before the end
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err = io.Copy(io.Discard, c)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Error("the connection stays open")
	}
	if asked.Load() != 1 {
		t.Errorf("a replay was answered: %d requests", asked.Load())
	}
}
