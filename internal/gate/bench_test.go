//go:build unix

package gate_test

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// BenchmarkHandshake is a connection for content from nothing to the answer of BitTorrent's handshake: both ends of
// TLS with certificates, and the gate. With -cpu 1 it says what one core does of both.
func BenchmarkHandshake(b *testing.B) {
	c := newClub()
	m, ben := c.port(b, "anna"), c.port(b, "ben")
	l := m.gate.Listener()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			io.CopyN(nc, nc, 68)
			nc.Close()
		}
	}()
	hello := helloFor([20]byte{1})
	answer := make([]byte, len(hello))
	b.ResetTimer()
	for range b.N {
		nc, _, err := ben.dial(b.Context(), m.addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Write(hello); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(nc, answer); err != nil {
			b.Fatal(err)
		}
		nc.(interface{ NetConn() net.Conn }).NetConn().Close()
	}
}

// BenchmarkTransfer is the same content from one client to another, in the open and in a private group.
func BenchmarkTransfer(b *testing.B) {
	const size = 256 << 20
	open, private := newContent(b, size, 1<<20, true), newContent(b, size, 1<<20, false)
	b.Run("public", func(b *testing.B) {
		b.SetBytes(size)
		for range b.N {
			a, z := openEngine(b), openEngine(b)
			transfer(b, open, a, z, net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Port())))
		}
	})
	b.Run("private", func(b *testing.B) {
		b.SetBytes(size)
		for range b.N {
			c := newClub()
			a, z := c.join(b, "anna"), c.join(b, "ben")
			transfer(b, private, a.engine, z.engine, a.addr)
		}
	})
}

func transfer(b *testing.B, p content, from, to *engine.Engine, addr string) {
	b.Helper()
	b.StopTimer()
	s := p.seed(b, from)
	before := cpu(b)
	b.StartTimer()
	tt, m := p.begin(b, to, addr)
	p.wait(b, tt, m)
	b.StopTimer()
	b.ReportMetric((cpu(b)-before)/float64(len(p.data))*1e9, "cpu-s/GB") // of the last; both ends
	tt.Close()
	s.Close()
	b.StartTimer()
}

// cpu is the processor time that the process has used, in seconds: others on the machine do not change it much.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func openEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Settings{
		ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true, Version: "test", Log: slog.New(slog.DiscardHandler),
		Trackers: netguard.New(netguard.Options{}).Trackers(),
		Judge:    func(string, netip.Addr) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// BenchmarkRecheck is a change of the group with 2,000 connections of 100 devices open.
func BenchmarkRecheck(b *testing.B) {
	g, _ := start(b, gate.Options{Judge: func(k signed.Key, _ [20]byte) (string, error) { return k.String(), nil }})
	for i := range 2000 {
		go member(b, g, signed.Key{byte(i % 100)}).Write(helloFor([20]byte{byte(i / 100)}))
		accept(b, g)
	}
	b.ResetTimer()
	for range b.N {
		g.Recheck()
	}
}
