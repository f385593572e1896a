package acl_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const aDay = int64(24 * time.Hour / time.Millisecond)

// rekeys has eve change her key n times, by herself or by an admin, pause ms apart.
func rekeys(t testing.TB, n int, pause int64, byAdmin bool) *world {
	w := newWorld(t)
	w.device("eve1", -20000*aDay+20, "eve")
	w.logs["alice1"] = nil
	w.hello("alice1", -20000*aDay+1, acl.Hello{Account: "alice"}, "alice", "")
	w.sign("alice1", -20000*aDay+10, acl.AccountChange{Name: "eve", Role: acl.Member, Key: keyOf("eve")})
	ms := -19999*aDay - at(0)%aDay // a midnight
	for i := range n {
		c := acl.AccountChange{Name: "eve", Key: keyOf(fmt.Sprint("eve", i)), Keep: keep("eve1", -1)}
		dev := "eve1"
		if byAdmin {
			dev, c.Role = "alice1", acl.Member
		}
		w.sign(dev, ms, c)
		ms += pause
	}
	return w
}

// TestOwnChangesAreBounded: what an account says of itself counts so many times a day and in all, by the times of its records,
// until an admin gives it a key.
func TestOwnChangesAreBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		pause int64
		want  int // the key that stands
	}{
		{"few", 16, 1, 15},
		{"many on one day", 40, 1, 15},
		{"some on each of many days", 60, aDay / 20, 55}, // 20 on each of three days, of which 16 count
		{"many in all", 1100, aDay, 999},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := rekeys(t, c.n, c.pause, false)
			s := w.fold()
			a := wantAccount(t, s, "eve", acl.Member, false)
			if want := key(fmt.Sprint("eve", c.want)); a.Key != want {
				t.Errorf("the key is not that of change %d", c.want)
			}
			if c.n > c.want+1 {
				wantProblem(t, s, "eve1", "more does not count")
			}
			if _, err := s.Admit(key("eve1"), timeAt(100)); err != nil {
				t.Errorf("the device that all her changes keep is put out: %v", err)
			}
			// An admin's reset makes room again.
			w.sign("alice1", 100, acl.AccountChange{Name: "eve", Role: acl.Member, Key: keyOf("reset"), Keep: keep("eve1", -1)})
			w.sign("eve1", 200, acl.AccountChange{Name: "eve", Key: keyOf("after"), Keep: keep("eve1", -1)})
			if a := wantAccount(t, w.fold(), "eve", acl.Member, false); a.Key != key("after") {
				t.Error("after an admin's reset her own change does not count")
			}
		})
	}
	// Slots, recipients and cut off devices are changes as keys are.
	for name, c := range map[string]acl.AccountChange{
		"slot": {Name: "eve", Slot: []byte("slot")}, "keep": {Name: "eve", Keep: keep("eve2", 1)}, "nothing": {Name: "eve"},
	} {
		w := rekeys(t, 0, 1, false)
		for i := range 17 {
			w.sign("eve1", int64(i), c)
		}
		if list, more := w.fold().Problems(); len(list)+more != 1 {
			t.Errorf("%s, 17 times on one day: %d problems, want 1: %v", name, len(list)+more, list)
		}
	}
	w := rekeys(t, 0, 1, false)
	for i := range 17 {
		w.sign("eve1", int64(i), acl.AccountChange{Name: "eve", Seal: fmt.Sprintf("age1%d", i)})
	}
	if a := wantAccount(t, w.fold(), "eve", acl.Member, false); a.Seal != "age115" {
		t.Errorf("17 recipients on one day: %q stands", a.Seal)
	}
}

