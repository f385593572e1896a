package fetcher_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"
	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/content"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a plan and its stage, resumed.
func open(t testing.TB, m *made, o fetcher.Options) (*fetcher.Plan, *fetcher.Stage, int64) {
	t.Helper()
	p, err := fetcher.NewPlan(m.Torrent, o)
	if err != nil {
		t.Fatal(err)
	}
	at, err := p.Existing(t.Context(), nil)
	if err != nil || at != nil {
		t.Fatalf("Existing: got %v, %v, want nothing", at, err)
	}
	s, err := fetcher.Open(t.Context(), p, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	proven, err := s.Resume(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, s, proven
}

// storageOf opens the storage as the engine does.
func storageOf(t testing.TB, s *fetcher.Stage, info *metainfo.Info) storage.TorrentImpl {
	t.Helper()
	impl, err := s.OpenTorrent(context.Background(), info, metainfo.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return impl
}

// transfer does what the engine does: writes the blocks of pieces that are not complete, in any order
// and from several goroutines, reads each piece back to hash it, and says what it found. spoil may
// alter a block; such a piece is called wrong and written again.
func transfer(t testing.TB, m *made, s *fetcher.Stage, info *metainfo.Info, ranges []fetcher.Range, spoil func(piece int) bool) {
	t.Helper()
	impl := storageOf(t, s, info)
	type block struct{ piece, off, end int }
	var blocks []block
	left := map[int]int{}
	for _, r := range ranges {
		for i := r.Begin; i < r.End; i++ {
			if c := impl.Piece(info.Piece(i)).Completion(); !c.Ok {
				t.Errorf("piece %d: completion is not known", i)
			} else if c.Complete {
				continue
			}
			n := int(info.Piece(i).Length())
			for off := 0; off < n; off += 4096 {
				blocks = append(blocks, block{i, off, min(off+4096, n)})
				left[i]++
			}
		}
	}
	rand.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	jobs := make(chan block, len(blocks)+1)
	for _, b := range blocks {
		jobs <- b
	}
	close(jobs)
	spoiled := map[int]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for b := range jobs {
				p := impl.Piece(info.Piece(b.piece))
				data := bytes.Clone(m.pieceBytes(info, b.piece)[b.off:b.end])
				if spoil != nil && b.off == 0 && spoil(b.piece) {
					data[0]++
					mu.Lock()
					spoiled[b.piece] = true
					mu.Unlock()
				}
				if n, err := p.WriteAt(data, int64(b.off)); err != nil || n != len(data) {
					t.Errorf("WriteAt: got %d, %v, want %d", n, err, len(data))
				}
				mu.Lock()
				left[b.piece]--
				whole, bad := left[b.piece] == 0, spoiled[b.piece]
				mu.Unlock()
				if whole {
					judge(t, m, info, p, b.piece, bad)
				}
			}
		})
	}
	wg.Wait()
}

// judge hashes a piece as the engine would. A bad one is written again.
func judge(t testing.TB, m *made, info *metainfo.Info, p storage.PieceImpl, i int, bad bool) {
	want := m.pieceBytes(info, i)
	var got bytes.Buffer
	if _, err := (storage.Piece{PieceImpl: p}).WriteTo(&got); err != nil {
		t.Errorf("piece %d: WriteTo: %v", i, err)
	}
	if bytes.Equal(got.Bytes(), want) == bad {
		t.Errorf("piece %d: read back right: %v, want %v", i, !bad == false, !bad)
	}
	if bad {
		if err := p.MarkNotComplete(); err != nil {
			t.Error(err)
		}
		if _, err := p.WriteAt(want, 0); err != nil {
			t.Error(err)
		}
		got.Reset()
		if _, err := (storage.Piece{PieceImpl: p}).WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("piece %d is not what was written the second time: %v", i, err)
		}
	}
	if err := p.MarkComplete(); err != nil {
		t.Errorf("piece %d: MarkComplete: %v", i, err)
	}
	if c := p.Completion(); !c.Ok || !c.Complete {
		t.Errorf("piece %d: got completion %+v, want complete", i, c)
	}
	off := rand.IntN(len(want))
	b := make([]byte, min(3000, len(want)-off))
	if n, err := p.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, want[off:off+len(b)]) {
		t.Errorf("piece %d at %d: got %d bytes, %v, want %d right ones", i, off, n, err, len(b))
	}
}

// finish ends a fetch and checks that nothing is left of the staging.
func finish(t testing.TB, s *fetcher.Stage, dir string) *content.Located {
	t.Helper()
	at, err := s.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(at.Stamps) != len(at.Paths) {
		t.Errorf("got %d stamps for %d paths", len(at.Stamps), len(at.Paths))
	}
	if _, err := os.Lstat(filepath.Join(dir, ".p2pshare")); !os.IsNotExist(err) {
		t.Errorf(".p2pshare is still there (%v)", err)
	}
	return at
}

