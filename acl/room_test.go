package acl

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestRoomForNewcomers is what there is at each bound: one below it somebody comes in, at it nobody does whom no admin named.
func TestRoomForNewcomers(t *testing.T) {
	for _, c := range []struct {
		name     string
		unpinned int
		brought  int // by the invite; -1: there is none
		pinned   bool
		first    bool // the walk that makes all
		words    string
	}{
		{"the last without an invite", maxUnpinned - 1, -1, false, false, ""},
		{"one more", maxUnpinned, -1, false, false, "no admin has named"},
		{"one more whom an admin named", maxUnpinned, -1, true, false, ""},
		{"one more in the first walk", maxUnpinned, -1, false, true, ""},
		{"the last of an invite", 0, maxBrought - 1, false, false, ""},
		{"one more of it", 0, maxBrought, false, false, "has brought in"},
		{"one more of it whom an admin named", 0, maxBrought, true, false, ""},
		{"by an invite where there is no room in all", maxUnpinned, 0, false, false, "no admin has named"},
	} {
		pins := map[string]map[signed.Key]bool{}
		if c.pinned {
			pins["eve"] = map[signed.Key]bool{}
		}
		w := &walk{State: &State{unpinned: c.unpinned}, pins: pins, given: !c.first}
		h := &Hello{Account: "eve"}
		var invite *timeline
		if c.brought >= 0 {
			invite, h.Invite = &timeline{brought: c.brought}, "join"
		}
		err := w.room(h, invite)
		if c.words == "" && err != nil || c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.words)
		}
		// What is given back is what was taken.
		if err == nil {
			w.leave(h, invite)
		}
		if w.unpinned != c.unpinned || invite != nil && invite.brought != c.brought {
			t.Errorf("%s: %d and %+v are taken at the end", c.name, w.unpinned, invite)
		}
	}
}

// TestRoomForAccounts: those that came by themselves take no room from those that admins make.
func TestRoomForAccounts(t *testing.T) {
	for _, c := range []struct {
		accounts, unpinned int
		ok                 bool
	}{{maxAccounts - 1, 0, true}, {maxAccounts, 0, false}, {maxAccounts, 1, true}, {maxAccounts + maxUnpinned, maxUnpinned, false}} {
		w := &walk{State: &State{root: &signed.SignedRoot{}, accounts: map[string]*timeline{}, unpinned: c.unpinned}, pins: map[string]map[signed.Key]bool{}, given: true}
		for i := range c.accounts {
			w.accounts[fmt.Sprint("a", i)] = nil
		}
		err := w.change(order{n: 1}, AccountChange{Name: "eve", Role: Member, Key: &signed.Key{1}})
		if (err == nil) != c.ok || !c.ok && !strings.Contains(err.Error(), "more are not kept") {
			t.Errorf("%d accounts, of which %d came by themselves: got %v, want room %v", c.accounts, c.unpinned, err, c.ok)
		}
	}
}

// TestMemoOfManyGoroutines: one is shared by folds of several groups, and a Fold asks on all cores.
func TestMemoOfManyGoroutines(t *testing.T) {
	m := new(Memo)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				if m.verify(signed.Key{1}, &Part{sum: signed.Hash{byte(i)}}, []byte("no signature")) {
					t.Error("what is no signature verifies")
				}
			}
		})
	}
	wg.Wait()
}
