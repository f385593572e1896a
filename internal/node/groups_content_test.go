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

// two are a daemon with a private group, and another that has joined it as bob.
func two(t *testing.T) (alice, bob *node.Node, a *node.GroupAnswer) {
	t.Helper()
	alice, a = family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob join")
	return alice, bob, a
}

// publishFor publishes into the family's group.
func publishFor(t *testing.T, n *node.Node, path string, in node.InGroup) *node.Published {
	t.Helper()
	in.Group = "family"
	e, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path, In: &in}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	if err != nil {
		t.Fatal(err)
	}
	return e.Published
}

// fetchNamed fetches an entry into a folder, within a time that is long enough.
func fetchNamed(t *testing.T, n *node.Node, r node.FetchRequest) (*node.Fetched, error) {
	t.Helper()
	if r.Timeout == 0 {
		r.Timeout = 60 * time.Second
	}
	e, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) },
		func(e node.Event) bool { return e.Fetched != nil })
	return e.Fetched, err
}

// waitNames waits until a node's catalog of the family's group lists these.
func waitNames(t *testing.T, n *node.Node, want string) {
	t.Helper()
	waitCatalog(t, n, "family", want, func(a *node.CatalogAnswer) string {
		var refs []string
		for _, e := range a.Entries {
			refs = append(refs, e.Ref)
		}
		return strings.Join(refs, " ")
	})
}

func TestContentOfAPrivateGroup(t *testing.T) {
	alice, bob, _ := two(t)
	files := map[string]string{"a.jpg": strings.Repeat("picture", 50_000), "b/c.txt": "text"}
	dir := folder(t, "photos", files)
	pub := publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	if pub.Magnet != "" || pub.Entry != "family/photos@1" {
		t.Errorf("published with the magnet %q as %q, want none, and family/photos@1", pub.Magnet, pub.Entry)
	}
	waitNames(t, bob, "family/photos@1")
	out := t.TempDir()
	got, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/photos", Dir: out, Seed: true})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, dir)
	if s := shareIn(t, bob, "photos", in(node.StateSeeding)); s.Magnet != "" || !s.Private {
		t.Errorf("bob's share: magnet %q, private %v, want none and private", s.Magnet, s.Private)
	}
	show := askCatalog(t, bob, node.CatalogRequest{Group: "family", Show: new("photos")})
	if m := show.Entries[0].Magnet; m != "" {
		t.Errorf("the catalog shows the magnet %q", m)
	}
	// Who is outside has nothing of it, with the infohash, the address and the port.
	stranger, _ := daemon(t, t.TempDir(), nil)
	if _, err := fetchNamed(t, stranger, node.FetchRequest{Ref: pub.Infohash, Dir: t.TempDir(), Peers: []string{addrOf(t, alice), addrOf(t, bob)}, Timeout: 4 * time.Second}); fault.KindOf(err) != fault.Timeout {
		t.Errorf("a stranger's fetch: got %v, want that nothing came", err)
	}
}

func TestATorrentOfAPrivateGroupGoesToNobodyElse(t *testing.T) {
	alice, bob, _ := two(t)
	dir := folder(t, "photos", map[string]string{"a.jpg": strings.Repeat("picture", 50_000)})
	publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	waitNames(t, bob, "family/photos@1")
	stolen, err := filepath.Glob(filepath.Join(folderOf(t, alice), "torrents", "*.torrent"))
	if err != nil || len(stolen) != 1 {
		t.Fatalf("the torrents of the group: %q, %v", stolen, err)
	}
	stranger, _ := daemon(t, t.TempDir(), nil)
	_, err = ask(t, func(ctx context.Context, on func(node.Event)) error {
		return stranger.Seed(ctx, node.SeedRequest{Torrents: stolen, Data: filepath.Dir(dir)}, on)
	}, func(e node.Event) bool { return e.Seeding != nil })
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("a stranger seeds it: got %v, want that it is refused", err)
	}
	if _, err := fetchNamed(t, stranger, node.FetchRequest{Ref: stolen[0], Dir: t.TempDir(), Peers: []string{addrOf(t, alice)}, Timeout: 60 * time.Second}); fault.KindOf(err) != fault.Denied {
		t.Errorf("a stranger fetches it: got %v, want that it is refused", err)
	}
	// A member who seeds the file by hand serves members.
	e, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return bob.Seed(ctx, node.SeedRequest{Torrents: stolen, Data: filepath.Dir(dir)}, on)
	}, func(e node.Event) bool { return e.Seeding != nil })
	if err != nil || e.Seeding.Magnet != "" {
		t.Fatalf("a member seeds it: %+v, %v", e.Seeding, err)
	}
	outsider, _ := daemon(t, t.TempDir(), nil)
	if _, err := fetchNamed(t, outsider, node.FetchRequest{Ref: e.Seeding.Infohash, Dir: t.TempDir(), Peers: []string{addrOf(t, bob)}, Timeout: 4 * time.Second}); fault.KindOf(err) != fault.Timeout {
		t.Errorf("a stranger's fetch from a member: got %v, want that nothing came", err)
	}
}

