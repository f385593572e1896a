package bench_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/bench"
)

// tree returns the files below a folder.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func writeRelease(t *testing.T, size int64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "release")
	if err := bench.WriteRelease(dir, size); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReleaseIsTheSameEveryTime(t *testing.T) {
	const size = 20 << 20
	a := writeRelease(t, size)
	files, total := tree(t, a), 0
	for _, b := range files {
		total += len(b)
	}
	if total != size || len(files) < 20 {
		t.Errorf("got %d bytes in %d files, want %d in a few hundred", total, len(files), size)
	}
	if got := bench.SameTree(a, writeRelease(t, size)); got != "" {
		t.Errorf("a second one differs: %s", got)
	}
}

func TestNextRelease(t *testing.T) {
	const same = 90
	old := writeRelease(t, 40<<20)
	next := filepath.Join(t.TempDir(), "release")
	if err := bench.NextRelease(old, next, same); err != nil {
		t.Fatal(err)
	}
	before, after := tree(t, old), tree(t, next)
	if len(after) != len(before) {
		t.Fatalf("got %d files, want the %d there were", len(after), len(before))
	}
	total, kept, equal := 0, 0, 0
	for name, b := range after {
		total += len(b)
		kept += shared(before[name], b)
		if bytes.Equal(before[name], b) {
			equal++
		}
	}
	if share := 100 * kept / total; share < same-1 || share > same+1 {
		t.Errorf("got %d %% of the bytes from the last release, want %d", share, same)
	}
	if equal == 0 || equal == len(after) {
		t.Errorf("got %d of %d files unchanged, want some", equal, len(after))
	}
	image := after["image.iso"]
	if bytes.Equal(image[len(image)/4:len(image)/4+1<<16], before["image.iso"][len(image)/4:len(image)/4+1<<16]) {
		t.Error("nothing has moved a quarter into the image")
	}
}

// shared counts the bytes of b that come from a, in order, by blocks of 512 of a.
func shared(a, b []byte) int {
	n := 0
	for len(a) > 0 {
		block := a[:min(512, len(a))]
		i := bytes.Index(b, block)
		if i >= 0 {
			n, b = n+len(block), b[i+len(block):]
		}
		a = a[len(block):]
	}
	return n
}

func TestSameTree(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"additional files", func(d string) error { return os.WriteFile(filepath.Join(d, "x.aria2"), nil, 0o600) }, ""},
		{"a byte", func(d string) error { return os.WriteFile(filepath.Join(d, "sub", "b"), []byte("abd"), 0o600) }, `"sub/b" differs from what was shared`},
		{"too short", func(d string) error { return os.WriteFile(filepath.Join(d, "a"), []byte("12"), 0o600) }, `"a" differs from what was shared`},
		{"too long", func(d string) error { return os.WriteFile(filepath.Join(d, "a"), []byte("1234"), 0o600) }, `"a" differs from what was shared`},
		{"missing", func(d string) error { return os.Remove(filepath.Join(d, "a")) }, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs []string
			for range 2 {
				d := t.TempDir()
				for name, text := range map[string]string{"a": "123", "sub/b": "abc"} {
					p := filepath.Join(d, name)
					if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				dirs = append(dirs, d)
			}
			if err := c.change(dirs[1]); err != nil {
				t.Fatal(err)
			}
			got := filepath.ToSlash(bench.SameTree(dirs[0], dirs[1]))
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
