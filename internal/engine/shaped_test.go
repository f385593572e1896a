package engine

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fetching starts a fetch of p and gives its torrent.
func fetching(t *testing.T, e *Engine, p payload, s Spec) *Torrent {
	t.Helper()
	s.V1, s.Info, s.Total = &p.hash, p.info, int64(len(p.data))
	s.Storage = &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
	tt, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	return tt
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// A share with many peers leaves half of the rate to one with a single peer.
func TestRateIsSharedByTorrent(t *testing.T) {
	const rate = 2 << 20
	seeder := start(t, func(s *Settings) { s.MaxUp = rate })
	many, one := newPayload(t, 8<<20, false), newPayload(t, 8<<20+1, false)
	upMany, upOne := many.seed(t, seeder, Spec{}), one.seed(t, seeder, Spec{})
	for range 5 {
		fetching(t, start(t, nil), many, Spec{Peers: []string{at(seeder)}})
	}
	fetching(t, start(t, nil), one, Spec{Peers: []string{at(seeder)}})
	waitFor(t, "both are served", func() bool { return upMany.Stats().Uploaded > 1<<20 && upOne.Stats().Uploaded > 256<<10 })
	a, b := upMany.Stats().Uploaded, upOne.Stats().Uploaded
	begun := time.Now()
	for time.Since(begun) < 2*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(begun).Seconds()
	gotMany, gotOne := float64(upMany.Stats().Uploaded-a)/took, float64(upOne.Stats().Uploaded-b)/took
	if ratio := gotMany / gotOne; ratio > 2 || ratio < 0.5 {
		t.Errorf("the share with five peers got %.0f bytes a second, the one with one %.0f: want about the same", gotMany, gotOne)
	}
	if sum := gotMany + gotOne; sum > 1.3*rate {
		t.Errorf("both got %.0f bytes a second, more than the rate of %d", sum, rate)
	}
}

// A torrent's own limit holds for peers and web seeds together, and can be taken away while it runs.
func TestOwnLimitOfATorrent(t *testing.T) {
	const limit = 128 << 10
	p := newPayload(t, 4<<20, false)
	seeder, fetcher := start(t, nil), start(t, nil)
	p.seed(t, seeder, Spec{})
	tt := fetching(t, fetcher, p, Spec{Peers: []string{at(seeder)}, MaxDown: limit})
	begun := time.Now()
	var fromWeb atomic.Int64
	var web sync.WaitGroup
	web.Go(func() { // what a web seed is held to
		for n := tt.Most(); n > 0; n = tt.Most() {
			if tt.Carry(t.Context(), n) != nil {
				return
			}
			fromWeb.Add(int64(n))
		}
	})
	for time.Since(begun) < 2*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	s := tt.Stats()
	if got, most := s.FromPeers+fromWeb.Load(), int64(time.Since(begun).Seconds()*limit)+512<<10; got > most {
		t.Errorf("%d bytes came, want at most %d", got, most)
	}
	tt.SetLimits(0, 0)
	web.Wait()
	if fromWeb.Load() == 0 {
		t.Error("nothing was left for a web seed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tt.Wait(ctx, [][2]int{{0, p.pieces}}); err != nil {
		t.Errorf("after the limit was taken away: %v", err)
	}
}

func TestCopiesAreOtherMachines(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"192.0.2.1:1", "192.0.2.1:2"},
		{"[2001:db8::1]:1", "[2001:db8::2]:1"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:9"},
	} {
		if machineOf(c.a) != machineOf(c.b) {
			t.Errorf("%s and %s are two machines, want one", c.a, c.b)
		}
	}
	for _, c := range []struct{ a, b string }{
		{"192.0.2.1:1", "192.0.2.2:1"},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:1"},
	} {
		if machineOf(c.a) == machineOf(c.b) {
			t.Errorf("%s and %s are one machine, want two", c.a, c.b)
		}
	}
	var cs copies
	now := time.Now()
	own := func() map[netip.Prefix]bool { return map[netip.Prefix]bool{machineOf("192.0.2.9:1"): true} }
	for _, a := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.9:5", "127.0.0.1:4", "[::1]:4"} {
		cs.arrived(machineOf(a))
	}
	if got := cs.count(now, own); got != 2 {
		t.Errorf("got %d copies, want 2: this machine does not count, and one that is there twice counts once", got)
	}
	cs.left(machineOf("192.0.2.2:1"))
	if got := cs.count(now.Add(time.Minute), own); got != 2 {
		t.Errorf("a minute after one left: got %d, want 2", got)
	}
	if got := cs.count(now.Add(time.Hour), own); got != 1 {
		t.Errorf("an hour after one left: got %d, want 1", got)
	}
}

