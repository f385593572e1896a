package group_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// large makes a group of so many accounts, whose machines are not there.
func large(t *testing.T, n int) *group.Group {
	t.Helper()
	alice := createPrivate(t, group.Created{Password: password})
	var list []group.NewAccount
	for i := range n {
		list = append(list, group.NewAccount{Name: fmt.Sprint("user", i), Role: acl.Member, Password: "long enough a password"})
	}
	must(t, alice.AddAccounts(t.Context(), list, work, nil))
	care(t, alice)
	return alice
}

// TestTenThousandRemovalsFitALog: what a removal and a newcomer write in a group of 200 does not grow with its accounts or with
// the removals before.
func TestTenThousandRemovalsFitALog(t *testing.T) {
	const (
		room     = signed.MaxLog - 8<<20 // without the end that is for removals alone
		removals = 10_000
		newcomer = 4_000 // the grant, and the nodes above him
		account  = 3_100 // the record of his account: most of it is his recipient
	)
	alice := large(t, 199)
	came := invited(t, alice, "came")
	care(t, alice)
	before := logSize(t, alice)
	grown := func() int64 {
		was := before
		before = logSize(t, alice)
		return before - was
	}
	for i := range 12 {
		name := fmt.Sprint("user", 16*i)
		if i == 5 {
			name = "came" // whom no admin has named before
		}
		remove(t, alice, name)
		care(t, alice)
		if n := grown(); removals*n > room {
			t.Errorf("a removal in a group of 200 writes %d bytes: %d are more than %d", n, removals, room)
		}
		if i == 8 { // who comes by the password is given his key by care
			must(t, alice.ResetPassword(group.JoinInvite, password, work))
			grown()
			late := invited(t, alice, "late")
			care(t, alice)
			if n := grown(); n > newcomer {
				t.Errorf("who came by the password took %d bytes", n)
			}
			must(t, sync(t, alice, late))
			continue
		}
		must(t, alice.AddAccounts(t.Context(), []group.NewAccount{{Name: fmt.Sprint("new", i), Role: acl.Member, Password: "long enough a password"}}, work, nil))
		care(t, alice)
		if n := grown(); n > account+newcomer {
			t.Errorf("a newcomer took %d bytes", n)
		}
	}
	must(t, sync(t, alice, came))
	if came.Link().Secret == alice.Link().Secret {
		t.Error("who was removed has the link")
	}
}

// crew are machines of a group, by account.
type crew map[string]*group.Group

// hear brings everything to everyone.
func (c crew) hear(t *testing.T) {
	t.Helper()
	list := slices.Collect(maps.Values(c))
	for range 2 {
		for _, from := range list {
			for _, to := range list {
				if from != to {
					must(t, sync(t, from, to))
				}
			}
		}
	}
}

// settle has everyone hear of everything, and the admins care, until there is nothing to do.
func (c crew) settle(t *testing.T, admins ...string) {
	t.Helper()
	c.hear(t)
	var list []*group.Group
	for _, a := range admins {
		list = append(list, c[a])
	}
	care(t, list...)
	c.hear(t)
}

// reads says whether an account sees all of what is shared, or nothing of it.
func (c crew) reads(t *testing.T, who, share string, want bool) {
	t.Helper()
	if got := strings.Contains(names(t, c[who]), share+"@1"); got != want {
		t.Errorf("%s sees %q: got %v, want %v", who, share, got, want)
	}
}

// admin makes an account an admin.
func (c crew) admin(t *testing.T, name string) {
	t.Helper()
	a := accountOf(t, c["alice"], name)
	c.root(t, func(r *signed.Root) {
		r.Admins = append(r.Admins, signed.Admin{Name: a.Name, Key: a.Key, Seal: a.Seal})
	})
}

func (c crew) root(t *testing.T, edit func(r *signed.Root)) {
	t.Helper()
	owner, _ := c["alice"].Owner()
	raw, err := c["alice"].NextRoot(owner, func(r *signed.Root) error { edit(r); return nil })
	must(t, err)
	for _, g := range c {
		must(t, g.AddRoot(raw))
	}
}

