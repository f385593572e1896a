package node_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestWhatIsSharedWhenAPrivateGroupIsLeft: it stops, is served to nobody, and goes on after the group was joined again.
func TestWhatIsSharedWhenAPrivateGroupIsLeft(t *testing.T) {
	alice, bob, a := two(t)
	dir := folder(t, "photos", map[string]string{"a.jpg": strings.Repeat("picture", 50_000)})
	publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	waitNames(t, bob, "family/photos@1")
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/photos", Dir: t.TempDir(), Seed: true}); err != nil {
		t.Fatal(err)
	}
	shareIn(t, bob, "photos", in(node.StateSeeding))
	link := linkOf(t, a.Link)
	as := thief(t, homeOf(t, alice)).Device()
	reach := func(protocol string) net.Conn {
		c, _, err := groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{Addr: addrOf(t, bob), ServerName: link.ServerName(signed.DayOf(time.Now())), Identity: as}, protocol)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		must(t, c.SetDeadline(time.Now().Add(60*time.Second)))
		return c
	}
	open := reach(groupnet.Sync)
	groups := filepath.Join(homeOf(t, bob), "groups")
	askGroup(t, bob, node.GroupRequest{Group: "family", Leave: &struct{}{}})
	s := shareIn(t, bob, "photos", in(node.StateStopped))
	if !strings.Contains(s.Reason, `"family" was left`) {
		t.Errorf("the share stopped for %q, want that the group was left", s.Reason)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a member's connection: got %v, want that it was closed", err)
	}
	again, err := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(again.Notes, "\n"); again.User != "bob-2" || !strings.Contains(notes, `"bob" is taken in family, so you are bob-2`) || !strings.Contains(notes, "1 share of the group") {
		t.Errorf("joined again as %q, with the notes %q", again.User, notes)
	}
	shareIn(t, bob, "photos", in(node.StateSeeding))
	askGroup(t, bob, node.GroupRequest{Group: "family", Leave: &struct{}{}})
	shareIn(t, bob, "photos", in(node.StateStopped))
	if _, err := bob.Change(t.Context(), node.ChangeRequest{Refs: []string{"photos"}, Run: true}); err != nil {
		t.Fatal(err)
	}
	if s := shareIn(t, bob, "photos", in(node.StateFailed)); !strings.Contains(s.Reason, "private group") {
		t.Errorf("started again outside of the group: failed for %q", s.Reason)
	}
	if list, err := os.ReadDir(groups); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if _, err := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Change(t.Context(), node.ChangeRequest{Refs: []string{"photos"}, Run: true}); err != nil {
		t.Fatal(err)
	}
	shareIn(t, bob, "photos", in(node.StateSeeding))
}

// TestLeaveWhileFetching: a fetch from the group ends, and says why.
func TestLeaveWhileFetching(t *testing.T) {
	alice, bob, _ := two(t)
	dir := folder(t, "photos", map[string]string{"a.jpg": strings.Repeat("picture", 500_000)})
	publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	waitNames(t, bob, "family/photos@1")
	begun, over := make(chan struct{}), make(chan error, 1)
	go func() {
		told := false
		over <- bob.Fetch(t.Context(), node.FetchRequest{Ref: "family/photos", Dir: t.TempDir(), Limits: node.Limits{Down: 32 << 10}}, func(e node.Event) {
			if e.Progress != nil && e.Progress.Phase == "fetching" && !told {
				told = true
				close(begun)
			}
		})
	}()
	select {
	case <-begun:
	case err := <-over:
		t.Fatalf("the fetch ended before it began: %v", err)
	}
	askGroup(t, bob, node.GroupRequest{Group: "family", Leave: &struct{}{}})
	if err := <-over; err == nil {
		t.Error("the fetch says that it is done")
	}
	if s := shareIn(t, bob, "photos", in(node.StateStopped)); !strings.Contains(s.Reason, `"family" was left`) {
		t.Errorf("the fetch stopped for %q, want that the group was left", s.Reason)
	}
}

// TestAMemberDoesNotAskEveryoneForAShare: who asks everyone for an infohash tells everyone of it.
func TestAMemberDoesNotAskEveryoneForAShare(t *testing.T) {
	alice, bob, _ := two(t)
	dir := folder(t, "photos", map[string]string{"a.jpg": strings.Repeat("picture", 50_000)})
	pub := publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	waitNames(t, bob, "family/photos@1")
	for _, ref := range []string{pub.Infohash, "magnet:?xt=urn:btih:" + pub.Infohash} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		err := bob.Fetch(ctx, node.FetchRequest{Ref: ref, Dir: t.TempDir(), Timeout: 30 * time.Second}, func(node.Event) {})
		cancel()
		if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "family/photos@1") {
			t.Errorf("fetch %s: got %v with the hint %q, want that it is refused, and how it is asked for", ref, err, fault.HintOf(err))
		}
	}
}

func homeOf(t *testing.T, n *node.Node) string {
	t.Helper()
	st, err := n.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	return st.Home
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
