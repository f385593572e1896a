package names_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/names"
)

// own, made and plain are Picks that choose the same kind of name everywhere.
func own(_ string, n names.Name) string { return n.Own }

func made(_ string, n names.Name) string {
	if n.Odd() {
		return n.Made[0]
	}
	return n.Own
}

func plain(_ string, n names.Name) string {
	if n.Odd() {
		return n.Made[len(n.Made)-1]
	}
	return n.Own
}

func TestMadeNames(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, c := range []struct{ about, name, made, plain string }{
		{"portable", "a b-1.tar.gz", "", ""},
		{"a colon, as SPEC.md has it", "Chapter 1: x.txt", "Chapter 1_ x~08028f87.txt", ""},
		{"a question mark", "Who?.txt", "Who_~", ""},
		{"a final dot", "Vol. 1.", "Vol. 1~", ""},
		{"a final space", "a ", "a~", ""},
		{"dots alone", "...", "_~", ""},
		{"a device", "aux.c", "_aux~", ""},
		{"a device with two extensions", "con.tar.gz", "_con.tar~", ""},
		{"a joiner", "می\u200cخواهم.mp3", "می\u200cخواهم~", "________~"},
		{"letters", "café.txt", "café~", "caf_~"},
		{"decomposed letters", "cafe\u0301.txt", "café~", "caf_~"},
		{"a line end", "a\nb", "a_b~", ""},
		{"reversed", "a\u202egpj.exe", "a_gpj~", ""},
		{"long", long + ".txt", "é", "_"},
		{"a tilde in the name", "a~b?", "a_b_~", ""},
	} {
		n := names.Of(c.name)
		if c.made == "" {
			if n.Odd() {
				t.Errorf("%s: %q is odd: %q", c.about, c.name, n.Made)
			}
			continue
		}
		if !n.Odd() {
			t.Errorf("%s: %q is not odd", c.about, c.name)
			continue
		}
		first, last := n.Made[0], n.Made[len(n.Made)-1]
		if !strings.HasPrefix(first, c.made) || path.Ext(first) != path.Ext(c.name) && len(path.Ext(c.name)) > 1 && c.name != "a " {
			t.Errorf("%s: %q becomes %q, want it to begin with %q and keep its extension", c.about, c.name, first, c.made)
		}
		if !strings.HasPrefix(last, c.plain) || strings.ContainsFunc(last, func(r rune) bool { return r > '~' }) {
			t.Errorf("%s: %q becomes %q, want ASCII that begins with %q", c.about, c.name, last, c.plain)
		}
	}
}

func TestTree(t *testing.T) {
	paths := [][]string{{"A", "x"}, {"a", "x"}, {"a", "X"}, {"straße"}, {"STRASSE"}, {"e\u0301"}, {"\u00e9"}, {"d:", "y"}, {"d:", "z?"}, {"plain", "q"}}
	tree := names.NewTree(paths)
	for i, p := range tree.Place(own).Paths {
		if want := strings.Join(paths[i], "/"); p != want {
			t.Errorf("with their own names: got %q, want %q", p, want)
		}
	}
	rivals := 0
	at := tree.Place(func(dir string, n names.Name) string {
		if n.Rival == "" {
			return n.Own
		}
		rivals++
		if names.Key(n.Rival) != names.Key(n.Own) || !n.Odd() {
			t.Errorf("%q is the rival of %q, which may become %q", n.Rival, n.Own, n.Made)
		}
		return n.Made[0]
	})
	if rivals != 4 { // a, X, STRASSE, the composed e
		t.Errorf("got %d rivals, want 4", rivals)
	}
	if at.Paths[0] != "A/x" || !strings.HasPrefix(at.Paths[1], "a~") || path.Dir(at.Paths[1]) != path.Dir(at.Paths[2]) || path.Base(at.Paths[1]) != "x" {
		t.Errorf("got %q", at.Paths[:3])
	}
	if got := at.Find([]string{"a", "X"}); got != at.Paths[2] {
		t.Errorf("found %q, want %q", got, at.Paths[2])
	}
	if got := at.Find([]string{"a", "none", "x"}); got != path.Dir(at.Paths[1])+"/none/x" {
		t.Errorf("found %q for a missing path", got)
	}
}

// A torrent that contains the substitutes of its other files gets longer substitutes.
func TestMadeNamesGiveWay(t *testing.T) {
	first := names.NewTree([][]string{{"a:"}, {"a?"}}).Place(made).Paths
	paths := [][]string{{"a:"}, {"a?"}, {first[0]}, {strings.ToUpper(first[1])}}
	for _, pick := range []names.Pick{own, made, plain} {
		distinct(t, paths, names.NewTree(paths).Place(pick).Paths)
	}
}

// distinct checks that paths on disk stay in their folder and do not collide.
func distinct(t *testing.T, paths [][]string, at []string) {
	t.Helper()
	of := map[string]string{}
	for i, p := range at {
		if !strings.HasPrefix(path.Clean("/x/"+p), "/x/") || strings.Count(p, "/") != len(paths[i])-1 {
			t.Errorf("%q is put at %q", paths[i], p)
		}
		whole := strings.Join(paths[i], "/")
		if was, there := of[p]; there && was != whole {
			t.Errorf("%q and %q are both put at %q", was, whole, p)
		}
		of[p] = whole
	}
}

// FuzzTree checks that names on disk never leave the folder, never collide, and are the same each time.
func FuzzTree(f *testing.F) {
	for _, s := range []string{
		"a\nb", "A\na", "a:/x\na?/x", "aux.c\ncon.txt", "e\u0301\n\u00e9", "می\u200cخواهم", "x.\nx ", "..a/...", "a\u202eb", strings.Repeat("é", 200) + "\n" + strings.Repeat("é", 201),
		"Σς\nσσ", "ﬁ\nfi", "a/b/c\na/B/c\nA/b/c", "~\n_~", "❤\ufe0f\n❤", ".p2pshare.\n.p2pshare",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var paths [][]string
		kinds := map[string]bool{} // path: is a file
		for _, line := range strings.Split(s, "\n") {
			p := strings.Split(line, "/")
			if names.CheckPath(p) != nil {
				continue
			}
			clash := false
			for i := range p {
				was, there := kinds[strings.Join(p[:i+1], "/")]
				clash = clash || there && (was || i == len(p)-1)
			}
			if clash {
				continue // metafile refuses these
			}
			for i := range p {
				kinds[strings.Join(p[:i+1], "/")] = i == len(p)-1
			}
			paths = append(paths, p)
		}
		tree := names.NewTree(paths)
		// Substitutes do not depend on what else a file system can hold: the mixed pick alternates between the two.
		n := 0
		for _, pick := range []names.Pick{own, made, plain, func(dir string, name names.Name) string {
			if n++; n%2 == 0 {
				return name.Own
			}
			return made(dir, name)
		}} {
			n = 0
			at := tree.Place(pick).Paths
			distinct(t, paths, at)
			n = 0
			if again := names.NewTree(paths).Place(pick).Paths; !slices.Equal(again, at) {
				t.Errorf("got %q, and then %q", at, again)
			}
		}
		for _, pick := range []names.Pick{made, plain} {
			keys := map[string]string{}
			tree.Place(func(dir string, name names.Name) string {
				picked := pick(dir, name)
				if err := names.Portable(picked); err != nil {
					t.Errorf("made of %q: %v", name.Own, err)
				}
				k := dir + "/" + names.Key(picked)
				if was, there := keys[k]; there {
					t.Errorf("%q and %q are one on some system", was, picked)
				}
				keys[k] = picked
				return picked
			})
		}
	})
}
