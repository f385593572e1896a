package group_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// account logs a new machine in as an account.
func account(t *testing.T, from *group.Group, name, pass string) (*group.Group, error) {
	t.Helper()
	out, err := group.Join(t.TempDir(), from.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, sync(t, from, out))
	must(t, out.Asked(1))
	l, err := out.Login(name, pass, work)
	if err != nil {
		return nil, err
	}
	must(t, out.LogIn(l, "laptop"))
	must(t, sync(t, out, from))
	return out, nil
}

func add(t *testing.T, g *group.Group, name string, role acl.Role) *group.Group {
	t.Helper()
	must(t, g.AddAccounts(t.Context(), []group.NewAccount{{Name: name, Role: role, Password: name + " has a password"}}, work, nil))
	out, err := account(t, g, name, name+" has a password")
	must(t, err)
	return out
}

func accountOf(t *testing.T, g *group.Group, name string) acl.Account {
	t.Helper()
	s, err := g.State()
	must(t, err)
	a, _ := s.Account(name)
	return a
}

// remove removes an account in the way of an admin.
func remove(t *testing.T, g *group.Group, name string) group.Removed {
	t.Helper()
	out, err := g.RemoveAccount(accountOf(t, g, name), "another password now", work)
	must(t, err)
	return out
}

func TestPreparedAccounts(t *testing.T) {
	alice := createPrivate(t, group.Created{})
	for _, c := range []struct {
		role acl.Role
		sees string
	}{{acl.Publisher, "photos@1 by alice"}, {acl.Member, "photos@1 by alice"}, {acl.Backup, "photos@1 by alice"}, {acl.Mirror, ""}} {
		g := add(t, alice, "a-"+string(c.role), c.role)
		if c.role == acl.Publisher {
			sealShare(t, alice, "photos", "1")
		}
		must(t, sync(t, alice, g))
		if got := names(t, g); got != c.sees {
			t.Errorf("%s: sees %q, want %q", c.role, got, c.sees)
		}
	}
	if _, err := account(t, alice, "a-member", "not the password"); fault.KindOf(err) != fault.Denied {
		t.Errorf("another password: got %v", err)
	}
	s, err := alice.State()
	must(t, err)
	if list, _ := s.Problems(); len(list) > 0 {
		t.Errorf("records that do not count: %v", list)
	}
}

func TestRemoveAnAccount(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob, carol := invited(t, alice, "bob"), invited(t, alice, "carol")
	must(t, sync(t, alice, bob))
	sealShare(t, alice, "old", "1")
	must(t, sync(t, alice, bob))
	before := alice.Link()
	l, err := alice.Login(group.JoinInvite, password, work)
	must(t, err)
	if out := remove(t, alice, "bob"); !out.Invite {
		t.Error("bob knew the group's password, and it stayed")
	}
	if alice.Link().Secret == before.Secret {
		t.Error("the link stayed")
	}
	if st, _ := alice.Standing(bob.Device().Public()); st != access.Stranger {
		t.Errorf("bob's device: got %v, want a stranger", st)
	}
	if st, _ := alice.Standing(before.Lobby().Public()); st != access.Stranger {
		t.Errorf("the old link: got %v, want a stranger", st)
	}
	if st, _ := alice.Standing(l.Key.Public()); st != access.Stranger {
		t.Errorf("the old password's key: got %v, want a stranger", st)
	}
	if links := alice.Links(); len(links) != 2 || links[1].Secret != before.Secret {
		t.Errorf("the group is found under %d links, want the new and the old", len(links))
	}
	sealShare(t, alice, "new", "1")
	must(t, sync(t, alice, carol))
	if got := names(t, carol); got != "new@1 by alice, old@1 by alice" {
		t.Errorf("carol sees %q", got)
	}
	if carol.Link().Secret != alice.Link().Secret {
		t.Error("carol has not learned the new link")
	}
	// Even if somebody hands him the logs.
	must(t, sync(t, alice, bob))
	if got := names(t, bob); got != "old@1 by alice" {
		t.Errorf("bob sees %q, want what was shared before alone", got)
	}
	if bob.Link().Secret == alice.Link().Secret {
		t.Error("bob has learned the new link")
	}
	// The new password works, the old one does not.
	if _, err := alice.Login(group.JoinInvite, password, work); fault.KindOf(err) != fault.Denied {
		t.Errorf("the old password: got %v", err)
	}
	if _, err := alice.Login(group.JoinInvite, "another password now", work); err != nil {
		t.Errorf("the new password: %v", err)
	}
	// What he signs now, with whatever time, does not count.
	must(t, bob.Append(acl.RuleChange{Rule: acl.Rule{ID: "r1", Who: []string{"*"}, May: acl.Publish, Glob: "**"}}.Marshal))
	must(t, sync(t, bob, alice))
	if _, err := alice.Account(); err != nil || len(rules(t, alice)) != 0 {
		t.Errorf("after a removed member's records: %v, rules %v", err, rules(t, alice))
	}
}

