//go:build unix

package seeder_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/needs"
	"github.com/p2pshare/p2pshare/seeder"
)

func mkfile(t testing.TB, at, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, at); err != nil {
		t.Fatal(err)
	}
}

func TestBuildRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "key")
	mkfile(t, outside, "secret")
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		opts seeder.Options
		want string // in the message
		hint string
		kind fault.Kind
	}{
		{name: "a symlink out of the folder", want: `link" to "../../`, hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				rel, err := filepath.Rel(dir, outside)
				if err != nil {
					t.Fatal(err)
				}
				symlink(t, rel, filepath.Join(dir, "link"))
			}},
		{name: "an absolute symlink", want: "points to an absolute path", hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) { symlink(t, outside, filepath.Join(dir, "link")) }},
		{name: "a symlink to nothing", want: "points to nothing", hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) { symlink(t, "none", filepath.Join(dir, "link")) }},
		{name: "a loop of symlinks", want: "forms a loop", hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				symlink(t, "two", filepath.Join(dir, "one"))
				symlink(t, "one", filepath.Join(dir, "two"))
			}},
		{name: "a symlink to a folder above", want: "leads back to a folder that contains it", hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) { symlink(t, "..", filepath.Join(dir, "sub", "up")) }},
		{name: "folders that link to each other", want: "leads back to a folder that contains it", hint: "--exclude", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				symlink(t, "../two", filepath.Join(dir, "one", "x"))
				symlink(t, "../one", filepath.Join(dir, "two", "y"))
			}},
		{name: "an empty folder", want: "nothing to publish", kind: fault.Usage,
			make: func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "file")) }},
		{name: "everything excluded", want: "nothing to publish", hint: "--exclude", kind: fault.Usage,
			opts: seeder.Options{Exclude: []string{"*"}}},
		{name: "a backslash", want: `a\\b`, hint: "rename", kind: fault.Usage,
			make: func(t *testing.T, dir string) { mkfile(t, filepath.Join(dir, `a\b`), "x") }},
		{name: "bytes that are not UTF-8", want: "UTF-8", hint: "rename", kind: fault.Usage,
			make: func(t *testing.T, dir string) { mkfile(t, filepath.Join(dir, "a\xff"), "x") }},
		{name: "several dangerous names at once", want: `3 names`, hint: "rename", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				for _, name := range []string{`a\b`, "b\xff", "sub/c\\d"} {
					mkfile(t, filepath.Join(dir, name), "x")
				}
			}},
		{name: "a name that is not portable, with Portable", want: `"a:b" (it contains ':'`, hint: "--exclude", kind: fault.Usage,
			opts: seeder.Options{Portable: true},
			make: func(t *testing.T, dir string) { mkfile(t, filepath.Join(dir, "a:b"), "x") }},
		{name: "two such names", want: `3 names in "aux" cannot be used on every system: "aux" (Windows reserves AUX for a device), "sub." (it ends in a dot`, hint: "--exclude", kind: fault.Usage, opts: seeder.Options{Portable: true, Name: "aux"},
			make: func(t *testing.T, dir string) { mkfile(t, filepath.Join(dir, "sub.", "x?"), "x") }},
		{name: "names that differ in composition", want: "in composed form", hint: "rename", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				mkfile(t, filepath.Join(dir, norm.NFC.String("é")), "x")
				mkfile(t, filepath.Join(dir, norm.NFD.String("é")), "y")
			}},
		{name: "a bad pattern", want: `exclude "[a"`, kind: fault.Usage, opts: seeder.Options{Exclude: []string{"[a"}}},
		{name: "a bad pattern in an ignore file", want: `"sub/.p2pshareignore", line 2: pattern "[a"`, kind: fault.Usage,
			make: func(t *testing.T, dir string) { mkfile(t, filepath.Join(dir, "sub", seeder.IgnoreFile), "x\n[a\n") }},
		{name: "a huge ignore file", want: "an ignore file has at most", kind: fault.Usage,
			make: func(t *testing.T, dir string) {
				mkfile(t, filepath.Join(dir, seeder.IgnoreFile), strings.Repeat("x\n", 1<<20))
			}},
		{name: "an ignore file that is a symlink out of the folder", want: "escapes", kind: fault.Failed,
			make: func(t *testing.T, dir string) { symlink(t, outside, filepath.Join(dir, seeder.IgnoreFile)) }},
		{name: "an unknown format", want: `format "v3"`, kind: fault.Usage, opts: seeder.Options{Format: "v3"}},
		{name: "a piece length that is not a power of two", want: "piece length 20000", kind: fault.Usage, opts: seeder.Options{PieceLength: 20000}},
		{name: "a piece length too small", want: "piece length 8192", kind: fault.Usage, opts: seeder.Options{PieceLength: 8192}},
		{name: "a piece length too large", want: "piece length 134217728", kind: fault.Usage, opts: seeder.Options{PieceLength: 128 << 20}},
		{name: "a negative piece length", want: "piece length -16384", kind: fault.Usage, opts: seeder.Options{PieceLength: -16384}},
		{name: "more pieces than clients take", want: "pieces; other clients accept at most 524288", hint: "--piece-length", kind: fault.Usage,
			opts: seeder.Options{PieceLength: 16 << 10},
			make: func(t *testing.T, dir string) {
				if err := os.Truncate(filepath.Join(dir, "file"), 16<<30); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "a name with a slash", want: "name of the torrent", kind: fault.Usage, opts: seeder.Options{Name: "a/b"}},
		{name: "the name ..", want: "name of the torrent", kind: fault.Usage, opts: seeder.Options{Name: ".."}},
		{name: "a v2 folder that looks like its only file", want: "reads as a single file", hint: "--name", kind: fault.Usage,
			opts: seeder.Options{Format: seeder.V2, Name: "file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "release")
			mkfile(t, filepath.Join(dir, "file"), "content")
			if test.make != nil {
				test.make(t, dir)
			}
			test.opts.Path = dir
			_, err := seeder.Build(context.Background(), test.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("got kind %v and hint %q, want %v and %q", fault.KindOf(err), fault.HintOf(err), test.kind, test.hint)
			}
		})
	}
}

