package node_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// What a group signed of files is more than what their torrent says: with other bytes under it, nothing is in its place.
func TestFilesAgreeWithWhatWasSigned(t *testing.T) {
	dir := folder(t, "app", map[string]string{"a": strings.Repeat("a", 100_000), "b/c": "content", "empty": ""})
	sums := []signed.Hash{signed.HashOf([]byte(strings.Repeat("a", 100_000))), signed.HashOf([]byte("content")), signed.HashOf(nil)}
	for _, format := range []string{"v1", "hybrid"} {
		file := filepath.Join(t.TempDir(), "t.torrent")
		pub, port, _, _ := publish(t, node.PublishRequest{Path: dir, Format: format, Output: file})
		m, err := metafile.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info := sha256.Sum256(m.Meta.InfoBytes)
		entry := func(sums []signed.Hash) *node.SignedEntry {
			return &node.SignedEntry{
				Ref: "acme/app@1", Account: "bob", Content: pub.Name, Size: pub.Size, Files: pub.Files, Infohash: pub.Infohash,
				Info: signed.Hash(info).String(), Torrent: signed.HashOf(raw).String(), Sums: catalog.SumOfSums(sums).String(),
			}
		}
		other := append([]signed.Hash{}, sums...)
		other[1] = signed.HashOf([]byte("another"))
		swapped := []signed.Hash{sums[1], sums[0], sums[2]}
		for _, c := range []struct {
			name  string
			sums  []signed.Hash
			there string // what is at the target before
			only  []string
			want  bool
		}{
			{name: "as signed", sums: sums, want: true},
			{name: "as signed and there already", sums: sums, there: dir, want: true},
			{name: "a file is another", sums: other},
			{name: "a file is another, and there already", sums: other, there: dir},
			{name: "in another order", sums: swapped},
			{name: "a list that is shorter", sums: sums[:2]},
			{name: "a part, of which one hash of all says nothing", sums: sums, only: []string{"a"}, want: true},
		} {
			t.Run(format+", "+c.name, func(t *testing.T) {
				out := t.TempDir()
				target := filepath.Join(out, "app")
				if c.there != "" {
					if err := os.CopyFS(target, os.DirFS(c.there)); err != nil {
						t.Fatal(err)
					}
				}
				_, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: out, Entry: entry(c.sums), Only: c.only})
				switch {
				case c.want && err != nil:
					t.Fatal(err)
				case c.want && c.only == nil:
					same(t, target, dir)
				case !c.want && (fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), `not what "bob" signed`)):
					t.Fatalf("got %v, want it refused, with who signed it", err)
				}
				if _, err := os.Stat(target); !c.want && c.there == "" && !os.IsNotExist(err) {
					t.Errorf("it is in its place all the same: %v", err)
				}
			})
		}
	}
}
