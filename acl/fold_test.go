package acl_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func TestFoldIsTheSameInEveryOrder(t *testing.T) {
	w := busy(t)
	want := print(w.fold())
	memo := new(acl.Memo)
	for i := range 1000 {
		if got := print(w.shuffled(rand.New(rand.NewPCG(1, uint64(i))), memo)); got != want {
			t.Fatalf("order %d: got\n%s\nwant\n%s", i, got, want)
		}
	}
	s := w.fold()
	// The removal stands against a role given at the same time, though what brought guest3 in was closed too.
	wantAccount(t, s, "guest3", "", true)
	if _, err := s.Admit(key("guest3-1"), timeAt(200)); err == nil {
		t.Error("guest3 is let in")
	}
	wantAccount(t, s, "new", acl.Member, false)
	if _, ok := s.Account("late"); ok {
		t.Error("the late one came in with an invite that was closed")
	}
	if _, ok := s.Account("eve"); ok {
		t.Error("a member made an account")
	}
	wantProblem(t, s, "dave1", "changes no account but its own")
}

func TestAccountsOfAdmins(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher, "crew")
	w.sign("bob1", 20, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol"), Until: timeAt(5000)})
	w.device("carol1", 30, "carol")
	s := w.fold()
	wantNoProblems(t, s)
	a := wantAccount(t, s, "carol", acl.Member, false)
	if len(a.Teams) != 0 || a.Since != at(10) || !a.Pinned || a.Until.IsZero() {
		t.Errorf("the last word of an admin is all there is: got %+v", a)
	}
	wantAccount(t, s, "alice", acl.Admin, false)
	if got, err := s.Admit(key("carol1"), timeAt(100)); err != nil || got.Name != "carol" {
		t.Errorf("Admit: got %v, %v", got.Name, err)
	}
	if _, err := s.Admit(key("carol1"), timeAt(5000)); fault.KindOf(err) != fault.Denied {
		t.Errorf("Admit after the end: got %v", err)
	}
	if _, err := s.Admit(key("stranger"), timeAt(100)); fault.KindOf(err) != fault.Denied {
		t.Errorf("Admit of a stranger: got %v", err)
	}
	if admins, others := s.Seen(); max(admins, others) != at(30) {
		t.Errorf("seen: got %d and %d, want %d", admins, others, at(30))
	}
	if len(s.Devices()) != 3 {
		t.Errorf("devices: got %v", s.Devices())
	}
}

