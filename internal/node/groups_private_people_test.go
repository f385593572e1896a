package node_test

import (
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func tryGroup(t *testing.T, n *node.Node, r node.GroupRequest) (*node.GroupAnswer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	return n.Group(ctx, r, func(node.Event) {})
}

func familyRequest(change func(*node.GroupRequest)) node.GroupRequest {
	r := node.GroupRequest{Group: "family"}
	change(&r)
	return r
}

func text(s string) *string { return &s }

// TestRemoveAMember removes somebody: he is cut off, the link and the password are new, and those who stay go on.
func TestRemoveAMember(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	carol, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob carol join")
	waitAccounts(t, bob, "alice bob carol join")
	out := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	if out.Link == a.Link || out.Password == "" || out.Password == a.Password || len(out.Notes) < 2 {
		t.Errorf("removed: got the link %q (was %q), a password %v, the notes %q", out.Link, a.Link, out.Password != "", out.Notes)
	}
	waitShown(t, carol, "alice carol join", func(x *node.GroupAnswer) string {
		var list []string
		for _, a := range x.Accounts {
			if !a.Gone {
				list = append(list, a.Name)
			}
		}
		return strings.Join(list, " ")
	})
	// Bob hears of nothing any more.
	waitShown(t, bob, "0", func(x *node.GroupAnswer) string {
		if x.Groups[0].Members == 0 {
			return "0"
		}
		return "some"
	})
	// The old link and password let nobody in, the new ones do, and by any member.
	n, _ := daemon(t, t.TempDir(), quickly)
	_, err = tryJoin(t, n, carol, a.Link, node.JoinGroup{Password: a.Password, Account: "eve"})
	if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("the old link: got %v, want a refusal with a hint", err)
	}
	_, err = tryJoin(t, n, carol, out.Link, node.JoinGroup{Password: a.Password, Account: "eve"})
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("the old password: got %v, want a refusal", err)
	}
	if _, err = tryJoin(t, n, carol, out.Link, node.JoinGroup{Password: out.Password, Account: "dave"}); err != nil {
		t.Errorf("the new link and password: %v", err)
	}
	waitAccounts(t, alice, "alice carol dave join")
	if _, err := tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("alice") })); fault.KindOf(err) != fault.Usage {
		t.Errorf("removing oneself: got %v, want a usage error", err)
	}
	if _, err := tryGroup(t, carol, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("dave") })); fault.KindOf(err) != fault.Denied {
		t.Errorf("removing without being an admin: got %v, want a refusal", err)
	}
}

// TestAnOpenPrivateGroup has who joins by the password of the group publish, and goes on to after the password has changed.
func TestAnOpenPrivateGroup(t *testing.T) {
	alice, a := family(t, node.CreateGroup{Open: true})
	bob, b, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil || b.Groups[0].Role != "publisher" {
		t.Fatalf("joined: %+v, %v", b, err)
	}
	publishFor(t, bob, folder(t, "film", map[string]string{"f": "1"}), node.InGroup{As: "film"})
	waitNames(t, alice, "family/film")
	out := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	if _, c, err := joins(t, alice, out.Link, node.JoinGroup{Password: out.Password, Account: "carol"}); err != nil || c.Groups[0].Role != "publisher" {
		t.Errorf("joined by the next password: %+v, %v", c, err)
	}
}

func TestUsersWithPasswords(t *testing.T) {
	alice, a := family(t, node.CreateGroup{NoJoin: true})
	if a.Password != "" {
		t.Errorf("a group that nobody joins by himself has the password %q", string(a.Password))
	}
	out := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) {
		r.AddUser = &node.AddUser{Name: "office", Role: "publisher", Teams: []string{"crew"}}
	}))
	if out.Password == "" || out.Link != a.Link || out.User != "office" {
		t.Fatalf("added: %+v", out)
	}
	office, j, err := joins(t, alice, out.Link, node.JoinGroup{User: "office", Password: out.Password})
	if err != nil || j.Groups[0].Account != "office" || j.Groups[0].Role != "publisher" {
		t.Fatalf("logged in: %+v, %v", j, err)
	}
	// A second machine, by another member than the admin.
	waitAccounts(t, office, "alice office")
	if _, _, err := joins(t, office, out.Link, node.JoinGroup{User: "office", Password: out.Password}); err != nil {
		t.Fatal(err)
	}
	waitShown(t, alice, "2", func(x *node.GroupAnswer) string {
		for _, acc := range x.Accounts {
			if acc.Name == "office" && acc.Locked && !acc.Seen.IsZero() {
				return string(rune('0' + acc.Devices))
			}
		}
		return "none"
	})
	for name, u := range map[string]node.AddUser{
		"a name that is taken": {Name: "office", Role: "member"},
		"an unknown role":      {Name: "x", Role: "king"},
		"an admin":             {Name: "x", Role: "admin"},
		"a bad name":           {Name: "X Y", Role: "member"},
		"a short password":     {Name: "x", Role: "member", Password: "short"},
		"the invite":           {Name: "join", Role: "member"},
	} {
		if _, err := tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &u })); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}

