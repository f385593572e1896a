package node_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// eventually waits until ok is true; what says how it stands.
func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come: %s", what())
		}
	}
}

// tells lists a folder: files, links with what they lead to, and folders that are empty.
func tells(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went meanwhile
		}
		rel, _ := filepath.Rel(dir, p)
		switch {
		case d.Type() == fs.ModeSymlink:
			to, _ := os.Readlink(p)
			out = append(out, rel+" -> "+to)
		case !d.IsDir():
			out = append(out, rel)
		}
		return nil
	})
	must(t, err)
	return strings.Join(out, "\n")
}

func waitTold(t *testing.T, dir, want string) {
	t.Helper()
	eventually(t, func() string { return "got\n" + tells(t, dir) + "\nwant\n" + want }, func() bool { return tells(t, dir) == want })
}

func followed(t *testing.T, n *node.Node, f node.Follow) *node.GroupAnswer {
	t.Helper()
	return askGroup(t, n, node.GroupRequest{Group: "acme", Follow: &f})
}

func drop(t *testing.T, n *node.Node, ref string) {
	t.Helper()
	askCatalog(t, n, node.CatalogRequest{Group: "acme", Drop: &ref})
}

// A pre-release that becomes a release is in the folders of both, and stays whole in one when the other goes.
func TestOneContentUnderTwoNames(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, end := daemon(t, home, nil)
	dir := t.TempDir()
	joinAcme(t, owner, mirror)
	followed(t, mirror, node.Follow{Dir: dir})
	source := folder(t, "app", map[string]string{"f": "one"})
	for _, as := range []string{"app@1.0-rc.1", "app@1.0", "tools/app@7"} {
		_, err := publishAs(t, owner, source, "acme", as)
		must(t, err)
		shareIn2(t, mirror, "app", in(node.StateSeeding))
	}
	waitTold(t, dir, "app@1.0/app -> ../app@1.0-rc.1/app\napp@1.0-rc.1/app/f\ntools/app@7/app -> ../../app@1.0-rc.1/app")
	id := shareIn(t, mirror, "app", in(node.StateSeeding)).ID
	drop(t, owner, "app@1.0-rc.1")
	waitTold(t, dir, "app@1.0/app/f\ntools/app@7/app -> ../../app@1.0/app")
	s := shareIn(t, mirror, "app", in(node.StateSeeding))
	if s.ID != id || s.Entry != "acme/app@1.0" || s.Path != filepath.Join(dir, "app@1.0", "app") || s.Downloaded > s.Size {
		t.Errorf("the share is %+v now, which was %s", s, id)
	}
	// A daemon that starts again finds it so.
	end()
	mirror, _ = daemon(t, home, func(o *node.Options) { o.Network.Peers = []string{addrOf(t, owner)} })
	shareIn(t, mirror, "app", in(node.StateSeeding))
	drop(t, owner, "app@1.0")
	waitTold(t, dir, "tools/app@7/app/f")
	drop(t, owner, "tools/app@7")
	waitTold(t, dir, "")
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left in the folder: %v, %v", list, err)
	}
}

// What somebody has put where a link should be stays, and the mirror goes on.
func TestALinkTakesNoPlace(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	dir := t.TempDir()
	joinAcme(t, owner, mirror)
	mine := filepath.Join(dir, "app@2", "app")
	must(t, os.MkdirAll(mine, 0o755))
	must(t, os.WriteFile(filepath.Join(mine, "mine"), []byte("mine"), 0o644))
	followed(t, mirror, node.Follow{Dir: dir})
	source := folder(t, "app", map[string]string{"f": "one"})
	for _, as := range []string{"app@1", "app@2", "app@3"} {
		_, err := publishAs(t, owner, source, "acme", as)
		must(t, err)
		shareIn2(t, mirror, "app", in(node.StateSeeding))
	}
	waitTold(t, dir, "app@1/app/f\napp@2/app/mine\napp@3/app -> ../app@1/app")
}

