//go:build linux

package netlab_test

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/internal/needs"
)

func newLab(t *testing.T, n int) *netlab.Lab {
	t.Helper()
	netlab.Sweep()
	needs.Root(t)
	l, err := netlab.New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestHostsReachEachOther(t *testing.T) {
	l := newLab(t, 2)
	ln, err := l.Host(1).Listen("tcp", l.Host(1).IP+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.WriteString(c, "hello")
			c.Close()
		}
		done <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := l.Host(2).Dial(ctx, "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v, want %q", got, err, "hello")
	}
	if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != l.Host(1).IP {
		t.Errorf("remote address: got %q, want %q", host, l.Host(1).IP)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCommandRunsOnTheHost(t *testing.T) {
	l := newLab(t, 1)
	out, err := l.Host(1).Command(context.Background(), "ip", "-4", "-o", "addr", "show", "dev", "eth0").Output()
	if err != nil || !strings.Contains(string(out), l.Host(1).IP+"/24") {
		t.Errorf("got %q, %v, want address %s", out, err, l.Host(1).IP)
	}
}

func TestLabsAreIsolated(t *testing.T) {
	a, b := newLab(t, 1), newLab(t, 1)
	ln, err := a.Hub().Listen("tcp", a.Hub().IP+":7000")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if c, err := b.Host(1).Dial(ctx, "tcp", a.Hub().IP+":7000"); err == nil {
		c.Close()
		t.Error("a host of one lab reached the hub of another")
	}
}

func TestNothingLeavesTheLab(t *testing.T) {
	l := newLab(t, 1)
	out, err := l.Hub().Command(context.Background(), "ip", "-o", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		f := strings.Fields(line)
		name, _, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
		if name != "lo" && name != "br0" && name != "v1" {
			t.Errorf("the hub has interface %q: want only lo, br0 and v1", name)
		}
	}
}

func TestCloseRemovesEverything(t *testing.T) {
	l := newLab(t, 1)
	ns := l.Host(1).NS
	cmd := l.Host(1).Command(context.Background(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("a process of the lab outlived it")
	}
	if _, err := os.Stat("/run/netns/" + ns); !os.IsNotExist(err) {
		t.Errorf("namespace %s after Close: %v, want it gone", ns, err)
	}
}

// TestSplitAndJoin checks that both halves of a split lab work, and that joining makes it one lab again.
func TestSplitAndJoin(t *testing.T) {
	l := newLab(t, 4)
	for i := 1; i <= 4; i++ {
		ln, err := l.Host(i).Listen("tcp", l.Host(i).IP+":7000")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // no Accept needed: the kernel establishes connections before that
	}
	reach := func(from, to int) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // an unreachable host is silent
		defer cancel()
		c, err := l.Host(from).Dial(ctx, "tcp", l.Host(to).IP+":7000")
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	check := func(when string, across bool) {
		t.Helper()
		for _, c := range []struct {
			from, to int
			want     bool
		}{{1, 2, true}, {3, 4, true}, {1, 3, across}, {4, 2, across}} {
			if got := reach(c.from, c.to); got != c.want {
				t.Errorf("%s: %d reaches %d: got %v, want %v", when, c.from, c.to, got, c.want)
			}
		}
	}
	check("before", true)
	if err := l.Split(3, 4); err != nil {
		t.Fatal(err)
	}
	check("split", false)
	if err := l.Join(); err != nil {
		t.Fatal(err)
	}
	check("joined", true)
}
