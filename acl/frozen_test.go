package acl_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// frozen folds with devices of which so many records are in both of their histories.
func (w *world) frozen(common map[string]int64) *acl.State {
	w.t.Helper()
	parts := w.parts()
	for _, p := range parts {
		for dev, n := range common {
			if p.Device == key(dev) {
				p.Common = n
			}
		}
	}
	s, err := acl.Fold(w.roots, parts, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestFrozenCountsTheCommonRecords has members who hold different halves of an admin's and of a publisher's log: whatever
// stands behind what both begin with, they see the same.
func TestFrozenCountsTheCommonRecords(t *testing.T) {
	half := func(dev, name string) *world {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		w.account(11, "dave", acl.Member)
		w.device("carol1", 20, "carol")
		w.share("carol1", 30)
		w.share("bob1", 30)
		switch {
		case dev == "alice1" && name == "one": // alice1 had 3 records
			w.sign("alice1", 40, acl.AccountChange{Name: "dave", Gone: true})
		case dev == "alice1":
			w.account(50, "eve", acl.Publisher)
			w.rule("alice1", 51, "r1", 1, "deny * publish **")
		case name == "one":
			w.share("carol1", 40)
			w.sign("carol1", 41, acl.AccountChange{Name: "carol", Key: keyOf("carol, later")})
		default:
			w.logs[dev] = append(w.logs[dev], []byte(`{"op":"share", "n":1}`))
		}
		return w
	}
	for dev, common := range map[string]int64{"alice1": 3, "carol1": 2} {
		one, other := half(dev, "one").frozen(map[string]int64{dev: common}), half(dev, "other").frozen(map[string]int64{dev: common})
		if print(one) != print(other) {
			t.Errorf("%s: one half gives\n%s\nthe other\n%s", dev, print(one), print(other))
		}
		d, _ := one.Device(key(dev))
		if d.Counts != common || d.Size != common || !d.Frozen || d.Closed || !d.Removed() {
			t.Errorf("%s: got %+v, want %d records that count", dev, d, common)
		}
		if _, err := one.Admit(key(dev), timeAt(60)); err == nil {
			t.Errorf("%s is let in", dev)
		}
		for i, want := range map[int64]bool{common - 1: true, common: false} {
			if _, _, err := one.MayPublish(key(dev), i, at(100), "x"); (err == nil) != want {
				t.Errorf("%s, record %d: got %v, want it to count: %v", dev, i, err, want)
			}
		}
		if a, ok := one.Account("dave"); !ok || a.Gone {
			t.Errorf("%s: dave is %+v", dev, a)
		}
	}
}

// TestFrozen has what happens around a fork.
func TestFrozen(t *testing.T) {
	base := func() *world {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		w.device("carol1", 20, "carol")
		for i := range 5 {
			w.share("carol1", int64(30+i))
		}
		return w
	}
	counts := func(t *testing.T, s *acl.State, want int64, closed bool) {
		t.Helper()
		if d, _ := s.Device(key("carol1")); d.Counts != want || d.Closed != closed {
			t.Errorf("got %+v, want %d records that count, closed %v", d, want, closed)
		}
	}
	t.Run("nothing in common", func(t *testing.T) {
		s := base().frozen(map[string]int64{"carol1": 0})
		if d, ok := s.Device(key("carol1")); ok {
			t.Errorf("it is a device: %+v", d)
		}
		if _, err := s.MayShare(key("carol1"), 1, at(40)); err == nil {
			t.Error("what it signed counts")
		}
	})
	t.Run("an admin who had not heard of it removes more than there is in common", func(t *testing.T) {
		w := base()
		w.sign("alice1", 50, acl.AccountChange{Name: "carol", Gone: true, Keep: keep("carol1", 5)})
		counts(t, w.frozen(map[string]int64{"carol1": 3}), 3, true)
		counts(t, w.frozen(nil), 5, true)
	})
	t.Run("removed before", func(t *testing.T) {
		w := base()
		w.sign("alice1", 50, acl.AccountChange{Name: "carol", Gone: true, Keep: keep("carol1", 2)})
		counts(t, w.frozen(map[string]int64{"carol1": 4}), 2, true)
	})
	t.Run("what removes it says what counts", func(t *testing.T) {
		s := base().frozen(map[string]int64{"carol1": 3})
		for name, make := range map[string]func() (acl.AccountChange, error){
			"the account": func() (acl.AccountChange, error) { return s.Removal("carol") },
			"the device":  func() (acl.AccountChange, error) { return s.WithoutDevice(key("carol1")) },
			"a new key":   func() (acl.AccountChange, error) { return s.Reset("carol", key("x"), "", nil) },
		} {
			c, err := make()
			if err != nil || c.Keep[key("carol1")] != 3 {
				t.Errorf("%s: keeps %v, %v", name, c.Keep, err)
			}
		}
		w := base()
		c, err := s.WithoutDevice(key("carol1"))
		if err != nil {
			t.Fatal(err)
		}
		w.sign("alice1", 60, c)
		counts(t, w.fold(), 3, true) // for who has not heard of the fork
		if _, err := w.fold().WithoutDevice(key("carol1")); err == nil {
			t.Error("it is removed again")
		}
	})
	t.Run("the owners keep an admin's device whole", func(t *testing.T) {
		w := newWorld(t)
		w.account(10, "carol", acl.Publisher)
		next := w.roots[0].Successor(timeAt(20))
		next.Admins, next.Keep = next.Admins[1:], keep("alice1", -1)
		w.root(next)
		s := w.frozen(map[string]int64{"alice1": 1})
		if _, ok := s.Account("carol"); ok {
			t.Error("what stands in one history alone counts by the owners' word")
		}
		if d, _ := s.Device(key("alice1")); d.Counts != 1 {
			t.Errorf("got %+v", d)
		}
		if got := s.RootKeep("alice")[key("alice1")]; got != 1 {
			t.Errorf("the next root would keep %d", got)
		}
	})
	t.Run("it moves no clock, and is no news of admins", func(t *testing.T) {
		w := newWorld(t)
		w.share("alice1", 500)
		s := w.frozen(map[string]int64{"alice1": 1})
		if admins, _ := s.Seen(); admins != at(2) {
			t.Errorf("the latest of admins is %d, want bob's hello", admins-at(0))
		}
	})
	t.Run("a log that ends behind it", func(t *testing.T) {
		w := base()
		w.logs["carol1"] = append(w.logs["carol1"], []byte(`{"op":"share", "n":1}`))
		d, _ := w.frozen(map[string]int64{"carol1": 3}).Device(key("carol1"))
		if d.Broken != nil {
			t.Errorf("it is broken where nothing counts: %v", d.Broken)
		}
		if d, _ := w.fold().Device(key("carol1")); !errors.Is(d.Broken, signed.ErrNotCanonical) {
			t.Errorf("without the fork: %v", fmt.Sprint(d.Broken))
		}
	})
}