func TestWhoMayNot(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
		dev  string
		want string
	}{
		{"a member makes an account", func(w *world) {
			w.sign("carol1", 50, acl.AccountChange{Name: "eve", Role: acl.Publisher, Key: keyOf("eve")})
		}, "carol1", "changes no account but its own"},
		{"a publisher gives itself a role", func(w *world) {
			w.sign("carol1", 50, acl.AccountChange{Name: "carol", Role: acl.Backup, Key: keyOf("carol")})
		}, "carol1", "changes nothing of its account but"},
		{"a publisher removes another", func(w *world) {
			w.sign("carol1", 50, acl.AccountChange{Name: "dave", Gone: true})
		}, "carol1", "changes no account but its own"},
		{"a publisher sets a rule", func(w *world) { w.rule("carol1", 50, "r", 1, "allow carol publish **") }, "carol1", "sets no rules"},
		{"a publisher sets the link", func(w *world) { w.sign("carol1", 50, acl.NewLink{Box: []byte("x")}) }, "carol1", "sets no link"},
		{"an admin changes an admin", func(w *world) { w.sign("bob1", 50, acl.AccountChange{Name: "alice", Gone: true}) }, "bob1", "the root alone"},
		{"an admin changes the own key", func(w *world) { w.sign("bob1", 50, acl.AccountChange{Name: "bob", Key: keyOf("bob2")}) }, "bob1", "the root alone"},
		{"an admin says half of an account", func(w *world) { w.sign("bob1", 50, acl.AccountChange{Name: "dave", Role: acl.Member}) }, "bob1", "its role and key"},
		{"an admin removes nobody", func(w *world) { w.sign("bob1", 50, acl.AccountChange{Name: "nobody", Gone: true}) }, "bob1", "no account"},
		{"a device of nobody", func(w *world) { w.share("ghost1", 50); w.share("ghost1", 51) }, "ghost1", "does not begin with a hello"},
		{"a device of an account that is not there", func(w *world) { w.device("ghost1", 50, "ghost") }, "ghost1", "no account"},
		{"a device the account has not signed for", func(w *world) { w.hello("eve1", 50, acl.Hello{Account: "carol"}, "eve", "") }, "eve1", "has not signed for"},
		{"a device an admin has not signed for", func(w *world) { w.hello("eve1", 50, acl.Hello{Account: "alice"}, "eve", "") }, "eve1", "has not signed for"},
		{"a device older than its account", func(w *world) { w.device("carol3", 5, "carol") }, "carol3", "no account"},
		{"a device of an invite", func(w *world) { w.device("join1", 50, "join") }, "join1", "is an invite"},
		{"a name that is taken", func(w *world) {
			w.hello("eve1", 50, acl.Hello{Account: "guest", Key: keyOf("eve"), Invite: "join"}, "eve", "join")
		}, "eve1", "another key"},
		{"an admin's name", func(w *world) {
			w.hello("eve1", 50, acl.Hello{Account: "bob", Key: keyOf("eve"), Invite: "join"}, "eve", "join")
		}, "eve1", "has not signed"},
		{"without an invite", func(w *world) { w.hello("eve1", 50, acl.Hello{Account: "eve", Key: keyOf("eve")}, "eve", "") }, "eve1", "not open"},
		{"with an account that is no invite", func(w *world) {
			w.hello("eve1", 50, acl.Hello{Account: "eve", Key: keyOf("eve"), Invite: "carol"}, "eve", "carol")
		}, "eve1", "is no invite"},
		{"with the wrong password", func(w *world) { w.join("eve1", 50, "eve", "guessed") }, "eve1", "has not signed"},
		{"with an invite that has ended", func(w *world) {
			w.sign("alice1", 50, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join"), Until: start.Add(time.Second)})
			w.join("eve1", 1000, "eve", "join")
		}, "eve1", "has ended"},
		{"a second hello", func(w *world) { w.hello("carol1", 50, acl.Hello{Account: "carol"}, "carol", "") }, "carol1", "first record of a log alone"},
		{"an unknown field", func(w *world) {
			w.logs["carol1"] = append(w.logs["carol1"], fmt.Appendf(nil, `{"id":"x","moon":1,"n":%d,"op":"rule"}`, at(50)))
		}, "carol1", "not understood"},
		{"an own key of before", func(w *world) {
			w.sign("carol1", 50, acl.AccountChange{Name: "carol", Key: keyOf("c2"), Keep: keep("carol1", -1)})
			w.sign("carol1", 51, acl.AccountChange{Name: "carol", Key: keyOf("carol"), Keep: keep("carol1", -1)})
		}, "carol1", "had that key before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.account(10, "carol", acl.Publisher)
			w.account(11, "dave", acl.Member)
			w.sign("alice1", 12, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
			w.device("carol1", 20, "carol")
			w.join("guest1", 21, "guest", "join")
			w.sign("alice1", 22, acl.AccountChange{Name: "guest", Role: acl.Member, Key: keyOf("guest")})
			wantNoProblems(t, w.fold())
			c.do(w)
			s := w.fold()
			wantProblem(t, s, c.dev, c.want)
			wantAccount(t, s, "carol", acl.Publisher, false)
			wantAccount(t, s, "dave", acl.Member, false)
			wantAccount(t, s, "alice", acl.Admin, false)
			if _, ok := s.Account("eve"); ok || len(s.Rules()) != 0 || s.LinkBox() != nil {
				t.Errorf("it took effect: %s", print(s))
			}
		})
	}
}

