package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// fetchInto fetches in a daemon, until the content is there.
func fetchInto(t *testing.T, n *node.Node, r node.FetchRequest) (*node.Fetched, error) {
	t.Helper()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) }, func(e node.Event) bool { return e.Fetched != nil })
	return last.Fetched, err
}

func repair(t *testing.T, n *node.Node, ref string, peers ...string) (*node.Fetched, error) {
	t.Helper()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Repair(ctx, node.RepairRequest{Ref: ref, Peers: peers}, on)
	}, func(e node.Event) bool { return e.Fetched != nil })
	return last.Fetched, err
}

// damaged spoils a byte of one file of a folder, removes another, and puts a third one there.
func damaged(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "big"))
	must(t, err)
	b[300_000]++
	must(t, os.WriteFile(filepath.Join(dir, "big"), b, 0o644))
	must(t, os.Remove(filepath.Join(dir, "sub", "small")))
	must(t, os.WriteFile(filepath.Join(dir, "mine"), []byte("of the user"), 0o644))
}

// mended holds a folder against what was published, and what the user put there against that.
func mended(t *testing.T, dir, published string) {
	t.Helper()
	if b, err := os.ReadFile(filepath.Join(dir, "mine")); err != nil || string(b) != "of the user" {
		t.Errorf("the user's file: %q, %v", b, err)
	}
	must(t, os.Remove(filepath.Join(dir, "mine")))
	same(t, dir, published)
}

func bigFolder(t *testing.T) string {
	return folder(t, "release", map[string]string{"big": strings.Repeat("0123456789abcdef", 64<<10), "sub/small": "small"})
}

func TestRepair(t *testing.T) {
	source := bigFolder(t)
	from, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, from, source)
	to, _ := daemon(t, t.TempDir(), nil)
	peer := addrOf(t, from)

	_, err := repair(t, to, "release")
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is not here: got %v, want NotFound", err)
	}
	for _, seed := range []bool{true, false} {
		dir := t.TempDir()
		got, err := fetchInto(t, to, node.FetchRequest{Ref: pub.Magnet, Dir: dir, Seed: seed, NoSeed: !seed, Peers: []string{peer}})
		must(t, err)
		then := node.StateSeeding
		if !seed {
			then = node.StateDone
		}
		was := shareIn(t, to, "release", in(then))
		damaged(t, got.Path)
		if seed {
			s := shareIn(t, to, "release", func(s node.Share) bool { return s.State == node.StateWaiting || s.State == node.StateFailed })
			if !strings.Contains(s.Hint, "p2pshare repair") {
				t.Errorf("the hint of what is damaged: %q", s.Hint)
			}
		}
		got, err = repair(t, to, "release")
		must(t, err)
		if from := got.BytesFrom.Peers; from == 0 || from > 256<<10 {
			t.Errorf("%d bytes were fetched again, want two pieces or so", from)
		}
		is := shareIn(t, to, "release", in(then))
		if is.ID != was.ID || is.Path != was.Path || is.Kind != "fetch" || !is.Done.Equal(was.Done) {
			t.Errorf("the share is %+v now, and was %+v", is, was)
		}
		mended(t, is.Path, source)
		// What is right is left as it is.
		if got, err = repair(t, to, "release"); err != nil || got.BytesFrom.Peers > 0 {
			t.Errorf("the second time: %+v, %v", got, err)
		}
		_, err = to.Remove(t.Context(), node.RemoveRequest{Refs: []string{"release"}})
		must(t, err)
	}
	// What is published here comes back from who has it.
	fetchInto(t, to, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Seed: true, Peers: []string{peer}})
	kept := shareIn(t, to, "release", in(node.StateSeeding))
	damaged(t, source)
	_, err = repair(t, from, "release", addrOf(t, to))
	must(t, err)
	if s := shareIn(t, from, "release", in(node.StateSeeding)); s.Kind != "publish" || s.Path != source || !s.Done.IsZero() {
		t.Errorf("the publish is %+v now", s)
	}
	mended(t, source, kept.Path)
}

