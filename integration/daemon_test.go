//go:build linux

package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// still is a daemon that listens on loopback, finds nobody by itself and fills the disk if it likes.
var still = []string{"--listen", "127.0.0.1", "--no-dht", "--no-lan", "--no-upnp", "--floor", "0"}

// daemon runs a daemon on the home, until the test ends.
func daemon(t testing.TB, h *netlab.Host, home string, flags ...string) *client.Daemon {
	t.Helper()
	p := us
	p.Home = home
	d, err := p.Daemon(within(t, 30*time.Second), t, h, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// in says that a share has one of the states.
func in(s *client.Status, name string, states ...string) bool {
	return slices.ContainsFunc(s.Shares, func(sh client.Share) bool { return sh.Name == name && slices.Contains(states, sh.State) })
}

// reaches waits until a share has one of the states.
func reaches(t testing.TB, d *client.Daemon, name string, states ...string) *client.Share {
	t.Helper()
	s, err := d.When(within(t, 40*time.Second), fmt.Sprintf("%q is %v", name, states), func(s *client.Status) bool { return in(s, name, states...) })
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Shares, func(sh client.Share) bool { return sh.Name == name })
	return &s.Shares[i]
}

// ended ends a daemon with SIGTERM, which it has five seconds for, and says how it went.
func ended(t testing.TB, d *client.Daemon) {
	t.Helper()
	begun := time.Now()
	if err := d.Term(); err != nil {
		t.Fatal(err)
	}
	code, err := d.Exit(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	took := d.Ended().Sub(begun)
	t.Logf("the daemon ended after %v", took)
	if code != 0 || took > 5*time.Second {
		t.Errorf("SIGTERM: got exit code %d after %v, want 0 within 5 s", code, took)
	}
}

// keeps publishes a file or folder of the test's own in a daemon.
func keeps(t testing.TB, d *client.Daemon, path string) (magnet string) {
	t.Helper()
	magnet, err := d.Publish(within(t, 30*time.Second), path)
	if err != nil {
		t.Fatal(err)
	}
	return magnet
}

// small writes a file that is unlike every other with another seed, and returns its path.
func small(t testing.TB, name string, size int, seed uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := payload.Write(path, size, seed); err != nil {
		t.Fatal(err)
	}
	return path
}

// fetchable gets a magnet from peers with a program of its own and compares.
func fetchable(ctx context.Context, t testing.TB, h *netlab.Host, magnet, want string, peers ...string) {
	t.Helper()
	out := t.TempDir()
	args := []string{"-o", out}
	for _, p := range peers {
		args = append(args, "--peer", p)
	}
	p := client.Start(t, us.With(nothing...).Command(t, h, "fetch", append(args, magnet)...))
	if err := p.Finished(ctx); err != nil {
		t.Errorf("fetching %s from %v: %v", want, peers, err)
		return
	}
	if err := payload.Same(want, filepath.Join(out, filepath.Base(want))); err != nil {
		t.Error(err)
	}
}

// peerOf is where a daemon's peers find it.
func peerOf(t testing.TB, d *client.Daemon, h *netlab.Host) string {
	t.Helper()
	a, err := d.Peer(within(t, 10*time.Second), h)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// exists says whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