func TestManyUsers(t *testing.T) {
	alice, _ := family(t, node.CreateGroup{NoJoin: true})
	file := filepath.Join(t.TempDir(), "passwords.csv")
	many := func(out string, users ...node.AddUser) error {
		_, err := tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUsers = &node.AddUsers{Users: users, Out: out} }))
		return err
	}
	if err := many(file, node.AddUser{Name: "one", Role: "member"}, node.AddUser{Name: "one", Role: "member"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("one twice: got %v, want a usage error", err)
	}
	if err := many(file); fault.KindOf(err) != fault.Usage {
		t.Errorf("nobody: got %v, want a usage error", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a refusal has left a file")
	}
	if err := many(file, node.AddUser{Name: "one", Role: "member"}, node.AddUser{Name: "two", Role: "backup"}, node.AddUser{Name: "three", Role: "mirror"}); err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice one three two")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the passwords: %v, %v", info, err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][0] != "one" {
		t.Fatalf("the file has %v, %v", rows, err)
	}
	for _, row := range rows[1:] {
		if _, j, err := joins(t, alice, row[2], node.JoinGroup{User: row[0], Password: node.Secret(row[1])}); err != nil || j.Groups[0].Account != row[0] {
			t.Errorf("%s: %v", row[0], err)
		}
	}
	if err := many(file, node.AddUser{Name: "four", Role: "member"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("over a file that is there: got %v, want a usage error", err)
	}
}

// TestManyUsersAgain: a list that has grown adds whom it has more, and one that is ended adds nobody.
func TestManyUsersAgain(t *testing.T) {
	alice, _ := family(t, node.CreateGroup{NoJoin: true})
	dir := t.TempDir()
	list := []node.AddUser{{Name: "one", Role: "member", Teams: []string{"cad", "hr"}}, {Name: "two", Role: "member", Teams: []string{"hr"}}}
	ask := func(ctx context.Context, file string, skip bool, on func(node.Event)) (*node.GroupAnswer, error) {
		return alice.Group(ctx, familyRequest(func(r *node.GroupRequest) {
			r.AddUsers = &node.AddUsers{Users: list, Out: filepath.Join(dir, file), Skip: skip}
		}), on)
	}
	quiet := func(node.Event) {}
	none := func(file string) {
		t.Helper()
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			t.Errorf("%s is there", file)
		}
	}
	// Ended while the passwords are made: nobody is there, and no file.
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := ask(ctx, "ended", false, func(e node.Event) {
		if e.Progress != nil && e.Progress.Done == 1 {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: got %v", err)
	}
	none("ended")
	waitAccounts(t, alice, "alice")
	a, err := ask(t.Context(), "first", false, quiet)
	if err != nil || a.Added != 2 || !slices.Contains(a.Notes, "teams: cad 1 (new), hr 2 (new)") {
		t.Fatalf("the first time: got %+v, %v", a, err)
	}
	list = append(list, node.AddUser{Name: "three", Role: "member", Teams: []string{"cad", "rh"}})
	if _, err := ask(t.Context(), "refused", false, quiet); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "of the 3 accounts 2 are there already: one, two") || !strings.Contains(fault.HintOf(err), "--skip-existing") {
		t.Errorf("those who are there: got %v, %q", err, fault.HintOf(err))
	}
	none("refused")
	waitAccounts(t, alice, "alice one two")
	a, err = ask(t.Context(), "more", true, quiet)
	if err != nil || a.Added != 1 || !slices.Contains(a.Notes, "there already, and as they were: one, two") || !slices.Contains(a.Notes, "teams: cad 1, rh 1 (new)") {
		t.Errorf("with one more: got %+v, %v", a, err)
	}
	waitAccounts(t, alice, "alice one three two")
	if raw, err := os.ReadFile(filepath.Join(dir, "more")); err != nil || strings.Count(string(raw), "\n") != 2 {
		t.Errorf("the file has %q, %v", raw, err)
	}
	if a, err = ask(t.Context(), "nobody", true, quiet); err != nil || a.Added != 0 || a.Wrote != "" || len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "all 3 accounts are there already") {
		t.Errorf("with nobody more: got %+v, %v", a, err)
	}
	none("nobody")
	// Whoever has not joined needs the link that a removal makes.
	gone := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("one") }))
	if !slices.ContainsFunc(gone.Notes, func(n string) bool {
		return strings.HasPrefix(n, "2 accounts that were added have not joined yet, and need the new link too")
	}) {
		t.Errorf("one was removed: notes %q", gone.Notes)
	}
}

