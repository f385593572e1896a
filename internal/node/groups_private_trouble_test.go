package node_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// removeHome is the home in which a process removes people of a private group until it is killed.
const removeHome = "P2PSHARE_TEST_REMOVE_HOME"

// TestRemovalsUntilKilled is that process.
func TestRemovalsUntilKilled(t *testing.T) {
	home := os.Getenv(removeHome)
	if home == "" {
		return // no test by itself: TestKilledDuringRemovals runs it
	}
	n, _ := daemon(t, home, quickly)
	for i := 0; ; i++ {
		name := fmt.Sprintf("u%d-%d", os.Getpid(), i)
		for _, r := range []node.GroupRequest{
			{AddUser: &node.AddUser{Name: name, Role: "member"}}, {RemoveUser: &name}, {Passwd: &node.ChangePassword{Group: true}},
		} {
			r.Group, r.Offline = "family", true
			if _, err := n.Group(t.Context(), r, func(node.Event) {}); err != nil {
				fmt.Printf("failed %s %v\n", name, err)
				os.Exit(3)
			}
		}
		fmt.Printf("done %s\n", name)
	}
}

// TestKilledDuringRemovals kills the process in the middle of removals: each is there whole, with its key, link and password,
// or not at all, and a member that saw every state sees one history.
func TestKilledDuringRemovals(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, quickly)
	made := askGroup(t, n, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	if made.Password == "" {
		t.Fatal("no password")
	}
	end()
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	seen := map[signed.Key]signed.Head{}
	for range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRemovalsUntilKilled$")
		cmd.Env = append(os.Environ(), removeHome+"="+home, "TMPDIR="+t.TempDir()) // it does not get to tidy up
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		buf := make([]byte, 256)
		k, err := out.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:k]), "done") {
			t.Fatalf("the process said %q, %v", buf[:k], err)
		}
		killed := make(chan error, 1)
		time.AfterFunc(rand.N(60*time.Millisecond), func() { killed <- cmd.Process.Kill() }) // at any moment of the next
		must(t, <-killed)
		_ = cmd.Wait() // it was killed
		n, end := daemon(t, home, quickly)
		a := askGroup(t, n, familyRequest(func(r *node.GroupRequest) { r.Show = &struct{}{} }))
		if len(a.Groups[0].Warnings) > 0 {
			t.Errorf("warnings: %q", a.Groups[0].Warnings)
		}
		end()
		g := thief(t, home)
		for _, h := range g.AllHeads() {
			if was, ok := seen[h.Device]; ok && h.Compare(was) == signed.Conflict {
				t.Errorf("two histories: %+v, %+v", was, h)
			}
			seen[h.Device] = h
		}
		st, err := g.State()
		must(t, err)
		if list, _ := st.Problems(); len(list) > 0 {
			t.Errorf("records that do not count: %v", list)
		}
		gone, links := 0, 0
		for _, h := range g.AllHeads() {
			l, err := g.Log(h.Device)
			must(t, err)
			for _, r := range l.Records {
				switch {
				case r.Op == "link":
					links++
				case r.Op == "acct" && strings.Contains(string(r.Raw), `"gone":true`):
					gone++
				}
			}
		}
		if links != gone+1 {
			t.Errorf("%d removals, and %d links: want one for each and the first", gone, links)
		}
		// The key that is held is that of now.
		if _, err := g.Audience("x", nil); err != nil {
			t.Errorf("sealing for everyone after a crash: %v", err)
		}
	}
}

