//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// TestNetworkGoesAndReturns takes the network away from a machine that fetches and shares, as sleep and another place
// do. By itself the fetch goes on, and what the machine shares is found again on the LAN.
func TestNetworkGoesAndReturns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(t *testing.T, lab *netlab.Lab, d *client.Daemon)
	}{
		{"down and up", func(t *testing.T, lab *netlab.Lab, _ *client.Daemon) {
			if err := lab.Down(2); err != nil {
				t.Fatal(err)
			}
			<-time.After(4 * time.Second) // how long nobody is reached
			if err := lab.Up(2); err != nil {
				t.Fatal(err)
			}
		}},
		{"another address", func(t *testing.T, lab *netlab.Lab, _ *client.Daemon) {
			if err := lab.Move(2, "10.77.0.99"); err != nil {
				t.Fatal(err)
			}
		}},
		{"sleep, and another address", func(t *testing.T, lab *netlab.Lab, d *client.Daemon) {
			signal := func(s syscall.Signal) {
				if err := syscall.Kill(d.Pid(), s); err != nil {
					t.Fatal(err)
				}
			}
			signal(syscall.SIGSTOP)
			if err := errors.Join(lab.Down(2), lab.Move(2, "10.77.0.99")); err != nil {
				t.Fatal(err)
			}
			<-time.After(3 * time.Second) // how long it sleeps
			signal(syscall.SIGCONT)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 3)
			path := made(t, payload.OneFile)
			source := daemon(t, lab.Host(1), filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "256KiB"}, onlyLAN...)...)
			magnet := keeps(t, source, path)
			d := daemon(t, lab.Host(2), filepath.Join(t.TempDir(), "home"), append([]string{"--floor", "0"}, onlyLAN...)...)
			mine := small(t, "mine", 100_000, 5)
			own := keeps(t, d, mine)
			out := t.TempDir()
			ctx := within(t, 90*time.Second)
			r := map[string]any{"ref": infohash(t, magnet), "dir": out}
			if err := d.Stream(ctx, "fetch", r, func(e client.Event) bool {
				return e.Progress != nil && e.Progress.Phase == "fetching" && e.Progress.Done > 500_000
			}); err != nil {
				t.Fatal(err)
			}
			c.change(t, lab, d)
			if err := source.Ask(ctx, "limit", map[string]any{"up": 0}, nil); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			reaches(t, d, payload.OneFile.Name, "seeding")
			t.Logf("the fetch was done after %v", time.Since(begun).Round(100*time.Millisecond))
			if err := payload.Same(path, filepath.Join(out, payload.OneFile.Name)); err != nil {
				t.Error(err)
			}
			fetched(ctx, t, lab.Host(3), infohash(t, own), mine, onlyLAN...)
		})
	}
}

