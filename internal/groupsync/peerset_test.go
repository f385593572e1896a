package groupsync

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

func quiet() *PeerSet { return NewPeerSet(PeerSetOptions{Log: slog.New(slog.DiscardHandler)}) }

// TestAddressesAreBounded: whoever announces any number pushes out nobody who has answered, is spoken to or was named by the
// user.
func TestAddressesAreBounded(t *testing.T) {
	c := quiet()
	c.Heard("named:1", true)
	for i := range 3 * maxAddrs {
		c.Heard(fmt.Sprint("heard:", i), false)
		switch i {
		case 0:
			c.addrs["heard:0"].good = time.Now()
		case 1:
			c.addrs["heard:1"].busy = true
		case 2:
			c.addrs["heard:2"].fails = 3
		}
	}
	if n := len(c.addrs); n != maxAddrs {
		t.Errorf("%d addresses are kept, want %d", n, maxAddrs)
	}
	for addr, want := range map[string]bool{"named:1": true, "heard:0": true, "heard:1": true, "heard:2": false, fmt.Sprint("heard:", 3*maxAddrs-1): true} {
		if (c.addrs[addr] != nil) != want {
			t.Errorf("%s is kept: %v, want %v", addr, !want, want)
		}
	}
	// Where each is of use the newcomer waits outside, and one that was heard of again stays what it was.
	for _, m := range c.addrs {
		m.good = time.Now()
	}
	c.Heard("late:1", false)
	c.Heard("late:2", true)
	c.Heard("named:1", false)
	if c.addrs["late:1"] != nil || c.addrs["late:2"] != nil || len(c.addrs) != maxAddrs || !c.addrs["named:1"].trusty {
		t.Errorf("%d addresses are kept, the user's among them: %v", len(c.addrs), c.addrs["named:1"].trusty)
	}
}

// TestWhoIsForgotten: of those that never answered the one that failed most often.
func TestWhoIsForgotten(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		all  map[string]member
		want string // empty: nobody
	}{
		{"the one that failed", map[string]member{"a": {fails: 1}, "b": {}}, "a"},
		{"the one that failed more", map[string]member{"a": {fails: 1}, "b": {fails: 2}}, "b"},
		{"not who has answered, though it fails", map[string]member{"a": {fails: 9, good: now}, "b": {}}, "b"},
		{"not who is spoken to", map[string]member{"a": {busy: true}}, ""},
		{"not whom the user named", map[string]member{"a": {fails: 9, trusty: true}}, ""},
		{"nobody of those that have answered", map[string]member{"a": {good: now}, "b": {good: now.Add(-time.Hour)}}, ""},
		{"nobody", nil, ""},
	} {
		cr := quiet()
		for addr, m := range c.all {
			m.addr = addr
			cr.addrs[addr] = &m
		}
		if got := cr.forgetOne(); got != (c.want != "") {
			t.Errorf("%s: forgot one: %v", c.name, got)
		}
		for addr := range c.all {
			if gone := cr.addrs[addr] == nil; gone != (addr == c.want) {
				t.Errorf("%s: %s is gone: %v", c.name, addr, gone)
			}
		}
	}
}

// TestPausesBeforeAnother: how long an address waits depends on how it ended.
func TestPausesBeforeAnother(t *testing.T) {
	down := errors.New("connection refused")
	for _, c := range []struct {
		name        string
		fails       int // before
		anew        bool
		err         error
		least, most time.Duration
		want        int // fails after
	}{
		{"the first failure", 0, false, down, retryFirst / 2, 2 * retryFirst, 1},
		{"the third", 2, false, down, 2 * retryFirst, 6 * retryFirst, 3},
		{"after many", 100, false, down, retryMost / 2, 2 * retryMost, 101},
		{"a lie", 0, false, &PeerError{errors.New("lie")}, badPause / 2, 2 * badPause, 1},
		{"a lie beside something else", 0, false, errors.Join(down, &PeerError{errors.New("lie")}), badPause / 2, 2 * badPause, 1},
		{"refused", 0, false, ErrRefused, retryFirst / 2, 2 * retryFirst, 1},
		{"others wait", 4, false, errOthers, stay, stay, 4},
		{"called anew", 3, true, &PeerError{errors.New("lie")}, 0, 0, 3},
	} {
		cr := quiet()
		m := &member{busy: true, end: func() {}, fails: c.fails, anew: c.anew}
		before := time.Now()
		cr.released(m, c.err)
		after := time.Now()
		if m.busy || m.end != nil || m.anew || m.fails != c.want {
			t.Errorf("%s: left with %+v, want %d failures", c.name, m, c.want)
		}
		if c.most == 0 {
			if !m.next.IsZero() {
				t.Errorf("%s: it waits", c.name)
			}
			continue
		}
		if m.next.Before(before.Add(c.least)) || m.next.After(after.Add(c.most)) {
			t.Errorf("%s: it waits %v, want %v to %v", c.name, m.next.Sub(before), c.least, c.most)
		}
	}
}