// What was fetched before a group is followed comes into the mirror's folder and is served, and stays where it is too.
func TestMirrorTakesOver(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	joinAcme(t, owner, mirror)
	for _, name := range []string{"one", "two", "three"} {
		_, err := publishAs(t, owner, folder(t, name, map[string]string{"f": name}), "acme", name+"@1")
		must(t, err)
	}
	waitEntries(t, mirror, "acme/one@1 by alice, acme/three@1 by alice, acme/two@1 by alice")
	before := t.TempDir()
	for name, seed := range map[string]bool{"one": true, "two": false} {
		_, err := fetchInto(t, mirror, node.FetchRequest{Ref: "acme/" + name, Dir: before, Seed: seed, NoSeed: !seed})
		must(t, err)
	}
	// What is published here stays where it is published from.
	own := folder(t, "own", map[string]string{"f": "own"})
	publishIn(t, mirror, own)
	_, err := publishAs(t, owner, own, "acme", "own@1")
	must(t, err)
	dir := t.TempDir()
	followed(t, mirror, node.Follow{Dir: dir})
	for _, name := range []string{"one", "two", "three"} {
		s := shareIn2(t, mirror, name, func(s node.Share) bool { return s.State == node.StateSeeding && s.Mirror })
		if want := filepath.Join(dir, name+"@1", name); s.Path != want {
			t.Errorf("%s is at %q, want %q", name, s.Path, want)
		}
	}
	waitTold(t, dir, "one@1/one/f\nthree@1/three/f\ntwo@1/two/f")
	for _, name := range []string{"one", "two"} {
		if _, err := os.Stat(filepath.Join(before, name, "f")); err != nil {
			t.Errorf("what was there before is gone: %v", err)
		}
	}
	g := askGroup(t, mirror, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0]
	if g.Mirror == nil || g.Mirror.Wanted != 4 || g.Mirror.Here != 3 || g.Mirror.Free <= 0 {
		t.Errorf("how far the mirror is: %+v", g.Mirror)
	}
	// What the mirror drops is its own, and not what was there before.
	drop(t, owner, "one@1")
	waitTold(t, dir, "three@1/three/f\ntwo@1/two/f")
	if _, err := os.Stat(filepath.Join(before, "one", "f")); err != nil {
		t.Error(err)
	}
}

func TestFollowIntoAnotherFolder(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	joinAcme(t, owner, mirror)
	source := folder(t, "app", map[string]string{"f": "one", "g": strings.Repeat("g", 100_000)})
	for _, as := range []string{"app@1", "app@2"} {
		_, err := publishAs(t, owner, source, "acme", as)
		must(t, err)
	}
	file := filepath.Join(t.TempDir(), "single")
	must(t, os.WriteFile(file, []byte("one file"), 0o644))
	_, err := publishAs(t, owner, file, "acme", "deep/er/single@1")
	must(t, err)
	other, err := os.MkdirTemp("/dev/shm", "p2pshare") // another file system
	if err != nil {
		other = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	const want = "app@1/app -> ../app@2/app\napp@2/app/f\napp@2/app/g\ndeep/er/single@1/single"
	first := filepath.Join(t.TempDir(), "first")
	followed(t, mirror, node.Follow{Dir: first})
	waitTold(t, first, want)
	was := first
	for _, dir := range []string{filepath.Join(t.TempDir(), "second"), filepath.Join(other, "third")} {
		shareIn2(t, mirror, "app", in(node.StateSeeding))
		shareIn2(t, mirror, "single", in(node.StateSeeding))
		a := followed(t, mirror, node.Follow{Dir: dir})
		if len(a.Notes) != 1 || !strings.Contains(a.Notes[0], was) || !strings.Contains(a.Notes[0], "2 shares") {
			t.Errorf("said of the move: %q", a.Notes)
		}
		waitTold(t, dir, want)
		waitGone(t, filepath.Join(was, "app@1"))
		waitGone(t, filepath.Join(was, "app@2"))
		waitGone(t, filepath.Join(was, "deep"))
		shareIn2(t, mirror, "single", in(node.StateSeeding))
		s := shareIn2(t, mirror, "app", in(node.StateSeeding))
		if s.Path != filepath.Join(dir, "app@2", "app") {
			t.Errorf("it is served from %q", s.Path)
		}
		was = dir
	}
	st, err := mirror.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	if st.Downloaded > st.Shares[0].Size+st.Shares[1].Size {
		t.Errorf("%d bytes were fetched of %d", st.Downloaded, st.Shares[0].Size+st.Shares[1].Size)
	}
}

func TestFollowIntoOneFolder(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	joinAcme(t, owner, mirror)
	askGroup(t, mirror, node.GroupRequest{Group: "own", Create: &node.CreateGroup{Kind: "public"}})
	dir := t.TempDir()
	followed(t, mirror, node.Follow{Dir: dir})
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	for _, d := range []string{dir, filepath.Join(dir, "own"), filepath.Dir(dir), link} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := mirror.Group(ctx, node.GroupRequest{Group: "own", Follow: &node.Follow{Dir: d}}, func(node.Event) {})
		cancel()
		if fault.KindOf(err) != fault.InUse || !strings.Contains(err.Error(), `"acme" is mirrored into`) {
			t.Errorf("%s: got %v, want a refusal", d, err)
		}
	}
	followed(t, mirror, node.Follow{Dir: dir, Keep: 2}) // the same group's own
	askGroup(t, mirror, node.GroupRequest{Group: "own", Follow: &node.Follow{Dir: t.TempDir()}})
}

