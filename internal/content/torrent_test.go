package content_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

const pieceLength = 32 << 10

type file struct {
	path string
	data []byte
}

// data is n bytes that differ from seed to seed.
func data(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// sample is sorted by path components, as a file tree is.
func sample() []file {
	return []file{
		{"a/empty", nil},
		{"a/small", data(100, 1)},
		{"b", data(3*pieceLength+17, 2)},
		{"c", data(pieceLength, 3)},
		{"d/e/f", data(2*pieceLength, 4)},
		{"z", data(5, 5)},
	}
}

// torrentOf builds a torrent the plain way, all in memory, as something to compare with.
func torrentOf(t testing.TB, format string, files []file) *metafile.Torrent {
	t.Helper()
	info := map[string]any{"name": "release", "piece length": pieceLength}
	meta := map[string]any{"info": info}
	if format != "v2" {
		var space []byte
		var list []any
		for _, f := range files {
			list = append(list, map[string]any{"length": len(f.data), "path": strings.Split(f.path, "/")})
			space = append(space, f.data...)
			if pad := -len(space) & (pieceLength - 1); format == "hybrid" && pad > 0 {
				list = append(list, map[string]any{"attr": "p", "length": pad, "path": []string{".pad", fmt.Sprint(pad)}})
				space = append(space, make([]byte, pad)...)
			}
		}
		var pieces []byte
		for len(space) > 0 {
			n := min(len(space), pieceLength)
			sum := sha1.Sum(space[:n])
			pieces, space = append(pieces, sum[:]...), space[n:]
		}
		info["files"], info["pieces"] = list, pieces
	}
	if format != "v1" {
		info["meta version"] = 2
		root, layers := map[string]any{}, map[string]any{}
		for _, f := range files {
			at := root
			for _, name := range strings.Split(f.path, "/") {
				if at[name] == nil {
					at[name] = map[string]any{}
				}
				at = at[name].(map[string]any)
			}
			file := map[string]any{"length": len(f.data)}
			at[""] = file
			if len(f.data) > 0 {
				h := merkle.NewHash()
				h.Write(f.data)
				sum := h.Sum(nil)
				if len(f.data) > pieceLength {
					var hashes [][32]byte
					var layer []byte
					for b := f.data; len(b) > 0; b = b[min(len(b), pieceLength):] {
						h := merkle.NewHash()
						h.Write(b[:min(len(b), pieceLength)])
						s := h.SumMinLength(nil, pieceLength)
						hashes, layer = append(hashes, [32]byte(s)), append(layer, s...)
					}
					root := merkle.RootWithPadHash(hashes, metainfo.HashForPiecePad(pieceLength))
					sum = root[:]
					layers[string(sum)] = layer
				}
				file["pieces root"] = sum
			}
		}
		info["file tree"], meta["piece layers"] = root, layers
	}
	b, err := bencode.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metafile.Decode(b)
	if err != nil {
		t.Fatalf("judge the %s torrent: %v", format, err)
	}
	return m
}

// put writes files below dir and returns where the content of m is then.
func put(t testing.TB, m *metafile.Torrent, files []file) content.Located {
	t.Helper()
	dir := filepath.Join(t.TempDir(), m.Name)
	for _, f := range files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(f.path)), f.data)
	}
	l, err := content.At(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func writeFile(t testing.TB, at string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// index is the number of a file in m.
func index(t testing.TB, m *metafile.Torrent, path string) int {
	t.Helper()
	for i := range m.Files {
		if strings.Join(m.Files[i].Path, "/") == path {
			return i
		}
	}
	t.Fatalf("no file %q in the torrent", path)
	return -1
}

// space is the piece space of a layout, the plain way.
func space(t testing.TB, l *content.Layout, files []file) []byte {
	t.Helper()
	b := make([]byte, int64(l.Pieces())*l.PieceLength)
	for p := range l.Pieces() {
		start := int64(p) * l.PieceLength
		for _, e := range l.Extents(start, start+l.PieceLength) {
			if e.File != content.Padding {
				copy(b[e.Offset:], files[e.File].data)
			}
		}
	}
	return bytes.Clone(b)
}
