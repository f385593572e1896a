//go:build unix

package seeder_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/seeder"
)

// open opens a source as the engine does; v1 selects the v1 view of a hybrid.
func open(t testing.TB, s *seeder.Source, b *seeder.Built, v1 bool) (*storage.Torrent, *metainfo.Info) {
	t.Helper()
	info := *b.Torrent.Info
	if v1 {
		info.MetaVersion = 0
	}
	st, err := storage.NewClient(s).OpenTorrent(context.Background(), &info, metainfo.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return st, &info
}

// pieceAt returns a piece of an opened torrent.
func pieceAt(st *storage.Torrent, info *metainfo.Info, i int) storage.PieceImpl {
	return st.TorrentImpl.Piece(info.Piece(i))
}

func TestSourceReads(t *testing.T) {
	dir := write(t, "release", 30, trees()["random 3"]...)
	one := write(t, "x", 31, file{path: "image.iso", size: 500_001})
	tests := []struct {
		name   string
		path   string
		format seeder.Format
		v1     bool
	}{
		{"v1 folder", dir, seeder.V1, false},
		{"v2 folder", dir, seeder.V2, false},
		{"hybrid folder", dir, seeder.Hybrid, false},
		{"hybrid folder in its v1 view", dir, seeder.Hybrid, true},
		{"v1 file", filepath.Join(one, "image.iso"), seeder.V1, false},
		{"v2 file", filepath.Join(one, "image.iso"), seeder.V2, false},
		{"hybrid file", filepath.Join(one, "image.iso"), seeder.Hybrid, false},
		{"hybrid file in its v1 view", filepath.Join(one, "image.iso"), seeder.Hybrid, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := build(t, seeder.Options{Path: test.path, Format: test.format, PieceLength: 32 << 10})
			s := seeder.NewSource(b.Torrent, b.Located, func(err error) { t.Errorf("change: %v", err) })
			defer s.Close()
			st, info := open(t, s, b, test.v1)
			for i := range b.Torrent.Pieces {
				p := pieceAt(st, info, i)
				if c := p.Completion(); !c.Ok || !c.Complete || c.Err != nil {
					t.Fatalf("piece %d: got completion %+v", i, c)
				}
				var whole bytes.Buffer
				n, err := p.(io.WriterTo).WriteTo(&whole)
				if err != nil || n != info.Piece(i).Length() {
					t.Fatalf("piece %d: wrote %d bytes of %d, %v", i, n, info.Piece(i).Length(), err)
				}
				if test.format != seeder.V2 {
					// A hybrid's piece has no pad in its v2 view, but its v1 hash includes the pad.
					padded := append(bytes.Clone(whole.Bytes()), make([]byte, info.Piece(i).V1Length()-n)...)
					if got, want := metainfo.Hash(sha1.Sum(padded)), info.Piece(i).V1Hash().Unwrap(); got != want {
						t.Fatalf("piece %d: got bytes of hash %v, want %v", i, got, want)
					}
				}
				readsAlike(t, p, st.NewReader(), whole.Bytes(), info.Piece(i).Offset())
			}
			if err := s.Check(context.Background()); err != nil {
				t.Errorf("check: %v", err)
			}
		})
	}
}

// readsAlike reads blocks through the piece and through the torrent's reader, and compares them with whole.
func readsAlike(t *testing.T, p storage.PieceImpl, r storage.TorrentReader, whole []byte, start int64) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		off := random.IntN(len(whole))
		want := whole[off : off+1+random.IntN(len(whole)-off)]
		got := make([]byte, len(want))
		if n, err := p.ReadAt(got, int64(off)); n != len(want) || err != nil && err != io.EOF || !bytes.Equal(got, want) {
			t.Fatalf("piece: read %d at %d: got %d, %v, right bytes: %v", len(want), off, n, err, bytes.Equal(got, want))
		}
		clear(got)
		if n, err := r.ReadAt(got, start+int64(off)); n != len(want) || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("torrent: read %d at %d: got %d, %v, right bytes: %v", len(want), off, n, err, bytes.Equal(got, want))
		}
	}
}

