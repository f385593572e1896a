//go:build unix

package node_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/internal/node"
)

// What is written for somebody has the mode that files of theirs have, whoever writes it.
func TestFilesHaveTheUmask(t *testing.T) {
	owner, _ := daemon(t, t.TempDir(), nil)
	askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	source := folder(t, "app", map[string]string{"f": "1"})
	for umask, want := range map[uint32]os.FileMode{0: 0o644, 0o22: 0o644, 0o77: 0o600, 0o2: 0o664} {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return owner.Publish(ctx, node.PublishRequest{Path: source, NoSeed: true, Output: at("t.torrent"), Sums: at("sums"), Chunks: node.ChunksOn, Umask: umask,
				In: &node.InGroup{Group: "acme", As: "app@1"}}, on)
		}, nil)
		must(t, err)
		_, err = fetchInto(t, owner, node.FetchRequest{Ref: "acme/app@1", Dir: filepath.Dir(source), FromGroup: node.FromGroup{Receipt: at("receipt"), Umask: umask}})
		must(t, err)
		export := at("export")
		askCatalog(t, owner, node.CatalogRequest{Group: "acme", Export: &export, Umask: umask})
		for _, name := range []string{"t.torrent", "t.chunks", "sums", "receipt", "export"} {
			fi, err := os.Stat(at(name))
			must(t, err)
			if got := fi.Mode(); got != want {
				t.Errorf("umask %03o: %s has the mode %v, want %v", umask, name, got, want)
			}
		}
	}
}