// What --space has no room for is told everywhere where somebody looks.
func TestWhatSpaceLeavesOut(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	joinAcme(t, owner, mirror)
	dir := t.TempDir()
	followed(t, mirror, node.Follow{Dir: dir, Space: 1000})
	for as, size := range map[string]int{"small@1": 400, "large@1": 5000} {
		name := strings.TrimSuffix(as, "@1")
		_, err := publishAs(t, owner, folder(t, name, map[string]string{"f": strings.Repeat("x", size)}), "acme", as)
		must(t, err)
	}
	shareIn2(t, mirror, "small", in(node.StateSeeding))
	waitEntries(t, mirror, "acme/large@1 by alice, acme/small@1 by alice")
	var g node.Group
	eventually(t, func() string { return g.Name }, func() bool {
		g = askGroup(t, mirror, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0]
		return g.Mirror.Left == 1
	})
	if l := g.Mirror.LeftOut[0]; l.Ref != "large@1" || l.Size != 5000 || l.Why != "--space is 1.0 kB" || g.Mirror.Wanted != 1 || g.Mirror.Here != 1 || g.Mirror.Bytes != 400 {
		t.Errorf("shown: %+v", g.Mirror)
	}
	const want = "large@1 (5.0 kB) is not mirrored: --space is 1.0 kB"
	if !strings.Contains(strings.Join(g.Warnings, "\n"), want) {
		t.Errorf("warnings: %q", g.Warnings)
	}
	st, err := mirror.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	if !strings.Contains(strings.Join(st.Problems, "\n"), want) {
		t.Errorf("status: %q", st.Problems)
	}
	d, err := mirror.Doctor(t.Context(), node.DoctorRequest{}, func(node.Event) {})
	must(t, err)
	found := false
	for _, f := range d.Findings {
		found = found || strings.Contains(f.What, want) && !f.Grave && strings.Contains(f.Do, "--space")
	}
	if !found {
		t.Errorf("doctor: %+v", d.Findings)
	}
}

// What a mirror has removed for something newer it does not look for again when that is taken back: nobody may have it.
func TestADropBringsNothingBack(t *testing.T) {
	owner, home := daemonOf(t)
	mirror, _ := daemon(t, home, nil)
	joinAcme(t, owner, mirror)
	dir := t.TempDir()
	followed(t, mirror, node.Follow{Dir: dir, Keep: 1})
	for _, v := range []string{"1", "2"} {
		_, err := publishAs(t, owner, folder(t, "app-"+v, map[string]string{"f": v}), "acme", "app@"+v)
		must(t, err)
		shareIn2(t, mirror, "app-"+v, in(node.StateSeeding))
	}
	waitTold(t, dir, "app@2/app-2/f")
	drop(t, owner, "app@2")
	waitTold(t, dir, "")
	var g node.Group
	eventually(t, func() string { return g.Name }, func() bool {
		g = askGroup(t, mirror, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0]
		return g.Mirror.Left == 1
	})
	if l := g.Mirror.LeftOut[0]; l.Ref != "app@1" || !strings.Contains(l.Why, "removed for something newer") || g.Mirror.Wanted != 0 {
		t.Errorf("shown: %+v", g.Mirror)
	}
	followed(t, mirror, node.Follow{Dir: dir, Keep: 1})
	waitTold(t, dir, "app@1/app-1/f")
}