func TestPublishIntoAPrivateGroupRefuses(t *testing.T) {
	alice, _ := family(t, node.CreateGroup{})
	dir := folder(t, "photos", map[string]string{"a.jpg": "picture"})
	for _, c := range []struct {
		name string
		r    node.PublishRequest
		want string
	}{
		{"web seeds", node.PublishRequest{WebSeeds: []string{"http://127.0.0.1/x"}}, "--webseed"},
		{"trackers", node.PublishRequest{Trackers: [][]string{{"http://127.0.0.1/announce"}}}, "--tracker"},
		{"trackers beside", node.PublishRequest{Announce: []string{"http://127.0.0.1/announce"}}, "--tracker"},
		{"a torrent file", node.PublishRequest{Output: filepath.Join(t.TempDir(), "x.torrent")}, "-o"},
		{"sealed for nobody", node.PublishRequest{NoSeed: true, In: &node.InGroup{Seal: true}}, "--no-seed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.r
			r.Path = dir
			if r.In == nil {
				r.In = &node.InGroup{}
			}
			r.In.Group, r.In.As = "family", "photos@1"
			err := alice.Publish(t.Context(), r, func(node.Event) {})
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a refusal that names %s", err, c.want)
			}
		})
	}
	waitNames(t, alice, "")
}

func TestShareForSome(t *testing.T) {
	alice, bob, a := two(t)
	carol, _, err := joins(t, bob, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob carol join")
	dir := folder(t, "surprise", map[string]string{"cake.txt": "for carol"})
	publishFor(t, alice, dir, node.InGroup{As: "surprise", For: []string{"bob"}})
	waitNames(t, bob, "family/surprise")
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/surprise", Dir: t.TempDir(), Seed: true}); err != nil {
		t.Fatal(err)
	}
	publishFor(t, alice, folder(t, "plan", map[string]string{"p": "q"}), node.InGroup{As: "plan"})
	waitNames(t, carol, "family/plan") // she has what came after, and so what came before
	if _, err := fetchNamed(t, carol, node.FetchRequest{Ref: "family/surprise", Dir: t.TempDir(), Timeout: 60 * time.Second}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("carol's fetch: got %v, want that there is no such thing", err)
	}
	// A rule takes from bob what he may have, and he hears why.
	askGroup(t, alice, node.GroupRequest{Group: "family", AddRule: &node.AddRule{Rule: "deny bob read plan"}})
	waitNames(t, bob, "family/surprise")
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/plan", Dir: t.TempDir(), Timeout: 60 * time.Second}); fault.KindOf(err) != fault.Denied {
		t.Errorf("bob's fetch: got %v, want that it is not for him", err)
	}
}