// What was published under another name than its own has no place to be fetched into.
func TestRepairRefuses(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "here", map[string]string{"f": "x"})
	_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: dir, Name: "there"}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	must(t, err)
	if _, err := repair(t, n, "there"); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `under the name "there"`) {
		t.Errorf("content of another name: got %v, want a refusal", err)
	}
}

func TestRepairWithoutADaemon(t *testing.T) {
	source, home := bigFolder(t), t.TempDir()
	from, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, from, source)
	to, end := daemon(t, home, nil)
	got, err := fetchInto(t, to, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Seed: true, Peers: []string{addrOf(t, from)}})
	must(t, err)
	shareIn(t, to, "release", in(node.StateSeeding))
	end()
	damaged(t, got.Path)
	n := alone(t, home)
	_, err = repair(t, n, "release")
	must(t, err)
	mended(t, got.Path, source)
	must(t, n.Close())
	to, _ = daemon(t, home, nil)
	shareIn(t, to, "release", in(node.StateSeeding))
}

// Whoever has removed the files of a share can fetch them into their place.
func TestFetchIntoThePlace(t *testing.T) {
	source := bigFolder(t)
	from, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, from, source)
	to, _ := daemon(t, t.TempDir(), nil)
	r := node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Seed: true, Peers: []string{addrOf(t, from)}}
	got, err := fetchInto(t, to, r)
	must(t, err)
	shareIn(t, to, "release", in(node.StateSeeding))
	must(t, os.RemoveAll(got.Path))
	shareIn(t, to, "release", in(node.StateWaiting))
	got, err = fetchInto(t, to, r)
	must(t, err)
	same(t, got.Path, source)
	shareIn(t, to, "release", in(node.StateSeeding))
	// Where something else is in the place, it says what helps.
	must(t, os.WriteFile(filepath.Join(got.Path, "big"), []byte("other"), 0o644))
	s := shareIn(t, to, "release", in(node.StateFailed))
	_, err = fetchInto(t, to, r)
	if fault.KindOf(err) != fault.Unverified || !strings.Contains(fault.HintOf(err), "p2pshare repair "+s.ID) {
		t.Errorf("got %v, %q, want a refusal that names repair", err, fault.HintOf(err))
	}
	_, err = repair(t, to, "release")
	must(t, err)
	same(t, got.Path, source)
}

// With the files go those of the share alone, damaged ones too; what a user has put in their places stays, and is told.
func TestRemoveLeavesOtherFiles(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	dir := folder(t, "release", map[string]string{"big": strings.Repeat("0123456789abcdef", 64<<10), "notes": "as published", "empty": ""})
	publishIn(t, n, dir)
	damage := func() {
		b, err := os.ReadFile(filepath.Join(dir, "big"))
		must(t, err)
		b[3]++
		must(t, os.WriteFile(filepath.Join(dir, "big"), b, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "notes"), []byte("my own notes of today"), 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o644))
	}
	damage()
	shareIn(t, n, "release", in(node.StateFailed))
	list, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{"release"}, Data: true})
	must(t, err)
	if len(list) != 1 || len(list[0].Stays) != 1 || list[0].Stays[0] != filepath.Join(dir, "notes") || list[0].Absent {
		t.Errorf("got %+v, want that notes stays", list)
	}
	for name, there := range map[string]bool{"big": false, "empty": false, "notes": true, "mine": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != there {
			t.Errorf("%s: there %v (%v), want %v", name, err == nil, err, there)
		}
	}
	// What is not there is not called removed.
	gone := folder(t, "gone", map[string]string{"f": "x"})
	publishIn(t, n, gone)
	must(t, os.RemoveAll(gone))
	end()
	list, err = alone(t, home).Remove(t.Context(), node.RemoveRequest{Refs: []string{"gone"}, Data: true})
	must(t, err)
	if len(list) != 1 || !list[0].Absent {
		t.Errorf("got %+v, want that nothing was there", list)
	}
}

