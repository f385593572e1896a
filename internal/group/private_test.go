package group_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// work is the factor of the tests' passwords: the real one takes a second each.
const work = 2

const password = "correct horse battery"

func createPrivate(t *testing.T, c group.Created) *group.Group {
	t.Helper()
	c.Kind, c.Name, c.User, c.Label, c.Work = signed.Private, "family", "alice", "laptop", work
	if c.Stale == 0 {
		c.Stale = 720
	}
	g, err := group.Create(t.TempDir(), c, time.Now)
	must(t, err)
	must(t, g.NobodyToAsk())
	return g
}

// invited is a machine that came by the group's password.
func invited(t *testing.T, g *group.Group, name string) *group.Group {
	t.Helper()
	out, err := group.Join(t.TempDir(), g.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, sync(t, g, out))
	must(t, out.Asked(1))
	l, err := out.Login(group.JoinInvite, password, work)
	must(t, err)
	if _, err := out.JoinBy(l, name, "phone"); err != nil {
		t.Fatal(err)
	}
	must(t, sync(t, out, g))
	if _, err := g.AsAdmin("confirm"); err == nil {
		confirmed(t, g)
		must(t, sync(t, g, out))
	}
	return out
}

// confirmed has an admin's machine look after who came.
func confirmed(t *testing.T, g *group.Group) {
	t.Helper()
	for did := true; did; {
		var err error
		did, err = g.Care()
		must(t, err)
	}
}

// sealShare publishes NAME@VERSION for those in read.
func sealShare(t *testing.T, g *group.Group, name, version string, read ...string) group.Sealing {
	t.Helper()
	s := &catalog.Share{Name: name, Version: version, Content: name, Time: time.Now(), Size: 1, Files: 1, Read: read,
		Info: signed.HashOf([]byte(name + version)), Torrent: signed.HashOf([]byte(version))}
	to, err := g.Audience(s.Path(), read)
	must(t, err)
	must(t, g.Append(append(to.Grants, to.Share(s))...))
	return to
}

func TestJoinWithThePassword(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	carol := invited(t, alice, "bob") // the name is taken
	a, err := carol.Account()
	if err != nil || a.Name != "bob-2" || a.Role != acl.Member || a.By != group.JoinInvite {
		t.Errorf("the second bob: got %+v, %v", a, err)
	}
	// What was shared before is read by who came after.
	sealShare(t, alice, "photos", "1")
	must(t, sync(t, alice, bob))
	must(t, sync(t, alice, carol))
	for who, g := range map[string]*group.Group{"alice": alice, "bob": bob, "carol": carol} {
		if got := names(t, g); got != "photos@1 by alice" {
			t.Errorf("%s sees %q", who, got)
		}
	}
	dave := invited(t, alice, "dave")
	if got := names(t, dave); got != "photos@1 by alice" {
		t.Errorf("who came later sees %q", got)
	}
	ix, err := dave.Index()
	must(t, err)
	e, err := ix.Resolve("photos", "")
	must(t, err)
	s, raw, err := dave.Share(e)
	if err != nil || s.Name != "photos" || s.Torrent != signed.HashOf([]byte("1")) || bytes.Contains(raw, []byte("photos")) {
		t.Errorf("a share in full: got %+v, %s, %v", s, raw, err)
	}
	// Nothing is in clear in what is handed on.
	for _, h := range alice.AllHeads() {
		l, err := alice.Log(h.Device)
		must(t, err)
		for _, r := range l.Records {
			if bytes.Contains(r.Raw, []byte("photos")) || bytes.Contains(r.Raw, []byte(signed.HashOf([]byte("1")).String())) {
				t.Errorf("the record %s tells what was shared", r.Raw)
			}
		}
	}
	// After a restart too.
	again, err := group.Open(dave.Dir(), time.Now)
	must(t, err)
	if got := names(t, again); got != "photos@1 by alice" {
		t.Errorf("opened again: %q", got)
	}
}

func TestSharesForSome(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	allow(t, alice, "allow @member publish **")
	bob, carol := invited(t, alice, "bob"), invited(t, alice, "carol")
	must(t, sync(t, alice, bob))
	first := sealShare(t, bob, "secret", "1", "alice")
	again := sealShare(t, bob, "secret", "2", "alice")
	all := sealShare(t, bob, "open", "1")
	if first.Audience != again.Audience || first.Audience == all.Audience || len(again.Grants) != 0 || all.Audience != "all" {
		t.Errorf("audiences: got %q, then %q with %d grants, and %q for all; want the first again without grants", first.Audience, again.Audience, len(again.Grants), all.Audience)
	}
	must(t, sync(t, bob, alice))
	must(t, sync(t, bob, carol))
	for who, c := range map[string]struct {
		g    *group.Group
		want string
	}{
		"alice": {alice, "open@1 by bob, secret@2 by bob, secret@1 by bob"},
		"bob":   {bob, "open@1 by bob, secret@2 by bob, secret@1 by bob"},
		"carol": {carol, "open@1 by bob"},
	} {
		if got := names(t, c.g); got != c.want {
			t.Errorf("%s: got %q, want %q", who, got, c.want)
		}
	}
	if bob.ShareID("secret", "1") == alice.ShareID("secret", "1") || bob.ShareID("secret", "1") == bob.ShareID("secret", "2") {
		t.Error("IDs of shares can be told from names")
	}
}