// TestRemoval is what a removed publisher may try with the keys that are left.
func TestRemoval(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.device("carol2", 21, "carol")
	before := w.share("carol1", 30)
	c, err := w.fold().Removal("carol")
	if err != nil {
		t.Fatal(err)
	}
	w.sign("alice1", 100, c)
	s := w.fold()
	wantAccount(t, s, "carol", acl.Publisher, true)
	wantPublish := func(dev string, index, ms int64, ok bool) {
		t.Helper()
		if _, _, err := s.MayPublish(key(dev), index, at(ms), "x"); (err == nil) != ok || !ok && fault.KindOf(err) != fault.Denied {
			t.Errorf("share %d of %s: got %v, want allowed %v", index, dev, err, ok)
		}
	}
	wantPublish("carol1", before, 30, true)
	late := w.share("carol1", 40) // backdated: before the removal, after what was known
	w.device("carol3", 25, "carol")
	third := w.share("carol3", 26)
	w.sign("carol2", 50, acl.AccountChange{Name: "carol", Key: keyOf("again")})
	w.hello("carol4", 60, acl.Hello{Account: "carol"}, "again", "")
	w.hello("carol5", 200, acl.Hello{Account: "carol"}, "carol", "")
	s = w.fold()
	wantPublish("carol1", before, 30, true)
	wantPublish("carol1", late, 40, false)
	wantPublish("carol3", third, 26, false)
	wantPublish("carol4", 1, 61, false)
	wantPublish("carol5", 1, 201, false)
	wantProblem(t, s, "carol2", "was removed")
	wantProblem(t, s, "carol5", "was removed")
	if a := wantAccount(t, s, "carol", acl.Publisher, true); a.Key != key("carol") {
		t.Error("a removed account changed its key")
	}
	for _, dev := range []string{"carol1", "carol2", "carol3", "carol4", "carol5"} {
		if _, err := s.Admit(key(dev), timeAt(300)); err == nil {
			t.Errorf("%s is let in", dev)
		}
	}
	if _, err := s.Removal("carol"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("removing twice: got %v", err)
	}
	// The name comes back with a new key alone.
	w.sign("alice1", 110, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol")})
	wantProblem(t, w.fold(), "alice1", "new key alone")
	w.sign("alice1", 120, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol-2")})
	w.hello("carol6", 130, acl.Hello{Account: "carol"}, "carol-2", "")
	s = w.fold()
	wantAccount(t, s, "carol", acl.Member, false)
	if _, err := s.Admit(key("carol6"), timeAt(300)); err != nil {
		t.Errorf("the new carol: %v", err)
	}
	wantPublish("carol1", before, 30, true)
	wantPublish("carol1", late, 40, false)
	if _, err := s.Admit(key("carol1"), timeAt(300)); err == nil {
		t.Error("the old carol's device is let in for the new one")
	}
}

func TestRemovedInviteBringsNobodyIn(t *testing.T) {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join"), Gives: acl.Publisher})
	w.join("gus1", 20, "gus", "join")
	wantAccount(t, w.fold(), "gus", acl.Publisher, false)
	for _, how := range []string{"removed", "another password"} {
		t.Run(how, func(t *testing.T) {
			v := &world{t: t, roots: w.roots, logs: map[string][][]byte{}}
			for k, l := range w.logs {
				v.logs[k] = slices.Clone(l)
			}
			s := v.fold()
			c, err := s.Removal("join")
			if how != "removed" {
				c, err = s.Reset("join", key("join2"), "", nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			v.sign("alice1", 50, c)
			v.join("eve1", 15, "eve", "join") // backdated
			s = v.fold()
			wantProblem(t, s, "eve1", "was closed")
			wantAccount(t, s, "gus", acl.Publisher, false)
			if _, err := s.Admit(key("gus1"), timeAt(90)); err != nil {
				t.Errorf("who came in before: %v", err)
			}
			if _, ok := s.Account("eve"); ok {
				t.Error("eve came in")
			}
			v.join("new1", 60, "new", "join2")
			_, ok := v.fold().Account("new")
			if want := how != "removed"; ok != want {
				t.Errorf("with the new password: got %v, want %v", ok, want)
			}
		})
	}
}

func TestPinnedNamesCannotBeClaimed(t *testing.T) {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.join("gus1", 20, "gus", "join")
	pins := w.fold().Pins([]string{"gus", "@crew", "nobody", "alice"})
	if len(pins) != 1 || pins[0].Name != "gus" {
		t.Fatalf("pins: got %+v", pins)
	}
	w.sign("alice1", 30, pins[0])
	w.rule("alice1", 31, "r", 1, "allow gus publish films/**")
	w.hello("eve1", 11, acl.Hello{Account: "gus", Key: keyOf("eve"), Invite: "join"}, "eve", "join") // earlier than gus
	s := w.fold()
	wantProblem(t, s, "eve1", "another key")
	if a, _ := s.Account("gus"); a.Key != key("gus") || !a.Pinned {
		t.Errorf("gus is %+v", a)
	}
	if _, _, err := s.MayPublish(key("gus1"), 1, at(40), "films/x"); err != nil {
		t.Error(err)
	}
	if got := s.Pins([]string{"gus"}); len(got) != 0 {
		t.Errorf("pinned twice: %v", got)
	}
}

func TestOwnKey(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.device("stolen", 21, "carol")
	c, err := w.fold().Rekeyed("carol", key("c2"), "", []byte("slot"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Keep) != 2 {
		t.Fatalf("keep: got %v, want both devices", c.Keep)
	}
	delete(c.Keep, key("stolen"))
	w.sign("carol1", 30, c)
	w.device("eve1", 25, "carol") // with the old key, backdated
	w.hello("carol3", 40, acl.Hello{Account: "carol"}, "c2", "")
	// An admin who has not heard of it must not bring the old key back.
	w.sign("bob1", 50, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol")})
	s := w.fold()
	a := wantAccount(t, s, "carol", acl.Member, false)
	if a.Key != key("c2") || string(a.Slot) != "slot" {
		t.Errorf("got %+v, want the new key and slot", a)
	}
	for dev, want := range map[string]bool{"carol1": true, "carol3": true, "stolen": false, "eve1": false} {
		if _, err := s.Admit(key(dev), timeAt(60)); (err == nil) != want {
			t.Errorf("%s: got %v, want let in %v", dev, err, want)
		}
	}
	d, err := s.WithoutDevice(key("carol3"))
	if err != nil {
		t.Fatal(err)
	}
	w.sign("alice1", 70, d)
	s = w.fold()
	if _, err := s.Admit(key("carol3"), timeAt(80)); err == nil {
		t.Error("the device that was cut off is let in")
	}
	if _, err := s.Admit(key("carol1"), timeAt(80)); err != nil {
		t.Errorf("the other device: %v", err)
	}
	if _, err := s.WithoutDevice(key("carol3")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("cutting off twice: got %v", err)
	}
}

func TestAdminsByRoots(t *testing.T) {
	w := newWorld(t)
	w.sign("bob1", 10, acl.AccountChange{Name: "carol", Role: acl.Publisher, Key: keyOf("carol")})
	r := w.roots[0].Successor(timeAt(100))
	r.Admins = []signed.Admin{r.Admins[0], {Name: "zoe", Key: key("zoe")}}
	r.Keep = w.fold().RootKeep("bob")
	if r.Keep[key("bob1")] != 2 {
		t.Fatalf("keep for bob: got %v, want 2 records of bob1", r.Keep)
	}
	w.root(r)
	w.sign("bob1", 20, acl.AccountChange{Name: "eve", Role: acl.Publisher, Key: keyOf("eve")}) // backdated
	w.hello("bob2", 5, acl.Hello{Account: "bob"}, "bob", "")                                   // backdated
	w.sign("bob2", 6, acl.AccountChange{Name: "eve", Role: acl.Publisher, Key: keyOf("eve")})
	w.hello("zoe1", 110, acl.Hello{Account: "zoe"}, "zoe", "")
	w.sign("zoe1", 120, acl.AccountChange{Name: "dave", Role: acl.Member, Key: keyOf("dave")})
	s := w.fold()
	wantAccount(t, s, "carol", acl.Publisher, false)
	wantAccount(t, s, "dave", acl.Member, false)
	wantProblem(t, s, "bob1", "was removed")
	wantProblem(t, s, "bob2", "no account")
	if _, ok := s.Account("eve"); ok {
		t.Error("a former admin made an account")
	}
	if _, err := s.Admit(key("bob1"), timeAt(200)); err == nil {
		t.Error("a former admin's device is let in")
	}
	if _, err := acl.Fold(w.roots[1:], w.parts(), nil); err == nil {
		t.Error("a chain without its beginning: got a state")
	}
	if _, err := acl.Fold(nil, w.parts(), nil); err == nil {
		t.Error("no root: got a state")
	}
	if _, err := acl.Fold(w.roots, append(w.parts(), w.parts()...), nil); err == nil {
		t.Error("two logs of one device: got a state")
	}
	if s.Age(map[signed.Key]time.Time{key("zoe1"): timeAt(0).Add(time.Hour)}, start.Add(2*time.Hour)) != signed.Fresh {
		t.Error("an admin's head of an hour ago is not fresh")
	}
	if got := s.Age(map[signed.Key]time.Time{key("bob1"): start.Add(1000 * time.Hour)}, start.Add(1000*time.Hour)); got != signed.Stale {
		t.Errorf("a former admin's head makes it %v", got)
	}
}

func TestOpenGroup(t *testing.T) {
	w := newWorld(t)
	r := w.roots[0].Successor(timeAt(100))
	r.Open = true
	r.Time = start.Add(time.Minute)
	w.root(r)
	w.hello("eve1", 61_000, acl.Hello{Account: "eve", Key: keyOf("eve"), Label: "laptop"}, "eve", "")
	w.hello("old1", 59_000, acl.Hello{Account: "old", Key: keyOf("old")}, "old", "")
	s := w.fold()
	wantAccount(t, s, "eve", acl.Member, false)
	if name, _, err := s.MayPublish(key("eve1"), 1, at(62_000), "x"); err != nil || name != "eve" {
		t.Errorf("anyone publishes in an open group: got %q, %v", name, err)
	}
	wantProblem(t, s, "old1", "not open")
	if d, _ := s.Device(key("eve1")); d.Label != "laptop" {
		t.Errorf("label: got %q", d.Label)
	}
}

func TestBrokenLogsStayAlone(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	good := w.share("carol1", 30)
	w.logs["carol1"] = append(w.logs["carol1"], []byte(`{"op":"share", "n":1}`))
	after := w.share("carol1", 40)
	w.logs["bob1"] = append(w.logs["bob1"], w.logs["bob1"][0])
	s := w.fold()
	wantProblem(t, s, "carol1", "not canonical")
	wantProblem(t, s, "bob1", "not after")
	d, _ := s.Device(key("carol1"))
	if d.Size != good+1 || d.Broken == nil {
		t.Errorf("got %+v, want it to end after record %d of %d", d, good, after)
	}
	if _, _, err := s.MayPublish(key("carol1"), good, at(30), "x"); err != nil {
		t.Errorf("what stands before the break: %v", err)
	}
	if _, ok := s.Device(key("nobody")); ok {
		t.Error("there is a device of nobody")
	}
	if s.Root().Version != 1 {
		t.Errorf("root: got version %d", s.Root().Version)
	}
	p := acl.NewPart(w.gid(), key("carol1"))
	p.Add(signed.Log{Records: []signed.Record{{Index: 3}}})
	if p.Broken == nil {
		t.Error("a log that begins in the middle is taken")
	}
	w.logs["carol2"] = [][]byte{fmt.Appendf(nil, `{"n":%d,"op":"share"}`, at(10))}
	q := acl.NewPart(w.gid(), key("carol2"))
	q.Add(signed.ParseLog(key("carol2"), 0, 0, slices.Values(w.logs["carol2"]), start))
	if !errors.Is(q.Broken, acl.ErrNoHello) {
		t.Errorf("got %v, want ErrNoHello", q.Broken)
	}
}

// TestReplayedHello is one that another group, device or time uses again.
func TestReplayedHello(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.logs["eve1"] = [][]byte{w.logs["carol1"][0]}
	wantProblem(t, w.fold(), "eve1", "has not signed")
	delete(w.logs, "eve1")
	moved := strings.Replace(string(w.logs["carol1"][0]), fmt.Sprint(at(20)), fmt.Sprint(at(15)), 1)
	w.logs["carol1"][0] = []byte(moved)
	wantProblem(t, w.fold(), "carol1", "has not signed")
	raw, err := acl.NewHello(signed.GroupID{1}, key("carol1"), acl.Hello{Account: "carol"}, at(20), secret("carol"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.logs["carol1"][0] = raw
	wantProblem(t, w.fold(), "carol1", "has not signed")
}

// TestWelcome is who may bring a log that nobody knows yet.
func TestWelcome(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.sign("alice1", 11, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join"), Until: timeAt(60_000)})
	w.sign("alice1", 12, acl.AccountChange{Name: "gone", Role: acl.Member, Key: keyOf("gone")})
	gone, err := w.fold().Removal("gone")
	if err != nil {
		t.Fatal(err)
	}
	w.sign("alice1", 30, gone)
	s := w.fold()
	before := print(s)
	for _, c := range []struct {
		name string
		do   func(v *world)
		at   int64
		want string
	}{
		{"an account's new device", func(v *world) { v.device("new", 40, "carol") }, 100, ""},
		{"an admin's new device", func(v *world) { v.device("new", 40, "alice") }, 100, ""},
		{"somebody with the invite", func(v *world) { v.join("new", 40, "zoe", "join") }, 100, ""},
		{"with an invite that has ended since", func(v *world) { v.join("new", 40, "zoe", "join") }, 60_001, "has ended"},
		{"with the wrong password", func(v *world) { v.join("new", 40, "zoe", "guess") }, 100, "has not signed"},
		{"a removed account, backdated", func(v *world) { v.device("new", 15, "gone") }, 100, "was removed"},
		{"a stranger", func(v *world) { v.hello("new", 40, acl.Hello{Account: "zoe", Key: keyOf("zoe")}, "zoe", "") }, 100, "not open"},
		{"no hello", func(v *world) { v.share("new", 40) }, 100, "does not begin with a hello"},
	} {
		v := &world{t: t, roots: w.roots, logs: map[string][][]byte{}}
		c.do(v)
		err := s.Welcome(v.parts()[0], timeAt(c.at))
		if c.want == "" && err != nil || c.want != "" && (fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if print(s) != before {
		t.Error("asking has changed the state")
	}
}

// TestProblemsAreBounded: a member cannot fill everybody's memory with complaints.
func TestProblemsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	for i := range 1500 {
		w.sign("carol1", 30+int64(i), acl.NewLink{Box: []byte("x")})
	}
	if list, more := w.fold().Problems(); len(list) != 1000 || more != 500 {
		t.Errorf("got %d and %d more, want 1000 and 500", len(list), more)
	}
}