// TestKeysThroughChange: whatever comes and goes, in whatever order, who is in the group reads all that was ever shared with
// everyone, and who is not nothing from after his removal.
func TestKeysThroughChange(t *testing.T) {
	alice := createPrivate(t, group.Created{})
	c := crew{"alice": alice}
	r := rand.New(rand.NewPCG(1, 2))
	in, out := map[string]bool{}, map[string]int{} // out: how many shares there were
	shares := 0
	for round := range 24 {
		members := slices.Sorted(maps.Keys(in))
		switch op := r.IntN(5); {
		case len(members) < 3 || op == 0:
			name := fmt.Sprint("user", round)
			role := []acl.Role{acl.Member, acl.Publisher, acl.Backup}[r.IntN(3)]
			c[name], in[name] = add(t, alice, name, role), true
		case op == 1:
			name := members[r.IntN(len(members))]
			must(t, c[name].Asked(1))
			must(t, c[name].SetPassword(fmt.Sprint("another password ", round), "", work))
			must(t, sync(t, c[name], alice))
		case op < 4:
			name := members[r.IntN(len(members))]
			remove(t, alice, name)
			delete(in, name)
			out[name] = shares
		}
		for _, g := range c {
			must(t, sync(t, g, alice))
		}
		if r.IntN(2) == 0 {
			must(t, alice.Asked(1))
			care(t, alice)
		}
		must(t, alice.Asked(1))
		sealShare(t, alice, fmt.Sprint("share", shares), "1")
		shares++
		for _, g := range c {
			must(t, sync(t, alice, g))
		}
		for name := range in {
			for i := range shares {
				c.reads(t, name, fmt.Sprint("share", i), true)
			}
		}
		for name, n := range out {
			for i := n; i < shares; i++ {
				c.reads(t, name, fmt.Sprint("share", i), false)
			}
		}
	}
	if len(out) < 4 || len(in) < 3 {
		t.Errorf("too little happened: %d are in and %d out", len(in), len(out))
	}
}

// TestTwoAdminsRemoveAtOnce: two who do not know of each other remove one each, and have groups of their own for a while; when
// they meet, both are out, the others read what was shared meanwhile, and that takes as little as a removal.
func TestTwoAdminsRemoveAtOnce(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	c := crew{"alice": alice}
	for _, name := range []string{"bob", "carol", "dave", "eve", "frank", "gus"} {
		c[name] = invited(t, alice, name)
	}
	c["store"] = add(t, alice, "store", acl.Mirror)
	c.hear(t)
	c.admin(t, "bob")
	c.settle(t, "alice", "bob")
	remove(t, alice, "carol")
	remove(t, c["bob"], "dave")
	sealShare(t, alice, "hers", "1")
	sealShare(t, c["bob"], "his", "1")
	before := logSize(t, alice) + logSize(t, c["bob"])
	c.settle(t, "alice", "bob")
	if grown := logSize(t, alice) + logSize(t, c["bob"]) - before; grown > 8<<10 {
		t.Errorf("that took %d bytes", grown)
	}
	if alice.Link().Secret != c["bob"].Link().Secret || alice.Link().Secret != c["store"].Link().Secret {
		t.Error("there are two links")
	}
	sealShare(t, alice, "after", "1")
	c.hear(t)
	for _, name := range []string{"alice", "bob", "eve", "frank", "gus"} {
		for _, share := range []string{"hers", "his", "after"} {
			c.reads(t, name, share, true)
		}
	}
	for _, name := range []string{"carol", "dave", "store"} {
		c.reads(t, name, "after", false)
	}
	// Who comes now reads what was shared in both, and is given the identities of neither one by one.
	must(t, alice.ResetPassword(group.JoinInvite, password, work))
	c["zoe"] = invited(t, alice, "zoe")
	c.hear(t)
	for _, share := range []string{"hers", "his", "after"} {
		c.reads(t, "zoe", share, true)
	}
	list, handed := epochsOf(t, alice, "all"), map[int64]bool{}
	for _, e := range list {
		for _, b := range e.Before {
			handed[b] = true
		}
	}
	for _, e := range list[:len(list)-1] {
		if !handed[e.Epoch] {
			t.Errorf("the identity of epoch %d is in none after it", e.Epoch)
		}
	}
}

