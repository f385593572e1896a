package acl_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestARecordIsJudgedByWhatStandsBefore: what a record itself makes, an account, a rule or an open group, comes after it.
func TestARecordIsJudgedByWhatStandsBefore(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.sign("alice1", 21, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join"), Gives: acl.Publisher})
	w.join("gus1", 30, "gus", "join")
	w.rule("alice1", 40, "r", 1, "deny * publish **")
	ruled := int64(len(w.logs["alice1"]) - 1)
	s := w.fold()
	for _, c := range []struct {
		name      string
		dev       string
		index, ms int64
		words     string // empty: it may
	}{
		{"the hello that makes an account", "gus1", 0, 30, "was not there yet"},
		{"the first record after it", "gus1", 1, 31, ""},
		{"an account's own device, before the account", "carol1", 1, 9, "was not there yet"},
		{"the rule that forbids it", "alice1", ruled, 40, ""},
		{"the next after that", "alice1", ruled + 1, 41, "deny * publish **"},
		{"of another device at the time of the rule", "carol1", 1, 40, ruleWords("carol1")},
	} {
		_, _, err := s.MayPublish(key(c.dev), c.index, at(c.ms), "x")
		if c.words == "" && err != nil || c.words != "" && (fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.words)
		}
	}
	if _, err := s.MayShare(key("gus1"), 0, at(30)); err == nil {
		t.Error("a hello shares something")
	}
	if _, _, err := s.MayDrop(key("gus1"), 0, at(30)); err == nil {
		t.Error("a hello drops something")
	}
}

// ruleWords says whether a record of dev, at the time of one of alice1's, stands behind it.
func ruleWords(dev string) string {
	if k, rule := key(dev), key("alice1"); bytes.Compare(k[:], rule[:]) > 0 {
		return "deny * publish **"
	}
	return ""
}