func allow(t *testing.T, g *group.Group, rule string) {
	t.Helper()
	r, err := acl.ParseRule(rule)
	must(t, err)
	must(t, g.Append(func(n int64) ([]byte, error) {
		r.ID = fmt.Sprintf("r%x", n)
		return acl.RuleChange{Rule: r}.Marshal(n)
	}))
}

func TestWrongPassword(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	_, wrong := alice.Login(group.JoinInvite, "something else", work)
	_, nobody := alice.Login("zoe", password, work)
	if fault.KindOf(wrong) != fault.Denied || fault.KindOf(nobody) != fault.Denied || wrong.Error() != nobody.Error() || !errors.Is(wrong, seal.ErrPassword) {
		t.Errorf("a wrong password: %v; a wrong user: %v; want one text for both", wrong, nobody)
	}
	l, err := alice.Login(group.JoinInvite, password, work)
	must(t, err)
	other, err := group.NewSecret()
	must(t, err)
	l.Key = other
	if _, err := alice.JoinBy(l, "bob", ""); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("the key of an earlier password: got %v, want a refusal with a hint", err)
	}
}

// tagOf is what who has a password asks by.
func tagOf(t *testing.T, g *group.Group, name, password string) signed.Key {
	t.Helper()
	return passOf(t, g, name, password).Tag()
}

func passOf(t *testing.T, g *group.Group, name, password string) seal.Pass {
	t.Helper()
	p, err := seal.Stretch(g.ID(), name, password, work)
	must(t, err)
	return p
}

// TestNamesCannotBeProbed: who has the link alone, and asks by whatever he makes of a name or a guess, is answered the same
// before and after the account is made and its password changed, for names that are and are not there, by every member.
func TestNamesCannotBeProbed(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	real := alice.Slot(tagOf(t, alice, group.JoinInvite, password))
	if l, err := passOf(t, alice, group.JoinInvite, password).Open(real); err != nil || l.Account != group.JoinInvite {
		t.Fatalf("with the password: got %v, %v", l, err)
	}
	asked := map[string]signed.Key{}
	for _, name := range []string{"eve", "zoe", "bob", "alice", group.JoinInvite, "abcdefghijklmnopqrstuvwxyz012345"} {
		asked[name+", guessed"] = tagOf(t, alice, name, "a guess at a password")
		asked[name+", an empty password"] = tagOf(t, alice, name, "")
		asked[name+", hashed"] = signed.Key(signed.HashOf([]byte(name)))
		asked[name+", in clear"] = signed.Key(append([]byte(name), make([]byte, 32)...)[:32])
	}
	first := map[string][]byte{}
	look := func(when string) {
		t.Helper()
		must(t, sync(t, alice, bob))
		must(t, sync(t, bob, alice))
		for what, tag := range asked {
			fake := alice.Slot(tag)
			if first[what] == nil {
				first[what] = fake
			}
			if !bytes.Equal(fake, first[what]) || !bytes.Equal(fake, bob.Slot(tag)) {
				t.Errorf("%s: %s: another answer than before, or than another member's", when, what)
			}
			if header := len("age-encryption.org/v1\n-> scrypt "); len(fake) != len(real) || !bytes.Equal(fake[:header], real[:header]) {
				t.Errorf("%s: %s: %d bytes %.60q, want what looks like a slot of %d: %.60q", when, what, len(fake), fake, len(real), real)
			}
			if _, err := passOf(t, alice, "eve", "a guess at a password").Open(fake); !errors.Is(err, seal.ErrPassword) {
				t.Errorf("%s: %s: opening it: got %v, want a wrong password", when, what, err)
			}
		}
	}
	look("at first")
	must(t, alice.AddAccounts(t.Context(), []group.NewAccount{{Name: "eve", Role: acl.Member, Password: "eve has a password"}}, work, nil))
	look("eve is added")
	must(t, alice.ResetPassword("eve", "eve has another password", work))
	must(t, bob.SetPassword("bob has a password now", "", work))
	must(t, alice.SetPassword("alice has a password now", "", work))
	must(t, alice.ResetPassword(group.JoinInvite, "the group has another", work))
	look("passwords are changed")
	s, err := alice.State()
	must(t, err)
	gone, _ := s.Account("eve")
	_, err = alice.RemoveAccount(gone, "and another", work)
	must(t, err)
	look("eve is removed")
	for name, tag := range map[string]signed.Key{"eve": tagOf(t, alice, "eve", "eve has a password"), group.JoinInvite: tagOf(t, alice, group.JoinInvite, password)} {
		if _, err := passOf(t, alice, name, "eve has a password").Open(alice.Slot(tag)); err == nil || !bytes.Equal(alice.Slot(tag), bob.Slot(tag)) {
			t.Errorf("%s, by the old password: %v, the same at both: %v", name, err, bytes.Equal(alice.Slot(tag), bob.Slot(tag)))
		}
	}
}

