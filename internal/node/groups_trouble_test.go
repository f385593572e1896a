package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestTwoGroupsOfOneName: the second keeps its ID until the user names it.
func TestTwoGroupsOfOneName(t *testing.T) {
	owner, reader, _ := acme(t)
	second, _ := daemon(t, t.TempDir(), nil)
	a := askGroup(t, second, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	j := askGroup(t, reader, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, second)}, Timeout: 20 * time.Second}})
	if j.Groups[0].Name != a.Groups[0].ID || j.Groups[0].Title != "acme" {
		t.Errorf("joined: got the name %q and title %q, want the ID and acme", j.Groups[0].Name, j.Groups[0].Title)
	}
	if got := show(t, reader).ID; got != show(t, owner).ID {
		t.Errorf("acme is now %s", got)
	}
	_, err := reader.Group(t.Context(), node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}, func(node.Event) {})
	if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("a third of that name: got %v, want a usage error with a hint", err)
	}
}

// TestWrongClock: who is told by members that its clock is off shows it, and signs nothing unless told to.
func TestWrongClock(t *testing.T) {
	owner, _, link := acme(t)
	h := publisher(t, owner, link, "bob")
	at := h.serve(2 * time.Hour)
	late := alone(t, t.TempDir())
	askGroup(t, late, node.GroupRequest{Group: link, Join: &node.JoinGroup{As: "acme", Peers: []string{at}, Timeout: 20 * time.Second}})
	waitWarning(t, late, "this clock differs by 2h0m0s")
	add := node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "x", Role: "publisher", Key: filepath.Join(t.TempDir(), "k")}}
	_, err := late.Group(t.Context(), add, func(node.Event) {})
	if !errors.Is(err, signed.ErrClockOff) || !strings.Contains(fault.HintOf(err), "--offline") {
		t.Errorf("signing: got %v (%s), want the clock, and the way out", err, fault.HintOf(err))
	}
	add.Offline = true
	if _, err := late.Group(t.Context(), add, func(node.Event) {}); errors.Is(err, signed.ErrClockOff) || fault.KindOf(err) != fault.Denied {
		t.Errorf("with --offline: got %v, want that a reader may not", err)
	}
}

// TestDamagedGroup: a group's folder that cannot be read is shown and can be left, and the others go on.
func TestDamagedGroup(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	bad := askGroup(t, n, node.GroupRequest{Group: "bad", Create: &node.CreateGroup{Kind: "public"}}).Groups[0].ID
	askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	end()
	file := filepath.Join(home, "groups", bad, "group.json")
	raw, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, raw[:len(raw)/2], 0o600))
	must(t, os.Mkdir(filepath.Join(home, "groups", ".new-left"), 0o700))
	must(t, os.Mkdir(filepath.Join(home, ".visit-left"), 0o700))
	n, _ = daemon(t, home, nil)
	list := askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups
	if len(list) != 2 || list[0].Name != "acme" || list[1].ID != bad || !strings.Contains(strings.Join(list[1].Warnings, ""), "cannot be read") {
		t.Fatalf("listed: %+v", list)
	}
	for _, left := range []string{filepath.Join(home, "groups", ".new-left"), filepath.Join(home, ".visit-left")} {
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left", left)
		}
	}
	_, err = n.Group(t.Context(), node.GroupRequest{Group: bad, Show: &struct{}{}}, func(node.Event) {})
	if err == nil || !strings.Contains(err.Error(), "cannot be read") || fault.HintOf(err) == "" {
		t.Errorf("shown: got %v, want that it cannot be read, with a hint", err)
	}
	if _, err := publishAs(t, n, folder(t, "f", map[string]string{"f": "1"}), "acme", "f@1"); err != nil {
		t.Errorf("the other group: %v", err)
	}
	askGroup(t, n, node.GroupRequest{Group: bad, Leave: &struct{}{}})
	if list := askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups; len(list) != 1 {
		t.Errorf("after leaving: %+v", list)
	}
}

// TestVisitsTogether has several fetches visit a group at once, which is joined meanwhile.
func TestVisitsTogether(t *testing.T) {
	owner, _, link := acme(t)
	if _, err := publishAs(t, owner, folder(t, "app", map[string]string{"f": "1"}), "acme", "app@1"); err != nil {
		t.Fatal(err)
	}
	visitor, _ := daemon(t, t.TempDir(), nil)
	peers := []string{addrOf(t, owner)}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
				return visitor.Fetch(ctx, node.FetchRequest{Ref: link + "/app", Dir: t.TempDir(), Peers: peers}, on)
			}, func(e node.Event) bool { return e.Kept != nil })
			if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "is being fetched") {
				t.Error(err)
			}
		})
	}
	askGroup(t, visitor, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: peers, Timeout: 20 * time.Second}})
	wg.Wait()
	waitEntries(t, visitor, "acme/app@1 by alice")
	if list := askGroup(t, visitor, node.GroupRequest{List: &struct{}{}}).Groups; len(list) != 1 {
		t.Errorf("groups: %+v, want the one that was joined", list)
	}
}

