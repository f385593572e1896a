package fetcher_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// What is excepted is not looked into below a place, by whatever way it is named; the place itself is the caller's word.
func TestReuseExcepts(t *testing.T) {
	a := noise(1, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	dir := put(t, map[string][]byte{"open/x": noise(2, 100), "secret/a": a, "secret/deep/a": a})
	links := t.TempDir()
	for name, to := range map[string]string{"all": dir, "secret": filepath.Join(dir, "secret")} {
		if err := os.Symlink(to, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(dir, "secret")
	for name, c := range map[string]struct {
		places, except []string
		want           int64
	}{
		"nothing":                    {[]string{dir}, nil, m.Size},
		"a folder":                   {[]string{dir}, []string{secret}, 0},
		"a folder, through a link":   {[]string{dir}, []string{filepath.Join(links, "secret")}, 0},
		"below a link":               {[]string{filepath.Join(links, "all")}, []string{secret}, 0},
		"one file of two":            {[]string{dir}, []string{filepath.Join(secret, "a")}, m.Size},
		"both files":                 {[]string{dir}, []string{filepath.Join(secret, "a"), filepath.Join(secret, "deep", "a")}, 0},
		"the place itself is named":  {[]string{secret}, []string{secret}, m.Size},
		"what is not there":          {[]string{dir}, []string{filepath.Join(dir, "nowhere")}, m.Size},
		"a file is named, by a link": {[]string{fileLink(t, filepath.Join(secret, "a"))}, nil, m.Size},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reused(t, m, fetcher.Reuse{Places: c.places, Except: c.except, Sums: sumsOf(m)}); got != c.want {
				t.Errorf("reused %d bytes, want %d", got, c.want)
			}
		})
	}
}

// fileLink is a symlink in a folder of its own.
func fileLink(t *testing.T, to string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(to, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// A source that is a hard link is copied: the file that was fetched is nobody else's.
func TestReuseCopiesHardLinks(t *testing.T) {
	a := noise(1, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	old := put(t, map[string][]byte{"first": a})
	if err := os.Link(filepath.Join(old, "first"), filepath.Join(old, "a")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	if got, err := s.Reuse(t.Context(), fetcher.Reuse{Places: []string{old}}); err != nil || got != m.Size {
		t.Fatalf("reused %d, %v, want %d", got, err, m.Size)
	}
	finish(t, s, dir)
	if err := os.WriteFile(filepath.Join(old, "first"), []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.check(t, dir, nil)
}

// A file of holes that is larger than any disk costs no more than what may be read of it.
func TestReuseOfHoles(t *testing.T) {
	a := noise(1, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	old := put(t, map[string][]byte{"a": a[:200<<10]})
	if err := os.Truncate(filepath.Join(old, "a"), 1<<42); err != nil {
		t.Fatal(err)
	}
	o := fetcher.Reuse{Places: []string{old}, Sums: sumsOf(m)}
	if got := reused(t, m, o); got != 3*reusePiece {
		t.Errorf("reused %d bytes, want the three pieces at their place", got)
	}
	o.Chunks = indexOf(t, m)
	o.SetBounds(0, 4<<20, 0)
	if got := reused(t, m, o); got < 2*reusePiece || got > 200<<10 {
		t.Errorf("with chunks: reused %d bytes, want most of %d", got, 200<<10)
	}
}

func TestReuseRefusesAnotherIndex(t *testing.T) {
	m := build(t, "v1", reusePiece, item{path: "a", data: noise(1, 300<<10)})
	other := build(t, "v1", reusePiece, item{path: "a", data: noise(1, 300<<10+1)})
	coarse := indexOf(t, m)
	coarse.Average *= 2
	for name, x := range map[string]*chunk.Index{"another torrent's": indexOf(t, other), "larger chunks": coarse, "nothing": {Average: coarse.Average}} {
		_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
		if n, err := s.Reuse(t.Context(), fetcher.Reuse{Places: []string{t.TempDir()}, Chunks: x}); fault.KindOf(err) != fault.Unverified || n != 0 {
			t.Errorf("%s: got %d, %v, want it refused", name, n, err)
		}
	}
}