func TestSealedContent(t *testing.T) {
	alice, bob, a := two(t)
	dir := folder(t, "taxes", map[string]string{"2026/a.pdf": strings.Repeat("numbers", 10_000), "b": "x"})
	file := filepath.Join(dir, "b")
	publishFor(t, alice, dir, node.InGroup{As: "taxes@1", Seal: true})
	publishFor(t, alice, file, node.InGroup{As: "b", Seal: true})
	waitNames(t, bob, "family/b family/taxes@1")
	out := t.TempDir()
	got, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/taxes", Dir: out, Seed: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != filepath.Join(out, "taxes") || got.Files != 2 {
		t.Errorf("got %d files at %q", got.Files, got.Path)
	}
	same(t, got.Path, dir)
	one, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/b", Dir: out})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(one.Path); err != nil || string(text) != "x" {
		t.Errorf("got %q, %v, want x", text, err)
	}
	left, err := filepath.Glob(filepath.Join(folderOf(t, bob), "sealed", "*.age"))
	if err != nil || len(left) != 1 {
		t.Errorf("bob holds the encrypted files %q, %v, want the one he serves", left, err)
	}
	shareIn(t, bob, "taxes", in(node.StateSeeding)) // by the name that people know

	t.Run("over files that are there", func(t *testing.T) {
		carol, _, err := joins(t, bob, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
		if err != nil {
			t.Fatal(err)
		}
		there := t.TempDir()
		if err := os.WriteFile(filepath.Join(there, "b"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = fetchNamed(t, carol, node.FetchRequest{Ref: "family/b", Dir: there})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "not the content") {
			t.Errorf("got %v, want that it is refused", err)
		}
		if text, _ := os.ReadFile(filepath.Join(there, "b")); string(text) != "mine" {
			t.Errorf("the file that was there holds %q", text)
		}
		if err := os.WriteFile(filepath.Join(there, "b"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fetchNamed(t, carol, node.FetchRequest{Ref: "family/b", Dir: there}); err != nil {
			t.Errorf("over the same content: %v", err)
		}
	})
	t.Run("removed with the share", func(t *testing.T) {
		if _, err := bob.Remove(t.Context(), node.RemoveRequest{Refs: []string{"taxes"}}); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(folderOf(t, bob), "sealed", "*.age")); len(left) != 0 {
			t.Errorf("encrypted files stay: %q", left)
		}
		same(t, filepath.Join(out, "taxes"), dir)
	})
}

func TestMirrorAndBackupOfAPrivateGroup(t *testing.T) {
	alice, bob, a := two(t)
	passwords := map[string]node.Secret{}
	for _, role := range []string{"backup", "mirror"} {
		x := askGroup(t, alice, node.GroupRequest{Group: "family", AddUser: &node.AddUser{Name: "the-" + role, Role: role}})
		passwords[role] = x.Password
	}
	dir := folder(t, "taxes", map[string]string{"a.pdf": strings.Repeat("numbers", 10_000)})
	publishFor(t, alice, dir, node.InGroup{As: "taxes@1", Seal: true})
	publishFor(t, alice, folder(t, "photos", map[string]string{"p": "picture"}), node.InGroup{As: "photos", For: []string{"alice"}})
	mirror, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "the-mirror", Password: passwords["mirror"]})
	if err != nil {
		t.Fatal(err)
	}
	backup, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "the-backup", Password: passwords["backup"]})
	if err != nil {
		t.Fatal(err)
	}
	shareIn2(t, backup, "photos", in(node.StateSeeding))
	var boxes []node.Share
	for end := time.Now().Add(90 * time.Second); len(boxes) == 0; time.Sleep(50 * time.Millisecond) {
		st, err := mirror.Status(t.Context(), node.StatusRequest{})
		if err == nil && len(st.Shares) == 1 && st.Shares[0].State == node.StateSeeding {
			boxes = st.Shares
		}
		if time.Now().After(end) {
			t.Fatalf("the mirror holds %+v, %v, want the one encrypted file", st, err)
		}
	}
	waitNames(t, mirror, "")
	if box, err := os.ReadFile(boxes[0].Path); err != nil || !strings.HasPrefix(string(box), "age-encryption.org/v1\n") || strings.Contains(string(box), "numbers") {
		t.Errorf("the mirror holds %.40q, %v", box, err)
	}
	// With everyone else gone, the mirror's file is what a member needs.
	for _, n := range []*node.Node{alice, backup} {
		if _, err := n.Change(t.Context(), node.ChangeRequest{All: true}); err != nil {
			t.Fatal(err)
		}
	}
	waitNames(t, bob, "family/taxes@1")
	got, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/taxes", Dir: t.TempDir(), Peers: []string{addrOf(t, mirror)}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, dir)

	t.Run("restore", func(t *testing.T) {
		g := askGroup(t, backup, node.GroupRequest{Group: "family", Show: &struct{}{}}).Groups[0]
		folder := g.Follow.Dir
		archive := filepath.Join(folder, ".p2pshare-group", "group.p2pgroup")
		if fi, err := os.Stat(archive); err != nil || fi.Mode().Perm() != 0o600 {
			t.Fatalf("the archive: %v, %v, want it for its user alone", fi, err)
		}
		fresh, _ := daemon(t, t.TempDir(), quickly)
		bad := func(password node.Secret, at string) error {
			_, err := fresh.Group(t.Context(), node.GroupRequest{Group: at, Restore: &node.RestoreGroup{User: "the-backup", Password: password}}, func(node.Event) {})
			return err
		}
		if err := bad("not the password", folder); fault.KindOf(err) != fault.Denied {
			t.Errorf("with a wrong password: got %v", err)
		}
		if err := bad(passwords["backup"], t.TempDir()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("from another folder: got %v", err)
		}
		askGroup(t, fresh, node.GroupRequest{Group: folder, Restore: &node.RestoreGroup{User: "the-backup", Password: passwords["backup"], Follow: true}})
		waitNames(t, fresh, "family/photos family/taxes@1")
		shareIn2(t, fresh, "photos", in(node.StateSeeding))
	})
}

