//go:build unix

package fetcher_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

func TestPlan(t *testing.T) {
	m := tree(t, "v1")
	single := build(t, "v1", testPiece, item{size: 10})
	tests := []struct {
		about   string
		m       *made
		o       fetcher.Options
		files   int // wanted
		kind    fault.Kind
		message string // of the error; empty: accepted
	}{
		{"all", m, fetcher.Options{}, 8, 0, ""},
		{"a file", m, fetcher.Options{Only: []string{"c"}}, 1, 0, ""},
		{"a folder", m, fetcher.Options{Only: []string{"a"}}, 2, 0, ""},
		{"a folder with a slash", m, fetcher.Options{Only: []string{"a/"}}, 2, 0, ""},
		{"any depth", m, fetcher.Options{Only: []string{"**/f"}}, 1, 0, ""},
		{"one level", m, fetcher.Options{Only: []string{"*/t*"}}, 1, 0, ""},
		{"two globs", m, fetcher.Options{Only: []string{"c", "{z,c}"}}, 2, 0, ""},
		{"by number", m, fetcher.Options{Select: []int{0, 5}}, 2, 0, ""},
		{"globs over numbers", m, fetcher.Options{Select: []int{0, 5}, Only: []string{"z"}}, 1, 0, ""},
		{"single by name", single, fetcher.Options{Only: []string{"cont*"}}, 1, 0, ""},
		{"glob of nothing", m, fetcher.Options{Only: []string{"c", "nope"}}, 0, fault.NotFound, `"nope"`},
		{"star is one level", m, fetcher.Options{Only: []string{"*f"}}, 0, fault.NotFound, `"*f"`},
		{"broken glob", m, fetcher.Options{Only: []string{"[a"}}, 0, fault.Usage, "no glob"},
		{"number too high", m, fetcher.Options{Select: []int{8}}, 0, fault.Usage, "file 8"},
		{"number below 0", m, fetcher.Options{Select: []int{-1}}, 0, fault.Usage, "file -1"},
		{"relative folder", m, fetcher.Options{Dir: "x"}, 0, fault.Failed, "absolute"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if tt.o.Dir == "" {
				tt.o.Dir = filepath.Join(t.TempDir(), "new")
			}
			p, err := fetcher.NewPlan(tt.m.Torrent, tt.o)
			if tt.message != "" {
				if err == nil || !strings.Contains(err.Error(), tt.message) || fault.KindOf(err) != tt.kind {
					t.Fatalf("got %v of kind %d, want kind %d and %q", err, fault.KindOf(err), tt.kind, tt.message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Files() != tt.files {
				t.Errorf("files: got %d, want %d", p.Files(), tt.files)
			}
			if _, err := os.Lstat(tt.o.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a plan touched the disk (%v)", err)
			}
		})
	}
}

func TestPlanListsNames(t *testing.T) {
	_, err := fetcher.NewPlan(tree(t, "v1").Torrent, fetcher.Options{Dir: t.TempDir(), Only: []string{"nope"}})
	if hint := fault.HintOf(err); !strings.Contains(hint, `"a/one"`) || !strings.Contains(hint, "5 more") {
		t.Errorf("hint: got %q, want some names", hint)
	}
}

func TestPlanRefusesOurOwnName(t *testing.T) {
	m := build(t, "v1", testPiece, item{size: 10})
	odd := *m.Torrent
	odd.Name = ".P2PShare"
	_, err := fetcher.NewPlan(&odd, fetcher.Options{Dir: t.TempDir()})
	if fault.KindOf(err) != fault.Unverified {
		t.Errorf("got %v, want an error of kind Unverified", err)
	}
}

// What is in the target and is not the content stops the fetch, and stays what it is.
func TestExistingRefuses(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(elsewhere, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	replace := func(target, name string, with func(full string) error) error {
		full := filepath.Join(target, name)
		if err := os.RemoveAll(full); err != nil {
			return err
		}
		return with(full)
	}
	link := func(full string) error { return os.Symlink(elsewhere, full) }
	tests := []struct {
		about string
		spoil func(target string) error
		want  string
	}{
		{"wrong byte, same size", func(target string) error { spoil(t, filepath.Join(target, "c"), 20000); return nil }, `content/c"`},
		{"shorter", func(target string) error { return os.Truncate(filepath.Join(target, "d/e/f"), 5) }, "wrong size"},
		{"symlink for a file", func(target string) error { return replace(target, "c", link) }, "a symlink"},
		{"symlink for a folder", func(target string) error { return replace(target, "d", link) }, "a symlink"},
		{"symlink for all", func(target string) error { return replace(target, "", link) }, "a symlink"},
		{"symlink to a folder inside", func(target string) error {
			return replace(target, "d", func(full string) error { return os.Symlink("a", full) })
		}, "a symlink"},
		{"file for all", func(target string) error {
			return replace(target, "", func(full string) error { return os.WriteFile(full, nil, 0o644) })
		}, "a file"},
		{"folder for a file", func(target string) error {
			return replace(target, "c", func(full string) error { return os.Mkdir(full, 0o755) })
		}, "a folder"},
		{"FIFO for a file", func(target string) error {
			return replace(target, "c", func(full string) error { return syscall.Mkfifo(full, 0o644) })
		}, "neither"},
		{"file for a symlink", func(target string) error {
			return replace(target, "b/link", func(full string) error { return os.WriteFile(full, nil, 0o644) })
		}, "a file"},
		{"wrong symlink", func(target string) error { return replace(target, "b/link", link) }, "b/link"},
		{"wrong byte, others missing", func(target string) error {
			spoil(t, filepath.Join(target, "c"), 20000)
			return os.Remove(filepath.Join(target, "a/one"))
		}, `content/c"`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			m := tree(t, "v1")
			dir := t.TempDir()
			target := m.place(t, dir)
			if err := tt.spoil(target); err != nil {
				t.Fatal(err)
			}
			p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			before := listing(t, dir)
			at, err := p.Existing(t.Context(), nil)
			if at != nil || fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error of kind Unverified that says %q", at, err, tt.want)
			}
			if fault.HintOf(err) == "" {
				t.Error("no hint")
			}
			if _, err := fetcher.Open(t.Context(), p, quiet()); err == nil {
				t.Error("Open goes on all the same")
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the target changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
	if b, err := os.ReadFile(elsewhere); err != nil || string(b) != "precious" {
		t.Errorf("a file outside the target: got %q, %v", b, err)
	}
}

// listing is everything below dir with its times, which tell a write.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(p + " " + fi.Mode().String() + " " + fi.ModTime().Format(time.RFC3339Nano) + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExistingOfAWrongNeighbour(t *testing.T) {
	// The edge of b cannot be judged without a: it is fetched, and then b is found wrong.
	m := build(t, "v1", testPiece, item{path: "a", size: 100}, item{path: "b", size: 100})
	dir := t.TempDir()
	target := m.place(t, dir)
	spoil(t, filepath.Join(target, "b"), 7)
	if err := os.Remove(filepath.Join(target, "a")); err != nil {
		t.Fatal(err)
	}
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	transfer(t, m, s, m.view(true), p.Wanted(), nil)
	_, err := s.Finish(t.Context())
	if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), `content/b"`) {
		t.Errorf("got %v, want an error of kind Unverified that names b", err)
	}
	if _, err := os.Lstat(filepath.Join(target, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a was added all the same (%v)", err)
	}
}

func TestTargetAppears(t *testing.T) {
	for name, plant := range map[string]func(target string) error{
		"file":         func(target string) error { return os.WriteFile(target, []byte("mine"), 0o644) },
		"folder":       func(target string) error { return os.Mkdir(target, 0o755) },
		"symlink":      func(target string) error { return os.Symlink("/etc", target) },
		"dangling one": func(target string) error { return os.Symlink("nowhere", target) },
	} {
		for _, m := range []*made{tree(t, "v1"), build(t, "v1", testPiece, item{size: 100})} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				p, s, _ := open(t, m, fetcher.Options{Dir: dir})
				transfer(t, m, s, m.view(true), p.Wanted(), nil)
				if err := plant(p.Target()); err != nil {
					t.Fatal(err)
				}
				before, err := os.Lstat(p.Target())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Finish(t.Context()); fault.KindOf(err) != fault.Unverified || fault.HintOf(err) == "" {
					t.Errorf("got %v, want an error of kind Unverified with a hint", err)
				}
				after, err := os.Lstat(p.Target())
				if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
					t.Errorf("what came to be there was replaced or changed (%v)", err)
				}
				// What was fetched is kept, and serves once the way is free.
				if err := os.RemoveAll(p.Target()); err != nil {
					t.Fatal(err)
				}
				s.Close()
				_, s, proven := open(t, m, fetcher.Options{Dir: dir})
				if proven != m.Size {
					t.Errorf("proven: got %d, want %d", proven, m.Size)
				}
				finish(t, s, dir)
				m.check(t, dir, nil)
			})
		}
	}
}

