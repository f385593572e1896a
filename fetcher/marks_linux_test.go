package fetcher_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/fetcher"
)

// keepTimes has do change a file and puts its mtime back, as whoever restores a backup or hides a change does.
func keepTimes(t *testing.T, name string, do func()) {
	t.Helper()
	fi, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	do()
	if now, err := os.Lstat(name); err != nil || !now.Mode().IsRegular() {
		return
	}
	if err := os.Chtimes(name, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// change is what somebody else may do to a file of ours.
type change struct {
	name string
	do   func(t *testing.T, name string)
}

// changes are all of them that tests know of. Each leaves wrong bytes but for the last two.
var changes = []change{
	{"a bit", func(t *testing.T, name string) { spoil(t, name, 20000) }},
	{"a bit, mtime put back", func(t *testing.T, name string) { keepTimes(t, name, func() { spoil(t, name, 20000) }) }},
	{"all bytes, in place, mtime put back", func(t *testing.T, name string) {
		keepTimes(t, name, func() {
			fi, err := os.Stat(name)
			must(t, err)
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			must(t, err)
			defer f.Close()
			_, err = f.Write(make([]byte, fi.Size()))
			must(t, err)
		})
	}},
	{"a hole, mtime put back", func(t *testing.T, name string) {
		keepTimes(t, name, func() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			must(t, err)
			defer f.Close()
			must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 4096, 20000))
		})
	}},
	{"shorter and longer again, mtime put back", func(t *testing.T, name string) {
		keepTimes(t, name, func() {
			fi, err := os.Stat(name)
			must(t, err)
			must(t, os.Truncate(name, 100))
			must(t, os.Truncate(name, fi.Size()))
		})
	}},
	{"shorter", func(t *testing.T, name string) { must(t, os.Truncate(name, 100)) }},
	{"longer", func(t *testing.T, name string) { must(t, os.Truncate(name, 1<<20)) }},
	{"an older version in its place, mtime and all", func(t *testing.T, name string) {
		keepTimes(t, name, func() {
			b, err := os.ReadFile(name)
			must(t, err)
			clear(b[len(b)/2:])
			must(t, os.WriteFile(name+".old", b, 0o600))
			must(t, os.Rename(name+".old", name))
		})
	}},
	{"gone", func(t *testing.T, name string) { must(t, os.Remove(name)) }},
	{"a symlink to another", func(t *testing.T, name string) {
		must(t, os.Rename(name, filepath.Join(t.TempDir(), "x")))
		must(t, os.Symlink("/etc/passwd", name))
	}},
	{"the same bytes in another file", func(t *testing.T, name string) {
		b, err := os.ReadFile(name)
		must(t, err)
		must(t, os.WriteFile(name+".new", b, 0o600))
		must(t, os.Rename(name+".new", name))
	}},
	{"another time alone", func(t *testing.T, name string) { must(t, os.Chtimes(name, time.Time{}, time.Unix(1e9, 0))) }},
}

// bringAll fetches what is missing until all is in place, and looks at every byte.
func bringAll(t *testing.T, m *made, dir string) {
	t.Helper()
	for range 3 {
		p, s, _ := open(t, m, fetcher.Options{Dir: dir})
		if finished(t, m, p, s, dir) {
			return
		}
	}
	t.Error("it is spoiled again and again")
}

// finished fetches the rest and moves it into place; false if what was there is spoiled.
func finished(t *testing.T, m *made, p *fetcher.Plan, s *fetcher.Stage, dir string) bool {
	t.Helper()
	defer s.Close()
	transfer(t, m, s, m.view(m.V1 != nil), p.Wanted(), nil)
	at, err := s.Finish(t.Context())
	if _, is := errors.AsType[*fetcher.SpoiledError](err); is {
		return false
	}
	if err != nil && strings.Contains(err.Error(), "is a symlink") { // what is planted is not touched
		if _, err := os.Lstat(p.Target()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the target is there (%v)", err)
		}
		return true
	}
	must(t, err)
	m.check(t, dir, nil)
	must(t, at.Unchanged(t.Context()))
	return true
}

