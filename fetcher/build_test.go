package fetcher_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

type dict = map[string]any

// item is a file of a torrent that a test makes.
type item struct {
	path string // below the name; empty: the torrent is this file alone
	size int
	exec bool
	link string // a symlink to this path
	data []byte // instead of bytes by lot
}

// made is a torrent with its bytes.
type made struct {
	*metafile.Torrent
	bytes map[string][]byte // by path below the name
	space []byte            // the piece space, zeros in gaps and pads
}

const testPiece = 16 << 10

// build makes a torrent of a format: v1, v1pads, hybrid or v2. Files are given in order.
func build(t testing.TB, format string, pieceLength int, files ...item) *made {
	t.Helper()
	m := &made{bytes: map[string][]byte{}}
	r := rand.New(rand.NewPCG(uint64(len(files)), uint64(pieceLength)))
	single := len(files) == 1 && files[0].path == ""
	aligned := format != "v1"
	info := dict{"name": "content", "piece length": pieceLength}
	tree, layers := dict{}, dict{}
	var list []any
	for k, f := range files {
		if f.data != nil {
			f.size = len(f.data)
		}
		b := make([]byte, f.size)
		for i := 0; i+8 <= len(b); i += 8 {
			v := r.Uint64()
			for j := range 8 {
				b[i+j] = byte(v >> (8 * j))
			}
		}
		copy(b, f.data)
		m.bytes[f.path] = b
		if pad := (pieceLength - len(m.space)%pieceLength) % pieceLength; aligned && pad > 0 && f.size > 0 && k > 0 {
			list = append(list, dict{"attr": "p", "length": pad, "path": []any{".pad", fmt.Sprint(pad)}})
			m.space = append(m.space, make([]byte, pad)...)
		}
		m.space = append(m.space, b...)
		entry := dict{"length": f.size, "path": split(f.path)}
		leaf := dict{"length": f.size}
		if f.exec {
			entry["attr"], leaf["attr"] = "x", "x"
		}
		if f.link != "" {
			entry["attr"], entry["symlink path"] = "l", split(f.link)
			leaf["attr"], leaf["symlink path"] = "l", split(f.link)
		}
		if f.size > 0 {
			root, layer := merkleOf(b, pieceLength)
			leaf["pieces root"] = root
			if layer != "" {
				layers[root] = layer
			}
		}
		list = append(list, entry)
		at := tree
		parts := strings.Split(f.path, "/")
		if single {
			parts = []string{"content"}
		}
		for i, p := range parts {
			if at[p] == nil {
				at[p] = dict{}
			}
			at = at[p].(dict)
			if i == len(parts)-1 {
				at[""] = leaf
			}
		}
	}
	if format != "v2" {
		var hashes []byte
		for i := 0; i < len(m.space); i += pieceLength {
			h := sha1.Sum(m.space[i:min(i+pieceLength, len(m.space))])
			hashes = append(hashes, h[:]...)
		}
		info["pieces"] = string(hashes)
		if single {
			info["length"] = len(m.bytes[""])
		} else {
			info["files"] = list
		}
	}
	outer := dict{"info": info}
	if format == "v2" || format == "hybrid" {
		info["meta version"], info["file tree"] = 2, tree
		outer["piece layers"] = layers
	}
	b, err := bencode.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	if m.Torrent, err = metafile.Decode(b); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return m
}

func split(p string) (l []any) {
	for _, c := range strings.Split(p, "/") {
		l = append(l, c)
	}
	return l
}

func merkleOf(b []byte, pieceLength int) (root, layer string) {
	if len(b) <= pieceLength {
		h := merkle.NewHash()
		h.Write(b)
		return string(h.Sum(nil)), ""
	}
	var hashes [][32]byte
	for i := 0; i < len(b); i += pieceLength {
		h := merkle.NewHash()
		h.Write(b[i:min(i+pieceLength, len(b))])
		sum := h.SumMinLength(nil, pieceLength)
		hashes = append(hashes, [32]byte(sum))
		layer += string(sum)
	}
	r := merkle.RootWithPadHash(hashes, metainfo.HashForPiecePad(int64(pieceLength)))
	return string(r[:]), layer
}

// view is the info as the engine would give it to the storage: the v1 view of a hybrid too.
func (m *made) view(v1 bool) *metainfo.Info {
	info := *m.Info
	if v1 {
		info.MetaVersion = 0
	}
	return &info
}

// pieceBytes is what a piece of a view holds.
func (m *made) pieceBytes(info *metainfo.Info, i int) []byte {
	p := info.Piece(i)
	start := int64(i) * info.PieceLength
	return m.space[start : start+p.Length()]
}

// place writes the content below dir, and calls it name.
func (m *made) place(t testing.TB, dir string) string {
	t.Helper()
	target := filepath.Join(dir, m.Name)
	for i, f := range m.Files {
		p := m.FilePath(i)
		full := filepath.Join(target, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.Symlink != nil {
			to, _ := filepath.Rel(filepath.Dir(p), filepath.Join(f.Symlink...))
			err = os.Symlink(to, full)
		} else {
			err = os.WriteFile(full, m.bytes[p], 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return target
}

// check compares what is below dir with the content of the wanted paths; nil: all. Nothing else may
// be there.
func (m *made) check(t testing.TB, dir string, want func(path string) bool) {
	t.Helper()
	target := filepath.Join(dir, m.Name)
	seen := map[string]bool{}
	err := filepath.WalkDir(target, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			rel, _ := filepath.Rel(target, p)
			if rel == "." {
				rel = ""
			}
			seen[filepath.ToSlash(rel)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range m.Files {
		p := m.FilePath(i)
		if want != nil && !want(p) {
			continue
		}
		if !seen[p] {
			t.Errorf("%q: missing", p)
			continue
		}
		delete(seen, p)
		if f.Symlink != nil {
			continue
		}
		got, err := os.ReadFile(filepath.Join(target, p))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, m.bytes[p]) {
			t.Errorf("%q: %d bytes differ from the %d that were published", p, len(got), len(m.bytes[p]))
		}
	}
	for p := range seen {
		t.Errorf("%q: was not asked for", p)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// tree is a folder of files that share pieces, empty ones, an executable and a symlink.
func tree(t testing.TB, format string) *made {
	return build(t, format, testPiece,
		item{path: "a/one", size: 40000},
		item{path: "a/two", size: 100},
		item{path: "b/empty"},
		item{path: "b/link", link: "a/two"},
		item{path: "b/run", size: 5000, exec: true},
		item{path: "c", size: 3 * testPiece},
		item{path: "d/e/f", size: 70000},
		item{path: "z", size: 1},
	)
}
