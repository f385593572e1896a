package daemonlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/p2pshare/p2pshare/internal/daemonlog"
	"github.com/p2pshare/p2pshare/internal/fault"
)

func open(t *testing.T, home string, max int64) *daemonlog.File {
	t.Helper()
	l, err := daemonlog.Open(home, max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func write(t *testing.T, l *daemonlog.File, s string) {
	t.Helper()
	if n, err := l.Write([]byte(s)); err != nil || n != len(s) {
		t.Fatalf("writing %q: got %d, %v, want %d", s, n, err, len(s))
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", filepath.Base(path), got, err, want)
	}
}

func TestFileIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no such modes")
		return
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(daemonlog.Path(home), []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := open(t, home, 20)
	write(t, l, "after\n")
	holds(t, l.Path(), "before\nafter\n")
	write(t, l, "one more line\n")
	for path, want := range map[string]fs.FileMode{"log": 0o700, "log/daemon.log": 0o600, "log/daemon.log.1": 0o600} {
		info, err := os.Stat(filepath.Join(home, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s: got %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestRotation(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 10)
	for i := range 5 {
		write(t, l, fmt.Sprintf("line%d\n", i))
	}
	holds(t, l.Path(), "line4\n")
	holds(t, l.Path()+".1", "line3\n")
	if list, _ := os.ReadDir(filepath.Join(home, "log")); len(list) != 2 {
		t.Errorf("got %v, want two files", list)
	}
	write(t, l, strings.Repeat("x", 30)+"\n") // longer than the limit of the file: still one line
	holds(t, l.Path(), strings.Repeat("x", 30)+"\n")
}

func TestOpenAppends(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 10)
	write(t, l, "1234567\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, home, 10)
	write(t, l, "8\n")
	holds(t, l.Path(), "1234567\n8\n")
	write(t, l, "9\n")
	holds(t, l.Path(), "9\n")
}

func TestPartsOfLines(t *testing.T) {
	l := open(t, t.TempDir(), 0)
	write(t, l, "a")
	write(t, l, "b\nc\r\nd")
	holds(t, l.Path(), "ab\nc\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, l.Path(), "ab\nc\nd\n")
	if _, err := l.Write([]byte("x\n")); err == nil {
		t.Error("a write after Close: got no error")
	}
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: got %v, want nil", err)
	}
}

func TestEndlessLineIsCut(t *testing.T) {
	l := open(t, t.TempDir(), 0)
	for range 40 {
		write(t, l, strings.Repeat("x", 4<<10))
	}
	got, err := os.ReadFile(l.Path())
	if err != nil || bytes.Count(got, []byte("\n")) != 2 || len(got) != 2*(64<<10)+2 {
		t.Errorf("got %d bytes, %d lines, %v, want two lines of 64 KiB", len(got), bytes.Count(got, []byte("\n")), err)
	}
}

func TestRemovedFileIsRecreated(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 0)
	var opened []string
	if err := l.OnOpen(func(f *os.File) error { opened = append(opened, f.Name()); return nil }); err != nil {
		t.Fatal(err)
	}
	write(t, l, "one\n")
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	write(t, l, "two\n")
	holds(t, l.Path(), "two\n")
	if err := os.RemoveAll(filepath.Dir(l.Path())); err != nil {
		t.Fatal(err)
	}
	write(t, l, "three\n")
	holds(t, l.Path(), "three\n")
	if err := os.Rename(l.Path(), l.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	write(t, l, "four\n")
	holds(t, l.Path(), "four\n")
	holds(t, l.Path()+".away", "three\n")
	if len(opened) != 4 {
		t.Errorf("OnOpen was called %d times, want 4", len(opened))
	}
}

func TestSymlinksAreNotFollowed(t *testing.T) {
	home, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := daemonlog.Path(home)
	link := func(to, at string) {
		t.Helper()
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	link(victim, path)
	l := open(t, home, 8)
	write(t, l, "a line\n")
	holds(t, path, "a line\n")
	// While the log is open: symlinks in place of the log and of the old one.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	link(victim, path)
	link(victim, path+".1")
	write(t, l, "b line\n")
	write(t, l, "c line\n")
	holds(t, path, "c line\n")
	holds(t, path+".1", "b line\n")
	holds(t, victim, "mine")

	other := t.TempDir()
	link(filepath.Join(home, "log"), filepath.Join(other, "log"))
	if _, err := daemonlog.Open(other, 0); err == nil || fault.HintOf(err) == "" {
		t.Errorf("a folder that is a symlink: got %v, want an error with a hint", err)
	}
	third := t.TempDir()
	if err := os.MkdirAll(daemonlog.Path(third), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := daemonlog.Open(third, 0); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder in the log's place: got %v, want an error that says so", err)
	}
}

func TestLinesAreCleaned(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":            {"a b\tc é", "a b\tc é"},
		"escape sequence":  {"a\x1b[31mred", `a\u001b[31mred`},
		"return inside":    {"good\rbad", `good\u000dbad`},
		"direction":        {"a\u202eb", `a\u202eb`},
		"invisible":        {"a\u200bb", `a\u200bb`},
		"beyond the BMP":   {"a\U000e0001b\U0001f600", `a\udb40\udc01b😀`},
		"not UTF-8":        {"a\xffb", `a\ufffdb`},
		"tracker query":    {"GET https://t.example/announce?passkey=abc&x=1 failed", "GET https://t.example/announce?redacted failed"},
		"tracker key":      {`"https://t.example:1/0123456789abcdef0123456789abcdef/announce"`, `"https://t.example:1/redacted/announce"`},
		"password in URL":  {"ftp://joe:secret@h/x", "ftp://redacted@h/x"},
		"ordinary URL":     {"http://h:80/a/b.tar.gz is fine", "http://h:80/a/b.tar.gz is fine"},
		"JSON of a URL":    {`{"u":"http://h/?k=v","n":1}`, `{"u":"http://h/?redacted","n":1}`},
		"udp tracker path": {"udp://t.example:6969/announce", "udp://t.example:6969/announce"},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, t.TempDir(), 0)
			write(t, l, c.in+"\n")
			holds(t, l.Path(), c.want+"\n")
		})
	}
}

func TestHandler(t *testing.T) {
	for _, form := range []string{daemonlog.Text, daemonlog.JSON} {
		l := open(t, t.TempDir(), 0)
		h, err := daemonlog.NewHandler(l, form, slog.LevelInfo)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		log.Debug("quiet")
		log.Info("two\nlines \u202e", "password", "hunter2", "APIToken", "hunter2", slog.Group("g", "secret_key", "hunter2"), "n", 3)
		b, err := os.ReadFile(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b, []byte("\n")) != 1 || bytes.Contains(b, []byte("hunter2")) || bytes.Count(b, []byte("redacted")) != 3 {
			t.Errorf("%s: got %q, want one line without the secrets", form, b)
		}
		var v map[string]any
		if form == daemonlog.JSON && (json.Unmarshal(b, &v) != nil || v["msg"] != "two\nlines \u202e" || v["n"] != 3.0) {
			t.Errorf("got %q, want one JSON object", b)
		}
	}
	if _, err := daemonlog.NewHandler(nil, "xml", nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("an unknown format: got %v, want a usage error", err)
	}
}

func TestConcurrentWriters(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 1<<20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				fmt.Fprintf(l, "%d-%d %s\n", i, j, strings.Repeat("x", 50))
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(got)) {
		name, rest, _ := strings.Cut(line, " ")
		if rest != strings.Repeat("x", 50)+"\n" {
			t.Fatalf("a torn line: %q", line)
		}
		seen[name] = true
	}
	if len(seen) != 1600 {
		t.Errorf("got %d lines, want 1600", len(seen))
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "a\x1b[0m\x00", "\xff\xfe", "http://u:p@h/x?y=z", "\u202e\U000e0001", `{"a":"b"}`} {
		f.Add([]byte(s))
	}
	home := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		os.RemoveAll(filepath.Join(home, "log"))
		l, err := daemonlog.Open(home, 0)
		if err != nil {
			t.Fatal(err)
		}
		valid := json.Valid(b) && bytes.IndexFunc(b, unicode.IsControl) < 0
		if _, err := l.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(got) {
			t.Errorf("got %q, want UTF-8", got)
		}
		for _, r := range string(got) {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Fatalf("%q is in the log: %q", r, got)
			}
		}
		if valid && len(b) > 0 && !bytes.Contains(b, []byte("://")) && !json.Valid(got) {
			t.Errorf("%q was JSON, but %q is not", b, got)
		}
	})
}