// TestLostAdmin: an admin who is put out knows the secret that all keys of the trees are made of. What comes after is made of
// another, also where he is put back among the members.
func TestLostAdmin(t *testing.T) {
	for _, removed := range []bool{true, false} {
		alice := createPrivate(t, group.Created{Password: password})
		c := crew{"alice": alice}
		for _, name := range []string{"bob", "carol", "dave"} {
			c[name] = invited(t, alice, name)
		}
		c.hear(t)
		c.admin(t, "bob")
		c.settle(t, "alice", "bob")
		// He makes an epoch himself, so that he has made all that there is.
		remove(t, c["bob"], "dave")
		c.settle(t, "alice", "bob")
		gone := accountOf(t, alice, "bob")
		c.root(t, func(r *signed.Root) { r.Admins = r.Admins[:1] })
		if removed {
			_, err := alice.RemoveAccount(gone, "another password now", work)
			must(t, err)
		} else {
			key := gone.Key
			must(t, alice.Append(acl.AccountChange{Name: "bob", Role: acl.Member, Key: &key, Seal: gone.Seal}.Marshal))
		}
		c.hear(t)
		care(t, alice)
		if !removed {
			remove(t, alice, "bob")
		}
		sealShare(t, alice, "after", "1")
		c.hear(t)
		c.reads(t, "bob", "after", false)
		c.reads(t, "carol", "after", true)
		if c["bob"].Link().Secret == alice.Link().Secret {
			t.Error("he has the link")
		}
	}
}

// TestTheLastMirrorGoes: nothing is signed for ever where nobody is left whom an audience is for.
func TestTheLastMirrorGoes(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	c := crew{"alice": alice, "one": add(t, alice, "one", acl.Mirror), "two": add(t, alice, "two", acl.Mirror)}
	c.settle(t, "alice")
	remove(t, alice, "one")
	c.settle(t, "alice")
	if c["two"].Link().Secret != alice.Link().Secret {
		t.Error("who stays has not learned the link")
	}
	remove(t, alice, "two")
	c.settle(t, "alice")
	remove(t, alice, group.JoinInvite)
	c.settle(t, "alice")
	if n := len(epochsOf(t, alice, "mirrors")); n != 3 {
		t.Errorf("the mirrors have had %d epochs, want 3", n)
	}
	for _, name := range []string{"one", "two"} {
		if c[name].Link().Secret == alice.Link().Secret {
			t.Errorf("%s was removed, and has the link", name)
		}
	}
}

// TestLostMachineOfAnAdmin: it has the secret of the admins, so that there is another.
func TestLostMachineOfAnAdmin(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	c := crew{"alice": alice, "carol": invited(t, alice, "carol")}
	care(t, alice)
	was := epochsOf(t, alice, "admins")
	must(t, alice.Rekey())
	if now := epochsOf(t, alice, "admins"); len(now) != len(was)+1 {
		t.Error("the admins' secret is the same")
	}
	sealShare(t, alice, "after", "1")
	c.hear(t)
	c.reads(t, "carol", "after", true)
}

func epochsOf(t *testing.T, g *group.Group, aud string) []acl.Epoch {
	t.Helper()
	s, err := g.State()
	must(t, err)
	return s.Epochs(aud)
}

// TestNewRecipientMeetsARemoval: an admin who has not heard of an account's new password puts its old key into the tree. The
// account's new machine, which never had that, is given what it lacks.
func TestNewRecipientMeetsARemoval(t *testing.T) {
	for _, early := range []bool{true, false} { // whether he had a key in the trees before he had the new password
		alice := createPrivate(t, group.Created{Password: password})
		c := crew{"alice": alice}
		for _, name := range []string{"bob", "carol", "dave"} {
			c[name] = invited(t, alice, name)
		}
		if c.hear(t); early {
			c.settle(t, "alice")
		}
		must(t, c["bob"].SetPassword("bob's first password", "", work))
		again, err := account(t, c["bob"], "bob", "bob's first password")
		must(t, err)
		care(t, alice)
		remove(t, alice, "carol") // she has not heard of it
		sealShare(t, alice, "after", "1")
		c["bob again"] = again
		c.hear(t)
		c.reads(t, "bob", "after", true) // his key in the tree is the old one
		c.reads(t, "bob again", "after", false)
		must(t, again.Asked(1))
		must(t, alice.Asked(1))
		c.settle(t, "alice", "bob again")
		c.reads(t, "bob again", "after", true)
		must(t, alice.Asked(1))
		remove(t, alice, "dave")
		sealShare(t, alice, "later", "1")
		c.hear(t)
		c.reads(t, "bob again", "later", true)
		c.reads(t, "bob", "later", true)
	}
}

