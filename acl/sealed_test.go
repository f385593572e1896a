package acl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// sealed adds an account with a recipient, which is age1 and its name; change may be nil.
func (w *world) sealed(ms int64, name string, role acl.Role, change func(*acl.AccountChange)) {
	w.t.Helper()
	c := acl.AccountChange{Name: name, Role: role, Key: keyOf(name), Seal: "age1" + name}
	if change != nil {
		change(&c)
	}
	w.sign("alice1", ms, c)
}

// newSealedWorld is one in which the admins have recipients too.
func newSealedWorld(t *testing.T) *world {
	w := newWorld(t)
	r := w.roots[0].Successor(timeAt(3))
	r.Admins = []signed.Admin{{Name: "alice", Key: key("alice"), Seal: "age1alice"}, {Name: "bob", Key: key("bob")}}
	w.root(r)
	return w
}

func TestReaders(t *testing.T) {
	w := newSealedWorld(t)
	w.sealed(10, "carol", acl.Publisher, func(c *acl.AccountChange) { c.Teams = []string{"crew"} })
	w.sealed(11, "dave", acl.Member, nil)
	w.sealed(12, "nas", acl.Backup, nil)
	w.sealed(13, "box", acl.Mirror, nil)
	w.sealed(14, "guest", acl.Member, func(c *acl.AccountChange) { c.Until = start.Add(time.Hour) })
	w.sealed(15, "join", acl.Invite, nil)
	w.sealed(16, "boxes", acl.Invite, func(c *acl.AccountChange) { c.Gives = acl.Mirror })
	w.sealed(17, "gone", acl.Member, nil)
	w.sealed(18, "old", acl.Member, func(c *acl.AccountChange) { c.Seal = "" })
	w.sign("alice1", 19, acl.AccountChange{Name: "gone", Gone: true})
	w.rule("alice1", 20, "r1", 1, "deny guest,nas read hr/**")
	w.rule("alice1", 21, "r2", 2, "deny * read closed/**")
	w.rule("alice1", 22, "r3", 3, "deny dave read films/** until 2026-09-22")
	s := w.fold()
	wantNoProblems(t, s)
	later, ended := start.Add(time.Hour), time.Date(2026, 9, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, path string
		read       []string
		now        time.Time
		want       string
	}{
		{"everyone", "x", nil, start, "alice carol dave guest nas"},
		{"everyone, by a star", "x", []string{"*"}, start, "alice carol dave guest nas"},
		{"one whose account has ended", "x", nil, later, "alice carol dave nas"},
		{"a rule; a backup reads everything", "hr/x", nil, start, "alice carol dave nas"},
		{"nobody", "closed/x", nil, start, "nas"},
		{"a team", "x", []string{"@crew"}, start, "carol nas"},
		{"a role and a name", "x", []string{"@member", "alice"}, start, "alice dave guest nas"},
		{"the list and a rule", "hr/x", []string{"guest", "dave"}, start, "dave nas"},
		{"a mirror by name, and one without a recipient", "x", []string{"box", "old", "bob"}, start, "nas"},
		{"a rule in force", "films/x", []string{"dave"}, start, "nas"},
		{"a rule that has ended", "films/x", []string{"dave"}, ended, "dave nas"},
	} {
		got := s.Readers(c.path, c.read, c.now)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
		for _, a := range s.Accounts() {
			if may := s.MayRead(a.Name, c.path, c.read, at(3000), c.now).Allowed; may && a.Seal != "" != slices.Contains(got, a.Name) {
				t.Errorf("%s: %s may read: %v, and is a reader: %v", c.name, a.Name, may, slices.Contains(got, a.Name))
			}
		}
	}
	for _, c := range []struct {
		now              time.Time
		readers, invites string
	}{
		{start, "alice carol dave guest nas", "join"},
		{later, "alice carol dave nas", "join"},
	} {
		if readers, invites := s.Everyone(c.now); strings.Join(readers, " ") != c.readers || strings.Join(invites, " ") != c.invites {
			t.Errorf("everyone at %v: got %v and %v, want %s and %s", c.now, readers, invites, c.readers, c.invites)
		}
	}
}

