package acl_test

import (
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// TestReservedNames: names that rules and commands read as something else are no account's, whoever signs for it: not
// in a group without a password, nor in an open one, nor by an admin.
func TestReservedNames(t *testing.T) {
	for _, name := range []string{"join", "everyone", "everybody", "all", "any", "anyone", "anybody", "owner", "owners", "admin", "admins",
		"publisher", "member", "backup", "mirror", "invite"} {
		if err := acl.CheckNew(name, acl.Member); err == nil || !strings.Contains(err.Error(), "reserved") {
			t.Errorf("%q: got %v", name, err)
		}
		w := newWorld(t)
		w.sign("alice1", 10, acl.AccountChange{Name: "door", Role: acl.Invite, Key: keyOf("door")})
		w.hello("eve1", 20, acl.Hello{Account: name, Key: keyOf("eve"), Invite: "door"}, "eve", "door")
		w.sign("alice1", 30, acl.AccountChange{Name: name, Role: acl.Member, Key: keyOf("eve")})
		s := w.fold()
		if a, ok := s.Account(name); ok {
			t.Errorf("%q is an account: %+v", name, a)
		}
		wantProblem(t, s, "eve1", "reserved")
		wantProblem(t, s, "alice1", "reserved")

		w = newWorld(t)
		root := w.roots[0].Root
		root.Version, root.Open, root.Prev = 2, true, w.roots[0].Hash
		w.root(root)
		w.hello("eve1", 20, acl.Hello{Account: name, Key: keyOf("eve")}, "eve", "")
		if _, ok := w.fold().Account(name); ok {
			t.Errorf("%q is an account of an open group", name)
		}
	}
	if err := acl.CheckNew(acl.Join, acl.Invite); err != nil {
		t.Errorf("the invite that the group's password is: %v", err)
	}
	for _, name := range []string{"ann", "alle", "joiner", "admin2", "nobody", "nas"} {
		if err := acl.CheckNew(name, acl.Member); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestCheckWho: a list that names nobody is refused, with the way out.
func TestCheckWho(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher, "crew")
	w.account(11, "dave", acl.Member, "office")
	w.sign("alice1", 20, acl.AccountChange{Name: "dave", Gone: true})
	s := w.fold()
	for _, who := range [][]string{{"*"}, {"carol"}, {"alice", "@crew"}, {"@admin", "@backup", "@member"}, nil} {
		if err := s.CheckWho(who); err != nil {
			t.Errorf("%q: %v", who, err)
		}
	}
	for _, c := range []struct{ who, hint string }{
		{"everyone", "write * for everybody"},
		{"@everyone", "write * for everybody"},
		{"@all", "write * for everybody"},
		{"all", "write * for everybody"},
		{"Everybody", "write * for everybody"},
		{"@anyone", "write * for everybody"},
		{"@*", "write * for everybody"},
		{"carrol", "did you mean carol?"},
		{"Carol", "did you mean carol?"},
		{"@carol", "did you mean carol?"},
		{"crew", "did you mean @crew?"},
		{"@cerw", "did you mean @crew?"},
		{"@members", "did you mean @member?"},
		{"publisher", "did you mean @publisher?"},
		{"dave", "add the account first"},     // gone
		{"@office", "somebody into the team"}, // whom nobody is in any more
		{"zoe", "add the account first"},
	} {
		err := s.CheckWho([]string{"alice", c.who})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "names nobody") || !strings.Contains(fault.HintOf(err), c.hint) ||
			!strings.Contains(fault.HintOf(err), "write * for everybody") {
			t.Errorf("%q: got %v, hint %q, want a hint with %q", c.who, err, fault.HintOf(err), c.hint)
		}
	}
}
