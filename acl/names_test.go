package acl_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// rival claims gus's name with a key of its own.
func (w *world) rival(dev string, ms int64) {
	w.t.Helper()
	w.hello(dev, ms, acl.Hello{Account: "gus", Key: keyOf(dev), Seal: "age1" + dev, Invite: "join"}, dev, "join")
}

// guests is a group in which gus came by the invite.
func guests(t testing.TB) *world {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.join("gus1", 20, "gus", "join")
	return w
}

// TestAnUnconfirmedNameGivesNothing: what is for the name is for whom an admin has confirmed; what is denied to it is denied.
func TestAnUnconfirmedNameGivesNothing(t *testing.T) {
	w := guests(t)
	w.rule("alice1", 30, "r1", 1, "allow gus publish films/**")
	w.rule("alice1", 31, "r2", 2, "deny gus read hr/**")
	w.rule("alice1", 32, "r3", 3, "deny * publish films/**")
	for _, confirmed := range []bool{false, true} {
		if confirmed {
			w.sign("alice1", 40, w.fold().Pins([]string{"gus"})[0])
		}
		s := w.fold()
		wantNoProblems(t, s)
		for what, got := range map[string]bool{
			"publishes by a rule that names it": s.Test("gus", acl.Publish, "films/x", start).Allowed,
			"reads what is shared with it":      s.MayRead("gus", "x", []string{"gus"}, at(3000), start).Allowed,
		} {
			if got != confirmed {
				t.Errorf("confirmed %v: gus %s: got %v", confirmed, what, got)
			}
		}
		if s.Test("gus", acl.Read, "hr/x", start).Allowed {
			t.Errorf("confirmed %v: what is denied to gus is not denied", confirmed)
		}
		if !s.MayRead("gus", "x", nil, at(3000), start).Allowed || !s.MayRead("gus", "x", []string{"@member"}, at(3000), start).Allowed {
			t.Errorf("confirmed %v: gus does not read what members do", confirmed)
		}
		if got := len(s.Unconfirmed()) == 1; got == confirmed {
			t.Errorf("confirmed %v: unconfirmed are %v", confirmed, s.Unconfirmed())
		}
	}
}

// TestTwoAskForAName: no time makes a name. Two that nobody has confirmed have none of it; the one that an admin confirms
// has all, whatever the other's records say.
func TestTwoAskForAName(t *testing.T) {
	for name, ms := range map[string]int64{"earlier": 11, "later": 25} {
		t.Run(name, func(t *testing.T) {
			w := guests(t)
			w.rival("eve1", ms)
			s := w.fold()
			if _, there := s.Account("gus"); there {
				t.Error("somebody has the name that two ask for")
			}
			if got := s.Contested(); len(got) != 2 {
				t.Errorf("contested: got %+v", got)
			}
			for _, dev := range []string{"gus1", "eve1"} {
				if _, err := s.Admit(key(dev), start); fault.KindOf(err) != fault.Denied {
					t.Errorf("%s is let in: %v", dev, err)
				}
				if c, ok := s.Nameless(key(dev)); !ok || c.Name != "gus" || c.Invite != "join" {
					t.Errorf("%s: got %+v, %v", dev, c, ok)
				}
			}
			claims := s.Contested()
			i := slices.IndexFunc(claims, func(c acl.Claim) bool { return c.Device == key("gus1") })
			w.sign("alice1", 40, s.PinTo(claims[i]))
			// Another admin, who had heard of eve first.
			w.sign("bob1", 41, acl.AccountChange{Name: "gus", Role: acl.Publisher, Key: keyOf("eve1"), Pin: true})
			s = w.fold()
			if a := wantAccount(t, s, "gus", acl.Member, false); a.Key != key("gus") || !a.Pinned {
				t.Errorf("gus is %+v", a)
			}
			wantProblem(t, s, "bob1", "belongs to another key")
			if _, err := s.Admit(key("gus1"), start); err != nil {
				t.Error(err)
			}
			if _, err := s.Admit(key("eve1"), start); err == nil {
				t.Error("eve is let in")
			}
			if c, ok := s.Nameless(key("eve1")); !ok || c.Name != "gus" {
				t.Errorf("eve: got %+v, %v", c, ok)
			}
		})
	}
}

// TestConfirmedBeforeItCame: an admin whose clock is behind confirms with an earlier time than the hello carries.
func TestConfirmedBeforeItCame(t *testing.T) {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.hello("gus1", 50, acl.Hello{Account: "gus", Key: keyOf("gus"), Seal: "age1gus", Invite: "join"}, "gus", "join")
	w.sign("alice1", 20, w.fold().Pins([]string{"gus"})[0])
	s := w.fold()
	wantNoProblems(t, s)
	if a := wantAccount(t, s, "gus", acl.Member, false); !a.Pinned || a.Seal != "age1gus" || a.By != "join" {
		t.Errorf("gus is %+v", a)
	}
	if _, err := s.Admit(key("gus1"), start); err != nil {
		t.Error(err)
	}
}

