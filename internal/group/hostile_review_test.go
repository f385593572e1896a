package group_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// TestAForgedGrantGivesNothing: a member names himself in a grant of an audience that is not for him. An admin who gives him
// another password hands on what was his, and not that.
func TestAForgedGrantGivesNothing(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	mallory := invited(t, alice, "mallory")
	secret := sealShare(t, alice, "secret", "1", "bob")
	sealShare(t, alice, "ours", "1", "bob", "mallory")
	must(t, sync(t, alice, mallory))
	must(t, mallory.Append(acl.Grant{Audience: secret.Audience, Epoch: 1, To: []string{"mallory"}, Box: grantBox(t, accountOf(t, alice, "mallory").Seal)}.Marshal))
	must(t, sync(t, mallory, alice))
	must(t, alice.ResetPassword("mallory", "a password that was forgotten", work))
	again, err := account(t, alice, "mallory", "a password that was forgotten")
	must(t, err)
	if got := names(t, again); got != "ours@1 by alice" {
		t.Errorf("mallory sees %q, want what is shared with him alone", got)
	}
	must(t, sync(t, alice, bob))
	if got := names(t, bob); got != "ours@1 by alice, secret@1 by alice" {
		t.Errorf("bob sees %q", got)
	}
}

// TestAnotherPasswordGivesNoOtherRole: who was a member, and is a mirror now, gets no key of the group with another password.
func TestAnotherPasswordGivesNoOtherRole(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	add(t, alice, "carol", acl.Member)
	s, err := alice.State()
	must(t, err)
	c, err := s.Change("carol")
	must(t, err)
	c.Role = acl.Mirror
	must(t, alice.ChangeAccount(s, c))
	care(t, alice)
	sealShare(t, alice, "new", "1")
	must(t, alice.ResetPassword("carol", "a password that was forgotten", work))
	again, err := account(t, alice, "carol", "a password that was forgotten")
	must(t, err)
	if got := names(t, again); got != "" {
		t.Errorf("the mirror sees %q", got)
	}
}

// TestAForgedGrantKeepsNobodyOut: a member hands the wrong key of somebody's audience to who is to get the right one.
func TestAForgedGrantKeepsNobodyOut(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	mallory := invited(t, alice, "mallory")
	secret := sealShare(t, alice, "secret", "1", "carol")
	must(t, sync(t, alice, mallory))
	carol := invited(t, alice, "carol")
	must(t, sync(t, alice, mallory))
	must(t, mallory.Append(acl.Grant{Audience: secret.Audience, Epoch: 1, To: []string{"carol"}, Box: grantBox(t, accountOf(t, alice, "carol").Seal)}.Marshal))
	must(t, sync(t, mallory, alice))
	must(t, sync(t, mallory, carol))
	care(t, alice, carol)
	if got := names(t, carol); got != "secret@1 by alice" {
		t.Errorf("carol sees %q", got)
	}
}

// TestAFloodOfKeys: a member hands out keys by the thousand. They fill nobody's disk, and what is opened is opened on.
func TestAFloodOfKeys(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob, mallory := invited(t, alice, "bob"), invited(t, alice, "mallory")
	secret := sealShare(t, alice, "secret", "1", "bob")
	must(t, sync(t, alice, mallory))
	for range 9 {
		var keys strings.Builder
		for range seal.MaxIdentities {
			id, err := seal.NewAudience()
			must(t, err)
			keys.WriteString(id.Secret() + "\n")
		}
		box, err := seal.Box([]byte(keys.String()), []string{accountOf(t, mallory, "bob").Seal})
		must(t, err)
		must(t, mallory.Append(acl.Grant{Audience: secret.Audience, Epoch: 1, To: []string{"bob"}, Box: box}.Marshal))
	}
	must(t, sync(t, mallory, bob))
	must(t, sync(t, alice, bob))
	if got := names(t, bob); got != "secret@1 by alice" {
		t.Errorf("bob sees %q", got)
	}
	raw, err := os.ReadFile(filepath.Join(bob.Dir(), "keys.json"))
	must(t, err)
	if n := bytes.Count(raw, []byte(`"by"`)); n > 16 {
		t.Errorf("bob keeps %d keys that others granted, want a few", n)
	}
}

// TestAnAudienceEndsWithTheGroupsKey: what is shared after a device was put out is not sealed to a key that was on it.
func TestAnAudienceEndsWithTheGroupsKey(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	add(t, alice, "bob", acl.Member)
	lost, err := account(t, alice, "bob", "bob has a password")
	must(t, err)
	first := sealShare(t, alice, "a", "1", "bob")
	if again := sealShare(t, alice, "b", "1", "bob"); again.Audience != first.Audience {
		t.Errorf("for the same readers: got the audience %q, then %q", first.Audience, again.Audience)
	}
	must(t, alice.RemoveDevice(lost.Device().Public()))
	if after := sealShare(t, alice, "c", "1", "bob"); after.Audience == first.Audience {
		t.Error("after the device was removed the audience is the one whose key it has")
	}
}

// TestPasswordThatWasNotSigned: a crash after the new keys were written and before they were signed leaves those of now.
func TestPasswordThatWasNotSigned(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	dir := filepath.Join(t.TempDir(), filepath.Base(bob.Dir()))
	must(t, os.CopyFS(dir, os.DirFS(bob.Dir())))
	must(t, os.Chmod(filepath.Join(dir, "device.key"), 0o600))
	before := bob.ShareID("x", "1")
	must(t, bob.SetPassword("bob's new password", "", work))
	keys, err := os.ReadFile(filepath.Join(bob.Dir(), "keys.json"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "keys.json"), keys, 0o600))
	crashed, err := group.Open(dir, time.Now)
	must(t, err)
	must(t, crashed.Asked(1))
	if crashed.Outdated() {
		t.Error("the machine takes itself for one whose password was changed elsewhere")
	}
	if got := crashed.ShareID("x", "1"); got != before {
		t.Errorf("a share has the ID %s, and had %s", got, before)
	}
}

// TestAMirrorAnswersForNobodyLikeAMember: else two answers would tell which names there are.
func TestAMirrorAnswersForNobodyLikeAMember(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	store := add(t, alice, "store", acl.Mirror)
	must(t, sync(t, alice, store))
	for _, name := range []string{"zoe", group.JoinInvite} {
		tag := tagOf(t, alice, name, password)
		if !bytes.Equal(alice.Slot(tag), store.Slot(tag)) {
			t.Errorf("%s: the mirror gives another slot than the admin", name)
		}
	}
}

// TestGrantedByWhoHadNotHeard: an admin makes a new key before he hears of somebody's new password. That account's machines
// ask again, once.
func TestGrantedByWhoHadNotHeard(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob := invited(t, alice, "bob")
	must(t, sync(t, alice, bob))
	must(t, bob.SetPassword("bob's new password", "", work))
	must(t, alice.Rekey())
	sealShare(t, alice, "photos", "1")
	must(t, sync(t, bob, alice))
	again, err := account(t, alice, "bob", "bob's new password")
	must(t, err)
	if got := names(t, again); got != "" {
		t.Fatalf("the new machine sees %q before anybody cared", got)
	}
	care(t, again, alice)
	if got := names(t, again); got != "photos@1 by alice" {
		t.Errorf("the new machine sees %q", got)
	}
}