func TestBuildRefusesPaths(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path, want string
		kind             fault.Kind
	}{
		{"nothing there", filepath.Join(t.TempDir(), "none"), "no file or folder", fault.NotFound},
		{"a FIFO", fifo, "named pipe", fault.Usage},
		{"a device", os.DevNull, "device", fault.Usage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := seeder.Build(context.Background(), seeder.Options{Path: test.path})
			if err == nil || !strings.Contains(err.Error(), test.want) || fault.KindOf(err) != test.kind {
				t.Errorf("got %v of kind %v, want %q of kind %v", err, fault.KindOf(err), test.want, test.kind)
			}
		})
	}
}

// TestBuildRefusesUnreadable runs itself as user nobody, because root may read everything.
func TestBuildRefusesUnreadable(t *testing.T) {
	const variable = "P2PSHARE_TEST_UNREADABLE"
	if dir := os.Getenv(variable); dir != "" {
		_, err := seeder.Build(context.Background(), seeder.Options{Path: dir})
		fmt.Printf("kind %v: %v (%s)\n", fault.KindOf(err), err, fault.HintOf(err))
		os.Exit(0)
	}
	for _, what := range []string{"file", "folder"} {
		t.Run(what, func(t *testing.T) {
			// Not t.TempDir, which others may not enter.
			base, err := os.MkdirTemp("", "unreadable")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(base) })
			dir := filepath.Join(base, "release")
			mkfile(t, filepath.Join(dir, "open"), "x")
			at := filepath.Join(dir, "closed")
			if what == "file" {
				mkfile(t, at, "x")
			} else if err := os.Mkdir(at, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(at, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(base, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestBuildRefusesUnreadable$")
			cmd.Env = append(os.Environ(), variable+"="+dir)
			cmd.Dir = "/"
			if os.Getuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("run as nobody: %v\n%s", err, out)
			}
			want := fmt.Sprintf("kind %v: read %q: permission denied (make it readable, or --exclude it)", fault.Failed, at)
			if !strings.Contains(string(out), want) {
				t.Errorf("got %s, want %s", out, want)
			}
		})
	}
}