func TestAuditOfAPrivateGroup(t *testing.T) {
	alice, bob, _ := two(t)
	dir := folder(t, "photos", map[string]string{"a.jpg": strings.Repeat("picture", 50_000)})
	publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	waitNames(t, bob, "family/photos@1")
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/photos", Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	var sent int64
	for end := time.Now().Add(90 * time.Second); sent < 350_000; time.Sleep(50 * time.Millisecond) {
		sent = 0
		a := askGroup(t, alice, node.GroupRequest{Group: "family", Audit: &node.AuditQuery{User: "bob"}})
		for _, l := range a.Audit {
			if l.Account != "bob" || l.Entry != "" && l.Entry != "family/photos@1" {
				t.Fatalf("a line of another: %+v", l)
			}
			sent += l.Sent
		}
		if time.Now().After(end) {
			t.Fatalf("the audit tells of %d bytes to bob: %+v", sent, a.Audit)
		}
	}
	if _, err := alice.Group(t.Context(), node.GroupRequest{Group: "family", Audit: &node.AuditQuery{Lines: -1}}, func(node.Event) {}); fault.KindOf(err) != fault.Usage {
		t.Errorf("-1 lines: got %v", err)
	}
}

// folderOf is the folder of a node's only group.
func folderOf(t *testing.T, n *node.Node) string {
	t.Helper()
	st, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(st.Home, "groups", "*"))
	if err != nil || len(list) != 1 {
		t.Fatalf("groups of %q: %q, %v", st.Home, list, err)
	}
	return list[0]
}

func TestRotateAnOwnerKeyWithAPassphrase(t *testing.T) {
	alice, _ := family(t, node.CreateGroup{})
	owners := func(c node.ChangeOwners) node.Group {
		t.Helper()
		return askGroup(t, alice, node.GroupRequest{Group: "family", Owners: &c}).Groups[0]
	}
	before := owners(node.ChangeOwners{Lock: new(node.Secret("five words for the owner"))})
	if !before.Locked {
		t.Fatalf("locked: %+v", before)
	}
	after := owners(node.ChangeOwners{Rotate: true, Passphrase: "five words for the owner"})
	if !after.Locked || after.Owner == before.Owner || after.Version != 2 {
		t.Errorf("rotated: %+v, want another key behind the same passphrase", after)
	}
	if _, err := alice.Group(t.Context(), node.GroupRequest{Group: "family", Owners: &node.ChangeOwners{Rotate: true}}, func(node.Event) {}); fault.KindOf(err) != fault.Denied {
		t.Errorf("without the passphrase: got %v, want that it is refused", err)
	}
	if plain, _ := filepath.Glob(filepath.Join(folderOf(t, alice), "owner*.key")); len(plain) > 0 {
		t.Errorf("plain keys stay: %q", plain)
	}
}

