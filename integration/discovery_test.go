//go:build linux

package integration_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/tracker"
)

// In each of these tests only one mechanism can find peers; without it the fetch must find nobody, which
// TestNobodyHasIt shows.
var (
	onlyLAN  = []string{"--no-dht", "--no-upnp"}
	onlyDHT  = []string{"--no-lan", "--no-upnp"}
	nothing  = []string{"--no-dht", "--no-lan", "--no-upnp"}
	peerFlag = func(h *netlab.Host) []string { return []string{"--peer", h.IP + ":6881"} }
)

// infohash returns the v1 infohash of a magnet link, the shortest possible reference.
func infohash(t testing.TB, magnet string) string {
	t.Helper()
	m := regexp.MustCompile(`urn:btih:([0-9a-fA-F]{40})`).FindStringSubmatch(magnet)
	if m == nil {
		t.Fatalf("no v1 infohash in %q", magnet)
	}
	return m[1]
}

// made writes a payload to disk.
func made(t testing.TB, tree payload.Tree) string {
	t.Helper()
	path, err := tree.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// published shares path from a host and returns the magnet link.
func published(t testing.TB, h *netlab.Host, path string, flags ...string) (*client.Process, string) {
	t.Helper()
	p, magnet, err := us.With(flags...).Publish(within(t, 30*time.Second), t, h, path)
	if err != nil {
		t.Fatal(err)
	}
	return p, magnet
}

// fetched fetches ref on a host and compares the result with what was shared.
func fetched(ctx context.Context, t testing.TB, h *netlab.Host, ref, want string, flags ...string) {
	t.Helper()
	out := t.TempDir()
	p := client.Start(t, us.With(flags...).Command(t, h, "fetch", "--port", "6881", "-o", out, ref))
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(out, filepath.Base(want))
	if s := strings.TrimSpace(p.Stdout.String()); s != got {
		t.Errorf("stdout: got %q, want the path %q", s, got)
	}
	if err := payload.Same(want, got); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryLAN(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	_, magnet := published(t, lab.Host(1), path, onlyLAN...)
	fetched(within(t, time.Minute), t, lab.Host(2), infohash(t, magnet), path, onlyLAN...)
}

// TestDiscoveryLinkLocal checks that machines with only link-local IPv6 addresses find each other, and that a peer given by the
// user is dialled in its zone.
func TestDiscoveryLinkLocal(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	ctx := within(t, time.Minute)
	var at [4]string
	for i := 1; i <= 3; i++ {
		var err error
		if at[i], err = lab.LinkLocal(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	path := made(t, payload.OneFile)
	_, magnet := published(t, lab.Host(1), path, onlyLAN...)
	fetched(ctx, t, lab.Host(2), infohash(t, magnet), path, onlyLAN...)
	fetched(ctx, t, lab.Host(3), infohash(t, magnet), path, append([]string{"--peer", "[" + at[1] + "]:6881"}, nothing...)...)
}

// TestDiscoveryLANPublisherComesLater checks that a fetcher finds a publisher that appears on the LAN later.
func TestDiscoveryLANPublisherComesLater(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	magnet, err := us.With(nothing...).Command(t, nil, "publish", "--no-seed", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	p := client.Start(t, us.With(onlyLAN...).Command(t, lab.Host(2), "fetch", "--json", "-o", out, strings.TrimSpace(string(magnet))))
	ctx := within(t, time.Minute)
	if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"metadata"`) }); err != nil {
		t.Fatal(err)
	}
	published(t, lab.Host(1), path, onlyLAN...)
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(path, filepath.Join(out, payload.Folder.Name)); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryDHT(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	node := func(i int) []string { return append([]string{"--dht-node", lab.Host(i).IP + ":6881"}, onlyDHT...) }
	// The first node shares something else; it only connects the other two.
	published(t, lab.Host(1), made(t, payload.Unicode), node(2)...)
	path := made(t, payload.Folder)
	_, magnet := published(t, lab.Host(2), path, node(1)...)
	fetched(within(t, 90*time.Second), t, lab.Host(3), infohash(t, magnet), path, node(1)...)
}

func TestDiscoveryDHTNodeOfLibtorrent(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	if _, err := (client.Libtorrent{}).DHTNode(within(t, 30*time.Second), t, lab.Host(1)); err != nil {
		t.Fatal(err)
	}
	flags := append([]string{"--dht-node", lab.Host(1).IP + ":6881"}, onlyDHT...)
	path := made(t, payload.Folder)
	_, magnet := published(t, lab.Host(2), path, flags...)
	fetched(within(t, 90*time.Second), t, lab.Host(3), infohash(t, magnet), path, flags...)
}

func TestDiscoveryHTTPTracker(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	_, announce := httpTracker(t, lab)
	path := made(t, payload.Folder)
	flags := append([]string{"--tracker", announce}, nothing...)
	_, magnet := published(t, lab.Host(1), path, flags...)
	t.Run("given by the user", func(t *testing.T) {
		fetched(within(t, time.Minute), t, lab.Host(2), infohash(t, magnet), path, flags...)
	})
	t.Run("given in the magnet link", func(t *testing.T) {
		fetched(within(t, time.Minute), t, lab.Host(2), magnet, path, append([]string{"--allow-private"}, nothing...)...)
	})
}

func TestDiscoveryUDPTracker(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	c, err := lab.Hub().ListenPacket("udp4", lab.Hub().IP+":6969")
	if err != nil {
		t.Fatal(err)
	}
	var tr tracker.Tracker
	done := make(chan struct{})
	go func() { defer close(done); tr.ServeUDP(c) }()
	t.Cleanup(func() { c.Close(); <-done })

	path := made(t, payload.Folder)
	flags := append([]string{"--tracker", "udp://" + c.LocalAddr().String()}, nothing...)
	_, magnet := published(t, lab.Host(1), path, flags...)
	fetched(within(t, time.Minute), t, lab.Host(2), infohash(t, magnet), path, flags...)
}

// Host 2, a libtorrent, gets its bytes slowly and is the only peer that host 3 is given. Host 3 can finish first
// only by getting them from host 1, which it learns about from host 2.
func TestDiscoveryPEX(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	path := made(t, payload.Large)
	_, magnet := published(t, lab.Host(1), path, nothing...)
	ref := infohash(t, magnet)
	ctx := within(t, 2*time.Minute)
	slow := client.Libtorrent{Peers: []string{lab.Host(1).IP + ":6881"}, MaxDown: 64 << 10}
	middle, err := slow.Fetch(ctx, t, lab.Host(2), magnet, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := middle.Stdout.Line(ctx, func(l string) bool { return l == "fetching" }); err != nil {
		t.Fatal(err)
	}
	fetched(ctx, t, lab.Host(3), ref, path, append(peerFlag(lab.Host(2)), nothing...)...)
	if !middle.Running() {
		t.Error("the peer in the middle has exited: it may have had the content itself")
	}
}

// The same with p2pshare in the middle, which sends its peers itself.
func TestDiscoveryPEXThroughUs(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 3, payload.Large)
	ctx := within(t, 2*time.Minute)
	middle := s.fetch(t, t.TempDir(), "--port", "6881", "--max-down", "64KiB", "--json")
	if _, err := middle.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
		t.Fatal(err)
	}
	fetched(ctx, t, s.lab.Host(3), s.ref, s.path, append(peerFlag(s.lab.Host(2)), nothing...)...)
	if !middle.Running() {
		t.Error("the peer in the middle has exited: it may have had the content itself")
	}
}

// TestLimitedFetchAnswersPeers checks that a fetch limited by --max-down still answers incoming peers.
func TestLimitedFetchAnswersPeers(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 3, payload.Large)
	ctx := within(t, time.Minute)
	limited := s.fetch(t, t.TempDir(), "--port", "6881", "--max-down", "64KiB", "--json")
	if _, err := limited.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
		t.Fatal(err)
	}
	flags := append(append([]string{"--json"}, peerFlag(s.lab.Host(2))...), nothing...)
	p := client.Start(t, us.With(flags...).Command(t, s.lab.Host(3), "fetch", "-o", t.TempDir(), s.ref))
	// Receiving the info is enough: it came from the limited peer, which is the only one.
	if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
		t.Errorf("the limited peer does not answer: %v", err)
	}
}

func TestDiscoveryPeerFlag(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	_, magnet := published(t, lab.Host(1), path, nothing...)
	fetched(within(t, time.Minute), t, lab.Host(2), infohash(t, magnet), path, append(peerFlag(lab.Host(1)), nothing...)...)
}

func TestDiscoveryPeerInMagnet(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	_, magnet := published(t, lab.Host(1), path, nothing...)
	ref := "magnet:?xt=urn:btih:" + infohash(t, magnet) + "&x.pe=" + lab.Host(1).IP + ":6881"
	fetched(within(t, time.Minute), t, lab.Host(2), ref, path, nothing...)
}

func TestDiscoveryWebSeed(t *testing.T) {
	t.Parallel()
	for _, tree := range payload.Trees() {
		t.Run(tree.Title, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 2)
			path := made(t, tree)
			ctx := within(t, time.Minute)
			url, err := client.Nginx(ctx, t, lab.Host(1), filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			torrent := filepath.Join(t.TempDir(), "t.torrent")
			make := us.With(nothing...).Command(t, nil, "publish", "--no-seed", "--webseed", url, "-o", torrent, path)
			if out, err := make.CombinedOutput(); err != nil {
				t.Fatalf("publish: %v: %s", err, out)
			}
			fetched(ctx, t, lab.Host(2), torrent, path, append([]string{"--allow-private"}, nothing...)...)
		})
	}
}

// TestDiscoveryTorrentFromURL uses a .torrent on the web and a web seed given by the user: only HTTP.
func TestDiscoveryTorrentFromURL(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	ctx := within(t, time.Minute)
	url, err := client.Nginx(ctx, t, lab.Host(1), filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	make := us.With(nothing...).Command(t, nil, "publish", "--no-seed", "-o", filepath.Join(filepath.Dir(path), "t.torrent"), path)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("publish: %v: %s", err, out)
	}
	fetched(ctx, t, lab.Host(2), url+"t.torrent", path, append([]string{"--webseed", url}, nothing...)...)
}

func TestNobodyHasIt(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.Folder)
	// It is being shared, but there is no way to find it.
	_, magnet := published(t, lab.Host(1), path, nothing...)
	out := t.TempDir()
	ref := infohash(t, magnet)
	p := client.Start(t, us.With(nothing...).Command(t, lab.Host(2), "fetch", "--timeout", "2s", "-o", out, ref))
	code, err := p.Exit(within(t, 30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if code != 14 {
		t.Errorf("exit code: got %d, want 14", code)
	}
	if msg := p.Stderr.String(); !strings.Contains(msg, "2s") && !strings.Contains(msg, "time") {
		t.Errorf("message %q does not mention the time", msg)
	}
	nothingIn(t, out)
}
