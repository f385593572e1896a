package seeder_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/seeder"
)

func TestListIsWhatBuildPublishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rel")
	for name, text := range map[string]string{"b/two": "22", "a": "1", "b/one": "111", "left/out": "x", seeder.IgnoreFile: "left/\n"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := seeder.Options{Path: dir, Format: seeder.V2}
	l, err := seeder.List(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := seeder.Build(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != b.Torrent.Name || !l.Dir || l.Size != b.Torrent.Size || len(l.Files) != len(b.Torrent.Files) {
		t.Fatalf("got %q, %d bytes in %d files, want %q, %d in %d", l.Name, l.Size, len(l.Files), b.Torrent.Name, b.Torrent.Size, len(b.Torrent.Files))
	}
	for i, f := range l.Files {
		if got, want := strings.Join(f.Path, "/"), b.Torrent.FilePath(i); got != want {
			t.Errorf("file %d: got %q, want %q", i, got, want)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || int64(len(text)) != f.Size {
			t.Errorf("file %q: got %d bytes and %v, want %d", f.Path, len(text), err, f.Size)
		}
		r.Close()
	}
}

func TestListedFileThatChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	list := func() seeder.Listed {
		l, err := seeder.List(context.Background(), seeder.Options{Path: file})
		if err != nil {
			t.Fatal(err)
		}
		return l.Files[0]
	}
	f := list()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("before and after"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("while it was read: got %v, want that it changed", err)
	}
	r.Close()
	if _, err := f.Open(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("before it was read: got %v, want that it changed", err)
	}
}