// TestUntilCopiesOfAllClients publishes until three other machines hold everything. What is on the publisher's own machine does not
// count, and two are not enough.
func TestUntilCopiesOfAllClients(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 4)
	_, announce := httpTracker(t, lab)
	d := daemon(t, lab.Host(1), filepath.Join(t.TempDir(), "home"), nothing...)
	path := made(t, payload.OneFile)
	torrent := filepath.Join(t.TempDir(), "x.torrent")
	p := us
	p.Home = d.Home
	pub := client.Start(t, p.Command(t, lab.Host(1), "publish", "--format", "v1", "--until-copies", "3", "--tracker", announce, "-o", torrent, path))
	ctx := within(t, 90*time.Second)
	magnet, err := pub.Stdout.Line(ctx, func(l string) bool { return strings.HasPrefix(l, "magnet:") })
	if err != nil {
		t.Fatal(err)
	}
	copies := func(n int) {
		t.Helper()
		if _, err := d.When(ctx, fmt.Sprintf("there are %d copies", n), func(s *client.Status) bool { return s.Shares[0].Copies == n }); err != nil {
			t.Fatal(err)
		}
		if !pub.Running() {
			t.Errorf("the publish has ended with %d copies, want it to wait for three", n)
		}
	}
	fetchable(ctx, t, lab.Host(1), magnet, path, peerOf(t, d, lab.Host(1)))
	fetchable(ctx, t, lab.Host(1), magnet, path, peerOf(t, d, nil))
	copies(0)
	aria2, err := client.Aria2{}.Fetch(ctx, t, lab.Host(2), torrent, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := aria2.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	copies(1)
	// With nothing on disk it fetches, and stays: one that ends at its last byte tells nobody that it has it.
	if _, err := (client.Libtorrent{}).Seed(ctx, t, lab.Host(3), torrent, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	copies(2)
	client.Start(t, us.With(nothing...).Command(t, lab.Host(4), "fetch", "--seed", "-o", t.TempDir(), "--peer", peerOf(t, d, lab.Host(1)), magnet))
	if code, err := pub.Exit(ctx); err != nil || code != 0 {
		t.Errorf("with three copies: got exit code %d, %v, want 0: %s", code, err, pub.Stderr.String())
	}
}

// TestFairShares has eight fetchers on one share and one on another, of a daemon that may send 1 MiB a second: each
// share gets about half.
func TestFairShares(t *testing.T) {
	t.Parallel()
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "1MiB"}, still...)...)
	const size, piece = 30 << 20, 256 << 10
	ctx := within(t, time.Minute)
	address := peerOf(t, d, nil)
	var all sync.WaitGroup
	fetching, stop := context.WithCancel(ctx)
	defer all.Wait()
	defer stop()
	// Both are there before anybody comes: to make a torrent takes a while on a busy machine.
	var peers []func() client.Leech
	for i := range 2 {
		peers = append(peers, leech(t, d, small(t, fmt.Sprintf("fair-%d", i), size, uint64(i)), size, piece))
	}
	for i, fetchers := range []int{8, 1} {
		for range fetchers {
			all.Go(func() {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if _, err := peers[i]().Fetch(fetching, c); err != nil && fetching.Err() == nil {
					t.Errorf("a fetcher ended early: %v", err)
				}
			})
		}
	}
	type parts struct{ one, other int64 }
	sent := func(s *client.Status) parts { return parts{s.Shares[0].Uploaded, s.Shares[1].Uploaded} }
	first, err := d.When(ctx, "both are served", func(s *client.Status) bool {
		p := sent(s)
		return p.one > 256<<10 && p.other > 256<<10
	})
	if err != nil {
		t.Fatal(err)
	}
	// One fetcher that a busy machine does not let ask in time takes less than its half, which is no matter of the
	// daemon: so the first few seconds count in which both could. Shares by their fetchers would be 8 to 1 in all.
	before := sent(first)
	var seen []string
	_, err = d.When(ctx, "4 MiB are shared about half and half", func(s *client.Status) bool {
		now := sent(s)
		one, other := now.one-before.one, now.other-before.other
		if one+other < 4<<20 {
			return false
		}
		before = now
		seen = append(seen, fmt.Sprintf("%d and %d", one, other))
		part := float64(one) / float64(one+other)
		return part > 0.35 && part < 0.65
	})
	if err != nil {
		t.Errorf("the shares have sent %v bytes, want about half each: %v", seen, err)
	}
}

// leech publishes path and gives a function that makes a peer for it.
func leech(t testing.TB, d *client.Daemon, path string, size, piece int) func() client.Leech {
	t.Helper()
	var hash string
	err := d.Stream(within(t, 30*time.Second), "publish", map[string]any{"path": path, "piece_length": piece, "format": "v1"}, func(e client.Event) bool {
		if e.Published != nil {
			hash = e.Published.Infohash
		}
		return e.Published != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(hash)
	if err != nil || len(b) != 20 {
		t.Fatalf("infohash %q: %v", hash, err)
	}
	var n atomic.Int64
	return func() client.Leech {
		l := client.Leech{Infohash: [20]byte(b), PieceLength: piece, Size: size}
		copy(l.ID[:], fmt.Sprintf("-XX0001-%012d", n.Add(1)))
		return l
	}
}

// TestHundredPeers has a hundred peers on one share, all at the same time.
func TestHundredPeers(t *testing.T) {
	t.Parallel()
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), still...)
	const peers, size, piece = 100, 1<<20 + 77, 32 << 10
	path := small(t, "popular", size, 3)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	peer := leech(t, d, path, size, piece)
	address := peerOf(t, d, nil)
	ctx := within(t, time.Minute)
	var (
		all  sync.WaitGroup
		done atomic.Int64
		stay = context.WithoutCancel(ctx)
	)
	stay, leave := context.WithCancel(stay)
	defer all.Wait()
	defer leave()
	for range peers {
		all.Go(func() {
			var dialer net.Dialer
			c, err := dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			got, err := peer().Fetch(ctx, c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("a peer got %d bytes, %v, want what is shared", len(got), err)
				leave()
				return
			}
			done.Add(1)
			<-stay.Done()
		})
	}
	s, err := d.When(ctx, "all peers are there and have all", func(s *client.Status) bool {
		return stay.Err() != nil || done.Load() == peers && s.Shares[0].Peers >= peers
	})
	if err != nil || stay.Err() != nil {
		t.Fatalf("%d of %d peers have all: %v", done.Load(), peers, err)
	}
	t.Logf("%d peers, memory of the daemon %d MB", s.Shares[0].Peers, residentMB(t, d))
	if mb := residentMB(t, d); mb > 250 {
		t.Errorf("the daemon takes %d MB, want less than 250", mb)
	}
}

// residentMB is what a daemon has in memory.
func residentMB(t testing.TB, d *client.Daemon) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(d.Pid()) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest + " x")[0])
	if !ok || err != nil {
		t.Fatal(errors.Join(err, errors.New("no VmRSS")))
	}
	return kb >> 10
}
