package acl_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestTimesGiveNoRank checks which of several entries for one name and version counts: the one whose allowing rule comes
// first, then an admin's, then that of the account that an admin confirmed first, whatever times they sign.
func TestTimesGiveNoRank(t *testing.T) {
	w := newWorld(t)
	r := w.roots[0].Successor(timeAt(3))
	r.Open = true
	w.root(r)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.account(11, "carol", acl.Publisher)
	// erin came before dave by her own word, and was heard of after him.
	w.join("erin1", 15, "erin", "join")
	w.join("dave1", 40, "dave", "join")
	w.sign("alice1", 50, acl.AccountChange{Name: "dave", Role: acl.Member, Key: keyOf("dave"), Pin: true})
	w.sign("alice1", 51, acl.AccountChange{Name: "erin", Role: acl.Member, Key: keyOf("erin"), Pin: true})
	w.sign("alice1", 52, acl.AccountChange{Name: "erin", Role: acl.Publisher, Key: keyOf("erin"), Pin: true})
	w.hello("frank1", 12, acl.Hello{Account: "frank", Key: keyOf("frank")}, "frank", "") // nobody has confirmed him
	w.device("carol1", 60, "carol")
	// gus was somebody before all of them, and is somebody else now.
	w.sign("alice1", 5, acl.AccountChange{Name: "gus", Role: acl.Publisher, Key: keyOf("gus")})
	w.sign("alice1", 6, acl.AccountChange{Name: "gus", Gone: true})
	w.sign("alice1", 70, acl.AccountChange{Name: "gus", Role: acl.Publisher, Key: keyOf("gus, later")})
	w.hello("gus2", 71, acl.Hello{Account: "gus"}, "gus, later", "")
	// The latest by their times are the first in rank.
	order := []struct {
		dev string
		ms  int64
	}{{"bob1", 100}, {"carol1", 95}, {"dave1", 90}, {"erin1", 85}, {"gus2", 80}, {"frank1", 16}}
	at1 := map[string]int64{}
	for _, o := range order {
		at1[o.dev] = w.share(o.dev, o.ms)
	}
	sortLog(w, "alice1")
	ranks := func(s *acl.State) (out []int) {
		t.Helper()
		for _, o := range order {
			_, rank, err := s.MayPublish(key(o.dev), at1[o.dev], at(o.ms), "app/1")
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rank)
		}
		return out
	}
	s := w.fold()
	wantNoProblems(t, s)
	got := ranks(s)
	for i := 1; i < len(got); i++ {
		if got[i-1] >= got[i] {
			t.Errorf("%s has the rank %d and %s %d, want it before", order[i-1].dev, got[i-1], order[i].dev, got[i])
		}
	}
	w.rule("alice1", 75, "r1", 1, "allow frank,erin publish app/**")
	s = w.fold()
	got = ranks(s)
	if erin, bob := got[3], got[0]; erin >= bob {
		t.Errorf("by a rule erin has the rank %d, and an admin without one %d", erin, bob)
	}
	w.logs["frank1"] = w.logs["frank1"][:1]
	at1["frank1"] = w.share("frank1", 84) // of the same rule
	order[5].ms = 84
	if got = ranks(w.fold()); got[5] <= got[3] {
		t.Errorf("by one rule: erin %d, frank %d, want her before", got[3], got[5])
	}
}

// sortLog puts the records of a log that were added out of order into that of their times.
func sortLog(w *world, dev string) {
	w.t.Helper()
	slices.SortFunc(w.logs[dev], func(a, b []byte) int {
		one, err := signed.ParseRecord(a)
		if err != nil {
			w.t.Fatal(err)
		}
		other, err := signed.ParseRecord(b)
		if err != nil {
			w.t.Fatal(err)
		}
		return cmp.Compare(one.N, other.N)
	})
}