func TestBuildSkips(t *testing.T) {
	dir := write(t, "release", 5, file{path: "file", size: 10})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A relative path, because a socket's path has to be short.
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "sub"))
	l, err := net.Listen("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Chdir(wd)
	b := build(t, seeder.Options{Path: dir})
	want := []seeder.Skipped{{Path: "pipe", Reason: "it is a named pipe"}, {Path: "sub/s", Reason: "it is a socket"}}
	if !slices.Equal(b.Skipped, want) {
		t.Errorf("skipped: got %+v, want %+v", b.Skipped, want)
	}
	if got := paths(b.Torrent); !slices.Equal(got, []string{"file"}) {
		t.Errorf("files: got %q", got)
	}
}

func TestBuildFollowsLinksInside(t *testing.T) {
	dir := write(t, "release", 6, file{path: "v1/data", size: 70000}, file{path: "top", size: 50})
	symlink(t, "v1", filepath.Join(dir, "latest"))
	symlink(t, "../top", filepath.Join(dir, "v1", "up"))
	b := build(t, seeder.Options{Path: dir})
	want := []string{"latest/data", "latest/up", "top", "v1/data", "v1/up"}
	if got := paths(b.Torrent); !slices.Equal(got, want) {
		t.Fatalf("files: got %q, want %q", got, want)
	}
	if b.Torrent.Size != 2*70000+3*50 {
		t.Errorf("size: got %d", b.Torrent.Size)
	}
	verifies(t, b)
	want1 := mktorrent(t, dir, b.Torrent.PieceLength)
	if *want1.V1 != *b.Torrent.V1 {
		t.Errorf("v1 infohash: got %v, want mktorrent's %v, which follows links as well", b.Torrent.V1, want1.V1)
	}
}

func TestBuildFollowsTheLinkItIsGiven(t *testing.T) {
	dir := write(t, "release", 7, file{path: "data", size: 70000})
	links := t.TempDir()
	symlink(t, dir, filepath.Join(links, "folder"))
	symlink(t, filepath.Join(dir, "data"), filepath.Join(links, "file"))
	for _, name := range []string{"folder", "file"} {
		b := build(t, seeder.Options{Path: filepath.Join(links, name)})
		if b.Torrent.Name != name || b.Torrent.Size != 70000 {
			t.Errorf("got %q of %d bytes, want %q of 70000", b.Torrent.Name, b.Torrent.Size, name)
		}
		verifies(t, b)
	}
}

