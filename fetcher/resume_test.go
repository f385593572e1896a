package fetcher_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// staging is the staging folder of m below dir.
func staging(m *made, dir string) string {
	name := ""
	if m.V1 != nil {
		name = m.V1.HexString()
	} else {
		name = fmt.Sprintf("%x", *m.V2)
	}
	return filepath.Join(dir, ".p2pshare", name)
}

// snapshot copies a staging folder as a crash at this moment would leave it: the note first, so that
// it is never newer than the data.
func snapshot(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(filepath.Dir(to), 0o700)
	if b, err := os.ReadFile(filepath.Join(from, "proven")); err == nil {
		if err := os.WriteFile(filepath.Join(to, "proven"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, p)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if rel == "proven" || filepath.Ext(rel) == ".tmp" {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestKilledAtRandomMoments(t *testing.T) {
	for _, format := range []string{"v1", "hybrid", "v2"} {
		t.Run(format, func(t *testing.T) {
			m := tree(t, format)
			info := m.view(format == "v1")
			for round := range 12 {
				dir, after := t.TempDir(), t.TempDir()
				p, s, _ := open(t, m, fetcher.Options{Dir: dir})
				all := p.Wanted()[0]
				mid := all.Begin + rand.IntN(all.End-all.Begin)
				transfer(t, m, s, info, []fetcher.Range{{Begin: 0, End: mid}}, nil)
				if round%3 > 0 {
					if err := s.Checkpoint(); err != nil {
						t.Fatal(err)
					}
				}
				var wg sync.WaitGroup
				wg.Go(func() { transfer(t, m, s, info, []fetcher.Range{{Begin: mid, End: all.End}}, nil) })
				if round%2 == 0 {
					wg.Wait()
				}
				snapshot(t, staging(m, dir), staging(m, after))
				wg.Wait()

				p, s, proven := open(t, m, fetcher.Options{Dir: after})
				if round%3 > 0 && mid > all.Begin && proven == 0 {
					t.Errorf("round %d: nothing is proven after %d pieces and a checkpoint", round, mid)
				}
				transfer(t, m, s, info, p.Wanted(), nil)
				finish(t, s, after)
				m.check(t, after, nil)
			}
		})
	}
}

func TestResumeAfterClose(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	transfer(t, m, s, info, []fetcher.Range{{Begin: 0, End: 3}}, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p, s, proven := open(t, m, fetcher.Options{Dir: dir})
	if want := int64(3 * testPiece); proven != want {
		t.Errorf("proven: got %d, want %d", proven, want)
	}
	impl := storageOf(t, s, info)
	for i := range m.Pieces {
		if got, want := impl.Piece(info.Piece(i)).Completion().Complete, i < 3; got != want {
			t.Errorf("piece %d complete: got %v, want %v", i, got, want)
		}
	}
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// A note that is torn, foreign or of another version proves nothing: all is hashed.
func TestDamagedNote(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"torn":     func(b []byte) []byte { return b[:len(b)/2] },
		"empty":    func([]byte) []byte { return nil },
		"bit":      func(b []byte) []byte { b[len(b)-40] ^= 1; return b },
		"version":  func(b []byte) []byte { b[19]++; return b },
		"foreign":  func(b []byte) []byte { b[25]++; return b },
		"longer":   func(b []byte) []byte { return append(b, 0) },
		"all ones": func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := tree(t, "v1")
			dir := t.TempDir()
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			info := m.view(true)
			transfer(t, m, s, info, p.Wanted(), nil)
			s.Close()
			note := filepath.Join(staging(m, dir), "proven")
			b, err := os.ReadFile(note)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(note, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			// With a byte wrong, hashing finds one piece wrong, where the note would not have.
			spoil(t, filepath.Join(staging(m, dir), "data", "content", "c"), 5)
			_, s, proven := open(t, m, fetcher.Options{Dir: dir})
			if proven >= m.Size || proven < m.Size-2*testPiece {
				t.Errorf("proven: got %d of %d, want all but one piece", proven, m.Size)
			}
			transfer(t, m, s, info, p.Wanted(), nil)
			finish(t, s, dir)
			m.check(t, dir, nil)
		})
	}
}

func spoil(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0]++
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestResumeWithoutSomeFiles(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	transfer(t, m, s, info, p.Wanted(), nil)
	s.Close()
	data := filepath.Join(staging(m, dir), "data", "content")
	if err := os.Remove(filepath.Join(data, "z")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(data, "c"), 10); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "stray"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, s, proven := open(t, m, fetcher.Options{Dir: dir})
	if proven >= m.Size-3*testPiece || proven == 0 {
		t.Errorf("proven: got %d of %d, want less by the pieces of z and c", proven, m.Size)
	}
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// Another choice of files takes over what fits it, and leaves nothing of the rest in the target.
func TestResumeAnotherChoice(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	transfer(t, m, s, info, p.Wanted(), nil)
	s.Close()
	p, s, _ = open(t, m, fetcher.Options{Dir: dir, Only: []string{"c"}})
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, func(p string) bool { return p == "c" })
}

func TestSecondFetchIsHeldOff(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	_, err := fetcher.Open(t.Context(), p, quiet())
	if fault.KindOf(err) != fault.InUse || fault.HintOf(err) == "" {
		t.Errorf("got %v, want an error of kind InUse with a hint", err)
	}
	s.Close()
	again, err := fetcher.Open(t.Context(), p, quiet())
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".p2pshare")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Discard: .p2pshare is there (%v)", err)
	}
}

// A fetch that is killed when all is in its place, and before it has tidied up, leaves a staging folder that nothing
// is to come to.
func TestTidy(t *testing.T) {
	m := tree(t, "v1")
	for _, c := range []struct {
		name    string
		options fetcher.Options
		held    bool // by another process
		stays   bool
	}{
		{"all is there", fetcher.Options{}, false, false},
		{"another fetches", fetcher.Options{}, true, true},
		{"a part is there", fetcher.Options{Only: []string{"c"}}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, s, _ := open(t, m, fetcher.Options{Dir: dir})
			if !c.held {
				s.Close()
			}
			c.options.Dir = dir
			p, err := fetcher.NewPlan(m.Torrent, c.options)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // there may be nothing to do
				if err := p.Tidy(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, ".p2pshare")); (err == nil) != c.stays {
				t.Errorf("the staging folder: got %v, want it to stay: %v", err, c.stays)
			}
		})
	}
}