func TestSourceNoticesChange(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, at string)
		want string
	}{
		{"truncated", func(t *testing.T, at string) { must(t, os.Truncate(at, 100)) }, "changed on disk since it was published"},
		{"longer", func(t *testing.T, at string) {
			f, err := os.OpenFile(at, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("x")
			must(t, errors.Join(err, f.Close()))
		}, "changed on disk since it was published"},
		{"overwritten in place, of the same size", func(t *testing.T, at string) {
			f, err := os.OpenFile(at, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte("other"), 0)
			// A file's clock moves in ticks: make sure that this write falls in a later one.
			must(t, errors.Join(err, f.Close(), os.Chtimes(at, time.Time{}, time.Now().Add(time.Second))))
		}, "changed on disk since it was published"},
		{"removed", func(t *testing.T, at string) { must(t, os.Remove(at)) }, "since it was published"},
		{"replaced by an equal one", func(t *testing.T, at string) {
			b, err := os.ReadFile(at)
			must(t, err)
			fi, err := os.Stat(at)
			must(t, err)
			must(t, os.WriteFile(at+".new", b, 0o644))
			must(t, os.Chtimes(at+".new", time.Time{}, fi.ModTime()))
			must(t, os.Rename(at+".new", at))
		}, "since it was published"},
		{"replaced by a FIFO", func(t *testing.T, at string) {
			must(t, os.Remove(at))
			must(t, syscall.Mkfifo(at, 0o644))
		}, "since it was published"},
		{"replaced by a symlink out", func(t *testing.T, at string) {
			b, err := os.ReadFile(at)
			must(t, err)
			other := filepath.Join(t.TempDir(), "other")
			must(t, os.WriteFile(other, b, 0o644))
			must(t, os.Remove(at))
			must(t, os.Symlink(other, at))
		}, ""},
		{"its folder replaced by a file", func(t *testing.T, at string) {
			must(t, os.RemoveAll(filepath.Dir(at)))
			must(t, os.WriteFile(filepath.Dir(at), nil, 0o644))
		}, ""},
	}
	for _, test := range tests {
		for _, found := range []string{"by a read of an open file", "by a read of a closed file", "by a check"} {
			t.Run(test.name+" "+found, func(t *testing.T) {
				dir := write(t, "release", 32, file{path: "a", size: 100_000}, file{path: "b", size: 100_000})
				b := build(t, seeder.Options{Path: dir, PieceLength: 32 << 10})
				var calls []error
				s := seeder.NewPool(1).NewSource(b.Torrent, b.Located, func(err error) { calls = append(calls, err) })
				defer s.Close()
				st, info := open(t, s, b, false)
				last := info.NumPieces() - 1
				buf := make([]byte, 1000)
				read := func(i int) error {
					_, err := pieceAt(st, info, i).ReadAt(buf, 0)
					return err
				}
				must(t, read(0))
				if found != "by a read of an open file" {
					must(t, read(last)) // of b: the pool has room for one
				}
				at := filepath.Join(dir, "a")
				test.do(t, at)
				var err error
				if found == "by a check" {
					err = s.Check(context.Background())
				} else {
					err = read(0)
				}
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), at[:len(at)-2]) {
					t.Fatalf("got %v, want an error with %q that names %q", err, test.want, at)
				}
				if fault.HintOf(err) == "" {
					t.Error("got no hint")
				}
				if strings.Contains(test.want, "published") && fault.KindOf(err) != fault.Unverified {
					t.Errorf("got kind %v, want %v", fault.KindOf(err), fault.Unverified)
				}
				// From now on nothing is served, not even the other file, and onChange is not called again.
				for _, i := range []int{0, last} {
					if again := read(i); again == nil || again.Error() != err.Error() {
						t.Errorf("piece %d: got %v, want %v", i, again, err)
					}
					if c := pieceAt(st, info, i).Completion(); !c.Ok || c.Complete {
						t.Errorf("piece %d: got completion %+v of a share that ended", i, c)
					}
				}
				if again := s.Check(context.Background()); again == nil {
					t.Error("a later check finds nothing")
				}
				if len(calls) != 1 || calls[0].Error() != err.Error() {
					t.Errorf("onChange was called with %v, want once with %v", calls, err)
				}
			})
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSourceNeverWrites(t *testing.T) {
	dir := write(t, "release", 33, file{path: "a", size: 100_000}, file{path: "empty"})
	b := build(t, seeder.Options{Path: dir})
	s := seeder.NewSource(b.Torrent, b.Located, nil)
	defer s.Close()
	st, info := open(t, s, b, false)
	p := pieceAt(st, info, 0)
	if _, err := p.WriteAt([]byte("x"), 0); !errors.Is(err, seeder.ErrReadOnly) {
		t.Errorf("write: got %v, want %v", err, seeder.ErrReadOnly)
	}
	if err := p.MarkNotComplete(); !errors.Is(err, seeder.ErrReadOnly) {
		t.Errorf("mark not complete: got %v, want %v", err, seeder.ErrReadOnly)
	}
	if err := p.MarkComplete(); err != nil {
		t.Errorf("mark complete what is: got %v", err)
	}
	must(t, st.Close())
	if err := b.Located.Unchanged(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestSourceOnly(t *testing.T) {
	dir := write(t, "release", 34, file{path: "a", size: 200_000})
	b := build(t, seeder.Options{Path: dir, PieceLength: 64 << 10})
	s := seeder.NewSource(b.Torrent, b.Located, nil)
	defer s.Close()
	s.Only([]bool{true, false, true, false})
	st, info := open(t, s, b, false)
	for i, want := range []bool{true, false, true, false} {
		p := pieceAt(st, info, i)
		if c := p.Completion(); !c.Ok || c.Complete != want {
			t.Errorf("piece %d: got completion %+v, want %v", i, c, want)
		}
		if err := p.MarkComplete(); (err == nil) != want {
			t.Errorf("piece %d: mark complete: got %v", i, err)
		}
	}
	s.Only([]bool{true})
	if _, err := s.OpenTorrent(context.Background(), info, metainfo.Hash{}); err == nil {
		t.Error("got no error for one piece of four")
	}
}

func TestSourceRefusesToOpen(t *testing.T) {
	dir := write(t, "release", 35, file{path: "a", size: 100_000})
	b := build(t, seeder.Options{Path: dir})
	other := build(t, seeder.Options{Path: write(t, "other", 36, file{path: "z", size: 5})})
	tests := []struct {
		name string
		at   content.Located
		info *metainfo.Info
	}{
		{"without stamps", content.Located{Root: b.Located.Root, Paths: b.Located.Paths}, b.Torrent.Info},
		{"without paths", content.Located{Root: b.Located.Root}, b.Torrent.Info},
		{"the info of another torrent", b.Located, other.Torrent.Info},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := seeder.NewSource(b.Torrent, test.at, nil)
			defer s.Close()
			if _, err := s.OpenTorrent(context.Background(), test.info, metainfo.Hash{}); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestSourceAfterClose(t *testing.T) {
	dir := write(t, "release", 37, file{path: "a", size: 100_000})
	b := build(t, seeder.Options{Path: dir})
	s := seeder.NewSource(b.Torrent, b.Located, func(err error) { t.Errorf("change: %v", err) })
	st, info := open(t, s, b, false)
	before := descriptors(t, dir)
	_, err := pieceAt(st, info, 0).ReadAt(make([]byte, 10), 0)
	must(t, err)
	if got := descriptors(t, dir); got != before+1 {
		t.Errorf("after a read: got %d files open, want %d", got, before+1)
	}
	must(t, s.Close())
	if got := descriptors(t, dir); got != before {
		t.Errorf("after Close: got %d files open, want %d", got, before)
	}
	if _, err := pieceAt(st, info, 0).ReadAt(make([]byte, 10), 0); err == nil {
		t.Error("read after Close: got no error")
	}
	if got := descriptors(t, dir); got != before {
		t.Errorf("after a read after Close: got %d files open, want %d", got, before)
	}
}

// descriptors counts the open files of this process below dir.
func descriptors(t testing.TB, dir string) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	n := 0
	for _, fd := range list {
		at, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err == nil && strings.HasPrefix(at, dir+"/") {
			n++
		}
	}
	return n
}

// TestPoolBounds lets many sources and readers share a few descriptors.
func TestPoolBounds(t *testing.T) {
	const bound, sources, files = 4, 5, 20
	pool := seeder.NewPool(bound)
	base := t.TempDir()
	var all []*storage.Torrent
	var infos []*metainfo.Info
	for i := range sources {
		dir := filepath.Join(base, fmt.Sprint(i), "release")
		for j := range files {
			mkfile(t, filepath.Join(dir, fmt.Sprintf("%02d", j)), strings.Repeat(string(rune('a'+j)), 16384))
		}
		b := build(t, seeder.Options{Path: dir, PieceLength: 16384})
		s := pool.NewSource(b.Torrent, b.Located, func(err error) { t.Errorf("change: %v", err) })
		defer s.Close()
		st, info := open(t, s, b, false)
		all, infos = append(all, st), append(infos, info)
	}
	var most atomic.Int64
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(reader), 7))
			buf := make([]byte, 100)
			for n := range 3000 {
				i, j := random.IntN(sources), random.IntN(files)
				if _, err := pieceAt(all[i], infos[i], j).ReadAt(buf, 5); err != nil || buf[99] != byte('a'+j) {
					t.Errorf("source %d, piece %d: got %q, %v", i, j, buf[99], err)
					return
				}
				if n%100 == 0 {
					most.Store(max(most.Load(), int64(descriptors(t, base))))
				}
			}
		})
	}
	wg.Wait()
	if got := descriptors(t, base); got == 0 || got > bound {
		t.Errorf("at rest: got %d files open, want 1 to %d", got, bound)
	}
	// Each reader may also hold one file that it is opening, and one that was evicted.
	if most.Load() > bound+2*3 {
		t.Errorf("while reading: got %d files open, bound %d", most.Load(), bound)
	}
}

