//go:build linux

package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// TestHalves: two daemons have half of a torrent each, of whose pieces one lies in both, and are started again. Then everybody
// gets the whole from the two.
func TestHalves(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 4)
	_, announce := httpTracker(t, lab)
	dir := filepath.Join(t.TempDir(), "halves")
	for i, name := range []string{"a.bin", "b.bin"} {
		if err := payload.Write(filepath.Join(dir, name), 300_001, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	origin, _, err := us.Quiet().Publish(within(t, 30*time.Second), t, lab.Host(3), dir, "--piece-length", "64KiB", "--tracker", announce, "-o", torrent)
	if err != nil {
		t.Fatal(err)
	}
	for i, half := range []string{"a.bin", "b.bin"} {
		h, p := lab.Host(i+1), us
		p.Home = filepath.Join(t.TempDir(), "home")
		flags := []string{"--no-dht", "--no-lan", "--no-upnp", "--floor", "0", "--port", "6881"}
		d := daemon(t, h, p.Home, flags...)
		out, err := p.Command(t, h, "fetch", "--allow-private", "--only", half, "-o", t.TempDir(), torrent).CombinedOutput()
		if err != nil {
			t.Fatalf("fetching %s: %v: %s", half, err, out)
		}
		reaches(t, d, "halves", "seeding")
		ended(t, d)
		reaches(t, daemon(t, h, p.Home, flags...), "halves", "seeding")
	}
	if err := origin.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if _, err := origin.Exit(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []client.Peer{us.Quiet(), client.Aria2{}, client.Transmission{}, client.Libtorrent{}, client.QBittorrent{}} {
		t.Run(c.Name(), func(t *testing.T) {
			out := t.TempDir()
			ctx := within(t, 2*time.Minute)
			p, err := c.Fetch(ctx, t, lab.Host(4), torrent, out)
			if err == nil {
				err = p.Finished(ctx)
			}
			if err == nil {
				err = payload.Same(dir, filepath.Join(out, "halves"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPieceSharedWithAFileThatNobodyGives: a web server has the file that is wanted, and none the one whose bytes are in its last
// piece. The fetch says so, and ends with its time.
func TestPieceSharedWithAFileThatNobodyGives(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	dir := filepath.Join(t.TempDir(), "halves")
	for i, name := range []string{"a.bin", "b.bin", "c.bin"} {
		if err := payload.Write(filepath.Join(dir, name), 300_001, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	web := &rogue.WebSeed{Root: filepath.Dir(dir)}
	torrent := torrentOf(t, dir, "--piece-length", "64KiB", "--webseed", serveHTTP(t, lab.Host(1), web)+"/")
	if err := os.Remove(filepath.Join(dir, "b.bin")); err != nil {
		t.Fatal(err)
	}
	p := client.Start(t, us.Quiet().Command(t, lab.Host(2), "fetch", "--allow-private", "--only", "a.bin", "--timeout", "45s", "-o", t.TempDir(), torrent))
	code, err := p.Exit(within(t, 2*time.Minute))
	if err != nil || code != 14 {
		t.Errorf("got exit code %d, %v, want 14", code, err)
	}
	const want = `nobody who is there gives "a.bin": what is missing shares its pieces with "b.bin", and only who has those as well can give it`
	for _, when := range []string{"warning: nothing has come for 30s: ", "p2pshare: not fetched within 45s: nobody with this content was found yet; p2pshare doctor says why; "} {
		if !strings.Contains(p.Stderr.String(), when+want) {
			t.Errorf("got %q, want %q in it", p.Stderr.String(), when+want)
		}
	}
}
