package fetcher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/content"
)

const reusePiece = 64 << 10

var formats = []string{"v1", "v1pads", "hybrid", "v2"}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

// put writes files into a folder, which it returns.
func put(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// indexOf cuts m's content.
func indexOf(t testing.TB, m *made) *chunk.Index {
	t.Helper()
	at, err := content.At(m.Torrent, m.place(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	report, err := content.Verify(t.Context(), m.Torrent, at, content.Options{})
	if err != nil || !report.OK {
		t.Fatalf("the content that was made: %v, %v", report, err)
	}
	at.Stamps = report.Stamps
	x, err := chunk.Make(t.Context(), m.Torrent, at, chunk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func sumsOf(m *made) (sums [][32]byte) {
	for i := range m.Files {
		sums = append(sums, sha256.Sum256(m.bytes[m.FilePath(i)]))
	}
	return sums
}

// reused fetches m with what o offers, checks that nothing but m comes out, and returns how much of it was reused.
func reused(t testing.TB, m *made, o fetcher.Reuse) int64 {
	t.Helper()
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	got, err := s.Reuse(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	complete(t, m, p, s, got)
	finish(t, s, dir)
	m.check(t, dir, nil)
	return got
}

// complete checks that what is called complete is as much as was told, and transfers the rest.
func complete(t testing.TB, m *made, p *fetcher.Plan, s *fetcher.Stage, told int64) {
	t.Helper()
	info := m.view(m.V1 != nil)
	impl := storageOf(t, s, info)
	var held int64
	for i := range m.Pieces {
		if c := impl.Piece(info.Piece(i)).Completion(); !c.Complete {
			continue
		}
		b := m.pieceBytes(info, i)
		got := make([]byte, len(b))
		if _, err := impl.Piece(info.Piece(i)).ReadAt(got, 0); err != nil || !bytes.Equal(got, b) {
			t.Errorf("piece %d is called complete, and is not right (%v)", i, err)
		}
		for k := range m.Files {
			f := &m.Files[k]
			from, to := max(f.Offset, int64(i)*m.PieceLength), min(f.Offset+f.Length, int64(i+1)*m.PieceLength)
			held += max(0, to-from)
		}
	}
	if held != told {
		t.Errorf("%d bytes are in complete pieces, and %d were told to be reused", held, told)
	}
	transfer(t, m, s, info, p.Wanted(), nil)
}

func TestReuse(t *testing.T) {
	a, b, c := noise(1, 1<<20+77), noise(2, 300<<10), noise(3, 900)
	changed := slices.Clone(a)
	changed[500<<10]++
	inserted := slices.Concat(a[:400<<10], noise(9, 1000), a[400<<10:])
	fresh := noise(4, 200<<10)
	all := []item{{path: "a/bin", data: a}, {path: "b", data: b}, {path: "c", data: c}, {path: "empty"}}
	const piece = reusePiece
	for name, tt := range map[string]struct {
		files  []item
		old    map[string][]byte
		chunks bool
		sums   bool
		least  int64 // reused, at least, of any format
		most   int64
	}{
		"nothing":                    {all, nil, true, true, 0, 0},
		"all of it":                  {all, map[string][]byte{"a/bin": a, "b": b, "c": c}, false, false, 1<<20 + 77 + 300<<10 + 900, 1 << 30},
		"below the torrent's name":   {all, map[string][]byte{"content/a/bin": a, "content/b": b, "content/c": c}, false, false, 1<<20 + 77 + 300<<10 + 900, 1 << 30},
		"in another folder":          {all, map[string][]byte{"x/y/a/bin": a, "z/b": b, "c": c}, false, false, 1<<20 + 77 + 300<<10 + 900, 1 << 30},
		"under other names":          {all, map[string][]byte{"1": a, "2": b, "3": c}, false, true, 1<<20 + 77 + 300<<10 + 900, 1 << 30},
		"names exchanged":            {[]item{{path: "a", data: b}, {path: "b", data: b[1:]}}, map[string][]byte{"b": b, "a": b[1:]}, false, true, 600<<10 - 1 - piece, 1 << 30},
		"a byte changed":             {all, map[string][]byte{"a/bin": changed, "b": b, "c": c}, false, false, 1<<20 + 300<<10 - piece, 1<<20 + 77 + 300<<10 + 900 - piece},
		"a byte changed, chunks":     {all, map[string][]byte{"a/bin": changed, "b": b, "c": c}, true, false, 1<<20 + 300<<10 - piece, 1<<20 + 77 + 300<<10 + 900 - piece},
		"one file is new":            {append(slices.Clone(all), item{path: "new", data: fresh}), map[string][]byte{"a/bin": a, "b": b, "c": c}, false, false, 1<<20 + 300<<10 - piece, 1<<20 + 78 + 300<<10 + 900},
		"grown at its end":           {[]item{{path: "log-2.txt", data: slices.Concat(a, fresh)}}, map[string][]byte{"log-1.txt": a}, false, false, 1 << 20, 1<<20 + piece},
		"truncated":                  {[]item{{path: "a", data: a}}, map[string][]byte{"a": a[:700<<10]}, false, false, 700<<10 - piece, 700 << 10},
		"inserted, without chunks":   {[]item{{path: "a", data: inserted}}, map[string][]byte{"a": a}, false, false, 300 << 10, 400 << 10},
		"inserted, with chunks":      {[]item{{path: "a", data: inserted}}, map[string][]byte{"a": a}, true, false, 1<<20 - 3*piece, 1 << 20},
		"moved between files":        {[]item{{path: "a", data: slices.Concat(fresh, b, a)}}, map[string][]byte{"p": a, "q": b}, true, false, 1<<20 + 300<<10 - 7*piece, 1<<20 + 77 + 300<<10},
		"a single file":              {[]item{{path: "", data: a}}, map[string][]byte{"content": a}, false, false, 1<<20 + 77, 1 << 30},
		"a single file of a version": {[]item{{path: "", data: inserted}}, map[string][]byte{"deep/content": a}, true, false, 1<<20 - 3*piece, 1 << 20},
		"of the size, and another":   {[]item{{path: "a", data: a}}, map[string][]byte{"a": noise(5, len(a)), "b": noise(6, len(a))}, true, true, 0, 0},
	} {
		for _, format := range formats {
			t.Run(name+"/"+format, func(t *testing.T) {
				m := build(t, format, piece, tt.files...)
				o := fetcher.Reuse{Places: []string{filepath.Join(t.TempDir(), "gone"), put(t, tt.old)}}
				if tt.chunks {
					o.Chunks = indexOf(t, m)
				}
				if tt.sums {
					o.Sums = sumsOf(m)
				}
				var last, total int64
				o.Progress = func(done, of int64) {
					if done < last || done > of {
						t.Errorf("progress: %d of %d after %d", done, of, last)
					}
					last, total = done, of
				}
				if got := reused(t, m, o); got < tt.least || got > tt.most {
					t.Errorf("reused %d of %d bytes, want %d to %d", got, m.Size, tt.least, tt.most)
				}
				if last != total {
					t.Errorf("progress ended at %d of %d", last, total)
				}
			})
		}
	}
}

// The same bytes are found under another name by v2's root alone, without anybody's sums.
func TestReuseByRoot(t *testing.T) {
	a := noise(1, 1<<20+5)
	for _, format := range []string{"v2", "hybrid"} {
		m := build(t, format, reusePiece, item{path: "x/a", data: a})
		old := map[string][]byte{"right": a}
		for i := range 20 { // of its size, and before it
			old[string(rune('a'+i))] = noise(byte(10+i), len(a))
		}
		if got := reused(t, m, fetcher.Reuse{Places: []string{put(t, old)}}); got != m.Size {
			t.Errorf("%s: reused %d bytes, want all %d", format, got, m.Size)
		}
	}
}

// A place may be a file, and the earlier of two places goes first.
func TestReusePlaces(t *testing.T) {
	a := noise(1, 1<<20)
	m := build(t, "v1", reusePiece, item{path: "", data: a})
	dir := put(t, map[string][]byte{"app-1.0.iso": a})
	if got := reused(t, m, fetcher.Reuse{Places: []string{filepath.Join(dir, "app-1.0.iso")}}); got != m.Size {
		t.Errorf("from a file: reused %d, want %d", got, m.Size)
	}
}

// An index, or sums, that lie cost time and never a byte.
func TestReuseLies(t *testing.T) {
	a := noise(1, 1<<20)
	inserted := slices.Concat(a[:300<<10], noise(2, 500), a[300<<10:])
	for name, lie := range map[string]func(x *chunk.Index){
		"sums exchanged": func(x *chunk.Index) {
			c := x.Files[0].Chunks
			for i := range len(c) / 2 {
				c[i].Sum, c[len(c)-1-i].Sum = c[len(c)-1-i].Sum, c[i].Sum
			}
		},
		"one sum everywhere": func(x *chunk.Index) {
			for i := range x.Files[0].Chunks {
				x.Files[0].Chunks[i].Sum = x.Files[0].Chunks[0].Sum
			}
		},
		"sums of nothing": func(x *chunk.Index) {
			for i := range x.Files[0].Chunks {
				x.Files[0].Chunks[i].Sum = chunk.Sum{}
			}
		},
		"longer chunks": func(x *chunk.Index) {
			f := &x.Files[0]
			var out []chunk.Chunk
			for i := 0; i+1 < len(f.Chunks); i += 2 {
				out = append(out, chunk.Chunk{Length: f.Chunks[i].Length + f.Chunks[i+1].Length, Sum: f.Chunks[i].Sum})
			}
			if len(f.Chunks)%2 == 1 {
				out = append(out, f.Chunks[len(f.Chunks)-1])
			}
			f.Chunks = out
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(t, "v1", reusePiece, item{path: "a", data: inserted})
			x := indexOf(t, m)
			lie(x)
			if got := reused(t, m, fetcher.Reuse{Places: []string{put(t, map[string][]byte{"a": a})}, Chunks: x}); got > 400<<10 && name != "longer chunks" { // which go on as the source does
				t.Errorf("reused %d bytes by an index that lies", got)
			}
		})
	}
	m := build(t, "v1", reusePiece, item{path: "a", data: a}, item{path: "b", data: inserted})
	sums := sumsOf(m)
	sums[0], sums[1] = sums[1], sums[0]
	reused(t, m, fetcher.Reuse{Places: []string{put(t, map[string][]byte{"x": a, "y": inserted})}, Sums: sums})
	reused(t, m, fetcher.Reuse{Places: []string{put(t, map[string][]byte{"x": a, "y": inserted})}, Sums: sums[:1]})
}

// A source that changes, shrinks or goes while it is read costs what was in it.
func TestReuseSourceChanges(t *testing.T) {
	a := noise(1, 4<<20)
	inserted := slices.Concat(a[:300<<10], noise(2, 500), a[300<<10:])
	for name, change := range map[string]func(path string) error{
		"other bytes": func(p string) error { return os.WriteFile(p, noise(3, 4<<20), 0o644) },
		"truncated":   func(p string) error { return os.Truncate(p, 1<<20) },
		"emptied":     func(p string) error { return os.Truncate(p, 0) },
		"removed":     os.Remove,
		"a folder":    func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
		"shifted":     func(p string) error { return os.WriteFile(p, slices.Concat(a[:1], a), 0o644) },
	} {
		for _, chunks := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "/chunks"}[chunks], func(t *testing.T) {
				data := a
				if chunks {
					data = inserted
				}
				m := build(t, "hybrid", reusePiece, item{path: "a", data: data})
				dir := put(t, map[string][]byte{"a": a})
				o := fetcher.Reuse{Places: []string{dir}}
				if chunks {
					o.Chunks = indexOf(t, m)
				}
				done := false
				o.Progress = func(int64, int64) {
					if done {
						return
					}
					done = true
					if err := change(filepath.Join(dir, "a")); err != nil {
						t.Error(err)
					}
				}
				reused(t, m, o)
				if !done {
					t.Error("nothing was read")
				}
			})
		}
	}
}

// What has no business in a place is passed over: symlinks out of it, and what is no file.
func TestReuseFollowsNoLinks(t *testing.T) {
	a := noise(1, 1<<20)
	m := build(t, "v1", reusePiece, item{path: "a", data: a}, item{path: "sub/b", data: a[1:]})
	outside := put(t, map[string][]byte{"a": a, "b": a[1:]})
	dir := t.TempDir()
	for link, to := range map[string]string{"a": filepath.Join(outside, "a"), "sub": outside, "round": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got := reused(t, m, fetcher.Reuse{Places: []string{dir}, Chunks: indexOf(t, m), Sums: sumsOf(m)}); got != 0 {
		t.Errorf("reused %d bytes through symlinks, want 0", got)
	}
}

func TestReuseIsBounded(t *testing.T) {
	a := noise(1, 1<<20)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	// Files of other names come first in the listing: only so many are looked at.
	old := map[string][]byte{"z": a}
	for i := range 50 {
		old["f"+string(rune('A'+i))] = noise(2, 100)
	}
	o := fetcher.Reuse{Places: []string{put(t, old)}, Sums: sumsOf(m)}
	o.SetBounds(10, 0, 0)
	if got := reused(t, m, o); got != 0 {
		t.Errorf("10 files listed: reused %d, want 0", got)
	}
	o.SetBounds(0, 0, 0)
	if got := reused(t, m, o); got != m.Size {
		t.Errorf("all listed: reused %d, want %d", got, m.Size)
	}
	// A large file before it: only so much is read in search of chunks.
	shifted := slices.Concat(noise(4, 77), a)
	o = fetcher.Reuse{Places: []string{put(t, map[string][]byte{"0": noise(3, 3<<20), "z": shifted})}, Chunks: indexOf(t, m)}
	o.SetBounds(0, 3<<20, 0)
	if got := reused(t, m, o); got != 0 {
		t.Errorf("3 MiB read: reused %d, want 0", got)
	}
	o.SetBounds(0, 5<<20, 0)
	if got := reused(t, m, o); got < m.Size-3*reusePiece {
		t.Errorf("5 MiB read: reused %d, want nearly %d", got, m.Size)
	}
}

// A piece that is larger than the memory for one is proven in one pass, and written and proven in another.
func TestReuseLargePieces(t *testing.T) {
	a := noise(1, 1<<20+99)
	inserted := slices.Concat(a[:300<<10], noise(2, 500), a[300<<10:])
	for _, format := range formats {
		m := build(t, format, 256<<10, item{path: "a", data: inserted}, item{path: "b", data: a})
		o := fetcher.Reuse{Places: []string{put(t, map[string][]byte{"a": a, "b": a})}, Chunks: indexOf(t, m)}
		o.SetBounds(0, 0, 10000)
		if got := reused(t, m, o); got < m.Size-3*256<<10 {
			t.Errorf("%s: reused %d of %d", format, got, m.Size)
		}
	}
}

// What is proven stays when the search is called off, and another fetch takes it up.
func TestReuseCancelled(t *testing.T) {
	a := noise(1, 4<<20)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	dir := t.TempDir()
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	got, err := s.Reuse(ctx, fetcher.Reuse{Places: []string{put(t, map[string][]byte{"a": a})}, Progress: func(done, _ int64) {
		if done > 1<<20 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || got < 1<<20 {
		t.Errorf("got %d, %v, want more than %d, %v", got, err, 1<<20, context.Canceled)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p, s, again := open(t, m, fetcher.Options{Dir: dir})
	if again != got {
		t.Errorf("taken up: %d bytes, want %d", again, got)
	}
	transfer(t, m, s, m.view(true), p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// Only what is wanted counts, and what shares its pieces helps to prove it.
func TestReusePart(t *testing.T) {
	a, b := noise(1, 100<<10), noise(2, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a}, item{path: "b", data: b})
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir, Only: []string{"b"}})
	got, err := s.Reuse(t.Context(), fetcher.Reuse{Places: []string{put(t, map[string][]byte{"a": a, "b": b})}})
	if err != nil || got != int64(len(b)) {
		t.Errorf("got %d, %v, want %d", got, err, len(b))
	}
	_ = p
	finish(t, s, dir)
	m.check(t, dir, func(path string) bool { return path == "b" })
}

// A target that lacks a file takes it from elsewhere, and the piece it shares with one that is there from both.
func TestReuseMerges(t *testing.T) {
	a, b := noise(1, 100<<10), noise(2, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a}, item{path: "b", data: b})
	dir := t.TempDir()
	target := m.place(t, dir)
	if err := os.Remove(filepath.Join(target, "b")); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]fetcher.Reuse{
		"as it is":    {Places: []string{put(t, map[string][]byte{"b": b})}},
		"with chunks": {Places: []string{put(t, map[string][]byte{"other": slices.Concat(noise(5, 33), b)})}, Chunks: indexOf(t, m)},
	} {
		t.Run(name, func(t *testing.T) {
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			got, err := s.Reuse(t.Context(), o)
			if err != nil || got < int64(len(b))-2*reusePiece {
				t.Errorf("got %d, %v, want nearly %d", got, err, len(b))
			}
			transfer(t, m, s, m.view(true), p.Wanted(), nil)
			if _, err := s.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.check(t, dir, nil)
			if err := os.Remove(filepath.Join(target, "b")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNameKey(t *testing.T) {
	for a, b := range map[string]string{
		"app-1.4.2.iso": "App-1.5.iso", "app-1.tar.gz": "app-20.0.1.tar.gz", "data": "DATA", "v2026": "v1",
	} {
		if ka, kb := fetcher.NameKey(a), fetcher.NameKey(b); ka != kb {
			t.Errorf("%q and %q: got %q and %q, want the same", a, b, ka, kb)
		}
	}
	for a, b := range map[string]string{"app-1.iso": "app-1.zip", "a": "b", "app": "app1"} {
		if ka, kb := fetcher.NameKey(a), fetcher.NameKey(b); ka == kb {
			t.Errorf("%q and %q: got %q for both, want two", a, b, ka)
		}
	}
}