// TestOldAdminDisk has an admin's machine go on from a copy of its disk: it takes what it signed since from others, and signs
// no second history.
func TestOldAdminDisk(t *testing.T) {
	home := t.TempDir()
	alice, end := daemon(t, home, quickly)
	a := askGroup(t, alice, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	must(t, err)
	waitAccounts(t, alice, "alice bob join")
	end()
	old := t.TempDir()
	must(t, os.CopyFS(old, os.DirFS(home)))
	must(t, filepath.Walk(old, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	}))
	peer := quiet
	peer.Peers = []string{addrOf(t, bob)}
	alice, end = daemon(t, home, func(o *node.Options) { quickly(o); o.Network = peer })
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "carol", Role: "member"} }))
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("carol") }))
	waitAccounts(t, bob, "alice bob join")
	waitShown(t, bob, "gone", func(x *node.GroupAnswer) string {
		for _, acc := range x.Accounts {
			if acc.Name == "carol" && acc.Gone {
				return "gone"
			}
		}
		return ""
	})
	end()
	restored, _ := daemon(t, old, func(o *node.Options) { quickly(o); o.Network = peer })
	added := askGroup(t, restored, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "dave", Role: "member"} }))
	if added.Link == a.Link {
		t.Error("the restored machine hands out the link from before the removal")
	}
	waitAccounts(t, bob, "alice bob dave join")
	for _, n := range []*node.Node{bob, restored} {
		if w := askGroup(t, n, familyRequest(func(r *node.GroupRequest) { r.Show = &struct{}{} })).Groups[0].Warnings; len(w) > 0 {
			t.Errorf("warnings: %q", w)
		}
	}
}

// TestAwayDuringARemoval has a member come back who knows the old link alone: it is let in, and learns the new one.
func TestAwayDuringARemoval(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bob, end := daemon(t, home, quickly)
	if _, err := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"}); err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob carol join")
	end()
	out := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("carol") }))
	back := quiet
	back.Peers = []string{addrOf(t, alice)}
	bob, _ = daemon(t, home, func(o *node.Options) { quickly(o); o.Network = back })
	waitShown(t, bob, out.Link, func(*node.GroupAnswer) string {
		return askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.Link = &node.LinkGroup{} })).Link
	})
}

// TestJoinFromAnExport logs in from an archive and a password alone.
func TestJoinFromAnExport(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.Passwd = &node.ChangePassword{Password: "alice has a password"} }))
	file := filepath.Join(t.TempDir(), "family.p2pgroup")
	askCatalog(t, alice, node.CatalogRequest{Group: "family", Export: &file})
	n := alone2(t)
	j := askGroup(t, n, node.GroupRequest{Group: file, Join: &node.JoinGroup{User: "alice", Password: "alice has a password"}})
	if j.Groups[0].Role != "admin" || j.Groups[0].Name != "family" {
		t.Errorf("logged in: %+v", j.Groups[0])
	}
	if got := askGroup(t, n, familyRequest(func(r *node.GroupRequest) { r.Link = &node.LinkGroup{} })).Link; got != a.Link {
		t.Errorf("the link from the log: got %q, want %q", got, a.Link)
	}
	m := alone2(t)
	_, err := tryGroup(t, m, node.GroupRequest{Group: file, Join: &node.JoinGroup{User: "alice", Password: "not that one at all"}})
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("a wrong password: got %v", err)
	}
	if list := askGroup(t, m, node.GroupRequest{List: &struct{}{}}).Groups; len(list) != 0 {
		t.Errorf("left behind: %+v", list)
	}
}

func alone2(t *testing.T) *node.Node {
	t.Helper()
	n, _ := daemon(t, t.TempDir(), quickly)
	return n
}

