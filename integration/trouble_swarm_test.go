//go:build linux

package integration_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// joined starts a fetch on a host of a swarm whose other hosts are named to it, and returns it with its folder.
func (s *swarm) joined(t testing.TB, host int, others []int, flags ...string) (*client.Process, string) {
	t.Helper()
	return s.joinedInto(t, host, others, t.TempDir(), flags...)
}

func (s *swarm) joinedInto(t testing.TB, host int, others []int, out string, flags ...string) (*client.Process, string) {
	t.Helper()
	for _, o := range others {
		if o != host {
			flags = append(flags, peerFlag(s.lab.Host(o))...)
		}
	}
	flags = append(append(flags, nothing...), "--json", "--seed", "--port", "6881", "-o", out, s.ref)
	return client.Start(t, us.Command(t, s.lab.Host(host), "fetch", flags...)), out
}

// whole waits until a fetch that seeds has all, and compares it.
func (s *swarm) whole(t testing.TB, p *client.Process, out string) {
	t.Helper()
	if _, err := p.Stdout.Line(within(t, time.Minute), func(l string) bool { return strings.Contains(l, `"type":"fetched"`) }); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(s.path, filepath.Join(out, filepath.Base(s.path))); err != nil {
		t.Error(err)
	}
}

// stuck waits until a fetch says why nothing moves.
func stuck(t testing.TB, p *client.Process) {
	t.Helper()
	if _, err := p.Stdout.Line(within(t, time.Minute), func(l string) bool { return strings.Contains(l, `"waiting":"`) }); err != nil {
		t.Fatal(err)
	}
}

// Peers that have everything, as they say, and answer no request, beside one that does.
func TestPeersThatClaimEverythingAndSendNothing(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 5, payload.OneFile, "--piece-length", "32KiB")
	var silent []*rogue.Peer
	for i := 2; i <= 4; i++ {
		p := &rogue.Peer{Pieces: 92}
		roguePeer(t, s.lab.Host(i), p)
		silent = append(silent, p)
	}
	p, out := s.joined(t, 5, []int{1, 2, 3, 4})
	s.whole(t, p, out)
	for i, q := range silent {
		if q.Handshakes.Load() == 0 {
			t.Errorf("the silent peer %d was never met: the test proves nothing", i)
		}
	}
}

// tally counts what is read from a connection.
type tally struct {
	net.Conn
	n *atomic.Int64
}

func (c tally) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// Leeches take what the publisher has for as long as it runs, and give nothing: those who share are served all the same.
func TestPeersThatTakeAndNeverGive(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 4, payload.OneFile, "--piece-length", "32KiB", "--max-up", "3MiB")
	ctx := within(t, time.Minute)
	var taken atomic.Int64
	var wg sync.WaitGroup
	var open []net.Conn
	hash, err := hex.DecodeString(s.ref)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		c, err := s.lab.Host(4).Dial(ctx, "tcp", s.lab.Host(1).IP+":6881")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		l := client.Leech{Infohash: [20]byte(hash), PieceLength: 32 << 10, Size: 3_000_001}
		copy(l.ID[:], fmt.Sprintf("-LE0001-leech-%06d", i))
		wg.Go(func() {
			_, _ = l.Fetch(ctx, tally{c, &taken}) // it ends with all of it, or with the test
		})
	}
	a, outA := s.joined(t, 2, []int{1, 3})
	b, outB := s.joined(t, 3, []int{1, 2})
	s.whole(t, a, outA)
	s.whole(t, b, outB)
	for _, c := range open {
		c.Close()
	}
	wg.Wait()
	if taken.Load() < 100_000 {
		t.Errorf("the leeches took %d bytes: the test proves nothing", taken.Load())
	}
}

// Two have half of the content each, from an older copy on disk, and a third nothing: without the publisher all three finish.
func TestTogetherTheyHaveAll(t *testing.T) {
	t.Parallel()
	for _, tenths := range []int64{0, 3} {
		t.Run(fmt.Sprintf("the origin gone after %d tenths", tenths), func(t *testing.T) {
			t.Parallel()
			s := &swarm{lab: newLab(t, 4), path: made(t, payload.OneFile)}
			origin := daemon(t, s.lab.Host(1), filepath.Join(t.TempDir(), "home"), append([]string{"--port", "6881", "--max-up", "600KiB"}, nothing...)...)
			torrent := filepath.Join(t.TempDir(), "x.torrent")
			if out, err := us.Command(t, nil, "publish", "--no-seed", "-o", torrent, s.path).CombinedOutput(); err != nil {
				t.Fatalf("publish: %v: %s", err, out)
			}
			keeps(t, origin, s.path)
			s.ref = torrent
			if tenths == 0 {
				origin.Kill()
			}
			all, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			half := 46 * (32 << 10) // a whole number of pieces of any length up to 32 KiB
			halves := [][]byte{all[:half+64<<10], append(make([]byte, half), all[half:]...)}
			peers := []int{1, 2, 3, 4}
			third, outThird := s.joined(t, 4, peers)
			if tenths > 0 {
				if _, err := origin.When(within(t, time.Minute), "so much has left it", func(st *client.Status) bool {
					return len(st.Shares) == 1 && st.Shares[0].Uploaded >= tenths*300_000
				}); err != nil {
					t.Fatal(err)
				}
				origin.Kill()
			}
			fetches := map[*client.Process]string{}
			for i, b := range halves {
				old := t.TempDir()
				if err := os.WriteFile(filepath.Join(old, filepath.Base(s.path)), b, 0o644); err != nil {
					t.Fatal(err)
				}
				p, out := s.joined(t, 2+i, peers, "--reuse", old)
				fetches[p] = out
			}
			for p, out := range fetches {
				s.whole(t, p, out)
			}
			s.whole(t, third, outThird)
		})
	}
}

// A swarm falls apart into two halves: the one with the publisher finishes, the other says that it lacks something, and
// finishes when the halves are one again.
func TestSwarmSplitAndJoined(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 4, payload.OneFile, "--piece-length", "32KiB", "--max-up", "600KiB")
	all := []int{1, 2, 3, 4}
	near, outNear := s.joined(t, 2, all)
	far, outFar := s.joined(t, 3, all)
	further, outFurther := s.joined(t, 4, all)
	for _, p := range []*client.Process{far, further} {
		if _, err := p.Stdout.Line(within(t, time.Minute), func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.lab.Split(3, 4); err != nil {
		t.Fatal(err)
	}
	s.whole(t, near, outNear)
	stuck(t, far)
	stuck(t, further)
	if err := s.lab.Join(); err != nil {
		t.Fatal(err)
	}
	s.whole(t, far, outFar)
	s.whole(t, further, outFurther)
}