// TestNobodyTakesAnothersTag: all members see all tags. One who signs another's as his own keeps nobody from logging in; nor
// does who knows the group's password, and so could make a slot with its tag.
func TestNobodyTakesAnothersTag(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	must(t, bob.SetPassword("bob has a password now", "", work))
	eve := invited(t, alice, "aeve") // before the others, in the order of names
	must(t, sync(t, bob, alice))
	must(t, sync(t, alice, eve))
	s, err := eve.State()
	must(t, err)
	for name, secret := range map[string]string{"bob": "bob has a password now", group.JoinInvite: password} {
		pass := passOf(t, alice, name, secret)
		want := alice.Slot(pass.Tag())
		theirs, _ := s.Account(name)
		copied := append(bytes.Clone(theirs.Slot[:96]), "nothing that opens"...)
		forged := copied
		if name == group.JoinInvite {
			// As the tag's own key would sign it for her account.
			secret, err := signed.SigningKeyFromSeed(tagSeed(t, alice.ID(), name, password))
			must(t, err)
			gid := alice.ID()
			forged = append(append(bytes.Clone(copied[:32]), secret.Sign("slot", append(gid[:], "aeve"...))...), copied[96:]...)
			if made, err := seal.ParseSlot(forged); err != nil || !made.Owned(gid, "aeve") {
				t.Fatalf("the slot that was forged is none: %v", err)
			}
		}
		for how, slot := range map[string][]byte{"copied": copied, "forged": forged} {
			must(t, eve.Append(acl.AccountChange{Name: "aeve", Slot: slot}.Marshal))
			must(t, sync(t, eve, alice))
			now, err := alice.State()
			must(t, err)
			if a, _ := now.Account("aeve"); !bytes.Equal(a.Slot, slot) {
				t.Fatalf("%s, %s: the slot was not taken", name, how)
			}
			if got := alice.Slot(pass.Tag()); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: who has the password is given %.60q", name, how, got)
			}
		}
	}
}

// tagSeed is the secret half of a tag.
func tagSeed(t *testing.T, gid signed.GroupID, name, password string) []byte {
	t.Helper()
	secret, err := scrypt.Key([]byte(password), append(append([]byte("p2pshare/v1 slot\x00"), gid[:]...), name...), 1<<work, 8, 1, 32)
	must(t, err)
	seed, err := hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot tag", 32)
	must(t, err)
	return seed
}

func TestStanding(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	l, err := alice.Login(group.JoinInvite, password, work)
	must(t, err)
	stranger, err := signed.NewSigningKey(rand.Reader)
	must(t, err)
	for _, c := range []struct {
		name string
		key  signed.Key
		want access.Standing
	}{
		{"a stranger", stranger.Public(), access.Stranger},
		{"the link", alice.Link().Lobby().Public(), access.Lobby},
		{"another link", signed.Link{Group: alice.ID(), Kind: signed.Private}.Lobby().Public(), access.Stranger},
		{"the invite", l.Key.Public(), access.Login},
		{"a member", bob.Device().Public(), access.Member},
		{"an admin", alice.Device().Public(), access.Member},
	} {
		if got, _ := alice.Standing(c.key); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestStrictAndStale(t *testing.T) {
	now := time.Now()
	alice, err := group.Create(t.TempDir(), group.Created{Kind: signed.Private, Name: "office", User: "alice", Password: password, Work: work, Strict: true, Stale: 24}, func() time.Time { return now })
	must(t, err)
	bob := invited(t, alice, "bob")
	if err := alice.Shut(); err != nil {
		t.Fatalf("fresh: got %v", err)
	}
	late, err := group.Open(bob.Dir(), func() time.Time { return now.Add(25 * time.Hour) })
	must(t, err)
	if err := late.Shut(); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("stale: got %v, want a refusal with a hint", err)
	}
	l, err := alice.Login(group.JoinInvite, password, work)
	must(t, err)
	for _, c := range []struct {
		name string
		key  signed.Key
		want access.Standing
	}{
		{"the link", alice.Link().Lobby().Public(), access.Stranger},
		{"the invite", l.Key.Public(), access.Stranger},
		{"its own account", bob.Device().Public(), access.Member},
		{"an admin", alice.Device().Public(), access.Member},
	} {
		if got, _ := late.Standing(c.key); got != c.want {
			t.Errorf("%s, in a strict group that is stale: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSecretsStayPrivate(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	if _, ok := alice.AdminKey(); !ok {
		t.Error("the machine that made the group has lost its admin's key")
	}
	s, err := alice.State()
	must(t, err)
	for _, a := range s.Accounts() {
		if !strings.HasPrefix(a.Seal, "age1pq1") {
			t.Errorf("%s has the recipient %.20q", a.Name, a.Seal)
		}
	}
}