// A mirror repairs what it has, whatever became of it and whenever it is found.
func TestMirrorRepairsItself(t *testing.T) {
	source := bigFolder(t)
	owner, _ := daemon(t, t.TempDir(), nil)
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	home, dir := t.TempDir(), t.TempDir()
	mirror, end := daemon(t, home, nil)
	askGroup(t, mirror, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, owner)}, Timeout: 20 * time.Second}})
	askGroup(t, mirror, node.GroupRequest{Group: "acme", Follow: &node.Follow{Dir: dir}})
	_, err := publishAs(t, owner, source, "acme", "app@1")
	must(t, err)
	s := shareIn2(t, mirror, "release", in(node.StateSeeding))
	path := filepath.Join(dir, "app@1", "release")
	if s.Path != path {
		t.Fatalf("mirrored to %q", s.Path)
	}
	right := func(when string) {
		t.Helper()
		for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			b, err := os.ReadFile(filepath.Join(path, "big"))
			_, err2 := os.Stat(filepath.Join(path, "sub", "small"))
			if err == nil && err2 == nil && string(b) == strings.Repeat("0123456789abcdef", 64<<10) {
				break
			}
			if time.Now().After(end) {
				st, _ := mirror.Status(t.Context(), node.StatusRequest{})
				t.Fatalf("%s: it is not repaired: %+v", when, st)
			}
			_, err = mirror.Status(t.Context(), node.StatusRequest{}) // which looks at once
			must(t, err)
		}
		shareIn(t, mirror, "release", in(node.StateSeeding))
	}
	damaged(t, path)
	right("damaged while it is served")
	if b, err := os.ReadFile(filepath.Join(path, "mine")); err != nil || string(b) != "of the user" {
		t.Errorf("what somebody else put there: %q, %v", b, err)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "app@1")))
	right("removed while it is served")
	end()
	damaged(t, path)
	mirror, end = daemon(t, home, nil)
	right("damaged while no daemon ran")
	end()
	must(t, os.RemoveAll(path))
	mirror, _ = daemon(t, home, nil)
	right("removed while no daemon ran")
}

// What is shared from one folder is copied into another, and a receipt and sums are about it too.
func TestFetchOfWhatIsHere(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	source := bigFolder(t)
	_, err := publishAs(t, n, source, "acme", "app@1")
	must(t, err)
	s := shareIn(t, n, "release", in(node.StateSeeding))
	dir := t.TempDir()
	receipt := filepath.Join(dir, "receipt")
	got, err := fetchInto(t, n, node.FetchRequest{Ref: "acme/app@1", Dir: dir, FromGroup: node.FromGroup{Receipt: receipt}})
	must(t, err)
	if got.Path != filepath.Join(dir, "release") || got.BytesFrom.Reused != s.Size {
		t.Errorf("copied: %+v", got)
	}
	same(t, got.Path, source)
	if _, err := os.Stat(receipt); err != nil {
		t.Errorf("the receipt: %v", err)
	}
	if is := shareIn(t, n, "release", in(node.StateSeeding)); is.Path != source || is.ID != s.ID {
		t.Errorf("the share is %+v now", is)
	}
	// In its own place too.
	must(t, os.Remove(receipt))
	_, err = fetchInto(t, n, node.FetchRequest{Ref: "acme/app@1", Dir: filepath.Dir(source), FromGroup: node.FromGroup{Receipt: receipt}})
	must(t, err)
	if _, err := os.Stat(receipt); err != nil {
		t.Errorf("the receipt of what is in its place: %v", err)
	}
	sums := filepath.Join(dir, "sums")
	must(t, os.WriteFile(sums, []byte(strings.Repeat("0", 64)+"  big\n"+strings.Repeat("0", 64)+"  sub/small\n"), 0o644))
	_, err = fetchInto(t, n, node.FetchRequest{Ref: "acme/app@1", Dir: filepath.Dir(source), FromGroup: node.FromGroup{Sums: sums}})
	if fault.KindOf(err) != fault.Unverified {
		t.Errorf("sums that do not agree: %v", err)
	}
	// What was changed there is not copied.
	must(t, os.WriteFile(filepath.Join(source, "big"), []byte("other"), 0o644))
	_, err = fetchInto(t, n, node.FetchRequest{Ref: "acme/app@1", Dir: t.TempDir(), Timeout: time.Minute})
	if err == nil {
		t.Error("it was fetched from where it is not any more")
	}
}