func rules(t *testing.T, g *group.Group) []acl.Rule {
	t.Helper()
	s, err := g.State()
	must(t, err)
	return s.Rules()
}

// TestWhatWasPublishedStands removes accounts that came by themselves, before and after an admin said anything of them.
func TestWhatWasPublishedStands(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	allow(t, alice, "allow @member publish **")
	want := []string{}
	for _, c := range []struct {
		name string
		do   func(g *group.Group)
	}{
		{"untouched", func(*group.Group) {}},
		{"rekeyed", func(g *group.Group) { must(t, g.SetPassword("a password of its own", "", work)) }},
		{"reset", func(*group.Group) { must(t, alice.ResetPassword("reset", "a password from alice", work)) }},
	} {
		g := invitedBy(t, alice, c.name)
		must(t, sync(t, alice, g))
		sealShare(t, g, c.name, "1")
		must(t, sync(t, g, alice))
		c.do(g)
		must(t, sync(t, g, alice))
		want = append(want, c.name+"@1 by "+c.name)
		slices.Sort(want)
		if got := names(t, alice); got != strings.Join(want, ", ") {
			t.Errorf("%s: before: got %q", c.name, got)
		}
		remove(t, alice, c.name)
		if got := names(t, alice); got != strings.Join(want, ", ") {
			t.Errorf("%s: after the removal: got %q, want %v", c.name, got, want)
		}
		if st, _ := alice.Standing(g.Device().Public()); st != access.Stranger {
			t.Errorf("%s: its device is let in", c.name)
		}
	}
}

// invitedBy is invited with the password of now, which removals change.
func invitedBy(t *testing.T, alice *group.Group, name string) *group.Group {
	t.Helper()
	must(t, alice.ResetPassword(group.JoinInvite, password, work))
	return invited(t, alice, name)
}

func TestRemovedInviteOfOwn(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	must(t, alice.AddAccounts(t.Context(), []group.NewAccount{{Name: "guests", Role: acl.Invite, Password: "the guests' own password"}}, work, nil))
	guest, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, sync(t, alice, guest))
	must(t, guest.Asked(1))
	l, err := guest.Login("guests", "the guests' own password", work)
	must(t, err)
	_, err = guest.JoinBy(l, "zoe", "")
	must(t, err)
	must(t, sync(t, guest, alice))
	out := remove(t, alice, "zoe")
	if !slices.Equal(out.Closed, []string{"guests"}) {
		t.Errorf("closed: got %v, want the invite that zoe came by", out.Closed)
	}
	if _, err := alice.Login("guests", "the guests' own password", work); fault.KindOf(err) != fault.Denied {
		t.Errorf("the password that zoe knows: got %v", err)
	}
}

