//go:build unix

package seeder_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/needs"
	"github.com/p2pshare/p2pshare/seeder"
)

// file is a file of a test tree.
type file struct {
	path string
	size int
	exec bool
}

// write makes a tree below a new folder called name and returns its path. seed determines the bytes.
func write(t testing.TB, name string, seed uint64, files ...file) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	for _, f := range files {
		p := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, f.size)
		random.Read(b)
		mode := os.FileMode(0o644)
		if f.exec {
			mode = 0o755
		}
		if err := os.WriteFile(p, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t testing.TB, o seeder.Options) *seeder.Built {
	t.Helper()
	b, err := seeder.Build(context.Background(), o)
	if err != nil {
		t.Fatalf("build %q: %v", o.Path, err)
	}
	return b
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// libtorrentScript builds a torrent as libtorrent's own tools do.
const libtorrentScript = `
import libtorrent as lt, os, sys
src, out, mode, length = sys.argv[1:5]
fs = lt.file_storage(); lt.add_files(fs, src)
flags = {'v2': lt.create_torrent.v2_only, 'hybrid': 0}[mode]
t = lt.create_torrent(fs, int(length), flags)
lt.set_piece_hashes(t, os.path.dirname(src))
open(out, 'wb').write(lt.bencode(t.generate()))
`

func libtorrent(t testing.TB, src, format string, pieceLength int64) *metafile.Torrent {
	t.Helper()
	out := filepath.Join(t.TempDir(), "lt.torrent")
	// Debian's interpreter: another one that is first in PATH does not see Debian's packages.
	run(t, needs.Python(t, "libtorrent", "python3-libtorrent"), "-c", libtorrentScript, src, out, format, strconv.FormatInt(pieceLength, 10))
	m, err := metafile.ReadFile(out)
	if err != nil {
		t.Fatalf("read libtorrent's torrent (apt-get install python3-libtorrent): %v", err)
	}
	return m
}

func mktorrent(t testing.TB, src string, pieceLength int64) *metafile.Torrent {
	t.Helper()
	out := filepath.Join(t.TempDir(), "mk.torrent")
	exponent := 0
	for n := pieceLength; n > 1; n /= 2 {
		exponent++
	}
	run(t, needs.Program(t, "mktorrent", "mktorrent"), "-l", strconv.Itoa(exponent), "-o", out, src)
	m, err := metafile.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// trees are compared with other creators: orders that differ between whole paths and components, empty files
// first and last, files that end at a piece, a single file, Unicode.
func trees() map[string][]file {
	m := map[string][]file{
		"orders":                          {{path: "a/x", size: 3}, {path: "a-b/y", size: 16384}, {path: "a.txt", size: 40000}, {path: "a/empty"}, {path: "zz"}},
		"empty first":                     {{path: "0"}, {path: "1", size: 70000}},
		"empty last":                      {{path: "1", size: 70000}, {path: "2"}, {path: "3"}},
		"aligned":                         {{path: "1", size: 16384}, {path: "2", size: 32768}, {path: "3", size: 65536}},
		"last aligned":                    {{path: "1", size: 5}, {path: "2", size: 32768}},
		"last ragged":                     {{path: "1", size: 32768}, {path: "2", size: 5}},
		"folder of one":                   {{path: "only/file", size: 33000}},
		"folder of one and an empty file": {{path: "a", size: 33000}, {path: "b"}},
		"unicode":                         {{path: "日本/ファイル", size: 17000}, {path: "Ünï/cødé", size: 20000}, {path: "z", size: 1}, {path: "é", size: 40000}},
		"capitals":                        {{path: "B", size: 20000}, {path: "a", size: 20000}, {path: "C/d", size: 20000}, {path: "c1", size: 20000}},
		"many blocks":                     {{path: "big", size: 3<<20 + 12345}, {path: "small", size: 100}},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 6 {
		var files []file
		for j := range 40 {
			size := []int{0, 1, 16383, 16384, 16385, 32768, 65536, random.IntN(200_000)}[random.IntN(8)]
			name := fmt.Sprintf("%c%s/%d", 'a'+random.IntN(3), []string{"", "-", ".d", "/e"}[random.IntN(4)], j)
			files = append(files, file{path: name, size: size})
		}
		m[fmt.Sprintf("random %d", i)] = append(files, file{path: "some bytes", size: 1})
	}
	return m
}

func TestInfohashAsMktorrent(t *testing.T) {
	for name, files := range trees() {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "release", 1, files...)
			for _, pieceLength := range []int64{32 << 10, 256 << 10} {
				want := mktorrent(t, dir, pieceLength)
				got := build(t, seeder.Options{Path: dir, Format: seeder.V1, PieceLength: pieceLength}).Torrent
				if *got.V1 != *want.V1 {
					t.Errorf("v1 infohash with pieces of %d: got %v, want mktorrent's %v\ngot  %q\nwant %q", pieceLength, got.V1, want.V1, paths(got), paths(want))
				}
			}
		})
	}
}