// With little memory and few descriptors blocks are written as they come, and the bytes are the same.
func TestLittleMemory(t *testing.T) {
	for _, pieces := range []int64{0, 1, 3} {
		for _, format := range []string{"v1", "v1pads", "hybrid"} {
			t.Run(fmt.Sprintf("%s/%d", format, pieces), func(t *testing.T) {
				m := tree(t, format)
				dir := t.TempDir()
				p, s, _ := open(t, m, fetcher.Options{Dir: dir})
				s.SetGatherLimit(pieces * testPiece)
				s.SetOpenFiles(2)
				transfer(t, m, s, m.view(true), p.Wanted(), func(i int) bool { return i%4 == 0 })
				finish(t, s, dir)
				m.check(t, dir, nil)
			})
		}
	}
}

func TestFinishNeedsEverything(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	all := p.Wanted()[0]
	transfer(t, m, s, m.view(true), []fetcher.Range{{Begin: 0, End: all.End - 1}}, nil)
	if _, err := s.Finish(t.Context()); err == nil {
		t.Fatal("got nil with a piece missing, want an error")
	}
	if _, err := os.Lstat(p.Target()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target is there (%v)", err)
	}
}

func TestClosedStage(t *testing.T) {
	m := tree(t, "v1")
	_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
	info := m.view(true)
	impl := storageOf(t, s, info)
	s.Close()
	if _, err := impl.Piece(info.Piece(0)).WriteAt(m.pieceBytes(info, 0), 0); err == nil {
		t.Error("WriteAt after Close: got nil, want an error")
	}
	if _, err := s.Finish(t.Context()); err == nil {
		t.Error("Finish after Close: got nil, want an error")
	}
}

func TestNote(t *testing.T) {
	stamps := map[int]content.Stamp{
		-1: {Size: 5, MTime: time.Unix(1, 2), CTime: time.Unix(3, 4), Inode: 1<<64 - 1}, 0: {Size: 1 << 50}, 99999: {Inode: 7},
	}
	for _, n := range []int{0, 1, 7, 8, 9, 1000} {
		proven := make([]bool, n)
		for i := range proven {
			proven[i] = i%3 == 0
		}
		for _, stamps := range []map[int]content.Stamp{nil, stamps} {
			got, with, err := fetcher.DecodeNote(fetcher.EncodeNote(proven, stamps), n)
			if err != nil || !slices.Equal(got, proven) || !maps.EqualFunc(with, stamps, content.Stamp.Same) {
				t.Errorf("%d pieces: got %v, %v, %v, want what was written", n, got, with, err)
			}
			if _, _, err := fetcher.DecodeNote(fetcher.EncodeNote(proven, stamps), n+1); err == nil {
				t.Errorf("%d pieces read as %d: got nil, want an error", n, n+1)
			}
		}
	}
}

func FuzzNote(f *testing.F) {
	f.Add(fetcher.EncodeNote(make([]bool, 9), nil), 9)
	f.Add(fetcher.EncodeNote(make([]bool, 1), map[int]content.Stamp{-1: {Size: 3}, 4: {Inode: 5}}), 1)
	f.Add([]byte("p2pshare proven\n"), 0)
	f.Fuzz(func(t *testing.T, b []byte, pieces int) {
		if pieces < 0 || pieces > 1<<16 {
			return
		}
		proven, stamps, err := fetcher.DecodeNote(b, pieces)
		if err == nil && len(proven) != pieces {
			t.Errorf("got %d pieces and %d files of a note about %d pieces", len(proven), len(stamps), pieces)
		}
	})
}