func TestPasswords(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	must(t, sync(t, alice, bob))
	if _, err := account(t, alice, "bob", "any password at all"); fault.KindOf(err) != fault.Denied {
		t.Errorf("an account without a password: got %v", err)
	}
	must(t, bob.SetPassword("bob's first password", "", work))
	must(t, sync(t, bob, alice))
	second, err := account(t, alice, "bob", "bob's first password")
	must(t, err)
	sealShare(t, alice, "one", "1")
	must(t, sync(t, alice, second))
	must(t, sync(t, alice, bob))
	if names(t, bob) != "one@1 by alice" || names(t, second) != "one@1 by alice" {
		t.Errorf("both machines: got %q and %q", names(t, bob), names(t, second))
	}
	// The other machine goes on, but opens nothing that is granted from then on before it logs in again.
	must(t, bob.SetPassword("bob's second password", "", work))
	must(t, sync(t, bob, second))
	must(t, sync(t, bob, alice))
	if !second.Outdated() || bob.Outdated() {
		t.Errorf("outdated: got %v of the other machine and %v of this, want the other alone", second.Outdated(), bob.Outdated())
	}
	must(t, alice.Rekey())
	sealShare(t, alice, "two", "1")
	must(t, sync(t, alice, second))
	must(t, sync(t, alice, bob))
	if got := names(t, bob); got != "one@1 by alice, two@1 by alice" {
		t.Errorf("where it was changed: got %q", got)
	}
	if got := names(t, second); got != "one@1 by alice" {
		t.Errorf("the other machine: got %q", got)
	}
	if _, err := second.Login("bob", "bob's first password", work); fault.KindOf(err) != fault.Denied {
		t.Errorf("the old password: got %v", err)
	}
	l, err := second.Login("bob", "bob's second password", work)
	must(t, err)
	device := second.Device().Public()
	must(t, second.LogIn(l, "laptop"))
	if got := names(t, second); got != "one@1 by alice, two@1 by alice" || second.Outdated() || second.Device().Public() != device {
		t.Errorf("logged in again: got %q, outdated %v", got, second.Outdated())
	}
	// An admin can give it another one.
	must(t, alice.ResetPassword("bob", "a password from alice", work))
	must(t, sync(t, alice, bob))
	if !bob.Outdated() {
		t.Error("bob does not see that his password was changed")
	}
	third, err := account(t, alice, "bob", "a password from alice")
	must(t, err)
	if got := names(t, third); got != "one@1 by alice, two@1 by alice" {
		t.Errorf("with the password from the admin: got %q", got)
	}
}

func TestAdminsPassword(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	must(t, alice.SetPassword("alice's own password", "", work))
	second, err := account(t, alice, "alice", "alice's own password")
	must(t, err)
	if a, err := second.Account(); err != nil || a.Role != acl.Admin {
		t.Errorf("the second machine: got %+v, %v", a, err)
	}
	if err := second.SetPassword("a newer password", "", work); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("without the old one: got %v", err)
	}
	if err := second.SetPassword("a newer password", "a wrong one", work); fault.KindOf(err) != fault.Denied {
		t.Errorf("with a wrong old one: got %v", err)
	}
	must(t, second.SetPassword("a newer password", "alice's own password", work))
	must(t, sync(t, second, alice))
	if _, err := account(t, alice, "alice", "a newer password"); err != nil {
		t.Errorf("with the newer one: %v", err)
	}
}

func TestGroupPassword(t *testing.T) {
	for name, c := range map[string]group.Created{"with one before": {Password: password}, "the first": {}} {
		alice := createPrivate(t, c)
		must(t, alice.ResetPassword(group.JoinInvite, "the new password is", work))
		if _, err := alice.Login(group.JoinInvite, password, work); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: the old password: got %v", name, err)
		}
		l, err := alice.Login(group.JoinInvite, "the new password is", work)
		must(t, err)
		bob, err := group.Join(t.TempDir(), alice.Link(), group.Joined{}, time.Now)
		must(t, err)
		must(t, sync(t, alice, bob))
		must(t, bob.Asked(1))
		_, err = bob.JoinBy(l, "bob", "")
		must(t, err)
		sealShare(t, alice, "photos", "1")
		must(t, sync(t, alice, bob))
		if got := names(t, bob); got != "photos@1 by alice" {
			t.Errorf("%s: who came by it sees %q", name, got)
		}
	}
}

func TestRemoveADevice(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := add(t, alice, "bob", acl.Member)
	lost, err := account(t, alice, "bob", "bob has a password")
	must(t, err)
	must(t, alice.RemoveDevice(lost.Device().Public()))
	sealShare(t, alice, "photos", "1")
	must(t, sync(t, alice, bob))
	if got := names(t, bob); got != "photos@1 by alice" {
		t.Errorf("the other machine sees %q", got)
	}
	if st, _ := alice.Standing(lost.Device().Public()); st != access.Stranger {
		t.Errorf("the lost one: got %v, want a stranger", st)
	}
	l, err := lost.Login("bob", "bob has a password", work)
	must(t, err)
	must(t, sync(t, alice, lost))
	if err := lost.LogIn(l, ""); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("logging in again on the lost one: got %v", err)
	}
}