// TestOneTimeTwoDevices: of two records of one time that of the larger device comes later, and stands.
func TestOneTimeTwoDevices(t *testing.T) {
	first, last := "alice1", "bob1"
	if a, b := key("alice1"), key("bob1"); bytes.Compare(a[:], b[:]) > 0 {
		first, last = last, first
	}
	for _, order := range [][]string{{"alice1", "bob1"}, {"bob1", "alice1"}} {
		w := newWorld(t)
		for _, dev := range order {
			w.rule(dev, 10, "r", 1, "deny * publish "+dev)
			w.sign(dev, 11, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol"), Teams: []string{dev}})
		}
		s := w.fold()
		if got := s.Rules()[0].String(); got != "deny * publish "+last {
			t.Errorf("got %q, want that of %s, after that of %s", got, last, first)
		}
		if a, _ := s.Account("carol"); len(a.Teams) != 1 || a.Teams[0] != last {
			t.Errorf("got the teams %v, want those of %s", a.Teams, last)
		}
	}
}

// TestWhoIsGoneSaysNothing: a removed or ended account changes nothing and drops nothing, though its device was left to it.
func TestWhoIsGoneSaysNothing(t *testing.T) {
	for name, end := range map[string]acl.AccountChange{
		"removed": {Name: "carol", Gone: true, Keep: keep("carol1", -1)},
		"ended":   {Name: "carol", Role: acl.Publisher, Key: keyOf("carol"), Until: timeAt(100)},
	} {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		w.device("carol1", 20, "carol")
		grant := acl.Grant{Audience: "s1", Epoch: 1, To: []string{"alice"}, Box: []byte("x")}
		w.sign("carol1", 30, grant)
		before := w.share("carol1", 40)
		w.sign("alice1", 100, end)
		w.sign("carol1", 110, grant)
		w.sign("carol1", 111, acl.AccountChange{Name: "carol", Slot: []byte("new")})
		after := w.share("carol1", 120)
		s := w.fold()
		if n := len(s.Grants()); n != 1 {
			t.Errorf("%s: %d grants count, want that of before", name, n)
		}
		if a, _ := s.Account("carol"); a.Slot != nil {
			t.Errorf("%s: the account was changed by itself", name)
		}
		wantProblem(t, s, "carol1", "was removed, or has ended")
		for _, c := range []struct {
			index, ms int64
			ok        bool
		}{{before, 40, true}, {after, 120, false}} {
			who, admin, err := s.MayDrop(key("carol1"), c.index, at(c.ms))
			if who != "carol" || admin || (err == nil) != c.ok || !c.ok && fault.KindOf(err) != fault.Denied {
				t.Errorf("%s: dropping at %d: got %q, %v, %v, want allowed %v", name, c.ms, who, admin, err, c.ok)
			}
		}
	}
}

// TestCutOffAtOnce: a device that an account has cut off cuts off no other of it, whichever has the larger key, and whether
// it was there already.
func TestCutOffAtOnce(t *testing.T) {
	for _, c := range []struct {
		first, second string
		came, left    int64 // when the second came, and how many of its records are left
	}{{"carol1", "carol2", 21, 1}, {"carol2", "carol1", 21, 1}, {"carol1", "carol2", 55, 0}, {"carol2", "carol1", 55, 0}} {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		w.device(c.first, 20, "carol")
		w.device(c.second, c.came, "carol")
		w.sign(c.first, 50, acl.AccountChange{Name: "carol", Keep: keep(c.second, int(c.left))})
		w.sign(c.second, 60, acl.AccountChange{Name: "carol", Keep: keep(c.first, 1)})
		s := w.fold()
		if d, _ := s.Device(key(c.first)); d.Removed() {
			t.Errorf("%s was cut off by %s of %d, which it had cut off", c.first, c.second, c.came)
		}
		if d, _ := s.Device(key(c.second)); d.Counts != c.left {
			t.Errorf("of %s of %d %d records count, want %d", c.second, c.came, d.Counts, c.left)
		}
		wantProblem(t, s, c.second, "was removed")
	}
}

// TestCutOffTwice: of two words on how much of a device counts, the less holds, and "all" takes nothing back.
func TestCutOffTwice(t *testing.T) {
	for _, c := range []struct{ first, second, want int }{{2, 3, 2}, {3, 2, 2}, {-1, 2, 2}, {2, -1, 2}, {0, -1, 0}, {-1, -1, -1}} {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		w.device("carol1", 20, "carol")
		for i := range int64(4) {
			w.share("carol1", 30+i)
		}
		w.sign("alice1", 50, acl.AccountChange{Name: "carol", Role: acl.Publisher, Key: keyOf("carol"), Keep: keep("carol1", c.first)})
		w.sign("bob1", 51, acl.AccountChange{Name: "carol", Role: acl.Publisher, Key: keyOf("carol"), Keep: keep("carol1", c.second)})
		if d, _ := w.fold().Device(key("carol1")); d.Counts != int64(c.want) {
			t.Errorf("%d and then %d: %d records count, want %d", c.first, c.second, d.Counts, c.want)
		}
	}
}

// TestWelcomeRefusesRemovedDevices: the log of a device that was cut off is taken from nobody.
func TestWelcomeRefusesRemovedDevices(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	w.sign("alice1", 30, acl.AccountChange{Name: "carol", Role: acl.Publisher, Key: keyOf("carol"), Keep: keep("carol2", 0)})
	s := w.fold()
	for dev, ok := range map[string]bool{"carol2": false, "carol3": true} {
		v := &world{t: t, roots: w.roots, logs: map[string][][]byte{}}
		v.device(dev, 25, "carol")
		if err := s.Welcome(v.parts()[0], timeAt(100)); (err == nil) != ok || !ok && !strings.Contains(err.Error(), "was removed") {
			t.Errorf("%s: got %v, want welcome %v", dev, err, ok)
		}
	}
}

// TestGroupThatWasOpen: a group is as open as the root said at the time, the moment of the root itself among it.
func TestGroupThatWasOpen(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Member)
	w.device("carol1", 20, "carol")
	opened, closed := start.Add(time.Minute), start.Add(2*time.Minute)
	r := w.roots[0].Successor(opened)
	r.Open = true
	w.root(r)
	r = w.roots[1].Successor(closed)
	r.Open = false
	w.root(r)
	s := w.fold()
	for ms, want := range map[int64]bool{59_999: false, 60_000: true, 119_999: true, 120_000: false} {
		if _, _, err := s.MayPublish(key("carol1"), 1, at(ms), "x"); (err == nil) != want {
			t.Errorf("after %d ms: got %v, want allowed %v", ms, err, want)
		}
	}
}