func TestSealSince(t *testing.T) {
	w := newSealedWorld(t)
	w.sealed(10, "same", acl.Member, nil)
	w.sealed(11, "own", acl.Member, nil)
	w.sealed(12, "reset", acl.Member, nil)
	w.sealed(13, "back", acl.Member, nil)
	w.device("own1", 20, "own")
	w.sealed(30, "same", acl.Publisher, nil)
	w.sign("own1", 31, acl.AccountChange{Name: "own", Seal: "age1new"})
	w.sign("own1", 32, acl.AccountChange{Name: "own", Slot: []byte("slot")})
	w.sealed(33, "reset", acl.Member, func(c *acl.AccountChange) { c.Key, c.Seal = keyOf("reset2"), "age1reset2" })
	w.sign("alice1", 34, acl.AccountChange{Name: "back", Gone: true})
	w.sealed(35, "back", acl.Member, func(c *acl.AccountChange) { c.Key = keyOf("back2") })
	s := w.fold()
	wantNoProblems(t, s)
	for name, want := range map[string]int64{"same": at(10), "own": at(31), "reset": at(33), "back": at(35), "alice": -1, "nobody": 0} {
		if got := s.SealSince(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got-start.UnixMilli(), want-start.UnixMilli())
		}
	}
	if a, _ := s.Account("own"); a.Seal != "age1new" || string(a.Slot) != "slot" || a.Key != key("own") || a.Role != acl.Member {
		t.Errorf("after its own changes: got %+v", a)
	}
}

func TestWhoGrants(t *testing.T) {
	w := newWorld(t)
	for i, role := range []acl.Role{acl.Publisher, acl.Member, acl.Backup, acl.Mirror} {
		name := string(role)
		w.account(10+int64(i), name+"s", role)
		w.device(name+"1", 20+int64(i), name+"s")
		w.sign(name+"1", 30+int64(i), acl.Grant{Audience: "a", Epoch: 1, To: []string{name}, Box: []byte("x")})
		w.sign(name+"1", 40+int64(i), acl.NewLink{Box: []byte("link")})
		w.rule(name+"1", 50+int64(i), "r", 1, "allow * read x")
	}
	w.sign("alice1", 60, acl.Grant{Audience: "a", Epoch: 2, To: []string{"join"}, Box: []byte("x")})
	s := w.fold()
	var got []string
	for _, g := range s.Grants() {
		got = append(got, fmt.Sprintf("%s by %s %v at %d", g.To[0], g.By, g.Admin, g.N-start.UnixMilli()))
	}
	want := []string{"publisher by publishers false at 30", "member by members false at 31", "backup by backups false at 32", "join by alice true at 60"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantProblem(t, s, "mirror1", "grants nothing")
	for _, dev := range []string{"publisher1", "member1", "backup1", "mirror1"} {
		wantProblem(t, s, dev, "sets no link")
		wantProblem(t, s, dev, "sets no rules")
	}
	if s.LinkBox() != nil || len(s.Rules()) != 0 {
		t.Errorf("got the link %q and the rules %v of those who may not", s.LinkBox(), s.Rules())
	}
}

// TestInviteMakesAccountsAlone: the group's password lets people in, and does nothing else.
func TestInviteMakesAccountsAlone(t *testing.T) {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.sign("alice1", 11, acl.AccountChange{Name: "boxes", Role: acl.Invite, Key: keyOf("boxes"), Gives: acl.Mirror})
	w.hello("thief1", 20, acl.Hello{Account: "join"}, "join", "")
	w.sign("thief1", 21, acl.AccountChange{Name: "join", Slot: []byte("mine")})
	w.sign("thief1", 22, acl.Grant{Audience: "all", Epoch: 9, To: []string{"join"}, Box: []byte("x")})
	w.hello("thief2", 23, acl.Hello{Account: "alice"}, "join", "")
	w.hello("thief3", 24, acl.Hello{Account: "alice", Key: keyOf("alice2"), Invite: "join"}, "alice2", "join")
	w.hello("box1", 25, acl.Hello{Account: "box", Key: keyOf("box"), Invite: "boxes"}, "box", "boxes")
	w.join("carol1", 26, "carol", "join")
	s := w.fold()
	wantProblem(t, s, "thief1", "has no devices")
	wantProblem(t, s, "thief2", "has not signed")
	wantProblem(t, s, "thief3", "admin")
	wantAccount(t, s, "carol", acl.Member, false)
	wantAccount(t, s, "box", acl.Mirror, false)
	if a := wantAccount(t, s, "join", acl.Invite, false); a.Slot != nil || len(s.Grants()) != 0 {
		t.Errorf("got the slot %q and %d grants of the invite itself", a.Slot, len(s.Grants()))
	}
	for _, name := range []string{"join", "boxes"} {
		if s.MayRead(name, "x", nil, at(3000), start).Allowed || s.Test(name, acl.Publish, "x", start).Allowed {
			t.Errorf("the invite %s reads or publishes", name)
		}
	}
}

// TestRolesChange: what a device may do follows its account's role, from the record on that changes it.
func TestRolesChange(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Member)
	w.device("carol1", 11, "carol")
	w.rule("alice1", 12, "r", 1, "deny carol read secret/**")
	roles := []acl.Role{acl.Member, acl.Backup, acl.Member, acl.Mirror, acl.Publisher, acl.Mirror, acl.Backup, acl.Publisher}
	for i, role := range roles {
		w.account(20+2*int64(i), "carol", role)
		w.share("carol1", 21+2*int64(i))
		s := w.fold()
		wantNoProblems(t, s)
		if d, _ := s.Device(key("carol1")); d.Removed() {
			t.Fatalf("as %s: the device does not count any more", role)
		}
		if a, err := s.Admit(key("carol1"), start.Add(time.Second)); err != nil || a.Role != role {
			t.Errorf("as %s: got %v, %v", role, a.Role, err)
		}
		for path, want := range map[string]bool{"x": role != acl.Mirror, "secret/x": role == acl.Backup} {
			if got := s.MayRead("carol", path, nil, at(3000), start).Allowed; got != want {
				t.Errorf("as %s reading %s: got %v, want %v", role, path, got, want)
			}
		}
		if got, want := s.Test("carol", acl.Publish, "x", start).Allowed, role == acl.Publisher; got != want {
			t.Errorf("as %s publishing: got %v, want %v", role, got, want)
		}
	}
	s := w.fold()
	for i, role := range roles {
		_, _, err := s.MayPublish(key("carol1"), int64(i)+1, at(21+2*int64(i)), "x")
		if want := role == acl.Publisher; (err == nil) != want {
			t.Errorf("share %d as %s: got %v, want allowed %v", i, role, err, want)
		}
	}
}

