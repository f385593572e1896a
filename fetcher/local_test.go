package fetcher_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/names"
)

// oddNames is a folder of names that some file systems hold and others do not.
func oddNames(t testing.TB, format string) *made {
	return build(t, format, testPiece,
		item{path: "A/x", size: 100},
		item{path: "Chapter 1: x.txt", size: 20000},
		item{path: "Vol. 1./Who?", size: 5},
		item{path: "Vol. 1./plain", size: 50000},
		item{path: "a/X", size: 7},
		item{path: "a/x", size: 70},
		item{path: "aux.c", size: 3},
		item{path: "b/link", link: "Vol. 1./Who?"},
		item{path: "café", size: 10},
		item{path: strings.Repeat("ö", 120), size: 11},
		item{path: "می\u200cخواهم.mp3", size: 12},
	)
}

// windows holds what Windows does.
func windows(name, rival string) bool { return rival == "" && names.Portable(name) == nil }

// check names of a fetch, whatever they are, against what was wanted.
func checkLocal(t *testing.T, m *made, p *fetcher.Plan) {
	t.Helper()
	at, err := content.At(m.Torrent, p.Target())
	must(t, err)
	report, err := content.Verify(t.Context(), m.Torrent, at, content.Options{})
	must(t, err)
	for _, f := range report.Files {
		if f.Problem != "" {
			t.Errorf("%q at %q: %s", m.FilePath(f.Index), at.Paths[f.Index], f.Problem)
		}
	}
	if extra, err := content.Extra(m.Torrent, at); err != nil || len(extra) > 0 {
		t.Errorf("got %q besides, %v", extra, err)
	}
}

func fetchAll(t *testing.T, m *made, o fetcher.Options, v1 bool) *fetcher.Plan {
	t.Helper()
	p, s, _ := open(t, m, o)
	defer s.Close()
	transfer(t, m, s, m.view(v1), p.Wanted(), nil)
	finish(t, s, o.Dir)
	return p
}

// TestMadeNames: what the file system cannot hold has a name that is made of its own, the same each time, in whatever order
// and part it is fetched, and verifies.
func TestMadeNames(t *testing.T) {
	for _, format := range []string{"v1", "v2", "hybrid"} {
		m := oddNames(t, format)
		first, second := t.TempDir(), t.TempDir()
		p := fetchAll(t, m, fetcher.Options{Dir: first, Holds: windows}, format == "v1")
		checkLocal(t, m, p)
		list := map[string]string{}
		for _, r := range p.Renamed() {
			list[r.Own] = r.Local
			for _, c := range strings.Split(r.Local, "/") {
				if err := names.Portable(c); err != nil {
					t.Errorf("%q is called %q: %v", r.Own, r.Local, err)
				}
			}
			if _, err := os.Lstat(filepath.Join(first, r.Local)); err != nil {
				t.Errorf("%q is not at %q: %v", r.Own, r.Local, err)
			}
		}
		if len(list) != 6 || list["content/A/x"] != "" || list["content/café"] != "" {
			t.Errorf("got %q, want 6 files under other names, and neither the first of two nor what can be had", list)
		}
		again, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: first, Holds: windows})
		must(t, err)
		if at, err := again.Existing(t.Context(), nil); err != nil || at == nil {
			t.Errorf("run again: got %v, %v, want all of it there", at, err)
		}
		// In parts, paused in between, and on a system that can hold all names: what is there keeps the names it has.
		fetchAll(t, m, fetcher.Options{Dir: second, Holds: windows, Only: []string{"a", "Vol*"}}, format == "v1")
		p, s, _ := open(t, m, fetcher.Options{Dir: second, Holds: windows})
		transfer(t, m, s, m.view(format == "v1"), []fetcher.Range{{Begin: p.Wanted()[0].Begin, End: p.Wanted()[0].Begin + 1}}, nil)
		must(t, s.Close())
		p = fetchAll(t, m, fetcher.Options{Dir: second, Holds: windows}, format == "v1")
		checkLocal(t, m, p)
		parts := map[string]string{}
		for _, r := range p.Renamed() {
			parts[r.Own] = r.Local
		}
		if !maps.Equal(list, parts) {
			t.Errorf("in parts: got %q, want %q", parts, list)
		}
	}
}

// TestMadeNameOfTheWhole: a torrent's own name is made another too, of a file and of a folder.
func TestMadeNameOfTheWhole(t *testing.T) {
	for about, m := range map[string]*made{"folder": tree(t, "v1"), "file": build(t, "v1", testPiece, item{size: 100})} {
		m.Name = "What?"
		dir := t.TempDir()
		p := fetchAll(t, m, fetcher.Options{Dir: dir, Holds: windows}, true)
		if name := filepath.Base(p.Target()); !strings.HasPrefix(name, "What_~") || content.In(m.Torrent, dir) != p.Target() {
			t.Errorf("%s: got %q, and it is looked for at %q", about, p.Target(), content.In(m.Torrent, dir))
		}
		if len(p.Renamed()) != p.Files() {
			t.Errorf("%s: got %q, want all %d", about, p.Renamed(), p.Files())
		}
		again, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, Holds: windows})
		must(t, err)
		if at, err := again.Existing(t.Context(), nil); err != nil || at == nil {
			t.Errorf("%s: run again: got %v, %v, want it there", about, at, err)
		}
	}
}

// TestOnlyByOwnName: globs match the names of the torrent, whatever the files are called.
func TestOnlyByOwnName(t *testing.T) {
	m, dir := oddNames(t, "v1"), t.TempDir()
	p := fetchAll(t, m, fetcher.Options{Dir: dir, Holds: windows, Only: []string{"aux.c"}}, true)
	if list := p.Renamed(); len(list) != 1 || !slices.Equal(list, []fetcher.Renamed{{Own: "content/aux.c", Local: list[0].Local}}) {
		t.Errorf("got %q, want aux.c alone", list)
	}
}
