//go:build linux

package integration_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// greeting is the first message of a TLS handshake for a server name. It costs its sender nothing to send it again.
func greeting(t *testing.T, name string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		_ = tls.Client(ours, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{rogue.Sync}}).Handshake() // ends with the pipe
		ours.Close()
	}()
	var head [5]byte
	if _, err := io.ReadFull(theirs, head[:]); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(theirs, body); err != nil {
		t.Fatal(err)
	}
	return append(head[:], body...)
}

// TestPrivateFlood: strangers knock at a member's port as fast as one machine can, in each way there is. Members notice
// nothing: one fetches again and again, each time over new connections, and somebody joins.
func TestPrivateFlood(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 4)
	admin, anna := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	d := admin.daemon(onlyLAN...)
	anna.daemon(onlyLAN...)
	made := admin.asks("group", "create", "festung", "--private")
	if _, err := anna.joins(made.Link, made.Password, "--account", "anna"); err != nil {
		t.Fatal(err)
	}
	path := payloadFile(t, "film.mkv", 3_000_000)
	admin.must("publish", path, "--group", "festung", "--as", "film@1")
	anna.until("film", "catalog", "list", "festung")
	link := parsed(t, made.Link)
	unknown, known := greeting(t, fmt.Sprintf("%032x", 1)), greeting(t, link.ServerName(rogue.Today()))
	answered := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until it is closed
	says := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := c.Write(b); err == nil {
				answered(c)
			}
		}
	}
	before := resident(t, d.Pid())
	for _, f := range []struct {
		name      string
		strangers int
		least     int64
		do        func(net.Conn)
	}{
		{"wrong handshakes", 16, 10_000, says(unknown)},
		{"connections that close at once", 16, 5_000, func(net.Conn) {}},
		{"connections that say nothing", 300, 3_000, answered},
		{"handshakes that never end", 300, 3_000, says(known)},
		{"handshakes a byte at a time", 100, 20, func(c net.Conn) {
			for _, b := range known {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(100 * time.Millisecond)
			}
		}},
	} {
		step(t, []*machine{admin, anna}, f.name, func(t *testing.T) {
			stop, count := flood(within(t, 3*time.Minute), lab.Host(3), net.JoinHostPort(lab.Host(1).IP, "6881"), f.strangers, f.do)
			begun := time.Now()
			for i := 0; i == 0 || count() < f.least; i++ {
				out := t.TempDir()
				anna.must("fetch", "festung/film", "--no-seed", "-o", out)
				if err := payload.Same(path, filepath.Join(out, filepath.Base(path))); err != nil {
					t.Fatal(err)
				}
				anna.must("remove", "film.mkv")
			}
			t.Logf("%d in %v", count(), time.Since(begun))
			stop()
		})
	}
	late := newMachine(t, lab.Host(4))
	stop, _ := flood(within(t, 3*time.Minute), lab.Host(3), net.JoinHostPort(lab.Host(1).IP, "6881"), 200, says(known))
	defer stop()
	if _, err := late.joins(made.Link, made.Password, "--account", "spaet", "--peer", lab.Host(1).IP+":6881", "--no-dht", "--no-upnp"); err != nil {
		t.Errorf("a join during a flood: %v", err)
	}
	// It has hashed a password before, which takes 256 MiB, and some of that may have been given back meanwhile.
	if kb := resident(t, d.Pid()); kb > before+100<<10 {
		t.Errorf("the daemon has %d MiB resident after the floods, and %d before, want at most 100 more", kb>>10, before>>10)
	}
	raw, err := os.ReadFile(filepath.Join(admin.home, "groups", link.GID(), "audit.jsonl"))
	if err != nil || len(raw) > 1<<20 {
		t.Errorf("the audit: got %d bytes, %v, want less than a MiB", len(raw), err)
	}
}

// resident is how much memory a process has, in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	kb, err := residentOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return kb
}

func residentOf(pid int) (kb int, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	_, err = fmt.Sscan(rest, &kb)
	return kb, err
}
