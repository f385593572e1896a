package node_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// isOut says whether a node shows that members turn it away from the family's group.
func isOut(x *node.GroupAnswer) string {
	if slices.ContainsFunc(x.Groups[0].Warnings, func(w string) bool { return strings.Contains(w, "no member lets this machine in any more") }) {
		return "out"
	}
	return "in"
}

// TestWhoWasRemovedIsTold removes an account, and one machine of another: each concludes it by itself, says so wherever it is asked, and
// knows it after a restart. Who only meets nobody does not.
func TestWhoWasRemovedIsTold(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bob, end := daemon(t, home, quickly)
	if _, err := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	carol, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	publishFor(t, alice, folder(t, "film", map[string]string{"f": "1"}), node.InGroup{As: "film"})
	for _, n := range []*node.Node{alice, bob, carol} {
		waitAccounts(t, n, "alice bob carol join")
		waitNames(t, n, "family/film")
	}
	if got := isOut(show2(t, bob)); got != "in" {
		t.Fatalf("before it was removed bob's machine says that it is %s", got)
	}
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	waitShown(t, bob, "out", isOut)
	saysOut := func(what string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "no member lets this machine into family any more: its account was removed, or this device was") || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want that it is let in no more", what, err)
		}
	}
	_, err = fetchNamed(t, bob, node.FetchRequest{Ref: "family/film", Dir: t.TempDir()})
	saysOut("a fetch", err)
	finding(t, examine(t, bob), "group", true, "no member lets this machine in any more")
	if st, err := bob.Status(t.Context(), node.StatusRequest{}); err != nil || !strings.Contains(strings.Join(st.Problems, "\n"), `the group "family": no member lets this machine in any more`) {
		t.Errorf("status: got %q, %v", st.Problems, err)
	}
	end()
	alone, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if got := isOut(show2(t, alone)); got != "out" {
		t.Errorf("without a daemon: got %s", got)
	}
	finding(t, examine(t, alone), "group", true, "no member lets this machine in any more")
	must(t, alone.Close())

	if got := isOut(show2(t, carol)); got != "in" {
		t.Fatalf("carol's machine says that it is %s", got)
	}
	key := show2(t, carol).Groups[0].Device
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveDevice = &key }))
	waitShown(t, carol, "out", isOut)
}

func show2(t *testing.T, n *node.Node) *node.GroupAnswer {
	t.Helper()
	return askGroup(t, n, node.GroupRequest{Group: "family", Show: &struct{}{}})
}

// TestWhoMeetsNobodyIsNotOut has the only other member end.
func TestWhoMeetsNobodyIsNotOut(t *testing.T) {
	home := t.TempDir()
	alice, end := daemon(t, home, quickly)
	a := askGroup(t, alice, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	waitShown(t, bob, "1 in", func(x *node.GroupAnswer) string {
		if x.Groups[0].Members == 1 {
			return "1 " + isOut(x)
		}
		return "0"
	})
	end()
	waitShown(t, bob, "0 in", func(x *node.GroupAnswer) string {
		if x.Groups[0].Members == 0 {
			return "0 " + isOut(x)
		}
		return "some"
	})
}
