package group_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
	l, err := out.Login(group.JoinInvite, password)
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
	_, wrong := alice.Login(group.JoinInvite, "something else")
	_, nobody := alice.Login("zoe", password)
	if fault.KindOf(wrong) != fault.Denied || fault.KindOf(nobody) != fault.Denied || wrong.Error() != nobody.Error() || !errors.Is(wrong, seal.ErrPassword) {
		t.Errorf("a wrong password: %v; a wrong user: %v; want one text for both", wrong, nobody)
	}
	l, err := alice.Login(group.JoinInvite, password)
	must(t, err)
	other, err := group.NewSecret()
	must(t, err)
	l.Key = other
	if _, err := alice.JoinBy(l, "bob", ""); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("the key of an earlier password: got %v, want a refusal with a hint", err)
	}
}

func TestNamesCannotBeProbed(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	real := alice.Slot(signed.SlotTag(alice.ID(), group.JoinInvite))
	for _, name := range []string{"zoe", "a", "bob", "abcdefghijklmnopqrstuvwxyz012345"} {
		tag := signed.SlotTag(alice.ID(), name)
		fake := alice.Slot(tag)
		if len(fake) != len(real) || !bytes.Equal(fake[:len("age-encryption.org/v1\n-> scrypt ")], real[:len("age-encryption.org/v1\n-> scrypt ")]) {
			t.Errorf("%s: %d bytes %.60q, want what looks like a slot of %d: %.60q", name, len(fake), fake, len(real), real)
		}
		if !bytes.Equal(fake, alice.Slot(tag)) || !bytes.Equal(fake, bob.Slot(tag)) {
			t.Errorf("%s: another answer the second time, or from another member", name)
		}
		if _, err := seal.OpenSlot(fake, alice.ID(), password); !errors.Is(err, seal.ErrPassword) {
			t.Errorf("%s: opening it: got %v, want a wrong password", name, err)
		}
	}
}

func TestStanding(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	l, err := alice.Login(group.JoinInvite, password)
	must(t, err)
	stranger, err := signed.NewSecret(rand.Reader)
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
	l, err := alice.Login(group.JoinInvite, password)
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