// TestWhoIsChosen: who never failed comes first, nobody before its time, and no more than there are places.
func TestWhoIsChosen(t *testing.T) {
	now := time.Now()
	cr := quiet()
	cr.addrs = map[string]*member{"failed": {addr: "failed", fails: 1}, "fresh": {addr: "fresh"}, "later": {addr: "later", next: now.Add(time.Second)}}
	for _, want := range []string{"fresh", "failed"} {
		m, _ := cr.choose(now)
		if m == nil || m.addr != want || !m.busy {
			t.Fatalf("got %+v, want %s", m, want)
		}
	}
	if m, next := cr.choose(now); m != nil || next != time.Second {
		t.Errorf("got %+v, and to look again after %v", m, next)
	}
	if m, _ := cr.choose(now.Add(time.Second)); m == nil || m.addr != "later" {
		t.Errorf("when its time has come: got %+v", m)
	}
	cr = quiet()
	for i := range maxNeighbours + 1 {
		cr.addrs[fmt.Sprint(i)] = &member{addr: fmt.Sprint(i)}
	}
	n := 0
	for m, _ := cr.choose(now); m != nil; m, _ = cr.choose(now) {
		n++
	}
	if n != maxNeighbours {
		t.Errorf("%d neighbours, want %d", n, maxNeighbours)
	}
	for _, m := range cr.addrs {
		for _, c := range []struct {
			what         string
			busy, trusty bool
			fails        int
			want         bool
		}{{"somebody waits", true, false, 0, true}, {"who waits has failed", true, false, 1, false}, {"the user named it", true, true, 0, false}} {
			for _, o := range cr.addrs {
				if !o.busy {
					o.fails = c.fails
				}
			}
			m.trusty = c.trusty
			if got := cr.othersWait(m); m.busy && got != c.want {
				t.Errorf("%s: others wait for its place: %v", c.what, got)
			}
		}
		m.trusty = false
	}
}

// TestOneVoiceForEachHost: of those at one address whose word counts the one that is nearest to this clock is heard.
func TestOneVoiceForEachHost(t *testing.T) {
	good, bad := signed.Key{1}, signed.Key{2}
	h := time.Hour
	for _, c := range []struct {
		name string
		all  map[string]member
		want []time.Duration
	}{
		{"two hosts", map[string]member{"10.0.0.1:1": {by: good, dated: true, ahead: h}, "10.0.0.2:1": {by: good, dated: true, ahead: -h}}, []time.Duration{-h, h}},
		{"two of one host", map[string]member{"10.0.0.1:1": {by: good, dated: true, ahead: 2 * h}, "10.0.0.1:2": {by: good, dated: true, ahead: -h}}, []time.Duration{-h}},
		{"one that does not count beside", map[string]member{"10.0.0.1:1": {by: good, dated: true, ahead: h}, "10.0.0.1:2": {by: bad, dated: true}}, []time.Duration{h}},
		{"one without a date beside", map[string]member{"10.0.0.1:1": {by: good, dated: true, ahead: h}, "10.0.0.1:2": {by: good}}, []time.Duration{h}},
		{"no address", map[string]member{"nowhere": {by: good, dated: true}}, nil},
	} {
		for range 8 { // in any order
			cr := quiet()
			for addr, m := range c.all {
				m.addr = addr
				cr.addrs[addr] = &m
			}
			if got := slices.Sorted(slices.Values(cr.Clocks(func(k signed.Key) bool { return k == good }))); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	}
}

// TestKnownAddresses: those that answered before or did not fail yet are told, those that only fail are not.
func TestKnownAddresses(t *testing.T) {
	cr := quiet()
	cr.addrs = map[string]*member{"new": {}, "failed": {fails: 1}, "answered": {fails: 3, good: time.Now()}}
	if got := slices.Sorted(slices.Values(cr.Known())); !slices.Equal(got, []string{"answered", "new"}) {
		t.Errorf("got %v", got)
	}
}
