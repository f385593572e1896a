package node_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// TestPolicyWithoutADaemon: what is published, seeded or fetched in one process stops when its policy has enough,
// which is no error, and not before.
func TestPolicyWithoutADaemon(t *testing.T) {
	ends := func(t *testing.T, ended <-chan error) {
		t.Helper()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ended: got %v, want no error", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("it still seeds")
		}
	}
	t.Run("publish until a ratio", func(t *testing.T) {
		t.Parallel()
		pub, port, ended, _ := publish(t, node.PublishRequest{Path: release(t), Policy: node.Policy{Ratio: 0.9}})
		select {
		case err := <-ended:
			t.Fatalf("before anything was sent: ended with %v", err)
		default:
		}
		if _, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		ends(t, ended)
	})
	t.Run("seed for a time", func(t *testing.T) {
		t.Parallel()
		src, file := release(t), filepath.Join(t.TempDir(), "r.torrent")
		if err := open(t, quiet).Publish(t.Context(), node.PublishRequest{Path: src, Output: file, NoSeed: true}, func(node.Event) {}); err != nil {
			t.Fatal(err)
		}
		ended, ev, begun := make(chan error, 1), newEvents(), time.Now()
		n := open(t, quiet)
		go func() {
			ended <- n.Seed(t.Context(), node.SeedRequest{Torrents: []string{file}, Data: filepath.Dir(src), Policy: node.Policy{Time: time.Second}}, ev.on)
		}()
		ends(t, ended)
		if took := time.Since(begun); took < time.Second {
			t.Errorf("ended after %v, want a second at least", took)
		}
		if e, ok := ev.last(func(e node.Event) bool { return e.Stopped != nil }); !ok || e.Stopped.Reason != "seeded for 1s, and that is enough" {
			t.Errorf("stopped: got %+v, want why", e.Stopped)
		}
	})
	t.Run("fetch and seed for a time", func(t *testing.T) {
		t.Parallel()
		pub, port, _, _ := publish(t, node.PublishRequest{Path: release(t)})
		ended := make(chan error, 1)
		go func() {
			_, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Seed: true, Policy: node.Policy{Time: time.Second}})
			ended <- err
		}()
		ends(t, ended)
	})
}
