//go:build linux

package client_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/tracker"
	"github.com/p2pshare/p2pshare/internal/needs"
)

// TestPeersAmongThemselves tests the drivers without p2pshare: each client seeds to another one, with a torrent that none of
// them made. A failure here is not caused by p2pshare.
func TestPeersAmongThemselves(t *testing.T) {
	netlab.Sweep()
	for i, seeder := range client.Peers(client.Way{}) {
		fetcher := client.Peers(client.Way{})[(i+1)%3]
		t.Run(seeder.Name()+" to "+fetcher.Name(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			needs.Root(t)
			lab, err := netlab.New(2)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(lab.Close)
			var tr tracker.Tracker
			ln, err := lab.Hub().Listen("tcp", lab.Hub().IP+":6969")
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: &tr}
			go func() { _ = srv.Serve(ln) }()
			t.Cleanup(func() { srv.Close() })

			dir, out := t.TempDir(), t.TempDir()
			path, err := payload.Folder.Make(dir)
			if err != nil {
				t.Fatal(err)
			}
			torrent := filepath.Join(t.TempDir(), "t.torrent")
			if err := client.Mktorrent(ctx, path, torrent, "http://"+ln.Addr().String()+"/announce", 15); err != nil {
				t.Fatal(err)
			}
			s, err := seeder.Seed(ctx, t, lab.Host(1), torrent, dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Until(ctx, "the tracker knows the seeder", func() bool { return tr.Announced() > 0 }); err != nil {
				t.Fatal(err)
			}
			p, err := fetcher.Fetch(ctx, t, lab.Host(2), torrent, out)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Finished(ctx); err != nil {
				t.Fatal(err)
			}
			if err := payload.Same(path, filepath.Join(out, payload.Folder.Name)); err != nil {
				t.Error(err)
			}
		})
	}
}