// TestOwnerKeyWithAPassphrase locks, exports and imports the owner key.
func TestOwnerKeyWithAPassphrase(t *testing.T) {
	alice, a := family(t, node.CreateGroup{NoJoin: true})
	added := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "bob", Role: "member"} }))
	bob, _, err := joins(t, alice, added.Link, node.JoinGroup{User: "bob", Password: added.Password})
	must(t, err)
	owners := func(n *node.Node, o node.ChangeOwners) (*node.GroupAnswer, error) {
		return tryGroup(t, n, familyRequest(func(r *node.GroupRequest) { r.Owners = &o }))
	}
	lock, open, short := node.Secret("a long passphrase"), node.Secret(""), node.Secret("hallo")
	for name, o := range map[string]node.ChangeOwners{
		"a short passphrase of an export": {Export: filepath.Join(t.TempDir(), "o"), Passphrase: short},
		"a short passphrase of the key":   {Lock: &short},
	} {
		if _, err := owners(alice, o); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "the passphrase has 5 characters, fewer than 12") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	made, err := owners(alice, node.ChangeOwners{Export: filepath.Join(t.TempDir(), "made"), Passphrase: ""})
	if err != nil || len(made.Password) < 12 {
		t.Fatalf("an export without a passphrase: got %v, %v, want one that is made", made, err)
	}
	if _, err := owners(bob, node.ChangeOwners{Import: made.Wrote, Passphrase: made.Password}); err != nil {
		t.Errorf("with the passphrase that was made: %v", err)
	}
	x, err := owners(alice, node.ChangeOwners{Lock: &lock})
	if err != nil || !x.Groups[0].Locked || x.Groups[0].Owner == "" {
		t.Fatalf("locked: %+v, %v", x, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(a.Wrote), "owner.key")); err == nil {
		t.Error("the key without a passphrase is still there")
	}
	for name, p := range map[string]node.Secret{"none": "", "a wrong one": "another passphrase"} {
		if _, err := owners(alice, node.ChangeOwners{Need: 1, Passphrase: p}); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	admin := "admin"
	if _, err := tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) {
		r.ChangeUser = &node.ChangeUser{Name: "bob", Role: &admin, Passphrase: lock}
	})); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "owner.age")
	if _, err := owners(alice, node.ChangeOwners{Export: file, Passphrase: lock}); err != nil {
		t.Fatal(err)
	}
	if _, err := owners(alice, node.ChangeOwners{Export: file, Passphrase: lock}); fault.KindOf(err) != fault.Usage {
		t.Errorf("over a file that is there: got %v, want a usage error", err)
	}
	if _, err := owners(bob, node.ChangeOwners{Import: file, Passphrase: "another passphrase"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("importing with a wrong passphrase: got %v", err)
	}
	got, err := owners(bob, node.ChangeOwners{Import: file, Passphrase: lock})
	if err != nil || got.Groups[0].Owner != x.Groups[0].Owner || !got.Groups[0].Locked {
		t.Errorf("imported: %+v, %v, want the key with the passphrase of the file", got, err)
	}
	if _, err := owners(bob, node.ChangeOwners{Need: 1}); fault.KindOf(err) != fault.Denied {
		t.Errorf("what was imported, without the passphrase: got %v", err)
	}
	if x, err = owners(alice, node.ChangeOwners{Lock: &open, Passphrase: lock}); err != nil || x.Groups[0].Locked || x.Groups[0].Owner == "" {
		t.Errorf("unlocked: %+v, %v", x, err)
	}
}

// TestJoinAStrictGroup has a member let nobody in that has not heard of an admin for long.
func TestJoinAStrictGroup(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "groups")
	must(t, os.MkdirAll(dir, 0o700))
	long := time.Now().Add(-100 * time.Hour)
	g, err := group.Create(dir, group.Created{Kind: signed.Private, Name: "family", User: "alice", Password: "correct horse battery", Work: 2, Strict: true, Stale: 24}, func() time.Time { return long })
	must(t, err)
	l, err := g.Login(group.JoinInvite, "correct horse battery", 2)
	must(t, err)
	member := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(member, "groups"), 0o700))
	bob, err := group.Join(filepath.Join(member, "groups"), g.Link(), group.Joined{Name: "family"}, func() time.Time { return long })
	must(t, err)
	copyAll(t, g, bob)
	must(t, bob.NobodyToAsk())
	_, err = bob.JoinBy(l, "bob", "")
	must(t, err)
	n, _ := daemon(t, member, quickly)
	a := askGroup(t, n, familyRequest(func(r *node.GroupRequest) { r.Show = &struct{}{} }))
	if !a.Groups[0].Strict || len(a.Groups[0].Warnings) == 0 {
		t.Errorf("shown: %+v", a.Groups[0])
	}
	_, _, err = joins(t, n, g.Link().String(), node.JoinGroup{Password: "correct horse battery", Account: "carol", Timeout: 20 * time.Second})
	if k := fault.KindOf(err); k != fault.Denied && k != fault.Timeout || fault.HintOf(err) == "" {
		t.Errorf("joining by a member that is stale: got %v, want a refusal with a hint", err)
	}
}

// copyAll brings what one has signed to another, without a network.
func copyAll(t *testing.T, from, to *group.Group) {
	t.Helper()
	must(t, to.AddRoots(t.Context(), from.Roots(1)))
	for _, h := range from.Heads(0) {
		b, err := from.Records(h.Device, 0, signed.MaxRecord+1)
		must(t, err)
		var records [][]byte
		for r := range signed.Lines(b) {
			records = append(records, r)
		}
		must(t, to.AddLog(t.Context(), h, 0, records))
	}
}