// What peers say they have is followed piece by piece.
func TestHoldersAreHeard(t *testing.T) {
	seeder, fetcher := start(t, nil), start(t, nil)
	p := newPayload(t, 300_000, false)
	up := p.seed(t, seeder, Spec{})
	fetching(t, fetcher, p, Spec{Peers: []string{at(seeder)}})
	waitFor(t, "the fetcher holds every piece", func() bool {
		up.copies.mu.Lock()
		defer up.copies.mu.Unlock()
		return len(up.copies.seen) == 1
	})
	if got := up.Stats().Copies; got != 0 {
		t.Errorf("got %d copies, want 0: it is on this machine", got)
	}
	h := &holder{t: &Torrent{pieces: 70}, have: make([]uint64, 2)}
	for _, i := range []int{0, 69, 69, 70, -1, 1 << 30} {
		h.set(i)
	}
	if h.count != 2 {
		t.Errorf("got %d pieces, want 2: twice the same is one, and there are only 70", h.count)
	}
}

// A fetch that ends at its last byte still tells its seed that it has everything.
func TestTheLastWordIsHeard(t *testing.T) {
	seeder := start(t, nil)
	for i := range 5 {
		p := newPayload(t, 200_000+i, false)
		up := p.seed(t, seeder, Spec{})
		fetcher := start(t, nil)
		tt := fetching(t, fetcher, p, Spec{Peers: []string{at(seeder)}})
		if err := tt.Wait(t.Context(), [][2]int{{0, p.pieces}}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the seed knows that the fetcher has everything", func() bool {
			up.copies.mu.Lock()
			defer up.copies.mu.Unlock()
			return len(up.copies.seen) == 1
		})
	}
}

// Two that have everything do not stay connected.
func TestSeedsPart(t *testing.T) {
	seeder, fetcher := start(t, nil), start(t, nil)
	p := newPayload(t, 200_000, false)
	up := p.seed(t, seeder, Spec{})
	tt := fetching(t, fetcher, p, Spec{Peers: []string{at(seeder)}})
	if err := tt.Wait(t.Context(), [][2]int{{0, p.pieces}}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "they part", func() bool { return up.Stats().Peers == 0 && tt.Stats().Peers == 0 })
}

// TestAMachineHoldsWhatItsConnectionsSay has one that super-seeds show some pieces on one connection and the others on another: it has all.
func TestAMachineHoldsWhatItsConnectionsSay(t *testing.T) {
	tt := &Torrent{pieces: 70}
	both := &haveUnion{have: make([]uint64, 2), conns: 2}
	a, b := &holder{t: tt, have: make([]uint64, 2), both: both, at: machineOf("192.0.2.1:1")}, &holder{t: tt, have: make([]uint64, 2), both: both, at: machineOf("192.0.2.1:1")}
	none := func() map[netip.Prefix]bool { return nil }
	for i := range 70 {
		if got := tt.copies.count(time.Now(), none); got != 0 {
			t.Fatalf("after %d pieces: got %d copies", i, got)
		}
		h := a
		if i%2 > 0 {
			h = b
		}
		h.set(i)
		h.judge()
	}
	if got := tt.copies.count(time.Now(), none); got != 1 {
		t.Errorf("got %d copies, want 1", got)
	}
}