// A symlink planted where staging files should be is refused, and nothing behind it is touched.
func TestPlantedSymlinks(t *testing.T) {
	for _, where := range []string{".p2pshare", "staging", "staging/data", "staging/lock"} {
		t.Run(where, func(t *testing.T) {
			m := tree(t, "v1")
			dir := t.TempDir()
			trap := filepath.Join(dir, "trap")
			if err := os.Mkdir(trap, 0o700); err != nil {
				t.Fatal(err)
			}
			at := filepath.Join(dir, ".p2pshare")
			if rest, ok := strings.CutPrefix(where, "staging"); ok {
				at = staging(m, dir) + rest
			}
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(trap, at); err != nil {
				t.Fatal(err)
			}
			p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			s, err := fetcher.Open(t.Context(), p, quiet())
			if err == nil {
				_, err = s.Resume(t.Context(), nil)
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "symlink") || fault.HintOf(err) == "" {
				t.Errorf("got %v, want an error about a symlink with a hint", err)
			}
			if left, _ := os.ReadDir(trap); len(left) > 0 {
				t.Errorf("something was written through the symlink: %v", left)
			}
		})
	}
}

func TestSymlinksPlantedWhileFetching(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	trap := filepath.Join(dir, "trap")
	if err := os.WriteFile(trap, make([]byte, m.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	s.SetOpenFiles(1)
	data := filepath.Join(staging(m, dir), "data", "content")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(trap, filepath.Join(data, "c")); err != nil {
		t.Fatal(err)
	}
	info := m.view(true)
	impl := storageOf(t, s, info)
	for _, r := range p.Wanted() {
		for i := r.Begin; i < r.End; i++ {
			piece := impl.Piece(info.Piece(i))
			if _, err := piece.WriteAt(m.pieceBytes(info, i), 0); err == nil {
				_ = piece.MarkComplete()
			}
		}
	}
	select {
	case err := <-s.WriteErr():
		if !strings.Contains(err.Error(), "symlink") {
			t.Errorf("got %v, want an error about a symlink", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no error came")
	}
	if _, err := s.Finish(t.Context()); err == nil {
		t.Error("Finish: got nil, want the error")
	}
	b, err := os.ReadFile(trap)
	if err != nil || len(b) != int(m.Size) || strings.Trim(string(b), "\x00") != "" {
		t.Errorf("the file behind the symlink was written to (%v)", err)
	}
}

func TestNoRoom(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, FreeSpace: func(string) (uint64, error) { return 1000, nil }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fetcher.Open(t.Context(), p, quiet())
	if err == nil || !strings.Contains(err.Error(), "1.0 kB are free") || fault.HintOf(err) == "" {
		t.Errorf("got %v, want an error about room with a hint", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("something is left: %v", left)
	}
	// A resumed fetch needs less.
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	transfer(t, m, s, m.view(true), []fetcher.Range{{Begin: 0, End: m.Pieces}}, nil)
	s.Close()
	p, err = fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, FreeSpace: func(string) (uint64, error) { return 1000, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = fetcher.Open(t.Context(), p, quiet()); err != nil {
		t.Fatalf("resumed: %v", err)
	}
	s.Close()
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := fetcher.NewPlan(tree(t, "v1").Torrent, fetcher.Options{Dir: filepath.Join(file, "below")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Existing(t.Context(), nil); err == nil {
		if _, err := fetcher.Open(t.Context(), p, quiet()); err == nil {
			t.Error("got nil, want an error")
		}
	}
}

func TestOtherInfo(t *testing.T) {
	m, other := tree(t, "v1"), build(t, "v1", testPiece, item{path: "x", size: 10})
	_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
	if _, err := s.OpenTorrent(t.Context(), other.Info, *other.V1); err == nil {
		t.Error("got nil for the info of another torrent, want an error")
	}
}

func TestMagnetOfVersion2(t *testing.T) {
	// Without piece layers long files cannot be judged here; short ones can, by their root.
	full := tree(t, "v2")
	bare, err := metafile.FromInfo(full.Meta.InfoBytes)
	if err != nil {
		t.Fatal(err)
	}
	m := &made{Torrent: bare, bytes: full.bytes, space: full.space}
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(false)
	transfer(t, m, s, info, p.Wanted(), nil)
	s.Close()
	if err := os.Remove(filepath.Join(staging(m, dir), "proven")); err != nil {
		t.Fatal(err)
	}
	p, s, proven := open(t, m, fetcher.Options{Dir: dir})
	if proven != 100+5000+1 {
		t.Errorf("proven: got %d, want the three files that are one piece", proven)
	}
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// A file that the file system cannot hold is refused before its first byte, with how long one may be.
func TestFilesThatAreTooLong(t *testing.T) {
	const length = 5 << 30
	const pieces = length / (16 << 20)
	m, err := metafile.Decode(fmt.Appendf(nil, "d4:infod6:lengthi%de4:name8:film.mkv12:piece lengthi%de6:pieces%d:%see", int64(length), 16<<20, 20*pieces, strings.Repeat("x", 20*pieces)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		most int64
		want string
	}{
		{"FAT", 1<<32 - 1, "no file of more than 4.0 GiB"},
		{"a limit of the process", 1 << 30, "no file of more than 1.0 GiB"},
		{"long enough", length, ""},
		{"no limit", 1<<63 - 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			p, err := fetcher.NewPlan(m, fetcher.Options{
				Dir: dir, FreeSpace: func(string) (uint64, error) { return 1 << 40, nil }, MaxFile: func(string) int64 { return c.most },
			})
			if err != nil {
				t.Fatal(err)
			}
			s, err := fetcher.Open(t.Context(), p, quiet())
			if err == nil {
				s.Close()
			}
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), "exFAT")) {
				t.Errorf("got %v (%s), want %q", err, fault.HintOf(err), c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, ".p2pshare")); c.want != "" && !os.IsNotExist(err) {
				t.Errorf("a staging folder is left: %v", err)
			}
		})
	}
}
