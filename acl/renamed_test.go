package acl_test

import (
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestANameGivenToAnother has dave removed, and his name given to somebody else: what was meant for the one is not for the
// other.
func TestANameGivenToAnother(t *testing.T) {
	w := newWorld(t)
	w.account(10, "dave", acl.Publisher)
	w.device("dave1", 11, "dave")
	w.share("dave1", 12)
	w.rule("alice1", 20, "r1", 1, "allow dave read hr/**")
	w.rule("alice1", 21, "r2", 2, "deny dave publish app/**")
	w.rule("alice1", 22, "r3", 3, "deny * read hr/**")
	w.rule("alice1", 23, "r4", 0, "allow erin read hr/**") // nobody yet
	w.sign("alice1", 30, acl.AccountChange{Name: "dave", Key: keyOf("dave, later"), Role: acl.Publisher, Keep: keep("dave1", -1)})
	before := w.fold()
	w.sign("alice1", 40, acl.AccountChange{Name: "dave", Gone: true, Keep: keep("dave1", 2)})
	w.sign("alice1", 50, acl.AccountChange{Name: "dave", Key: keyOf("another dave"), Role: acl.Publisher})
	after := w.fold()
	wantNoProblems(t, before)
	wantNoProblems(t, after)
	for _, c := range []struct {
		name string
		s    *acl.State
		path string
		read []string
		n    int64
		want bool
	}{
		{"the first, what is for him", before, "x", []string{"dave"}, at(15), true},
		{"the first with another password", before, "x", []string{"dave"}, at(35), true},
		{"the first, what is from before he came", before, "x", []string{"dave"}, at(5), true},
		{"the first, by the rule", before, "hr/x", nil, at(15), true},
		{"the second, what was for the first", after, "x", []string{"dave"}, at(15), false},
		{"with others", after, "x", []string{"carol", "dave"}, at(35), false},
		{"what was for nobody", after, "x", []string{"dave"}, at(45), false},
		{"what is for the second", after, "x", []string{"dave"}, at(55), true},
		{"what was for his role", after, "x", []string{"@publisher"}, at(15), true},
		{"what was for everyone", after, "x", nil, at(15), true},
		{"by the rule for the first", after, "hr/x", nil, at(15), false},
	} {
		if got := c.s.MayRead("dave", c.path, c.read, c.n, timeAt(100)); got.Allowed != c.want {
			t.Errorf("%s: got %v (%s), want %v", c.name, got.Allowed, got.Why, c.want)
		}
	}
	if after.Test("dave", acl.Publish, "app/x", timeAt(100)).Allowed {
		t.Error("what was denied to the name is allowed to the second")
	}
	w.rule("alice1", 60, "r1", 1, "allow dave read hr/**")
	w.account(61, "erin", acl.Member)
	again := w.fold()
	for _, name := range []string{"dave", "erin"} {
		if !again.MayRead(name, "hr/x", nil, at(70), timeAt(100)).Allowed {
			t.Errorf("%s does not read by a rule for who has the name", name)
		}
	}
	for _, c := range []struct {
		n    int64
		want signed.Key
	}{{at(5), key("dave")}, {at(15), key("dave")}, {at(35), key("dave")}, {at(45), key("dave")}, {at(55), key("another dave")}} {
		if got := after.Came("dave", c.n); got != c.want {
			t.Errorf("at %d: came with %v, want %v", c.n-at(0), got, c.want)
		}
	}
	if got := after.Came("alice", at(5)); got != key("alice") {
		t.Errorf("an admin came with %v", got)
	}
	if got := after.Came("nobody", at(5)); got != (signed.Key{}) {
		t.Errorf("nobody came with %v", got)
	}
}
