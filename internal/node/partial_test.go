package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/node"
)

// Two who have fetched different files of a torrent give a third the whole, with nobody else there.
func TestTwoPartsMakeAWhole(t *testing.T) {
	for _, format := range []string{"v1", "v2"} {
		t.Run(format, func(t *testing.T) {
			origin, _ := daemon(t, t.TempDir(), nil)
			// The files share a piece, which each of the two has to give as well.
			dir := folder(t, "halves", map[string]string{"a.bin": strings.Repeat("left", 50_001), "b.bin": strings.Repeat("right", 40_003)})
			pub := publishAsFormat(t, origin, dir, format)
			var peers []string
			for _, half := range []string{"a.bin", "b.bin"} {
				n, _ := daemon(t, t.TempDir(), nil)
				got, err := fetchNamed(t, n, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Only: []string{half}, Seed: true, Peers: []string{addrOf(t, origin)}})
				must(t, err)
				if got.Files != 1 {
					t.Fatalf("%d files were fetched, want one", got.Files)
				}
				shareIn(t, n, "halves", in(node.StateSeeding))
				peers = append(peers, addrOf(t, n))
			}
			_, err := origin.Remove(t.Context(), node.RemoveRequest{Refs: []string{"halves"}})
			must(t, err)
			third, _ := daemon(t, t.TempDir(), nil)
			got, err := fetchNamed(t, third, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: peers})
			must(t, err)
			same(t, got.Path, dir)
		})
	}
}

// A part ends to be shared when its files change, and leaves nothing of its own behind.
func TestAPartThatChanges(t *testing.T) {
	origin, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "halves", map[string]string{"a.bin": strings.Repeat("left", 50_001), "b.bin": strings.Repeat("right", 40_003)})
	pub := publishAsFormat(t, origin, dir, "v1")
	n, _ := daemon(t, t.TempDir(), quickly)
	out := t.TempDir()
	got, err := fetchNamed(t, n, node.FetchRequest{Ref: pub.Magnet, Dir: out, Only: []string{"a.bin"}, Seed: true, Peers: []string{addrOf(t, origin)}})
	must(t, err)
	shareIn(t, n, "halves", in(node.StateSeeding))
	must(t, os.WriteFile(filepath.Join(got.Path, "a.bin"), []byte("other"), 0o600))
	shareIn(t, n, "halves", in(node.StateDone))
	waitGone(t, filepath.Join(out, ".p2pshare"))
}

func publishAsFormat(t *testing.T, n *node.Node, path, format string) *node.Published {
	t.Helper()
	e, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path, Format: format}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	must(t, err)
	return e.Published
}