// TestTaken is who is refused at the door, before anything of the log is taken.
func TestTaken(t *testing.T) {
	w := guests(t)
	w.account(12, "carol", acl.Publisher)
	w.account(13, "dave", acl.Member)
	w.sign("alice1", 30, acl.AccountChange{Name: "dave", Gone: true})
	s := w.fold()
	for _, c := range []struct {
		name string
		h    acl.Hello
		by   string
		want bool
	}{
		{"a free name", acl.Hello{Account: "hal", Key: keyOf("eve"), Invite: "join"}, "eve", false},
		{"a name that nobody has confirmed", acl.Hello{Account: "gus", Key: keyOf("eve"), Invite: "join"}, "eve", true},
		{"its own name", acl.Hello{Account: "gus", Key: keyOf("gus"), Invite: "join"}, "gus", false},
		{"an admin's", acl.Hello{Account: "alice", Key: keyOf("eve"), Invite: "join"}, "eve", true},
		{"an account's", acl.Hello{Account: "carol", Key: keyOf("eve"), Invite: "join"}, "eve", true},
		{"a removed account's", acl.Hello{Account: "dave", Key: keyOf("eve"), Invite: "join"}, "eve", true},
		{"the invite's", acl.Hello{Account: "join", Key: keyOf("eve"), Invite: "join"}, "eve", true},
		{"without an invite that is good", acl.Hello{Account: "gus", Key: keyOf("eve"), Invite: "nobody"}, "eve", true},
		{"a machine that logs in", acl.Hello{Account: "carol"}, "carol", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &world{t: t, roots: w.roots, logs: map[string][][]byte{}}
			v.hello("new", 11, c.h, c.by, c.h.Invite)
			err := s.Taken(v.parts()[0])
			if errors.Is(err, acl.ErrTaken) != c.want {
				t.Errorf("got %v, want taken %v", err, c.want)
			}
		})
	}
}

// TestClosedGroup: who signs with a time at which the group was open comes too late when it is closed, but for those whom
// an admin has confirmed.
func TestClosedGroup(t *testing.T) {
	w := &world{t: t, logs: map[string][][]byte{}, heads: map[string]int64{}}
	w.root(signed.Root{Version: 1, Name: "films", Kind: signed.Public, Need: 1, Owners: []signed.Key{key("owner")},
		Admins: []signed.Admin{{Name: "alice", Key: key("alice")}}, Stale: 720, Open: true, Time: start})
	w.hello("alice1", 1, acl.Hello{Account: "alice"}, "alice", "")
	w.hello("gus1", 20, acl.Hello{Account: "gus", Key: keyOf("gus")}, "gus", "")
	w.sign("alice1", 30, w.fold().Pins([]string{"gus"})[0])
	r := w.roots[0].Successor(timeAt(60_000))
	r.Open = false
	w.root(r)
	w.hello("eve1", 25, acl.Hello{Account: "eve", Key: keyOf("eve")}, "eve", "")
	s := w.fold()
	wantAccount(t, s, "gus", acl.Member, false)
	if _, there := s.Account("eve"); there {
		t.Error("eve came in with a time before the group was closed")
	}
}

// TestTimesOfStrangers: who nobody vouches for, and who was removed, moves nobody's clock.
func TestTimesOfStrangers(t *testing.T) {
	w := guests(t)
	w.hello("eve1", 500_000, acl.Hello{Account: "eve", Key: keyOf("eve"), Invite: "nobody"}, "eve", "join")
	w.account(21, "mallory", acl.Publisher)
	w.device("mallory1", 22, "mallory")
	w.share("mallory1", 600_000)
	if _, others := w.fold().Seen(); others != at(600_000) {
		t.Errorf("a member's record: got %d", others)
	}
	w.sign("alice1", 30, acl.AccountChange{Name: "mallory", Gone: true, Keep: keep("mallory1", 1)})
	if admins, others := w.fold().Seen(); admins != at(30) || others != at(20) {
		t.Errorf("got %d and %d, want those of alice1 and gus1", admins, others)
	}
}

// TestFutureRecordWaits: a record from the future ends the log for now, and is read on when its time has come.
func TestFutureRecordWaits(t *testing.T) {
	w := guests(t)
	w.sign("alice1", 1_000_000, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol")})
	w.sign("alice1", 1_000_001, acl.AccountChange{Name: "dave", Role: acl.Member, Key: keyOf("dave")})
	p := acl.NewPart(w.gid(), key("alice1"))
	read := func(now time.Time) {
		p.Add(signed.ParseLog(p.Device, p.Size, p.Last, slices.Values(w.logs["alice1"][p.Size:]), now))
	}
	read(timeAt(0))
	if !p.Waits() || p.Size != 2 {
		t.Fatalf("got %d records, %v", p.Size, p.Broken)
	}
	read(timeAt(1000))
	if !p.Waits() || p.Size != 2 {
		t.Fatalf("later: got %d records, %v", p.Size, p.Broken)
	}
	read(timeAt(1_000_001))
	if p.Waits() || p.Broken != nil || p.Size != 4 {
		t.Fatalf("in time: got %d records, %v", p.Size, p.Broken)
	}
}

// TestNamesInAnyOrder: claims, confirmations of two admins, removals and records of rivals fold alike in whatever order
// they come.
func TestNamesInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		w := guests(t)
		for i, dev := range []string{"eve1", "eve2", "eve3"} {
			if r.IntN(2) == 0 {
				w.rival(dev, 11+int64(r.IntN(40)))
				w.share(dev, 60+int64(i))
			}
		}
		for i, dev := range []string{"alice1", "bob1"} {
			who := []string{"gus", "eve1", "eve2"}[r.IntN(3)]
			if r.IntN(3) > 0 {
				w.sign(dev, 50+int64(r.IntN(9))*10+int64(i), acl.AccountChange{Name: "gus", Role: acl.Member, Key: keyOf(who), Pin: true})
			}
		}
		if r.IntN(3) == 0 {
			w.sign("alice1", 200, acl.AccountChange{Name: "gus", Gone: true, Keep: keep("gus1", 1)})
		}
		want := print(w.fold())
		for range 5 {
			if got := print(w.shuffled(r, nil)); got != want {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
		}
		// Whoever has the name, it is one, and one that an admin named where one did.
		if a, there := w.fold().Account("gus"); there && !a.Gone && !a.Pinned && len(w.fold().Contested()) > 0 {
			t.Error("a contested name is somebody's")
		}
	}
}