// TestChangedByOthers changes staged files in every way at every moment of a fetch: what ends up in the target is right.
func TestChangedByOthers(t *testing.T) {
	m := tree(t, "v1")
	info := m.view(true)
	half := []fetcher.Range{{Begin: 0, End: m.Pieces / 2}}
	staged := func(dir string) string { return filepath.Join(staging(m, dir), "data", "content") }
	// during changes a file when some pieces are there, and goes on.
	during := func(file string, first func(*fetcher.Plan) []fetcher.Range) func(*testing.T, string, func(string)) {
		return func(t *testing.T, dir string, change func(string)) {
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, info, first(p), nil)
			change(filepath.Join(staged(dir), file))
			if !finished(t, m, p, s, dir) {
				bringAll(t, m, dir)
			}
		}
	}
	moments := []struct {
		name string
		run  func(t *testing.T, dir string, change func(name string))
	}{
		{"paused", func(t *testing.T, dir string, change func(string)) {
			_, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, info, half, nil)
			must(t, s.Close())
			change(filepath.Join(staged(dir), "a/one"))
			bringAll(t, m, dir)
		}},
		{"killed", func(t *testing.T, dir string, change func(string)) {
			_, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, info, half, nil)
			must(t, s.Checkpoint())
			s.Abandon()
			change(filepath.Join(staged(dir), "a/one"))
			bringAll(t, m, dir)
		}},
		{"between pieces", during("a/one", func(*fetcher.Plan) []fetcher.Range { return half })},
		{"between pieces of the file", during("a/one", func(*fetcher.Plan) []fetcher.Range { return []fetcher.Range{{Begin: 0, End: 2}} })}, // of three
		{"after the last piece", during("d/e/f", (*fetcher.Plan).Wanted)},
		{"after the last piece, killed", func(t *testing.T, dir string, change func(string)) {
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, info, p.Wanted(), nil)
			must(t, s.Checkpoint())
			s.Abandon()
			change(filepath.Join(staged(dir), "d/e/f"))
			bringAll(t, m, dir)
		}},
	}
	for _, moment := range moments {
		t.Run(moment.name, func(t *testing.T) {
			for _, c := range changes {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					moment.run(t, t.TempDir(), func(name string) { c.do(t, name) })
				})
			}
		})
	}
}

// TestChangedAfterTheFetch: the stamps that a fetch ends with tell every later change.
func TestChangedAfterTheFetch(t *testing.T) {
	m := tree(t, "v1")
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, m.view(true), p.Wanted(), nil)
			at := finish(t, s, dir)
			must(t, at.Unchanged(t.Context()))
			c.do(t, filepath.Join(p.Target(), "d/e/f"))
			if at.Unchanged(t.Context()) == nil {
				t.Error("got nil, want a change noticed")
			}
		})
	}
}

// TestChangedInTheTarget: files that were in the target already are held to what they were when they were hashed.
func TestChangedInTheTarget(t *testing.T) {
	m := tree(t, "v1")
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			target := m.place(t, dir)
			must(t, os.Remove(filepath.Join(target, "c")))
			p, s, _ := open(t, m, fetcher.Options{Dir: dir})
			transfer(t, m, s, m.view(true), p.Wanted(), nil)
			c.do(t, filepath.Join(target, "d/e/f"))
			if _, err := s.Finish(t.Context()); err == nil {
				m.check(t, dir, nil)
			} else if right := c.name == changes[len(changes)-1].name || c.name == changes[len(changes)-2].name; right {
				t.Errorf("got %v with the right bytes there", err)
			}
		})
	}
}

// TestResumeReadsNothing: what nobody has touched is not hashed again, whether the fetch was paused or killed.
func TestResumeReadsNothing(t *testing.T) {
	m := tree(t, "v1")
	for name, end := range map[string]func(*fetcher.Stage){
		"paused": func(s *fetcher.Stage) { must(t, s.Close()) },
		"killed": func(s *fetcher.Stage) { must(t, s.Checkpoint()); s.Abandon() },
	} {
		dir := t.TempDir()
		_, s, _ := open(t, m, fetcher.Options{Dir: dir})
		transfer(t, m, s, m.view(true), []fetcher.Range{{Begin: 0, End: m.Pieces}}, nil)
		end(s)
		p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir})
		must(t, err)
		s, err = fetcher.Open(t.Context(), p, quiet())
		must(t, err)
		proven, err := s.Resume(t.Context(), func(done, total int64) { t.Errorf("%s: %d of %d bytes are hashed", name, done, total) })
		if err != nil || proven != m.Size {
			t.Errorf("%s: got %d proven, %v, want %d", name, proven, err, m.Size)
		}
		s.Close()
	}
}
