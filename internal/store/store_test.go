package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/internal/store"
)

type value struct {
	Name string `json:"name"`
}

func open(t *testing.T, dir string) (*store.Store[value], map[string]string, map[string]error) {
	t.Helper()
	s, items, bad, err := store.Open[value](dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, wrong := map[string]string{}, map[string]error{}
	for _, i := range items {
		got[i.ID] = i.Value.Name
	}
	for _, b := range bad {
		wrong[b.ID] = b.Err
	}
	return s, got, wrong
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsOutliveTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shares")
	s, _, _ := open(t, dir)
	must(t, s.Add("a1", value{"first"}, map[string][]byte{"torrent": []byte("bytes"), "empty": nil}))
	must(t, s.Add("b2", value{"second"}, nil))
	must(t, s.Put("b2", value{"changed"}))
	must(t, s.PutFile("b2", "stamps", []byte("later")))
	must(t, s.Add("c3", value{"third"}, nil))
	must(t, s.Remove("c3"))

	s, got, bad := open(t, dir)
	if len(got) != 2 || got["a1"] != "first" || got["b2"] != "changed" || len(bad) != 0 {
		t.Errorf("got %v, bad %v, want a1 first and b2 changed", got, bad)
	}
	for _, c := range []struct{ id, name, want string }{{"a1", "torrent", "bytes"}, {"a1", "empty", ""}, {"b2", "stamps", "later"}} {
		if b, err := s.File(c.id, c.name); err != nil || string(b) != c.want {
			t.Errorf("file %s of %s: got %q, %v, want %q", c.name, c.id, b, err, c.want)
		}
	}
	if _, err := s.File("a1", "stamps"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v, want fs.ErrNotExist", err)
	}
	fi, err := os.Stat(filepath.Join(dir, "a1", "torrent"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v, want 0600", fi.Mode(), err)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := open(t, dir)
	must(t, s.Add("a1", value{"first"}, nil))
	if err := s.Add("a1", value{"again"}, nil); err == nil {
		t.Error("adding an ID twice: got nil, want an error")
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".new-a", "A", strings.Repeat("a", 65)} {
		if err := s.Add(id, value{}, nil); err == nil {
			t.Errorf("adding %q: got nil, want an error", id)
		}
		if err := s.Remove(id); err == nil {
			t.Errorf("removing %q: got nil, want an error", id)
		}
	}
	must(t, s.Remove("zz")) // does not exist
	if err := s.Put("zz", value{}); err == nil {
		t.Error("a new value for a missing record: got nil, want an error")
	}
	if _, got, bad := open(t, dir); len(got) != 1 || len(bad) != 0 {
		t.Errorf("after the refusals: got %v, bad %v, want only a1", got, bad)
	}
}

// TestHalfDone recreates the folders that a crash can leave.
func TestHalfDone(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := open(t, dir)
	must(t, s.Add("a1", value{"kept"}, nil))
	must(t, s.Add("b2", value{"being removed"}, nil))
	must(t, os.Rename(filepath.Join(dir, "b2"), filepath.Join(dir, ".gone-b2")))
	must(t, os.Mkdir(filepath.Join(dir, ".new-c3"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, ".new-c3", "torrent"), []byte("half"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "a1", ".record.json.1.tmp"), []byte("half"), 0o600))

	if _, items, bad, err := store.Read[value](dir, 1); err != nil || len(items) != 1 || len(bad) != 0 {
		t.Errorf("read without the lock: got %v, bad %v, %v, want only a1", items, bad, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".new-c3")); err != nil {
		t.Errorf("reading changed the folder: %v", err)
	}
	s, got, bad := open(t, dir)
	if len(got) != 1 || got["a1"] != "kept" || len(bad) != 0 {
		t.Errorf("got %v, bad %v, want only a1", got, bad)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("left in the folder: got %v, %v, want only a1", list, err)
	}
	must(t, s.Add("b2", value{"again"}, nil))
	must(t, s.Add("c3", value{"again"}, nil))
}

func TestOneBadRecordLeavesTheOthers(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"torn", func(d string) error { return os.Truncate(d+"/record.json", 20) }, "damaged"},
		{"empty", func(d string) error { return os.Truncate(d+"/record.json", 0) }, "damaged"},
		{"gone", func(d string) error { return os.Remove(d + "/record.json") }, "no such file"},
		{"a folder", func(d string) error {
			return errors.Join(os.Remove(d+"/record.json"), os.Mkdir(d+"/record.json", 0o700))
		}, "directory"},
		{"of another version", func(d string) error {
			return state.WriteVersioned(d+"/record.json", 7, value{"x"})
		}, "version 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, _, _ := open(t, dir)
			must(t, s.Add("a1", value{"good"}, nil))
			must(t, s.Add("b2", value{"bad"}, nil))
			must(t, c.spoil(filepath.Join(dir, "b2")))
			s, got, bad := open(t, dir)
			if len(got) != 1 || got["a1"] != "good" {
				t.Errorf("records: got %v, want a1", got)
			}
			if err := bad["b2"]; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("bad: got %v, want b2 with %q", bad, c.want)
			}
			must(t, s.Remove("b2"))
			if _, got, bad := open(t, dir); len(got) != 1 || len(bad) != 0 {
				t.Errorf("after its removal: got %v, bad %v, want only a1", got, bad)
			}
		})
	}
}

func TestFilesRefuseDamage(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := open(t, dir)
	must(t, s.Add("a1", value{}, map[string][]byte{"torrent": []byte("content")}))
	path := filepath.Join(dir, "a1", "torrent")
	whole, err := os.ReadFile(path)
	must(t, err)
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			must(t, os.WriteFile(path, b, 0o600))
			if got, err := s.File("a1", "torrent"); err == nil {
				t.Fatalf("byte %d, bit %d flipped: got %q, want an error", i, bit, got)
			}
		}
		must(t, os.WriteFile(path, whole[:i], 0o600))
		if _, err := s.File("a1", "torrent"); err == nil || fault.HintOf(err) == "" {
			t.Fatalf("torn after %d bytes: got %v, want an error with a hint", i, err)
		}
	}
}