func paths(m *metafile.Torrent) (list []string) {
	for i := range m.Files {
		list = append(list, m.FilePath(i))
	}
	return list
}

func TestInfohashAsMktorrentForOneFile(t *testing.T) {
	dir := write(t, "x", 2, file{path: "image.iso", size: 3<<20 + 7})
	at := filepath.Join(dir, "image.iso")
	want := mktorrent(t, at, 64<<10)
	got := build(t, seeder.Options{Path: at, Format: seeder.V1, PieceLength: 64 << 10}).Torrent
	if *got.V1 != *want.V1 {
		t.Errorf("v1 infohash: got %v, want mktorrent's %v", got.V1, want.V1)
	}
}

func TestInfohashAsLibtorrent(t *testing.T) {
	all := trees()
	all["executables"] = []file{{path: "bin/tool", size: 50000, exec: true}, {path: "README", size: 10}, {path: "empty.sh", exec: true}}
	for name, files := range all {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "release", 3, files...)
			for _, pieceLength := range []int64{16 << 10, 128 << 10} {
				for _, format := range []seeder.Format{seeder.Hybrid, seeder.V2} {
					compareLibtorrent(t, dir, format, pieceLength)
				}
			}
		})
	}
	t.Run("one file", func(t *testing.T) {
		dir := write(t, "x", 4, file{path: "image.iso", size: 3<<20 + 7}, file{path: "run", size: 16384, exec: true}, file{path: "tiny", size: 1})
		for _, name := range []string{"image.iso", "run", "tiny"} {
			for _, format := range []seeder.Format{seeder.Hybrid, seeder.V2} {
				compareLibtorrent(t, filepath.Join(dir, name), format, 64<<10)
			}
		}
	})
}

func compareLibtorrent(t *testing.T, at string, format seeder.Format, pieceLength int64) {
	t.Helper()
	want := libtorrent(t, at, string(format), pieceLength)
	got := build(t, seeder.Options{Path: at, Format: format, PieceLength: pieceLength})
	if *got.Torrent.V2 != *want.V2 {
		t.Errorf("%s, pieces of %d: v2 infohash: got %x, want libtorrent's %x\ngot  %.600q\nwant %.600q", format, pieceLength, *got.Torrent.V2, *want.V2, got.Torrent.Meta.InfoBytes, want.Meta.InfoBytes)
	}
	if format == seeder.Hybrid && *got.Torrent.V1 != *want.V1 {
		t.Errorf("hybrid, pieces of %d: v1 infohash: got %v, want libtorrent's %v", pieceLength, got.Torrent.V1, want.V1)
	}
	if len(got.Torrent.Meta.PieceLayers) != len(want.Meta.PieceLayers) {
		t.Errorf("%s: %d piece layers, want %d", format, len(got.Torrent.Meta.PieceLayers), len(want.Meta.PieceLayers))
	}
	for root, layer := range want.Meta.PieceLayers {
		if got.Torrent.Meta.PieceLayers[root] != layer {
			t.Errorf("%s: piece layer of %x differs from libtorrent's", format, root)
		}
	}
}
