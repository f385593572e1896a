package group_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// imposter is a log by hand: an account called name, by the group's password, with a first record of the time n, and one in
// which it says its recipient again.
func imposter(t *testing.T, g *group.Group, name string, n int64) (signed.Head, [][]byte, seal.Identity) {
	t.Helper()
	l, err := g.Login(group.JoinInvite, password, work)
	must(t, err)
	dev, acc := newSecret(t), newSecret(t)
	id, err := seal.NewAccount()
	must(t, err)
	key := acc.Public()
	hello, err := acl.NewHello(g.ID(), dev.Public(), acl.Hello{Account: name, Key: &key, Seal: id.Recipient(), Invite: group.JoinInvite}, n, acc, &l.Key)
	must(t, err)
	again, err := acl.AccountChange{Name: name, Seal: id.Recipient()}.Marshal(max(n+1, time.Now().UnixMilli()))
	must(t, err)
	records := [][]byte{hello, again}
	return headOf(t, g, dev, records), records, id
}

func newSecret(t *testing.T) signed.SigningKey {
	t.Helper()
	s, err := signed.NewSigningKey(rand.Reader)
	must(t, err)
	return s
}

func headOf(t *testing.T, g *group.Group, dev signed.SigningKey, records [][]byte) signed.Head {
	t.Helper()
	var tree signed.Tree
	for _, r := range records {
		tree.Append(r)
	}
	h, err := signed.SignHead(g.ID(), dev, tree.Size(), tree.Root(), time.Now())
	must(t, err)
	return h
}

// TestNobodyTakesAName: who has the group's password does not become somebody who joined before, whatever time he signs: he is
// refused at every door, and where he is not, an admin's word decides.
func TestNobodyTakesAName(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	first := alice.AllHeads()[0]
	l, err := alice.Log(first.Device)
	must(t, err)
	bob := invited(t, alice, "bob")
	ann := invited(t, alice, "ann")
	must(t, sync(t, alice, bob))
	sealShare(t, alice, "party", "1", "ann")
	must(t, sync(t, alice, ann))
	if got := names(t, ann); got != "party@1 by alice" {
		t.Fatalf("ann sees %q", got)
	}
	head, records, id := imposter(t, alice, "ann", l.Records[len(l.Records)-1].N+1)
	for who, g := range map[string]*group.Group{"alice": alice, "bob": bob, "ann": ann} {
		if err := g.AddLog(t.Context(), head, 0, records); !errors.Is(err, signed.ErrTaken) {
			t.Errorf("%s takes it: %v", who, err)
		}
		if c := g.Claimants(); len(c) != 1 || c[0].Name != "ann" || c[0].Device != head.Device {
			t.Errorf("%s heard of %+v", who, c)
		}
	}
	// A machine that has not heard of ann yet takes it, and gives it nothing; what alice's machine says decides.
	late, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, late.AddRoots(t.Context(), alice.Roots(1)))
	var before [][]byte
	for _, r := range l.Records {
		before = append(before, r.Raw)
	}
	must(t, late.AddLog(t.Context(), first, 0, before))
	must(t, late.AddLog(t.Context(), head, 0, records))
	must(t, sync(t, alice, late))
	s, err := late.State()
	must(t, err)
	if a, _ := s.Account("ann"); a.Seal == id.Recipient() || !a.Pinned {
		t.Errorf("at the machine that came late ann is %+v", a)
	}
	if st, _ := late.Standing(head.Device); st != access.Login {
		t.Errorf("who has the name no more is %v, want who may hear of it", st)
	}
	confirmed(t, alice)
	for _, gr := range mustState(t, alice).Grants() {
		if _, err := seal.OpenBox(gr.Box, 64<<10, id); err == nil {
			t.Errorf("the audience %q was granted to the imposter", gr.Audience)
		}
	}
}

func mustState(t *testing.T, g *group.Group) *acl.State {
	t.Helper()
	s, err := g.State()
	must(t, err)
	return s
}

// TestNameAskedForTwice: two come by one name while no admin is there, at members who do not see each other. Each knows one;
// the admin's machine confirms whom it hears of first, and then it is the same for all.
func TestNameAskedForTwice(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	bob, carol := invited(t, alice, "bob"), invited(t, alice, "carol")
	one, two := joinAt(t, bob, "ann"), joinAt(t, carol, "ann")
	must(t, sync(t, one, bob))
	must(t, sync(t, two, carol))
	for range 2 {
		must(t, sync(t, bob, carol)) // each keeps whom it knows
		must(t, sync(t, carol, bob))
	}
	for g, own := range map[*group.Group]*group.Group{bob: one, carol: two} {
		if _, err := mustState(t, g).Admit(own.Device().Public(), time.Now()); err != nil {
			t.Errorf("a newcomer is not in where it came: %v", err)
		}
		if got := mustState(t, g).Unconfirmed(); !slices.Equal(got, []string{"ann"}) {
			t.Errorf("unconfirmed: got %q", got)
		}
	}
	must(t, sync(t, bob, alice))
	must(t, sync(t, carol, alice))
	confirmed(t, alice)
	all := []*group.Group{alice, bob, carol, one, two}
	for range 2 {
		for _, from := range all {
			for _, to := range all {
				if from != to {
					must(t, sync(t, from, to))
				}
			}
		}
	}
	want := mustState(t, alice)
	for i, g := range all {
		a, _ := mustState(t, g).Account("ann")
		if b, _ := want.Account("ann"); a.Key != b.Key || !a.Pinned {
			t.Errorf("at %d ann is %+v", i, a)
		}
		if _, err := mustState(t, g).Admit(one.Device().Public(), time.Now()); err != nil {
			t.Errorf("at %d the first is not in: %v", i, err)
		}
	}
	if one.Unnamed() != "" || two.Unnamed() != "ann" {
		t.Errorf("the two are told %q and %q", one.Unnamed(), two.Unnamed())
	}
}