func TestMayShare(t *testing.T) {
	w := newWorld(t)
	for i, a := range []struct {
		name string
		role acl.Role
	}{{"pub", acl.Publisher}, {"mem", acl.Member}, {"some", acl.Member}, {"was", acl.Member}, {"none", acl.Publisher}, {"few", acl.Publisher},
		{"one", acl.Publisher}, {"box", acl.Mirror}, {"nas", acl.Backup}} {
		w.account(10+int64(i), a.name, a.role)
		w.device(a.name+"1", 30+int64(i), a.name)
	}
	for i, r := range []string{
		"allow some,box publish films/**",
		"allow was publish films/** until 2026-01-01",
		"allow one publish films/**",
		"deny none,one publish **",
		"deny few publish films/**",
	} {
		w.rule("alice1", 50+int64(i), fmt.Sprint("r", i), int64(i), r)
	}
	w.sign("alice1", 70, acl.AccountChange{Name: "pub", Gone: true, Keep: keep("pub1", 2)})
	s := w.fold()
	for name, want := range map[string]string{
		"alice": "", "some": "", "few": "", "one": "",
		"mem": "member does not publish", "was": "member does not publish", "none": "deny none", "box": "mirror", "nas": "backup does not publish",
		"nobody": "nobody vouches",
	} {
		who, err := s.MayShare(key(name+"1"), 1, at(60))
		if want == "" && (err != nil || who != name) || want != "" && (fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %q, %v, want %q", name, who, err, want)
		}
	}
	if who, err := s.MayShare(key("pub1"), 1, at(60)); err != nil || who != "pub" {
		t.Errorf("before it was removed: got %q, %v", who, err)
	}
	if _, err := s.MayShare(key("pub1"), 1, at(80)); fault.KindOf(err) != fault.Denied {
		t.Errorf("of an account that was removed: got %v, want it denied", err)
	}
	if _, err := s.MayShare(key("pub1"), 2, at(60)); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "removed") {
		t.Errorf("a record beyond what counts: got %v, want it denied", err)
	}
}

func BenchmarkReaders(b *testing.B) {
	w := newWorld(b)
	for i := range 1000 {
		w.sealed(10+int64(i), fmt.Sprintf("user%d", i), acl.Publisher, nil)
	}
	for i := range 20 {
		w.rule("alice1", 2000+int64(i), fmt.Sprint("r", i), int64(i), fmt.Sprintf("deny user%d read hr%d/**", i, i))
	}
	s := w.fold()
	for b.Loop() {
		if got := s.Readers("films/heat", nil, start); len(got) != 1000 {
			b.Fatal(len(got))
		}
	}
}