// TestWhoKeepsAGroupFresh: the heads of admins' devices do, and no one else's.
func TestWhoKeepsAGroupFresh(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	r := w.roots[0].Successor(timeAt(100))
	r.Admins = r.Admins[:1]
	r.Keep = keep("bob1", 1)
	w.root(r)
	s := w.fold()
	late := start.Add(1000 * time.Hour)
	for dev, want := range map[string]signed.Age{"alice1": signed.Fresh, "bob1": signed.Stale, "carol1": signed.Stale, "nobody": signed.Stale} {
		if got := s.Age(map[signed.Key]time.Time{key(dev): late}, late); got != want {
			t.Errorf("a head of %s: got %v, want %v", dev, got, want)
		}
	}
}

// TestARuleTooMany: a thousand rules are kept, one may be changed among them, and one more is not kept.
func TestARuleTooMany(t *testing.T) {
	w := newWorld(t)
	for i := range 1000 {
		w.rule("alice1", 10+int64(i), fmt.Sprint("r", i), int64(i), fmt.Sprint("allow carol publish x", i))
	}
	w.rule("bob1", 5000, "r7", 7, "allow carol publish another")
	s := w.fold()
	wantNoProblems(t, s)
	if n := len(s.Rules()); n != 1000 {
		t.Fatalf("got %d rules, want 1000", n)
	}
	w.rule("bob1", 6000, "one-more", 1, "deny * publish **")
	s = w.fold()
	wantProblem(t, s, "bob1", "1000 rules")
	if n := len(s.Rules()); n != 1000 || s.Rules()[7].String() != "allow carol publish another" {
		t.Errorf("got %d rules, and %q for the one that was changed", n, s.Rules()[7])
	}
	w.sign("bob1", 7000, acl.RuleChange{Rule: acl.Rule{ID: "r3"}, Gone: true})
	w.rule("bob1", 8000, "one-more", 1, "deny * publish **")
	if n := len(w.fold().Rules()); n != 1000 {
		t.Errorf("in the place of one that went: got %d rules, want 1000", n)
	}
}

// TestKeptDevicesOfOthers: that the root keeps a device makes it an admin's, if it says that it is an admin's, and not
// whichever it says.
func TestKeptDevicesOfOthers(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Member)
	r := w.roots[0].Successor(timeAt(100))
	r.Keep = keep("carol1", -1, "zoe1", -1, "bob2", -1)
	w.root(r)
	w.device("carol1", 20, "carol")
	w.hello("zoe1", 21, acl.Hello{Account: "zoe"}, "zoe", "")
	w.hello("bob2", 22, acl.Hello{Account: "bob"}, "another key of bob's", "")
	s := w.fold()
	for dev, want := range map[string]acl.Role{"carol1": acl.Member, "bob2": acl.Admin} {
		if a, err := s.Admit(key(dev), timeAt(200)); err != nil || a.Role != want {
			t.Errorf("%s: got %q, %v, want %s", dev, a.Role, err, want)
		}
	}
	if _, err := s.Admit(key("zoe1"), timeAt(200)); err == nil {
		t.Error("a device of nobody is let in")
	}
	w.sign("carol1", 130, acl.AccountChange{Name: "eve", Role: acl.Publisher, Key: keyOf("eve")})
	if _, ok := w.fold().Account("eve"); ok {
		t.Error("a member's device that the root keeps makes accounts")
	}
}
