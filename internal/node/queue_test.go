package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestFetchesTakeTurns has three fetches where one at a time may run.
func TestFetchesTakeTurns(t *testing.T) {
	source, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Network.MaxUp = 128 << 10 })
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Fetches = 1 })
	target := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		pub := publishIn(t, source, folder(t, name, map[string]string{"f": strings.Repeat(name, 200<<10)}))
		_, _ = ask(t, func(ctx context.Context, on func(node.Event)) error {
			return n.Fetch(ctx, node.FetchRequest{Ref: pub.Magnet, Dir: target, Peers: []string{addrOf(t, source)}}, on)
		}, func(e node.Event) bool { return e.Kept != nil })
	}
	waitStatus := func(what string, ok func(map[string]int) bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			s, err := n.Status(t.Context(), node.StatusRequest{})
			if err != nil {
				t.Fatal(err)
			}
			states := map[string]int{}
			for _, sh := range s.Shares {
				states[sh.State]++
				if sh.State == node.StateQueued && sh.Reason == "" {
					t.Errorf("%s is queued without a reason", sh.Name)
				}
			}
			if states[node.StateFetching] > 1 && states[node.StateQueued] > 0 {
				// A look-up of a magnet's info is no transfer: only those with bytes count.
				n := 0
				for _, sh := range s.Shares {
					if sh.State == node.StateFetching && sh.Progress != nil && sh.Progress.Phase == "fetching" {
						n++
					}
				}
				if n > 1 {
					t.Fatalf("%d transfer at once, want 1: %+v", n, s.Shares)
				}
			}
			if ok(states) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("not in time: %s; %v", what, states)
			}
		}
	}
	waitStatus("two wait", func(m map[string]int) bool { return m[node.StateQueued] == 2 })
	if _, err := source.Limit(t.Context(), node.LimitRequest{Up: new(int64)}); err != nil {
		t.Fatal(err)
	}
	waitStatus("all are there", func(m map[string]int) bool { return m[node.StateSeeding] == 3 })
}

// TestFloor has a fetch wait for room that is not there.
func TestFloor(t *testing.T) {
	source, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, source, folder(t, "s", map[string]string{"f": "content"}))
	home, target := t.TempDir(), t.TempDir()
	n, end := daemon(t, home, func(o *node.Options) { o.Floor = 1 << 60 })
	_, _ = ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Fetch(ctx, node.FetchRequest{Ref: pub.Magnet, Dir: target, Peers: []string{addrOf(t, source)}}, on)
	}, func(e node.Event) bool { return e.Kept != nil })
	s := shareIn(t, n, pub.Infohash, in(node.StateWaiting))
	if !strings.Contains(s.Reason, "free") || s.Hint == "" {
		t.Errorf("got %q, %q, want how much is free and what helps", s.Reason, s.Hint)
	}
	end()
	if _, err := os.Stat(filepath.Join(target, "s")); !os.IsNotExist(err) {
		t.Errorf("it was fetched all the same: %v", err)
	}
	n, _ = daemon(t, home, func(o *node.Options) { o.Floor = 1 })
	shareIn(t, n, pub.Infohash, in(node.StateSeeding))
}

// TestWaitingIsTold: what a fetch waits for is told at once, to who comes later too, and doctor has the same figures.
func TestWaitingIsTold(t *testing.T) {
	source, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, source, folder(t, "s", map[string]string{"f": "content"}))
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Floor = 1 << 60 })
	r := node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: []string{addrOf(t, source)}}
	for range 2 {
		told := ""
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) }, func(e node.Event) bool {
			if e.Progress != nil && e.Progress.Phase == "waiting" {
				told = e.Progress.Waiting
			}
			return told != ""
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(told, "7 B are to come") {
			t.Fatalf("told %q, %v, want how much is to come", told, err)
		}
		if s := shareIn(t, n, pub.Infohash, in(node.StateWaiting)); s.Reason != told {
			t.Errorf("status says %q, and the fetch %q", s.Reason, told)
		}
	}
	d, err := n.Doctor(t.Context(), node.DoctorRequest{Refs: []string{pub.Infohash}}, func(node.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(d.Findings, func(f node.Finding) bool {
		return f.Code == "disk-full" && strings.Contains(f.What, "7 B are still to come")
	}) {
		t.Errorf("doctor found %+v, want how much is to come", d.Findings)
	}
}

// TestTimeoutWhileItWaits: the time of a fetch holds while it waits for room.
func TestTimeoutWhileItWaits(t *testing.T) {
	source, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, source, folder(t, "s", map[string]string{"f": "content"}))
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Floor = 1 << 60 })
	r := node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: []string{addrOf(t, source)}, Timeout: 2 * time.Second}
	_, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) }, nil)
	if fault.KindOf(err) != fault.Timeout || !strings.Contains(err.Error(), "are free") || fault.HintOf(err) == "" {
		t.Errorf("got %v (%s), want that its time is up, why, and what helps", err, fault.HintOf(err))
	}
	shareIn(t, n, pub.Infohash, in(node.StateFailed))
}