// TestLostLaptop: who has the disk of a machine reads nothing of what is shared after it was given up as lost, whatever of the
// group's history is brought to it. Without that the keys on it are those of an account that stays.
func TestLostLaptop(t *testing.T) {
	for _, before := range []bool{false, true} { // it was removed without a word of the loss
		alice := createPrivate(t, group.Created{Password: password})
		bob := add(t, alice, "bob", acl.Member)
		lost, err := account(t, alice, "bob", "bob has a password")
		must(t, err)
		want := ""
		if before {
			must(t, alice.RemoveDevice(lost.Device().Public()))
			sealShare(t, alice, "early", "1")
			want = "early@1 by alice"
		}
		must(t, alice.LoseDevice(lost.Device().Public(), "bob has another one", work))
		sealShare(t, alice, "photos", "1")
		must(t, sync(t, alice, lost))
		if got := names(t, lost); got != want {
			t.Errorf("removed before %v: the lost one sees %q, want %q", before, got, want)
		}
		if st, _ := alice.Standing(lost.Device().Public()); st != access.Stranger {
			t.Errorf("removed before %v: the lost one is %v", before, st)
		}
		if _, err := alice.Login("bob", "bob has a password", work); fault.KindOf(err) != fault.Denied {
			t.Errorf("removed before %v: the password on it: got %v", before, err)
		}
		// His other machine logs in with the new one, and goes on.
		must(t, sync(t, alice, bob))
		l, err := bob.Login("bob", "bob has another one", work)
		must(t, err)
		must(t, bob.LogIn(l, ""))
		sealShare(t, alice, "more", "1")
		must(t, sync(t, alice, bob))
		if got := names(t, bob); !strings.Contains(got, "photos@1 by alice") || !strings.Contains(got, "more@1 by alice") {
			t.Errorf("removed before %v: the other machine sees %q", before, got)
		}
	}
	alice := createPrivate(t, group.Created{Password: password})
	if err := alice.LoseDevice(signed.Key{1}, "bob has another one", work); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no such device: got %v", err)
	}
}

// TestTwoAdminsOffline has each of two admins remove somebody without knowing of the other: neither of the removed may hold
// the key that is used from then on.
func TestTwoAdminsOffline(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob, carol, dave := add(t, alice, "bob", acl.Member), invited(t, alice, "carol"), invited(t, alice, "dave")
	owner, ok := alice.Owner()
	if !ok {
		t.Fatal("no owner key")
	}
	a := accountOf(t, alice, "bob")
	raw, err := alice.NextRoot(owner, func(r *signed.Root) error {
		r.Admins = append(r.Admins, signed.Admin{Name: a.Name, Key: a.Key, Seal: a.Seal})
		return nil
	})
	must(t, err)
	must(t, alice.AddRoot(raw))
	must(t, sync(t, alice, bob))
	if got := accountOf(t, bob, "bob"); got.Role != acl.Admin {
		t.Fatalf("bob is %+v", got)
	}
	// His password works as before, which the root does not say.
	if _, err := bob.Care(); err != nil {
		t.Fatal(err)
	}
	must(t, sync(t, bob, alice))
	if _, err := account(t, alice, "bob", "bob has a password"); err != nil {
		t.Errorf("the new admin's password: %v", err)
	}
	remove(t, alice, "carol")
	remove(t, bob, "dave")
	must(t, sync(t, alice, bob))
	must(t, sync(t, bob, alice))
	for range 3 {
		for _, g := range []*group.Group{alice, bob} {
			if _, err := g.Care(); err != nil {
				t.Fatal(err)
			}
		}
		must(t, sync(t, alice, bob))
		must(t, sync(t, bob, alice))
	}
	sealShare(t, alice, "after", "1")
	for _, g := range []*group.Group{bob, carol, dave} {
		must(t, sync(t, alice, g))
	}
	if got := names(t, bob); got != "after@1 by alice" {
		t.Errorf("the other admin sees %q", got)
	}
	for who, g := range map[string]*group.Group{"carol": carol, "dave": dave} {
		if got := names(t, g); got != "" {
			t.Errorf("%s was removed, and sees %q", who, got)
		}
		if g.Link().Secret == alice.Link().Secret {
			t.Errorf("%s was removed, and has the link", who)
		}
	}
	if alice.Link().Secret != bob.Link().Secret {
		t.Error("the admins have two links")
	}
	// Once all is well, nothing more is signed.
	for _, g := range []*group.Group{alice, bob} {
		if did, err := g.Care(); did || err != nil {
			t.Errorf("care again: got %v, %v", did, err)
		}
	}
}