// TestAGroupThatEndsTheProcessTwice: it comes up stopped, status says why and what to do, the other group is open, and the next
// daemon tries it again. One that ended it once is opened after the others.
func TestAGroupThatEndsTheProcessTwice(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	bad := askGroup(t, n, node.GroupRequest{Group: "bad", Create: &node.CreateGroup{Kind: "public"}}).Groups[0].ID
	good := askGroup(t, n, node.GroupRequest{Group: "good", Create: &node.CreateGroup{Kind: "public"}}).Groups[0].ID
	file := filepath.Join(home, "groups-opening.json")
	warned := func() string {
		t.Helper()
		var out []string
		for _, g := range askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups {
			out = append(out, g.Name+":"+strings.Join(g.Warnings, " "))
		}
		return strings.Join(out, "\n")
	}
	end()
	must(t, node.WriteGroupsOpening(home, "another boot", bad, good)) // the machine lost its power: nobody's fault
	n, end = daemon(t, home, nil)
	if got := warned(); strings.Contains(got, "stopped") {
		t.Errorf("after the power was lost: %s", got)
	}
	end()
	must(t, node.WriteGroupsOpening(home, node.BootID(), bad, good))
	n, end = daemon(t, home, nil)
	if got := warned(); strings.Contains(got, "stopped") {
		t.Errorf("after one end: %s", got)
	}
	if raw, err := os.ReadFile(file); err != nil || strings.Contains(string(raw), bad) {
		t.Errorf("what was opened is still suspected: %s, %v", raw, err)
	}
	end()
	// Twice: as it is when the process ended while it opened the group alone.
	must(t, node.WriteGroupsDeaths(home, bad, 1))
	n, end = daemon(t, home, nil)
	if got := warned(); !strings.Contains(got, bad+":it cannot be read: the group is stopped") || !strings.Contains(got, "good:") {
		t.Errorf("after two: %s", got)
	}
	st, err := n.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	if got := strings.Join(st.Problems, "\n"); !strings.Contains(got, bad) || !strings.Contains(got, "p2pshare group leave "+bad) {
		t.Errorf("status: %s", got)
	}
	_, err = n.Group(t.Context(), node.GroupRequest{Group: bad, Show: &struct{}{}}, func(node.Event) {})
	if err == nil || !strings.Contains(err.Error(), "stopped") || !strings.Contains(fault.HintOf(err), "started the next time") {
		t.Errorf("shown: got %v; %s", err, fault.HintOf(err))
	}
	end()
	n, _ = daemon(t, home, nil)
	if got := warned(); strings.Contains(got, "stopped") {
		t.Errorf("the next daemon: %s", got)
	}
}

// TestWhatMembersSendEndsTheProcessTwice: the group is closed that was at work on it both times within a day, and tried again by the next
// daemon. One that ended it once is open, as is one after which a day has gone by.
func TestWhatMembersSendEndsTheProcessTwice(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	a := askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	bad := a.Groups[0].ID
	good := askGroup(t, n, node.GroupRequest{Group: "good", Create: &node.CreateGroup{Kind: "public"}}).Groups[0].ID
	// What somebody sends is noted before it is taken, and what this machine signs itself is not.
	file := filepath.Join(home, "groups-heard.json")
	if raw, err := os.ReadFile(file); err == nil && strings.Contains(string(raw), bad) {
		t.Errorf("by its own records: %s", raw)
	}
	carol := publisher(t, n, a.Link, "carol")
	must(t, carol.share(invented("app", "1")))
	must(t, carol.push(n))
	killed, err := os.ReadFile(file) // as it is left by a process that is killed now
	if err != nil || !strings.Contains(string(killed), bad) || strings.Contains(string(killed), good) {
		t.Errorf("after a member's log: %s, %v", killed, err)
	}
	end()
	if raw, err := os.ReadFile(file); err != nil || strings.Contains(string(raw), bad) {
		t.Errorf("ended in order: %s, %v", raw, err)
	}
	closed := func() (out []string) {
		t.Helper()
		for _, g := range askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups {
			if w := strings.Join(g.Warnings, " "); strings.Contains(w, "the group is stopped") {
				out = append(out, g.Name+": "+w)
			}
		}
		return out
	}
	must(t, os.WriteFile(file, killed, 0o600))
	n, end = daemon(t, home, nil)
	end()
	if raw, err := os.ReadFile(file); err != nil || !strings.Contains(string(raw), `"deaths":{"`+bad+`":1}`) {
		t.Errorf("the first process that knew of the group was killed: %s, %v", raw, err)
	}
	for _, c := range []struct {
		name   string
		before int
		last   time.Duration // ago
		want   bool
	}{{"once", 0, 0, false}, {"again, days later", 1, 25 * time.Hour, false}, {"twice", 1, 23 * time.Hour, true}} {
		must(t, node.WriteGroupsHeard(home, c.before, time.Now().Add(-c.last), bad))
		n, end = daemon(t, home, nil)
		list := closed()
		if c.want != (len(list) == 1 && strings.Contains(list[0], "ended 2 times while it was at work on what its members had sent")) || !c.want && len(list) > 0 {
			t.Errorf("%s: closed are %q", c.name, list)
		}
		if _, err := n.Group(t.Context(), node.GroupRequest{Group: "good", Show: &struct{}{}}, func(node.Event) {}); err != nil {
			t.Errorf("%s, the other group: %v", c.name, err)
		}
		end()
	}
	n, _ = daemon(t, home, nil)
	if list := closed(); len(list) > 0 {
		t.Errorf("the next daemon: %q", list)
	}
}
