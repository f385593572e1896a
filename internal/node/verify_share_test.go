package node_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestVerifyAShare: a share is checked by its reference, while a daemon holds the home and when it rests, and a
// share that is not fetched yet is not.
func TestVerifyAShare(t *testing.T) {
	home, dir := filepath.Join(t.TempDir(), "home"), release(t)
	n, end := daemon(t, home, nil)
	pub := publishIn(t, n, dir)
	rare := strings.Repeat("ab", 20)
	if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Fetch(ctx, node.FetchRequest{Ref: rare, Dir: t.TempDir()}, on)
	}, func(e node.Event) bool { return e.Kept != nil }); err == nil {
		t.Fatal("a fetch of what nobody has: got no error when its caller went")
	}
	look := func(n *node.Node) {
		t.Helper()
		for what, r := range map[string]node.VerifyRequest{
			"name": {Ref: pub.Name}, "infohash": {Ref: pub.Infohash}, "magnet link": {Ref: pub.Magnet}, "content elsewhere": {Ref: pub.Name, Data: dir},
		} {
			v, err := n.Verify(t.Context(), r, func(node.Event) {})
			if err != nil || !v.OK || v.Path != dir || v.Files != pub.Files {
				t.Errorf("by %s: got %+v, %v, want %s good", what, v, err, dir)
			}
		}
		for what, c := range map[string]struct {
			r    node.VerifyRequest
			want fault.Kind
		}{
			"nothing called so": {node.VerifyRequest{Ref: "nothing"}, fault.NotFound},
			"not fetched yet":   {node.VerifyRequest{Ref: rare}, fault.NotFound},
			"both":              {node.VerifyRequest{Ref: pub.Name, Torrent: "/x.torrent"}, fault.Usage},
			"no content there":  {node.VerifyRequest{Ref: pub.Name, Data: dir + ".gone"}, fault.NotFound},
		} {
			if _, err := n.Verify(t.Context(), c.r, func(node.Event) {}); fault.KindOf(err) != c.want {
				t.Errorf("%s: got %v, want kind %v", what, err, c.want)
			}
		}
	}
	look(n)
	end()
	resting, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer resting.Close()
	look(resting)
	var file string
	for name := range tree(t, dir) {
		file = name
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("other bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := resting.Verify(t.Context(), node.VerifyRequest{Ref: pub.Name}, func(node.Event) {}); err != nil || v.OK || len(v.Bad) == 0 {
		t.Errorf("after %s changed: got %+v, %v, want it bad", file, v, err)
	}
}