func TestCareForShares(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	allow(t, alice, "allow @member publish **")
	bob := invited(t, alice, "bob")
	must(t, sync(t, alice, bob))
	sealShare(t, bob, "secret", "1", "alice", "carol")
	sealShare(t, bob, "team", "1", "@member")
	must(t, sync(t, bob, alice))
	// Who comes later, and is named or in the team, is given it by whoever can.
	carol := invited(t, alice, "carol")
	care(t, alice, bob)
	must(t, sync(t, alice, carol))
	if got := names(t, carol); got != "secret@1 by bob, team@1 by bob" {
		t.Errorf("carol sees %q", got)
	}
	dave := invited(t, alice, "dave")
	care(t, alice, bob)
	must(t, sync(t, alice, dave))
	if got := names(t, dave); got != "team@1 by bob" {
		t.Errorf("dave sees %q", got)
	}
	// Who may read a part of what an audience is for gets that part, from who published it.
	sealShare(t, bob, "two-a", "1", "alice")
	sealShare(t, bob, "two-b", "1", "alice")
	must(t, sync(t, bob, alice))
	allowed := names(t, alice)
	sealShare(t, bob, "two-b", "1", "alice", "dave")
	care(t, alice, bob)
	must(t, sync(t, bob, dave))
	must(t, sync(t, bob, alice))
	if got := names(t, dave); got != "team@1 by bob, two-b@1 by bob" || names(t, alice) != allowed {
		t.Errorf("dave sees %q, and alice %q", got, names(t, alice))
	}
	// A new password does not lose anything.
	must(t, dave.SetPassword("dave's new password", "", work))
	must(t, sync(t, dave, alice))
	again, err := account(t, alice, "dave", "dave's new password")
	must(t, err)
	if got := names(t, again); got != "team@1 by bob, two-b@1 by bob" {
		t.Errorf("dave's new machine sees %q", got)
	}
}

// care has machines care until none finds anything to do, and everyone of them know of it.
func care(t *testing.T, list ...*group.Group) {
	t.Helper()
	for range 5 {
		any := false
		for _, g := range list {
			for _, o := range list {
				if o != g {
					must(t, sync(t, o, g))
				}
			}
			did, err := g.Care()
			must(t, err)
			any = any || did
		}
		if !any {
			return
		}
	}
	t.Error("there is always something to do")
}

func TestMirrorsLearnTheLink(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	store := add(t, alice, "store", acl.Mirror)
	must(t, sync(t, alice, bob))
	before := alice.Link()
	remove(t, alice, "bob")
	must(t, sync(t, alice, store))
	if got := store.Link(); got.Secret == before.Secret || got.Secret != alice.Link().Secret {
		t.Error("the mirror has not learned the new link")
	}
	sealShare(t, alice, "photos", "1")
	must(t, sync(t, alice, store))
	if got := names(t, store); got != "" {
		t.Errorf("the mirror sees %q", got)
	}
}

// TestMemberCannotChooseTheKey has a member hand out a key for everyone that it made itself: it could read on after it is
// removed.
func TestMemberCannotChooseTheKey(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob, carol := invited(t, alice, "bob"), invited(t, alice, "carol")
	must(t, sync(t, alice, bob))
	box := grantBox(t, accountOf(t, bob, "alice").Seal, accountOf(t, bob, "carol").Seal)
	must(t, bob.Append(acl.Grant{Audience: "all", Epoch: 1 << 39, To: []string{"alice", "carol"}, Box: box}.Marshal))
	must(t, sync(t, bob, alice))
	must(t, sync(t, bob, carol))
	to := sealShare(t, alice, "photos", "1")
	if to.Epoch == 1<<39 {
		t.Error("alice seals to the key of a member")
	}
	must(t, sync(t, alice, carol))
	if got := names(t, carol); !strings.Contains(got, "photos") {
		t.Errorf("carol sees %q", got)
	}
}

func grantBox(t *testing.T, recipients ...string) []byte {
	t.Helper()
	id, err := seal.NewAudience()
	must(t, err)
	box, err := seal.Box([]byte(id.Secret()+"\n"), recipients)
	must(t, err)
	return box
}
