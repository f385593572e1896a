//go:build unix

package fetcher_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// mend fetches into a folder that holds the content, damaged, and gives how many pieces had to come from elsewhere.
func mend(t testing.TB, m *made, dir string) (fetched int) {
	t.Helper()
	p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, Replace: true})
	must(t, err)
	at, err := p.Existing(t.Context(), nil)
	must(t, err)
	if at != nil {
		return 0
	}
	info := m.view(m.V1 != nil)
	for range 3 {
		s, err := fetcher.Open(t.Context(), p, quiet())
		must(t, err)
		t.Cleanup(func() { s.Close() })
		_, err = s.Resume(t.Context(), nil)
		must(t, err)
		_, err = s.Reuse(t.Context(), fetcher.Reuse{Places: []string{p.Target()}})
		must(t, err)
		impl := storageOf(t, s, info)
		for _, r := range p.Wanted() {
			for i := r.Begin; i < r.End; i++ {
				if !impl.Piece(info.Piece(i)).Completion().Complete {
					fetched++
				}
			}
		}
		transfer(t, m, s, info, p.Wanted(), nil)
		_, err = s.Finish(t.Context())
		must(t, errors.Join(s.Close()))
		spoiled, again := errors.AsType[*fetcher.SpoiledError](err)
		if !again {
			must(t, err)
			return fetched
		}
		p.Heed(spoiled)
	}
	t.Fatal("it is not mended after three attempts")
	return 0
}

// What is damaged or missing is put right piece by piece, and no other file is touched.
func TestReplace(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "precious")
	must(t, os.WriteFile(elsewhere, []byte("precious"), 0o644))
	for _, tt := range []struct {
		about  string
		damage func(t *testing.T, target string)
		wrong  []string // files that may be other ones afterwards
		most   int      // pieces that are fetched
	}{
		{"nothing", func(*testing.T, string) {}, nil, 0},
		{"a byte in the middle", func(t *testing.T, target string) { spoil(t, filepath.Join(target, "d/e/f"), 30000) }, []string{"d/e/f"}, 1},
		// The piece holds the end of one file, and the beginning of others: which is wrong, its bytes tell.
		{"a byte in a shared piece", func(t *testing.T, target string) { spoil(t, filepath.Join(target, "a/two"), 3) }, []string{"a/two"}, 2},
		{"two that share a piece", func(t *testing.T, target string) {
			spoil(t, filepath.Join(target, "a/one"), 39999)
			spoil(t, filepath.Join(target, "a/two"), 3)
		}, []string{"a/one", "a/two"}, 2},
		{"missing", func(t *testing.T, target string) { must(t, os.Remove(filepath.Join(target, "z"))) }, []string{"z"}, 1},
		{"shorter", func(t *testing.T, target string) { must(t, os.Truncate(filepath.Join(target, "c"), 20000)) }, []string{"c"}, 3},
		{"longer", func(t *testing.T, target string) { must(t, os.Truncate(filepath.Join(target, "c"), 1<<20)) }, []string{"c"}, 0},
		{"empty is not", func(t *testing.T, target string) {
			must(t, os.WriteFile(filepath.Join(target, "b/empty"), []byte("x"), 0o644))
		}, []string{"b/empty"}, 0},
		{"a symlink for a file", func(t *testing.T, target string) {
			must(t, os.Remove(filepath.Join(target, "c")))
			must(t, os.Symlink(elsewhere, filepath.Join(target, "c")))
		}, []string{"c"}, 5},
		{"a file for a symlink", func(t *testing.T, target string) {
			must(t, os.Remove(filepath.Join(target, "b/link")))
			must(t, os.WriteFile(filepath.Join(target, "b/link"), []byte("x"), 0o644))
		}, []string{"b/link"}, 0},
		{"all of it", func(t *testing.T, target string) { must(t, os.RemoveAll(target)) }, nil, 1 << 10},
	} {
		for _, format := range formats {
			t.Run(tt.about+"/"+format, func(t *testing.T) {
				m, dir := tree(t, format), t.TempDir()
				target := m.place(t, dir)
				mine := filepath.Join(target, "mine")
				must(t, os.WriteFile(mine, []byte("of the user"), 0o644))
				before := map[string]os.FileInfo{}
				for i := range m.Files {
					fi, err := os.Lstat(filepath.Join(target, m.FilePath(i)))
					must(t, err)
					before[m.FilePath(i)] = fi
				}
				tt.damage(t, target)
				if got := mend(t, m, dir); got > tt.most {
					t.Errorf("%d pieces were fetched, want %d at most", got, tt.most)
				}
				if tt.about != "all of it" {
					must(t, os.Remove(mine)) // it was left alone
					for _, p := range tt.wrong {
						delete(before, p)
					}
					for p, was := range before {
						if is, err := os.Lstat(filepath.Join(target, p)); err != nil || !os.SameFile(was, is) {
							t.Errorf("%q was right, and is another file now (%v)", p, err)
						}
					}
				}
				m.check(t, dir, nil)
				if b, err := os.ReadFile(elsewhere); err != nil || string(b) != "precious" {
					t.Errorf("what the symlink led to: %q, %v", b, err)
				}
				if _, err := os.Lstat(filepath.Join(dir, ".p2pshare")); !os.IsNotExist(err) {
					t.Errorf(".p2pshare is still there (%v)", err)
				}
			})
		}
	}
}

func TestReplaceOneFile(t *testing.T) {
	m, dir := build(t, "v1", testPiece, item{size: 100_000}), t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, m.Name), m.bytes[""], 0o644))
	spoil(t, filepath.Join(dir, m.Name), 50_000)
	if got := mend(t, m, dir); got != 1 {
		t.Errorf("%d pieces were fetched, want 1", got)
	}
	m.check(t, dir, nil)
}

// A folder is not replaced: what is in it is nobody's to remove.
func TestReplaceNoFolder(t *testing.T) {
	for _, where := range []string{"c", ""} {
		m, dir := tree(t, "v1"), t.TempDir()
		if where == "" {
			m = build(t, "v1", testPiece, item{size: 10})
		} else {
			m.place(t, dir)
		}
		at := filepath.Join(dir, m.Name, where)
		must(t, os.RemoveAll(at))
		must(t, os.MkdirAll(filepath.Join(at, "mine"), 0o755))
		p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, Replace: true})
		must(t, err)
		if _, err := p.Existing(t.Context(), nil); fault.KindOf(err) != fault.Unverified {
			t.Errorf("%q: got %v, want a refusal", where, err)
		}
		if _, err := os.Stat(filepath.Join(at, "mine")); err != nil {
			t.Error(err)
		}
	}
}