// TestPasswordChangedElsewhere has the password of an account changed on one of its machines: the other says so, and logs in
// again as the same device.
func TestPasswordChangedElsewhere(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	first := askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.Passwd = &node.ChangePassword{} }))
	if first.User != "bob" || first.Password == "" {
		t.Fatalf("the first password: %+v", first)
	}
	waitLocked := func(n *node.Node) {
		t.Helper()
		waitShown(t, n, "yes", func(x *node.GroupAnswer) string {
			for _, acc := range x.Accounts {
				if acc.Name == "bob" && acc.Locked {
					return "yes"
				}
			}
			return "no"
		})
	}
	waitLocked(alice)
	laptop, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "bob", Password: first.Password})
	if err != nil {
		t.Fatal(err)
	}
	waitShown(t, bob, "2", func(x *node.GroupAnswer) string {
		n := 0
		for _, d := range x.Devices {
			if d.Account == "bob" {
				n++
			}
		}
		return string(rune('0' + n))
	})
	second := askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.Passwd = &node.ChangePassword{Password: "a second password"} }))
	if second.Password != "" || len(second.Notes) != 1 || !strings.Contains(second.Notes[0], "p2pshare group join family --user bob") {
		t.Errorf("the second password: a chosen one is not told again (%v), and the notes are %q", second.Password != "", second.Notes)
	}
	outdated := func(x *node.GroupAnswer) string {
		for _, w := range x.Groups[0].Warnings {
			if strings.Contains(w, "changed on another machine") && strings.Contains(w, "p2pshare group join family --user bob") {
				return "outdated"
			}
		}
		return "fine"
	}
	waitShown(t, laptop, "outdated", outdated)
	device := askGroup(t, laptop, familyRequest(func(r *node.GroupRequest) { r.Show = &struct{}{} })).Groups[0].Device
	if _, err := tryJoin(t, laptop, alice, a.Link, node.JoinGroup{User: "bob", Password: first.Password}); fault.KindOf(err) != fault.Denied {
		t.Errorf("logging in again with the old password: got %v, want a refusal", err)
	}
	again, err := tryJoin(t, laptop, alice, "family", node.JoinGroup{User: "bob", Password: "a second password"}) // the home knows the link
	if err != nil {
		t.Fatal(err)
	}
	if again.Groups[0].Device != device || outdated(again) != "fine" {
		t.Errorf("logged in again: the device %s, want %s; %s", again.Groups[0].Device, device, outdated(again))
	}
	if _, err := tryJoin(t, laptop, alice, a.Link, node.JoinGroup{Password: a.Password}); fault.KindOf(err) != fault.Usage {
		t.Errorf("joining a second time: got %v, want a usage error", err)
	}
}

func TestRoles(t *testing.T) {
	alice, _ := family(t, node.CreateGroup{NoJoin: true})
	added := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "bob", Role: "member"} }))
	bob, _, err := joins(t, alice, added.Link, node.JoinGroup{User: "bob", Password: added.Password})
	if err != nil {
		t.Fatal(err)
	}
	role := func(to string) (*node.GroupAnswer, error) {
		return tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.ChangeUser = &node.ChangeUser{Name: "bob", Role: &to} }))
	}
	is := func(n *node.Node, want string) {
		t.Helper()
		waitShown(t, n, want, func(x *node.GroupAnswer) string {
			for _, acc := range x.Accounts {
				if acc.Name == "bob" {
					return acc.Role
				}
			}
			return ""
		})
	}
	for _, to := range []string{"publisher", "mirror", "backup", "member", "admin"} {
		if _, err := role(to); err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		is(alice, to)
		is(bob, to)
	}
	// The new admin's password is as it was.
	waitShown(t, alice, "locked", func(x *node.GroupAnswer) string {
		for _, acc := range x.Accounts {
			if acc.Name == "bob" && acc.Locked {
				return "locked"
			}
		}
		return "open"
	})
	askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "carol", Role: "member"} }))
	waitAccounts(t, alice, "alice bob carol")
	if _, err := role("publisher"); err != nil {
		t.Fatal(err)
	}
	is(alice, "publisher")
	waitAccounts(t, alice, "alice bob carol")
	if _, err := role("king"); fault.KindOf(err) != fault.Usage {
		t.Errorf("an unknown role: got %v", err)
	}
	only := "member"
	_, err = tryGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.ChangeUser = &node.ChangeUser{Name: "alice", Role: &only} }))
	if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("the only admin: got %v, want a usage error with a hint", err)
	}
}