// joinAt is a machine that joined at a member who is no admin.
func joinAt(t *testing.T, g *group.Group, name string) *group.Group {
	t.Helper()
	out, err := group.Join(t.TempDir(), g.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, sync(t, g, out))
	must(t, out.Asked(1))
	l, err := out.Login(group.JoinInvite, password, work)
	must(t, err)
	got, err := out.JoinBy(l, name, "phone")
	must(t, err)
	if !strings.HasPrefix(got, name) {
		t.Fatalf("joined as %q", got)
	}
	return out
}

// clock is a member's clock, off by a little.
type clock struct{ off time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.off) }

// give hands all that a has to b.
func give(t *testing.T, a, b *group.Group) {
	t.Helper()
	must(t, b.AddRoots(t.Context(), a.Roots(1)))
	for range 2 { // what vouches for a log may come behind it
		for _, h := range a.AllHeads() {
			from, news, err := b.Wants(h)
			if err != nil || !news {
				continue
			}
			raw, err := a.Records(h.Device, from, 1<<24)
			must(t, err)
			if err := b.AddLog(t.Context(), h, from, slices.Collect(signed.Lines(raw))); !errors.Is(err, signed.ErrUnsigned) {
				must(t, err)
			}
		}
	}
}

// TestTimesOfOthersMoveNobody: a stranger's record, and a member's, of nearly ten minutes to come keep no removal from members
// with slower clocks.
func TestTimesOfOthersMoveNobody(t *testing.T) {
	for who, member := range map[string]bool{"a stranger": false, "a member": true} {
		t.Run(who, func(t *testing.T) {
			ac, rc := &clock{}, &clock{off: -4*time.Minute - 30*time.Second}
			admin, err := group.Create(t.TempDir(), group.Created{Name: "acme", User: "admin", Kind: signed.Public, Stale: 720}, ac.now)
			must(t, err)
			must(t, admin.NobodyToAsk())
			reader, err := group.Join(t.TempDir(), admin.Link(), group.Joined{Name: "acme"}, rc.now)
			must(t, err)
			acc, dev := newSecret(t), newSecret(t)
			key := acc.Public()
			add := func(name string, k signed.Key) {
				must(t, admin.Append(acl.AccountChange{Name: name, Role: acl.Publisher, Key: &k}.Marshal))
			}
			h := acl.Hello{Account: "mallory"}
			if member {
				add("mallory", key)
			} else {
				h.Key = &key
			}
			now := time.Now()
			hello, err := acl.NewHello(admin.ID(), dev.Public(), h, now.UnixMilli()+10, acc, nil)
			must(t, err)
			late, err := acl.AccountChange{Name: "mallory", Slot: []byte("x")}.Marshal(now.Add(signed.MaxAhead - 200*time.Millisecond).UnixMilli())
			must(t, err)
			records := [][]byte{hello, late}
			if err := admin.AddLog(t.Context(), headOf(t, admin, dev, records), 0, records); member || !errors.Is(err, signed.ErrUnsigned) {
				must(t, err)
			}
			add("eve", newSecret(t).Public())
			c, err := mustState(t, admin).Removal("eve")
			must(t, err)
			must(t, admin.Append(c.Marshal))
			give(t, admin, reader)
			if a, there := mustState(t, reader).Account("eve"); !there || !a.Gone {
				t.Errorf("the reader knows eve: %v, gone: %v", there, a.Gone)
			}
		})
	}
}

// TestRecordFromTheFuture: what a member signed for a time to come is kept, and counts at every member from then on, without a
// restart, with what came behind it.
func TestRecordFromTheFuture(t *testing.T) {
	c := &clock{}
	admin, err := group.Create(t.TempDir(), group.Created{Name: "acme", User: "admin", Kind: signed.Public, Stale: 720}, c.now)
	must(t, err)
	must(t, admin.NobodyToAsk())
	reader, err := group.Join(t.TempDir(), admin.Link(), group.Joined{Name: "acme"}, c.now)
	must(t, err)
	acc, dev := newSecret(t), newSecret(t)
	key := acc.Public()
	must(t, admin.Append(acl.AccountChange{Name: "mallory", Role: acl.Publisher, Key: &key}.Marshal))
	give(t, admin, reader)
	now := time.Now()
	hello, err := acl.NewHello(admin.ID(), dev.Public(), acl.Hello{Account: "mallory"}, now.UnixMilli()+10, acc, nil)
	must(t, err)
	records := [][]byte{hello}
	for i, version := range []string{"1", "2", "3"} {
		s := catalog.Share{ID: "s" + version, Name: "app", Version: version, Content: "app", Time: now, Size: 1, Files: 1,
			Info: signed.HashOf([]byte(version)), Torrent: signed.HashOf([]byte(version))}
		b, err := s.Marshal(now.Add(20*time.Minute).UnixMilli() + int64(i))
		must(t, err)
		records = append(records, b)
	}
	for _, size := range []int64{2, 3, 4} { // it comes in three parts
		from := size - 1
		if size == 2 {
			from = 0
		}
		must(t, reader.AddLog(t.Context(), headOf(t, admin, dev, records[:size]), from, records[from:size]))
		if got := names(t, reader); got != "" {
			t.Errorf("%d records: got %q", size, got)
		}
	}
	changed, _ := reader.Changed()
	c.off = time.Hour
	if got := names(t, reader); !strings.Contains(got, "app@1") || !strings.Contains(got, "app@3") {
		t.Errorf("in time: got %q", got)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
}