func TestEncryptedFilesThatNobodyServesGo(t *testing.T) {
	home := t.TempDir()
	alice, stop := daemon(t, home, quickly)
	askGroup(t, alice, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	publishFor(t, alice, folder(t, "taxes", map[string]string{"a": "numbers"}), node.InGroup{As: "taxes", Seal: true})
	sealed := filepath.Join(folderOf(t, alice), "sealed")
	kept, err := filepath.Glob(filepath.Join(sealed, "*.age"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("served: %q, %v", kept, err)
	}
	stop()
	left := filepath.Join(sealed, strings.Repeat("ab", 16)+".age") // as a crash leaves it
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, _ := daemon(t, home, quickly)
	shareIn(t, again, "taxes", in(node.StateSeeding))
	if now, _ := filepath.Glob(filepath.Join(sealed, "*.age")); len(now) != 1 || now[0] != kept[0] {
		t.Errorf("after the start: %q, want %q", now, kept)
	}
}

func TestAnAdminWhoHadAnotherPasswordBefore(t *testing.T) {
	alice, bob, a := two(t)
	pub := askGroup(t, alice, node.GroupRequest{Group: "family", ChangeUser: &node.ChangeUser{Name: "bob", Role: new("publisher")}})
	if len(pub.Accounts) == 0 {
		t.Fatal("bob is no publisher")
	}
	waitShown(t, bob, "publisher", func(a *node.GroupAnswer) string { return a.Groups[0].Role })
	p := askGroup(t, bob, node.GroupRequest{Group: "family", Passwd: &node.ChangePassword{}})
	lost, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "bob", Password: p.Password, Label: "lost"})
	if err != nil {
		t.Fatal(err)
	}
	publishFor(t, bob, folder(t, "photos", map[string]string{"p": "picture"}), node.InGroup{As: "photos"})
	waitNames(t, alice, "family/photos")
	var key string
	for _, d := range askGroup(t, lost, node.GroupRequest{Group: "family", Show: &struct{}{}}).Devices {
		if d.Label == "lost" {
			key = d.Key
		}
	}
	waitShown(t, alice, "2", func(a *node.GroupAnswer) string {
		n := 0
		for _, d := range a.Devices {
			if d.Account == "bob" {
				n++
			}
		}
		return string(rune('0' + n))
	})
	askGroup(t, alice, node.GroupRequest{Group: "family", RemoveDevice: &key})
	askGroup(t, alice, node.GroupRequest{Group: "family", ChangeUser: &node.ChangeUser{Name: "bob", Role: new("admin")}})
	waitShown(t, bob, "admin", func(a *node.GroupAnswer) string { return a.Groups[0].Role })
	for who, n := range map[string]*node.Node{"alice": alice, "bob": bob} {
		waitNames(t, n, "family/photos")
		for _, d := range askGroup(t, n, node.GroupRequest{Group: "family", Show: &struct{}{}}).Devices {
			if want := map[bool]string{true: "removed"}[d.Key == key]; d.Account == "bob" && d.Problem != want {
				t.Errorf("%s sees the device %q of bob as %q, want %q", who, d.Label, d.Problem, want)
			}
		}
	}
	askGroup(t, bob, node.GroupRequest{Group: "family", AddRule: &node.AddRule{Rule: "deny * read hr/**"}}) // he is one
	if rules := askGroup(t, alice, node.GroupRequest{Group: "family", Show: &struct{}{}}).Rules; len(rules) != 1 {
		waitShown(t, alice, "1", func(a *node.GroupAnswer) string { return string(rune('0' + len(a.Rules))) })
	}
}

// TestAnAlbumThatChanges: what was fetched is in the way of the next version under the same name, and the refusal says what keeps up with it.
func TestAnAlbumThatChanges(t *testing.T) {
	alice, bob, _ := two(t)
	publishFor(t, alice, folder(t, "photos", map[string]string{"a.jpg": "one"}), node.InGroup{As: "photos"})
	waitNames(t, bob, "family/photos")
	to := t.TempDir()
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/photos", Dir: to}); err != nil {
		t.Fatal(err)
	}
	publishFor(t, alice, folder(t, "photos", map[string]string{"a.jpg": "another"}), node.InGroup{As: "photos"})
	var err error
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end) && err == nil; { // until bob has heard of it
		_, err = fetchNamed(t, bob, node.FetchRequest{Ref: "family/photos", Dir: to})
	}
	if fault.KindOf(err) != fault.Unverified || !strings.Contains(fault.HintOf(err), "p2pshare group follow family -o DIR --match photos") {
		t.Errorf("got %v with the hint %q", err, fault.HintOf(err))
	}
	want := string(copyFile(t, filepath.Join(to, "photos", "a.jpg")))
	if want != "one" {
		t.Errorf("what was there is %q now", want)
	}
}