// TestSayAgainOnceADay: each time that an account says its recipient again, others grant it everything again.
func TestSayAgainOnceADay(t *testing.T) {
	w := newSealedWorld(t)
	w.sealed(10, "eve", acl.Member, nil)
	w.device("eve1", 11, "eve")
	midnight := (at(0)/aDay+1)*aDay - at(0)
	seal := wantAccount(t, w.fold(), "eve", acl.Member, false).Seal
	for i := range int64(5) {
		w.sign("eve1", 20+i, acl.AccountChange{Name: "eve", Seal: seal})
	}
	s := w.fold()
	if got := s.SealSince("eve"); got != at(20) {
		t.Errorf("said five times: since %d, want 20", got-at(0))
	}
	wantProblem(t, s, "eve1", "on that day already")
	if s.MaySayAgain("eve", timeAt(30)) || !s.MaySayAgain("eve", timeAt(midnight)) || s.MaySayAgain("nobody", timeAt(30)) {
		t.Error("once a day is what may be said")
	}
	w.sign("eve1", midnight-1, acl.AccountChange{Name: "eve", Seal: seal})
	if got := w.fold().SealSince("eve"); got != at(20) {
		t.Error("it counts again before midnight")
	}
}

// TestFoldIsNearLinear: four times the records make the fold take about four times the memory, not sixteen times.
func TestFoldIsNearLinear(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(n int) *world
	}{
		{"own keys", func(n int) *world { return rekeys(t, n, aDay/8, false) }},
		{"an admin's keys", func(n int) *world { return rekeys(t, n, 1, true) }},
		{"flapping removals", func(n int) *world {
			w := newWorld(t)
			for i := range n / 2 {
				w.sign("alice1", int64(10+2*i), acl.AccountChange{Name: "eve", Role: acl.Member, Key: keyOf(fmt.Sprint("eve", i))})
				w.sign("alice1", int64(11+2*i), acl.AccountChange{Name: "eve", Gone: true})
			}
			return w
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cost := func(n int) uint64 {
				w := c.make(n)
				parts := w.parts()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if _, err := acl.Fold(w.roots, parts, new(acl.Memo)); err != nil {
					t.Fatal(err)
				}
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			few, many := cost(1500), cost(6000)
			if many > 8*few || many > 64<<20 {
				t.Errorf("1,500 changes take %d KB, and 6,000 %d KB", few>>10, many>>10)
			}
		})
	}
}