// TestNoTreeFromMembers: keys of the group by who is no admin, and keys in trees by who is a backup, are not believed.
func TestNoTreeFromMembers(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	c := crew{"alice": alice, "bob": invited(t, alice, "bob"), "nas": add(t, alice, "nas", acl.Backup)}
	c.settle(t, "alice")
	admins := epochsOf(t, alice, "admins")[0]
	for _, name := range []string{"bob", "nas"} {
		must(t, c[name].Asked(1))
		box := grantBox(t, accountOf(t, alice, "alice").Seal)
		must(t, c[name].Append(
			acl.Epoch{Audience: "all", Epoch: 1 << 39, Gen: admins.Epoch, Own: []byte("x")}.Marshal,
			acl.Grant{Audience: "admins", Epoch: admins.Epoch, To: []string{"alice"}, Box: box}.Marshal,
			acl.Grant{Audience: "all", Epoch: 1, To: []string{"bob"}, Box: grantBox(t, accountOf(t, alice, "bob").Seal), Leaf: admins.Epoch}.Marshal))
	}
	c.hear(t)
	if got := epochsOf(t, alice, "all"); len(got) != 1 {
		t.Errorf("there are %d epochs, want that of alice", len(got))
	}
	must(t, alice.Asked(1))
	care(t, alice)
	raw, err := os.ReadFile(filepath.Join(alice.Dir(), "keys.json"))
	must(t, err)
	if n := strings.Count(string(raw), fmt.Sprintf(`"epoch":%d`, admins.Epoch)) + strings.Count(string(raw), fmt.Sprintf(`"epoch": %d`, admins.Epoch)); n != 1 {
		t.Errorf("alice keeps %d secrets of the admins, want 1", n)
	}
	remove(t, alice, "bob")
	sealShare(t, alice, "after", "1")
	c.hear(t)
	c.reads(t, "nas", "after", true)
	c.reads(t, "bob", "after", false)
}

// TestEpochsOfOneMoment: epochs that are made while the clock stands still have numbers of their own, so that each has its own
// identity, and who was removed does not hold the next.
func TestEpochsOfOneMoment(t *testing.T) {
	at := time.Now()
	still := func() time.Time { return at }
	alice, err := group.Create(t.TempDir(), group.Created{Kind: signed.Private, Name: "family", User: "alice", Stale: 720}, still)
	must(t, err)
	must(t, alice.NobodyToAsk())
	for range 80 {
		must(t, alice.Rekey())
	}
	for _, aud := range []string{"all", "admins"} {
		seen := map[int64]bool{}
		for _, e := range epochsOf(t, alice, aud) {
			if seen[e.Epoch] {
				t.Errorf("two epochs of %q have the number %d", aud, e.Epoch)
			}
			seen[e.Epoch] = true
		}
		if len(seen) != 81 {
			t.Errorf("%q has had %d epochs, want 81", aud, len(seen))
		}
	}
}

// TestTwoAdminsBringTheFirstMirror: two admins who do not know of each other add a mirror each. Both mirrors hear of the next link.
func TestTwoAdminsBringTheFirstMirror(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	c := crew{"alice": alice, "bob": invited(t, alice, "bob"), "carol": invited(t, alice, "carol")}
	c.hear(t)
	c.admin(t, "bob")
	c.settle(t, "alice", "bob")
	c["hers"] = add(t, alice, "hers", acl.Mirror)
	c["his"] = add(t, c["bob"], "his", acl.Mirror)
	c.settle(t, "alice", "bob")
	remove(t, alice, "carol")
	c.hear(t)
	for _, name := range []string{"bob", "hers", "his"} {
		if c[name].Link().Secret != alice.Link().Secret {
			t.Errorf("%s has not learned the link", name)
		}
	}
}