// daemonOf is the owner of acme, and a home for a mirror.
func daemonOf(t *testing.T) (owner *node.Node, home string) {
	t.Helper()
	owner, _ = daemon(t, t.TempDir(), nil)
	askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	return owner, t.TempDir()
}

func joinAcme(t *testing.T, owner, n *node.Node) {
	t.Helper()
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", Link: &node.LinkGroup{}})
	askGroup(t, n, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, owner)}, Timeout: 20 * time.Second}})
}

// Why something was taken back is read by whoever asks for it, has it or reads the history; of a private group's by those who could
// read it.
func TestTakenBackIsTold(t *testing.T) {
	for _, kind := range []string{"public", "private"} {
		t.Run(kind, func(t *testing.T) {
			var owner, reader *node.Node
			group := "acme"
			if kind == "public" {
				owner, reader, _ = acme(t)
			} else {
				group = "family"
				var a *node.GroupAnswer
				var err error
				owner, a = family(t, node.CreateGroup{})
				reader, _, err = joins(t, owner, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
				must(t, err)
			}
			_, err := publishAs(t, owner, folder(t, "app", map[string]string{"f": "1"}), group, "app@1.4.4")
			must(t, err)
			_, err = publishAs(t, owner, folder(t, "app2", map[string]string{"f": "2"}), group, "app@1.4.3")
			must(t, err)
			waitCatalog(t, reader, group, "2", func(a *node.CatalogAnswer) string { return fmt.Sprint(len(a.Entries)) })
			_, err = fetchInto(t, reader, node.FetchRequest{Ref: group + "/app@1.4.4", Dir: t.TempDir(), Seed: true, Timeout: time.Minute})
			must(t, err)
			ref := "app@1.4.4"
			askCatalog(t, owner, node.CatalogRequest{Group: group, Drop: &ref, Note: "crashes on start"})
			waitCatalog(t, reader, group, "1", func(a *node.CatalogAnswer) string { return fmt.Sprint(len(a.Entries)) })
			_, err = fetchInto(t, reader, node.FetchRequest{Ref: group + "/app@1.4.4", Dir: t.TempDir()})
			if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "app@1.4.4 was taken back by") || !strings.Contains(err.Error(), ": crashes on start") {
				t.Errorf("who asks for it: %v", err)
			}
			s := shareIn2(t, reader, group+"/app@1.4.4", in(node.StateSeeding))
			if s.Taken == nil || s.Taken.Note != "crashes on start" || s.Taken.By == "" || s.Taken.Time.IsZero() {
				t.Errorf("who has it: %+v", s.Taken)
			}
			a := askCatalog(t, reader, node.CatalogRequest{Group: group, Taken: &ref})
			if a.Taken == nil || a.Taken.Note != "crashes on start" {
				t.Errorf("who asks whether it was: %+v", a.Taken)
			}
			found := false
			for _, r := range askGroup(t, reader, node.GroupRequest{Group: group, Log: &struct{}{}}).Log {
				found = found || r.Kind == "drop" && r.Entry == ref && r.Note == "crashes on start" && strings.HasPrefix(r.What, "took back app@1.4.4") && strings.HasSuffix(r.What, ": crashes on start")
			}
			if !found {
				t.Error("the history does not say it")
			}
			// What goes from machine to machine, mirrors that nobody has to trust among them.
			file := filepath.Join(t.TempDir(), "export")
			askCatalog(t, owner, node.CatalogRequest{Group: group, Export: &file})
			b, err := os.ReadFile(file)
			must(t, err)
			if clear := strings.Contains(string(b), "crashes on start"); clear != (kind == "public") {
				t.Errorf("the note is in clear words in the records: %v", clear)
			}
			long := strings.Repeat("n", 2001)
			other := "app@1.4.3"
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := owner.Catalog(ctx, node.CatalogRequest{Group: group, Drop: &other, Note: long}, func(node.Event) {}); fault.KindOf(err) != fault.Usage {
				t.Errorf("a note that is too long: %v", err)
			}
		})
	}
}