// TestDevicesAreBounded: an account has 32 devices, the first by their times, unless an admin allows more; removed ones free
// their places.
func TestDevicesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.account(10, "eve", acl.Member)
	w.account(11, "bob2", acl.Member)
	for i := range 40 {
		w.device(fmt.Sprint("eve-", i), int64(1000-i), "eve") // the last has the earliest time
	}
	w.device("bob2-1", 2000, "bob2")
	in := func(s *acl.State, from, to int) {
		t.Helper()
		for i := range 40 {
			_, err := s.Admit(key(fmt.Sprint("eve-", i)), timeAt(5000))
			if (err == nil) != (i >= from && i < to) {
				t.Errorf("device %d: got %v, want those from %d to %d", i, err, from, to)
			}
		}
		if _, err := s.Admit(key("bob2-1"), timeAt(5000)); err != nil {
			t.Errorf("another account's device: %v", err)
		}
	}
	s := w.fold()
	in(s, 8, 40)
	wantProblem(t, s, "eve-0", "has 32 devices")
	if have, may := s.Places("eve"); have != 32 || may != 32 {
		t.Errorf("got %d of %d devices", have, may)
	}
	if have, may := s.Places("nobody"); have != 0 || may != 0 {
		t.Errorf("nobody has %d of %d devices", have, may)
	}
	late := acl.NewPart(w.gid(), key("late"))
	w.device("late", 3000, "eve")
	late.Add(signed.ParseLog(key("late"), 0, 0, slices.Values(w.logs["late"]), start.Add(time.Hour)))
	delete(w.logs, "late")
	if err := s.Welcome(late, timeAt(3000)); err == nil {
		t.Error("a device beyond the places is welcome")
	}

	t.Run("an admin allows more", func(t *testing.T) {
		c, err := s.Change("eve")
		if err != nil {
			t.Fatal(err)
		}
		c.Devices = 36
		w.sign("alice1", 500, c) // before any of their times
		s := w.fold()
		in(s, 4, 40)
		if have, may := s.Places("eve"); have != 36 || may != 36 {
			t.Errorf("got %d of %d devices", have, may)
		}
		again, err := s.Change("eve")
		if err != nil || again.Devices != 36 {
			t.Errorf("the next change of the account forgets it: %v, %v", again.Devices, err)
		}
		w.logs["alice1"] = w.logs["alice1"][:len(w.logs["alice1"])-1]
		w.sign("eve-39", 962, acl.AccountChange{Name: "eve", Devices: 1000})
		wantProblem(t, w.fold(), "eve-39", "nothing of its account but key")
		w.logs["eve-39"] = w.logs["eve-39"][:1]
	})
	t.Run("removed ones free their places", func(t *testing.T) {
		c, err := s.WithoutDevice(key("eve-39"))
		if err != nil {
			t.Fatal(err)
		}
		w.sign("alice1", 4000, c)
		s := w.fold()
		if _, err := s.Admit(key("eve-7"), timeAt(5000)); err != nil {
			t.Errorf("the next in time has the place: %v", err)
		}
		if have, _ := s.Places("eve"); have != 32 {
			t.Errorf("got %d devices", have)
		}
		for i := range 8 {
			delete(w.logs, fmt.Sprint("eve-", i))
		}
		s = w.fold()
		for range 2 { // to ask takes no place
			if err := s.Welcome(late, timeAt(4001)); err != nil {
				t.Errorf("there is a place again: %v", err)
			}
		}
	})
	t.Run("the removed account's are spent", func(t *testing.T) {
		c, err := w.fold().Removal("eve")
		if err != nil {
			t.Fatal(err)
		}
		w.sign("alice1", 6000, c)
		s := w.fold()
		if got := s.Spent(); len(got) < 30 {
			t.Errorf("%d devices of hers are spent", len(got))
		}
		want := print(s)
		for _, k := range s.Spent() {
			for dev := range w.logs {
				if key(dev) == k {
					delete(w.logs, dev)
				}
			}
		}
		again := w.fold()
		if len(again.Accounts()) != len(s.Accounts()) || len(again.Rules()) != len(s.Rules()) {
			t.Errorf("without what is spent the group is another: %s\n%s", want, print(again))
		}
		if _, err := again.Admit(key("bob2-1"), timeAt(7000)); err != nil {
			t.Error(err)
		}
	})
}

// TestNewcomersAreBounded: who has the password pushes nobody out, with whatever times.
func TestNewcomersAreBounded(t *testing.T) {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.join("carol1", 5000, "carol", "join")
	w.sign("alice1", 6000, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol")})
	for i := range 2001 {
		w.join(fmt.Sprint("e", i), 20+int64(i), fmt.Sprint("eve", i), "join")
	}
	memo := new(acl.Memo)
	s, err := acl.Fold(w.roots, w.parts(), memo)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s, "e2000", "has brought in 2000 accounts")
	if _, err := s.Admit(key("carol1"), timeAt(9000)); err != nil {
		t.Errorf("who came later and was pinned is put out: %v", err)
	}
	if n := len(s.Accounts()); n != 2+1+1+2000 {
		t.Errorf("got %d accounts", n)
	}
	// Another password brings in others.
	w.sign("alice1", 7000, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join2"), Keep: keep("carol1", -1)})
	w.join("dave1", 8000, "dave", "join2")
	if s, err = acl.Fold(w.roots, w.parts(), memo); err != nil {
		t.Fatal(err)
	}
	wantAccount(t, s, "dave", acl.Member, false)
}

// TestGrantsAreBounded: what a member hands out is looked at by each that it names.
func TestGrantsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.account(10, "eve", acl.Member)
	w.account(11, "keeper", acl.Backup)
	w.device("eve1", 20, "eve")
	w.device("keeper1", 20, "keeper")
	for i := range 1010 {
		for _, dev := range []string{"alice1", "eve1", "keeper1"} {
			w.sign(dev, 30+int64(i), acl.Grant{Audience: "s1", Epoch: 1, To: []string{"alice"}, Box: []byte("x")})
		}
	}
	s := w.fold()
	by := map[string]int{}
	for _, g := range s.Grants() {
		by[g.By]++
	}
	if by["alice"] != 1010 || by["keeper"] != 1010 || by["eve"] != 1000 {
		t.Errorf("grants that count: %v", by)
	}
	wantProblem(t, s, "eve1", "has granted")
}