// Closing a source during reads must neither race nor close a file that a reader uses.
func TestSourceCloseWhileReading(t *testing.T) {
	dir := write(t, "release", 38, file{path: "a", size: 100_000}, file{path: "b", size: 100_000})
	b := build(t, seeder.Options{Path: dir, PieceLength: 16384})
	for range 30 {
		s := seeder.NewSource(b.Torrent, b.Located, func(err error) { t.Errorf("change: %v", err) })
		st, info := open(t, s, b, false)
		started := make(chan struct{}, 4)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				buf := make([]byte, 16384)
				for n := 0; ; n++ {
					_, err := pieceAt(st, info, (i*3+n)%info.NumPieces()).ReadAt(buf, 0)
					if err != nil && !errors.Is(err, io.EOF) {
						if strings.Contains(err.Error(), "already closed") || strings.Contains(err.Error(), "bad file") {
							t.Errorf("a file was closed during a read: %v", err)
						}
						return
					}
					if n == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		<-started
		must(t, s.Close())
		wg.Wait()
	}
	if got := descriptors(t, dir); got != 0 {
		t.Errorf("got %d files left open", got)
	}
}

// A shortage of descriptors does not mean that the files changed.
func TestSourceOutlivesShortage(t *testing.T) {
	dir := write(t, "release", 39, file{path: "a", size: 100_000})
	b := build(t, seeder.Options{Path: dir})
	s := seeder.NewSource(b.Torrent, b.Located, func(err error) { t.Errorf("change: %v", err) })
	defer s.Close()
	st, info := open(t, s, b, false)
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}))
	buf := make([]byte, 10)
	if _, err := pieceAt(st, info, 0).ReadAt(buf, 0); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("read without a descriptor: got %v, want %v", err, syscall.EMFILE)
	}
	if err := s.Check(context.Background()); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("check without a descriptor: got %v, want %v", err, syscall.EMFILE)
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	if _, err := pieceAt(st, info, 0).ReadAt(buf, 0); err != nil {
		t.Errorf("read with descriptors again: %v", err)
	}
}