func TestBuildIgnores(t *testing.T) {
	files := []string{"a.html", "a.tmp", "build/out", "build/keep", "docs/a.html", "docs/b.tmp", "docs/deep/c.tmp", "docs/deep/cache/x", "docs/only here", "only here", "#odd", "!odd"}
	tests := []struct {
		name    string
		ignore  map[string]string // ignore files
		exclude []string
		gone    []string
	}{
		{name: "nothing"},
		{name: "a pattern of the command line", exclude: []string{"*.tmp"}, gone: []string{"a.tmp", "docs/b.tmp", "docs/deep/c.tmp"}},
		{name: "a pattern in a file", ignore: map[string]string{"": "# comment\n\n*.tmp\r\n"}, gone: []string{"a.tmp", "docs/b.tmp", "docs/deep/c.tmp"}},
		{name: "a folder", ignore: map[string]string{"": "docs/\n"}, gone: []string{"docs/a.html", "docs/b.tmp", "docs/deep/c.tmp", "docs/deep/cache/x", "docs/only here"}},
		{name: "a folder's pattern does not match files", exclude: []string{"a.html/"}},
		{name: "anchored", ignore: map[string]string{"": "/only here\n"}, gone: []string{"only here"}},
		{name: "a file in a folder", ignore: map[string]string{"docs": "only here\n*.html"}, gone: []string{"docs/a.html", "docs/only here"}},
		{name: "anchored in a folder", ignore: map[string]string{"docs": "/*.tmp"}, gone: []string{"docs/b.tmp"}},
		{name: "negated", ignore: map[string]string{"": "*.tmp\n!b.tmp"}, gone: []string{"a.tmp", "docs/deep/c.tmp"}},
		{name: "negated in a subfolder", ignore: map[string]string{"": "*.tmp", "docs": "!*.tmp"}, gone: []string{"a.tmp"}},
		{name: "the command line overrides the file", ignore: map[string]string{"": "!*.tmp"}, exclude: []string{"*.tmp"}, gone: []string{"a.tmp", "docs/b.tmp", "docs/deep/c.tmp"}},
		{name: "all but one", ignore: map[string]string{"": "build/*\n!build/keep"}, gone: []string{"build/out"}},
		{name: "everything below but one", ignore: map[string]string{"": "build/**\n!build/keep"}, gone: []string{"build/out"}},
		{name: "negating a folder does not negate its files", ignore: map[string]string{"": "*.html\n!docs"}, gone: []string{"a.html", "docs/a.html"}},
		{name: "a negated folder is entered", ignore: map[string]string{"": "docs\n!docs"}},
		{name: "two stars", exclude: []string{"**/cache", "docs/**/c.tmp"}, gone: []string{"docs/deep/c.tmp", "docs/deep/cache/x"}},
		{name: "escaped", ignore: map[string]string{"": `\#odd` + "\n" + `\!odd`}, gone: []string{"#odd", "!odd"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "release")
			for _, f := range files {
				mkfile(t, filepath.Join(dir, f), f)
			}
			for at, text := range test.ignore {
				mkfile(t, filepath.Join(dir, at, seeder.IgnoreFile), text)
			}
			b := build(t, seeder.Options{Path: dir, Exclude: test.exclude})
			var want []string
			for _, f := range files {
				if !slices.Contains(test.gone, f) {
					want = append(want, f)
				}
			}
			slices.Sort(want)
			if got := paths(b.Torrent); !slices.Equal(got, want) {
				t.Errorf("published:\ngot  %q\nwant %q", got, want)
			}
			if len(b.Skipped) != 0 {
				t.Errorf("excluded files are reported as skipped: %+v", b.Skipped)
			}
			if test.exclude == nil {
				ignoredAsGit(t, dir, test.ignore, want)
			}
		})
	}
}