// TestBoundsConverge: where bounds are met the state is the same in every order of arrival.
func TestBoundsConverge(t *testing.T) {
	w := rekeys(t, 0, 1, false)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 45 {
		dev := fmt.Sprint("m", i)
		w.device(dev, int64(r.IntN(1000)), "eve")
		for range r.IntN(4) {
			ms := int64(2000 + r.IntN(1000)*50 + len(w.logs[dev])*50_000)
			switch r.IntN(4) {
			case 0:
				w.sign(dev, ms, acl.AccountChange{Name: "eve", Slot: []byte{byte(i)}})
			case 1:
				w.sign(dev, ms, acl.AccountChange{Name: "eve", Keep: keep(fmt.Sprint("m", r.IntN(45)), 1)})
			case 2:
				w.sign(dev, ms, acl.AccountChange{Name: "eve", Seal: "age1x"})
			case 3:
				w.sign(dev, ms, acl.Grant{Audience: "s1", Epoch: 1, To: []string{"eve"}, Box: []byte("x")})
			}
		}
	}
	w.sign("eve1", 500_000, acl.AccountChange{Name: "eve", Key: keyOf("late"), Keep: keep("eve1", -1, "m1", -1, "m2", 1)})
	want := print(w.fold())
	memo := new(acl.Memo)
	for i := range 100 {
		if got := print(w.shuffled(rand.New(rand.NewPCG(5, uint64(i))), memo)); got != want {
			t.Fatalf("order %d: got\n%s\nwant\n%s", i, got, want)
		}
	}
}

// BenchmarkFoldOwnKeys is one account that changes its key ever again.
func BenchmarkFoldOwnKeys(b *testing.B) {
	for _, n := range []int{1000, 2000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := rekeys(b, n, aDay/8, false)
			parts := w.parts()
			memo := new(acl.Memo)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := acl.Fold(w.roots, parts, memo); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestOwnKeepIsBounded has an account name more devices in a record about itself than it ever had: it does not count.
func TestOwnKeepIsBounded(t *testing.T) {
	many := func(n int) map[signed.Key]int64 {
		out := map[signed.Key]int64{key("bob2"): 1}
		for i := range n - 1 {
			out[signed.Key{byte(i), byte(i >> 8), 1}] = int64(i)
		}
		return out
	}
	w := newWorld(t)
	w.account(10, "carol", acl.Member)
	w.device("carol1", 20, "carol")
	w.device("carol2", 21, "carol")
	own := many(1000)
	own[key("carol2")] = 1
	delete(own, key("bob2"))
	w.sign("carol1", 30, acl.AccountChange{Name: "carol", Keep: own})
	w.sign("carol1", 31, acl.AccountChange{Name: "carol", Key: keyOf("another"), Keep: many(1001)})
	w.sign("alice1", 40, acl.AccountChange{Name: "carol", Role: acl.Member, Key: keyOf("carol"), Keep: many(9000), Pin: true})
	s := w.fold()
	wantProblem(t, s, "carol1", "names 1001 devices")
	if list, _ := s.Problems(); len(list) != 1 {
		t.Errorf("problems: %v", list)
	}
	if a, _ := s.Account("carol"); a.Key != key("carol") {
		t.Error("the record counts")
	}
	for dev, want := range map[string]int64{"carol1": -1, "carol2": 1} {
		if d, _ := s.Device(key(dev)); d.Counts != want {
			t.Errorf("%s counts %d, want %d", dev, d.Counts, want)
		}
	}
}