func TestFetch(t *testing.T) {
	for _, tt := range []struct {
		format string
		v1view bool
	}{{"v1", true}, {"v1pads", true}, {"hybrid", true}, {"hybrid", false}, {"v2", false}} {
		for name, m := range map[string]*made{
			"folder": tree(t, tt.format),
			"file":   build(t, tt.format, testPiece, item{size: 100001}),
			"small":  build(t, tt.format, 1<<20, item{size: 5}),
			"large":  build(t, tt.format, 1<<20, item{path: "x", size: 5<<20 + 1}, item{path: "y", size: 3 << 20}),
		} {
			t.Run(tt.format+"/"+name+map[bool]string{true: "/v1 view", false: "/v2 view"}[tt.v1view], func(t *testing.T) {
				dir := t.TempDir()
				p, s, proven := open(t, m, fetcher.Options{Dir: dir})
				if proven != 0 {
					t.Errorf("proven: got %d, want 0", proven)
				}
				info := m.view(tt.v1view)
				transfer(t, m, s, info, p.Wanted(), func(i int) bool { return i%5 == 1 })
				if _, err := os.Lstat(p.Target()); !os.IsNotExist(err) {
					t.Errorf("the target is there before the end (%v)", err)
				}
				finish(t, s, dir)
				m.check(t, dir, nil)
				// Reads go on.
				impl := storageOf(t, s, info)
				b := make([]byte, 1)
				if _, err := impl.Piece(info.Piece(0)).ReadAt(b, 0); err != nil || b[0] != m.space[0] {
					t.Errorf("read after the end: got %x, %v", b, err)
				}
				// The same again finds it there.
				again, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				at, err := again.Existing(t.Context(), nil)
				if err != nil || at == nil {
					t.Fatalf("Existing: got %v, %v, want the content", at, err)
				}
				if err := at.Unchanged(t.Context()); err != nil {
					t.Errorf("stamps: %v", err)
				}
			})
		}
	}
}

func TestModesAndLinks(t *testing.T) {
	m := tree(t, "hybrid")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	transfer(t, m, s, m.view(false), p.Wanted(), nil)
	finish(t, s, dir)
	for name, want := range map[string]os.FileMode{"b/run": 0o100, "c": 0} {
		fi, err := os.Stat(filepath.Join(p.Target(), name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode() & 0o100; got != want {
			t.Errorf("%s: mode %v, want the exec bit to be %v", name, fi.Mode(), want)
		}
	}
	if to, err := os.Readlink(filepath.Join(p.Target(), "b/link")); err != nil || to != "../a/two" {
		t.Errorf("link: got %q, %v, want ../a/two", to, err)
	}
}

func TestOnlyEmptyFiles(t *testing.T) {
	m := build(t, "v1", testPiece, item{path: "a"}, item{path: "b/c"})
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	if n := len(p.Wanted()); n != 0 {
		t.Errorf("wanted: got %d ranges, want none", n)
	}
	finish(t, s, dir)
	m.check(t, dir, nil)
}

func TestPartOfATorrent(t *testing.T) {
	for _, format := range []string{"v1", "hybrid", "v2"} {
		t.Run(format, func(t *testing.T) {
			m := tree(t, format)
			dir := t.TempDir()
			in := func(prefixes ...string) func(string) bool {
				return func(p string) bool {
					for _, x := range prefixes {
						if strings.HasPrefix(p, x) {
							return true
						}
					}
					return false
				}
			}
			p, s, _ := open(t, m, fetcher.Options{Dir: dir, Only: []string{"a"}})
			if got := p.WantedBytes(); got != 40100 || p.Files() != 2 {
				t.Errorf("wanted: got %d bytes in %d files, want 40100 in 2", got, p.Files())
			}
			transfer(t, m, s, m.view(format == "v1"), p.Wanted(), nil)
			finish(t, s, dir)
			s.Close()
			m.check(t, dir, in("a/"))
			before, err := os.Stat(filepath.Join(p.Target(), "a/one"))
			if err != nil {
				t.Fatal(err)
			}

			// More of it, beside what is there.
			p, s, _ = open(t, m, fetcher.Options{Dir: dir, Only: []string{"**/f", "b"}})
			transfer(t, m, s, m.view(format == "v1"), p.Wanted(), nil)
			finish(t, s, dir)
			s.Close()
			m.check(t, dir, in("a/", "b/", "d/"))

			// And the rest: what is there is proven and stays.
			p, s, proven := open(t, m, fetcher.Options{Dir: dir})
			if proven == 0 {
				t.Error("nothing of what is there is proven")
			}
			transfer(t, m, s, m.view(format == "v1"), p.Wanted(), nil)
			finish(t, s, dir)
			m.check(t, dir, nil)
			after, err := os.Stat(filepath.Join(p.Target(), "a/one"))
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("a/one was replaced (%v)", err)
			}
		})
	}
}