// ignoredAsGit compares with the files that git itself would add.
func ignoredAsGit(t *testing.T, dir string, ignore map[string]string, want []string) {
	t.Helper()
	git := needs.Program(t, "git", "git")
	for at := range ignore {
		if err := os.Rename(filepath.Join(dir, at, seeder.IgnoreFile), filepath.Join(dir, at, ".gitignore")); err != nil {
			t.Fatal(err)
		}
	}
	run(t, git, "-C", dir, "init", "-q")
	var got []string
	for _, f := range strings.Split(run(t, git, "-C", dir, "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"), "\x00") {
		if f != "" && filepath.Base(f) != ".gitignore" {
			got = append(got, f)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("git would take:\n     %q\nwant %q", got, want)
	}
}

func TestBuildExcludesWhatItWouldRefuse(t *testing.T) {
	dir := write(t, "release", 8, file{path: "file", size: 10})
	symlink(t, "/etc/passwd", filepath.Join(dir, "link"))
	mkfile(t, filepath.Join(dir, "CON"), "x")
	mkfile(t, filepath.Join(dir, "a:b"), "x")
	b := build(t, seeder.Options{Path: dir, Exclude: []string{"link", "CON", "a:?"}})
	if got := paths(b.Torrent); !slices.Equal(got, []string{"file"}) {
		t.Errorf("files: got %q", got)
	}
}

func TestBuildComposesNames(t *testing.T) {
	const name = "Ünï/café"
	decomposed, composed := t.TempDir(), t.TempDir()
	mkfile(t, filepath.Join(decomposed, norm.NFD.String("réf/"+name)), "content")
	mkfile(t, filepath.Join(composed, norm.NFC.String("réf/"+name)), "content")
	a := build(t, seeder.Options{Path: filepath.Join(decomposed, norm.NFD.String("réf"))})
	b := build(t, seeder.Options{Path: filepath.Join(composed, norm.NFC.String("réf"))})
	if string(a.Bytes) != string(b.Bytes) {
		t.Errorf("got different torrents for one tree:\n%q\n%q", a.Bytes, b.Bytes)
	}
	if a.Torrent.Name != norm.NFC.String("réf") || a.Torrent.FilePath(0) != norm.NFC.String(name) {
		t.Errorf("got %q, %q, want composed names", a.Torrent.Name, a.Torrent.FilePath(0))
	}
	if a.Located.Paths[0] != norm.NFD.String(name) {
		t.Errorf("path on disk: got %q, want it as the disk spells it", a.Located.Paths[0])
	}
	verifies(t, a)
}

// verifies checks that the content on disk matches the torrent and its stamps.
func verifies(t testing.TB, b *seeder.Built) {
	t.Helper()
	r, err := content.Verify(context.Background(), b.Torrent, b.Located, content.Options{})
	if err != nil || !r.OK {
		t.Fatalf("verify: %+v, %v", r, err)
	}
	if err := b.Located.Unchanged(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestBuildNoticesChange(t *testing.T) {
	changes := map[string]func(t *testing.T, at string){
		"written": func(t *testing.T, at string) {
			mkfile(t, at, "other bytes")
		},
		"truncated": func(t *testing.T, at string) {
			if err := os.Truncate(at, 1); err != nil {
				t.Error(err)
			}
		},
		"removed": func(t *testing.T, at string) {
			if err := os.Remove(at); err != nil {
				t.Error(err)
			}
		},
		"touched": func(t *testing.T, at string) {
			if err := os.Chtimes(at, time.Time{}, time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		},
	}
	for name, change := range changes {
		for _, target := range []string{"0 first", "9 last"} {
			t.Run(name+" "+target, func(t *testing.T) {
				dir := write(t, "release", 9, file{path: "0 first", size: 1000}, file{path: "5", size: 20 << 20}, file{path: "9 last", size: 5000})
				at := filepath.Join(dir, target)
				changed := false
				_, err := seeder.Build(context.Background(), seeder.Options{Path: dir, Workers: 1, Progress: func(done, _ int64) {
					if !changed && done > 4<<20 {
						changed = true
						change(t, at)
					}
				}})
				if !changed {
					t.Fatal("the build ended before the change")
				}
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", at)) {
					t.Errorf("got %v, want an error that names %q", err, at)
				}
			})
		}
	}
}

func TestBuildStopsWithContext(t *testing.T) {
	dir := write(t, "release", 10, file{path: "big", size: 64 << 20})
	ctx, cancel := context.WithCancel(context.Background())
	var after int64
	_, err := seeder.Build(ctx, seeder.Options{Path: dir, Sums: true, Progress: func(done, _ int64) {
		cancel()
		after = done
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if after > 32<<20 {
		t.Errorf("%d bytes were hashed after the cancellation", after)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	files := trees()["random 0"]
	one, two := write(t, "release", 11, files...), write(t, "release", 11, files...)
	for _, format := range []seeder.Format{seeder.V1, seeder.Hybrid, seeder.V2} {
		o := seeder.Options{Format: format, Trackers: [][]string{{"http://a/announce", "http://b/announce"}, {"udp://c:1"}}, WebSeeds: []string{"http://w/"}, Comment: "c", Private: true}
		var want []byte
		for _, dir := range []string{one, two} {
			for _, workers := range []int{0, 1, 5} {
				o.Path, o.Workers = dir, workers
				got := build(t, o).Bytes
				if want == nil {
					want = got
				}
				if sha256.Sum256(got) != sha256.Sum256(want) {
					t.Errorf("%s with %d workers: got another torrent", format, workers)
				}
			}
		}
	}
}
