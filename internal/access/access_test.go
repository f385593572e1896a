package access_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var start = time.Unix(1_790_000_000, 0).UTC()

func secret(name string) signed.SigningKey {
	seed := sha256.Sum256([]byte(name))
	s, err := signed.SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(err)
	}
	return s
}

// film returns a group with the admin alice, the publishers bob and ann, a member, a backup, a mirror, an invite, an
// expired account, a removed one, and a rule that denies ann hr/**.
func film(t *testing.T) access.Policy {
	t.Helper()
	root := signed.Root{Version: 1, Name: "film", Kind: signed.Private, Need: 1, Owners: []signed.Key{secret("owner").Public()},
		Admins: []signed.Admin{{Name: "alice", Key: secret("alice").Public()}}, Stale: 720, Time: start}
	raw, err := root.Sign(secret("owner"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := signed.ParseRoot(raw)
	if err != nil {
		t.Fatal(err)
	}
	n := start.UnixMilli()
	device := secret("alice1")
	hello, err := acl.NewHello(r.ID(), device.Public(), acl.Hello{Account: "alice"}, n, secret("alice"), nil)
	if err != nil {
		t.Fatal(err)
	}
	recs := [][]byte{hello}
	add := func(make func(int64) ([]byte, error)) {
		n++
		b, err := make(n)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, b)
	}
	for name, role := range map[string]acl.Role{"ann": acl.Publisher, "bob": acl.Publisher, "mel": acl.Member, "nas": acl.Backup, "box": acl.Mirror,
		"door": acl.Invite, "gus": acl.Publisher, "eve": acl.Publisher} {
		key := secret(name).Public()
		c := acl.AccountChange{Name: name, Role: role, Key: &key}
		if name == "gus" {
			c.Until = start.Add(time.Minute)
		}
		add(c.Marshal)
	}
	add(acl.AccountChange{Name: "eve", Gone: true}.Marshal)
	// The name kim belonged to another account before.
	older, newer := secret("kim, the first").Public(), secret("kim").Public()
	add(acl.AccountChange{Name: "kim", Role: acl.Publisher, Key: &older}.Marshal)
	add(acl.AccountChange{Name: "kim", Gone: true}.Marshal)
	add(acl.AccountChange{Name: "kim", Role: acl.Publisher, Key: &newer}.Marshal)
	rule, err := acl.ParseRule("deny ann read hr/**")
	if err != nil {
		t.Fatal(err)
	}
	rule.ID = "r1"
	add(acl.RuleChange{Rule: rule}.Marshal)
	p := acl.NewPart(r.ID(), device.Public())
	p.Add(signed.ParseLog(device.Public(), 0, 0, func(yield func([]byte) bool) {
		for _, b := range recs {
			if !yield(b) {
				return
			}
		}
	}, start.Add(time.Hour)))
	s, err := acl.Fold([]*signed.SignedRoot{r}, []*acl.Part{p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return access.Policy{Group: r.ID(), State: s, Now: start.Add(time.Hour), Self: acl.Publisher}
}

// torrentOf returns a torrent that the account made.
func torrentOf(t *testing.T, p access.Policy, account string) access.Torrent {
	t.Helper()
	salt, err := access.NewSalt(p.Group, secret(account).Public())
	if err != nil {
		t.Fatal(err)
	}
	v1 := metainfo.Hash{1}
	return access.Torrent{Info: signed.HashOf(salt), V1: &v1, Salt: salt}
}

func entryOf(account, name string, x access.Torrent) *catalog.Entry {
	return &catalog.Entry{Account: account, Share: &catalog.Share{Name: name, Info: x.Info, V1: x.V1}}
}

// TestReusedName: kim's name belonged to another account before, which made a torrent. She cannot get that torrent: not
// by an entry of her own, not as its author, and not by a list that contains her name.
func TestReusedName(t *testing.T) {
	p := film(t)
	theirs, hers := torrentOf(t, p, "kim, the first"), torrentOf(t, p, "kim")
	kim, _ := p.State.Account("kim")
	bobs := torrentOf(t, p, "bob")
	late := kim.Since + 1
	for _, c := range []struct {
		name string
		e    *catalog.Entry
		t    access.Torrent
		n    int64
		read []string
		want bool
	}{
		{"the previous kim's torrent, by her own entry", entryOf("kim", "x", theirs), theirs, late, nil, false},
		{"the previous kim's torrent, by an entry of that time for bob", entryOf("kim", "x", theirs), theirs, kim.Since - 1, []string{"bob"}, false},
		{"bob's, by an entry of that time for kim", entryOf("bob", "x", bobs), bobs, kim.Since - 1, []string{"kim"}, false},
		{"her own, by an entry for bob", entryOf("kim", "x", hers), hers, late, []string{"bob"}, true},
		{"bob's, by an entry for her", entryOf("bob", "x", bobs), bobs, late, []string{"kim"}, true},
	} {
		c.e.N, c.e.Read = c.n, c.read
		if got := p.Gives(&kim, c.e, c.t); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if err := p.Vouches("kim", kim.Since-1, theirs); err != nil {
		t.Errorf("the previous kim's entry for her own torrent: %v", err)
	}
}

// TestGives: an entry gives a torrent only if the account that made the torrent, or an admin, signed the entry.
func TestGives(t *testing.T) {
	p := film(t)
	bobs := torrentOf(t, p, "bob")
	other := torrentOf(t, p, "bob")
	elsewhere := bobs
	elsewhere.Salt, _ = access.NewSalt(signed.GroupID{1}, secret("ann").Public())
	half := bobs
	half.Salt = bobs.Salt[:16]
	none := bobs
	none.Salt = nil
	with := func(e *catalog.Entry, change func(e *catalog.Entry)) *catalog.Entry {
		change(e)
		return e
	}
	for _, c := range []struct {
		name string
		e    *catalog.Entry
		t    access.Torrent
		who  string // all accounts that are given it
	}{
		{"an entry for everyone", entryOf("bob", "films/heat", bobs), bobs, "alice ann bob kim mel nas"},
		{"one that a rule denies ann", entryOf("bob", "hr/pay", bobs), bobs, "alice bob kim mel nas"},
		{"the same in another spelling", entryOf("bob", "HR/pay", bobs), bobs, "alice bob kim mel nas"},
		{"one for a single member", with(entryOf("bob", "x", bobs), func(e *catalog.Entry) { e.Read = []string{"mel"} }), bobs, "bob mel nas"},
		{"one for a role", with(entryOf("bob", "x", bobs), func(e *catalog.Entry) { e.Read = []string{"@admin"} }), bobs, "alice bob nas"},
		{"one for an unknown name", with(entryOf("bob", "x", bobs), func(e *catalog.Entry) { e.Read = []string{"zoe"} }), bobs, "bob nas"},
		{"sealed", with(entryOf("bob", "x", bobs), func(e *catalog.Entry) { e.Sealed = seal.File }), bobs, "alice ann bob box kim mel nas"},
		{"another's torrent, claimed", entryOf("ann", "holiday", bobs), bobs, ""},
		{"another's torrent, claimed for oneself", with(entryOf("ann", "holiday", bobs), func(e *catalog.Entry) { e.Read = []string{"ann"} }), bobs, ""},
		{"another's torrent, claimed for everyone by a member", entryOf("mel", "holiday", bobs), bobs, ""},
		{"another's torrent, claimed as sealed", with(entryOf("ann", "holiday", bobs), func(e *catalog.Entry) { e.Sealed = seal.File }), bobs, ""},
		{"another's torrent, signed by an admin", entryOf("alice", "holiday", bobs), bobs, "alice ann bob kim mel nas"},
		{"a claim of a removed account", entryOf("eve", "holiday", bobs), bobs, ""},
		{"renamed by its author", entryOf("bob", "films/moved", bobs), bobs, "alice ann bob kim mel nas"},
		{"another torrent of the same author", entryOf("bob", "films/heat", bobs), other, ""},
		{"only the v1 infohash", with(entryOf("bob", "films/heat", other), func(e *catalog.Entry) { e.V1 = bobs.V1; e.Info = signed.Hash{} }), bobs, ""},
		{"only the v2 infohash", with(entryOf("bob", "films/heat", bobs), func(e *catalog.Entry) { e.V1 = nil }), bobs, ""},
		{"another v1 infohash", with(entryOf("bob", "films/heat", bobs), func(e *catalog.Entry) { e.V1 = &metainfo.Hash{2} }), bobs, ""},
		{"a torrent without a salt", entryOf("bob", "films/heat", none), none, ""},
		{"half a salt", entryOf("bob", "films/heat", half), half, ""},
		{"a salt of another group", entryOf("ann", "films/heat", elsewhere), elsewhere, ""},
	} {
		got := ""
		for _, a := range p.State.Accounts() {
			if p.Gives(&a, c.e, c.t) {
				got += " " + a.Name
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != c.who {
			t.Errorf("%s: given to %q, want %q", c.name, got, c.who)
		}
	}
	if err := p.Vouches("ann", 0, bobs); fault.KindOf(err) != fault.Unverified {
		t.Errorf("ann for bob's torrent: got %v", err)
	}
}

// TestHolds: a mirror gives the ciphertext that it keeps to all but invites; others give nothing that they cannot read.
func TestHolds(t *testing.T) {
	p := film(t)
	bobs := torrentOf(t, p, "bob")
	for _, c := range []struct {
		name string
		self acl.Role
		by   string
		who  string
	}{
		{"a mirror", acl.Mirror, "bob", "alice ann bob box kim mel nas"},
		{"a mirror, for another's torrent", acl.Mirror, "ann", ""},
		{"a publisher that once had it", acl.Publisher, "bob", ""},
		{"a backup", acl.Backup, "bob", ""},
		{"a reader without an account", "", "bob", ""},
	} {
		p.Self = c.self
		got := ""
		for _, a := range p.State.Accounts() {
			if p.Holds(&a, catalog.Held{Account: c.by}, bobs) {
				got += " " + a.Name
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != c.who {
			t.Errorf("%s: given to %q, want %q", c.name, got, c.who)
		}
	}
}

func TestReads(t *testing.T) {
	p := film(t)
	e := entryOf("bob", "hr/pay", torrentOf(t, p, "bob"))
	for who, want := range map[string]bool{"alice": true, "ann": false, "bob": true, "mel": true, "nas": true, "box": false, "door": false, "gus": false, "eve": false, "zoe": false} {
		if got := p.Reads(who, e); got.Allowed != want {
			t.Errorf("%s: got %+v, want %v", who, got, want)
		}
	}
	own := entryOf("ann", "hr/mine", torrentOf(t, p, "ann"))
	if !p.Reads("ann", own).Allowed || p.Reads("eve", entryOf("eve", "x", torrentOf(t, p, "eve"))).Allowed {
		t.Error("the publisher of an entry must be able to read it, but only while the account exists")
	}
}

func TestStanding(t *testing.T) {
	all := groupsync.Rights{Root: true, Read: true, Push: true, Content: true}
	for _, c := range []struct {
		name        string
		s           access.Standing
		sync, swarm error
		calls       groupsync.Rights
		hears       bool
	}{
		{"a stranger", access.Stranger, access.ErrStranger, access.ErrStranger, groupsync.Rights{}, false},
		{"a holder of the link", access.Lobby, nil, access.ErrNoRight, groupsync.Rights{Root: true, Slot: true}, false},
		{"a login", access.Login, nil, access.ErrNoRight, groupsync.Rights{Root: true, Slot: true, Read: true, Push: true}, false},
		{"a member", access.Member, nil, nil, groupsync.Rights{Root: true, Slot: true, Read: true, Push: true, Content: true}, true},
	} {
		if err := c.s.Connect(groupnet.Sync); err != c.sync {
			t.Errorf("%s, sync: got %v, want %v", c.name, err, c.sync)
		}
		if err := c.s.Connect(groupnet.Swarm); err != c.swarm {
			t.Errorf("%s, swarm: got %v, want %v", c.name, err, c.swarm)
		}
		if got := c.s.Calls(true); got != c.calls {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.calls)
		}
		if got := c.s.Calls(false); got != all {
			t.Errorf("%s in a public group: got %+v, want %+v", c.name, got, all)
		}
		if c.s.Hears(true) != c.hears || !c.s.Hears(false) {
			t.Errorf("%s: Hears is %v in a private group, %v in a public one", c.name, c.s.Hears(true), c.s.Hears(false))
		}
	}
}

// TestUntil: what was judged holds until the first account or rule ends that has not ended yet.
func TestUntil(t *testing.T) {
	p := film(t)
	for now, want := range map[time.Time]time.Time{start: start.Add(time.Minute), start.Add(time.Minute): {}, start.Add(time.Hour): {}} {
		p.Now = now
		if got := p.Until(); !got.Equal(want) {
			t.Errorf("at %v: got %v, want %v", now, got, want)
		}
	}
}
