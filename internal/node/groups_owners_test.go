package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func groupDir(home string, g node.Group) string { return filepath.Join(home, "groups", g.ID) }

func owners(c node.ChangeOwners) node.GroupRequest {
	return node.GroupRequest{Group: "acme", Owners: &c}
}

// TestTwoOwners: two of two sign. One rotates by a draft that the other completes; neither key is lost before or after, and the
// one that was rotated out signs nothing any more.
func TestTwoOwners(t *testing.T) {
	home, home2 := t.TempDir(), t.TempDir()
	a, _ := daemon(t, home, nil)
	made := askGroup(t, a, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	g := made.Groups[0]
	second, err := group.NewSecret()
	must(t, err)
	b, end := daemon(t, home2, nil)
	askGroup(t, b, node.GroupRequest{Group: made.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, a)}, Timeout: 20 * time.Second}})
	end()
	must(t, group.WriteKey(filepath.Join(groupDir(home2, g), "owner.key"), group.Key{Kind: group.KeyOwner, Group: must2(signed.ParseGroupID(g.ID)), Secret: second}))
	b, _ = daemon(t, home2, func(o *node.Options) { o.Network.Peers = []string{addrOf(t, a)} })
	atVersion := func(n *node.Node, want int64) {
		t.Helper()
		for end := time.Now().Add(90 * time.Second); show(t, n).Version != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("version: got %d, want %d", show(t, n).Version, want)
			}
		}
	}

	// A second owner comes, and from then on both sign.
	adding := filepath.Join(t.TempDir(), "draft")
	add := owners(node.ChangeOwners{Add: []string{second.Public().String()}, Need: 2, Draft: adding})
	if got := askGroup(t, a, add); got.Missing != 1 || got.Groups[0].Version != 1 {
		t.Fatalf("a second owner is to sign: %d missing, %+v", got.Missing, got.Groups[0])
	}
	if got := askGroup(t, b, owners(node.ChangeOwners{Draft: adding})).Groups[0]; got.Version != 2 || got.Owners != 2 || got.Need != 2 {
		t.Fatalf("with a second owner: %+v", got)
	}
	atVersion(a, 2)
	first := show(t, a).Owner
	old := copyFile(t, filepath.Join(groupDir(home, g), "owner.key"))

	// One alone cannot.
	_, err = a.Group(t.Context(), owners(node.ChangeOwners{Rotate: true}), func(node.Event) {})
	if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "--draft") {
		t.Errorf("one of two owners: got %v (%s), want it refused, and how the other signs", err, fault.HintOf(err))
	}
	if got := show(t, a).Owner; got != first {
		t.Errorf("after the refusal the owner key is %s, want %s", got, first)
	}

	// With a draft: the old key is the one in use until the other owner has signed.
	draft := filepath.Join(t.TempDir(), "draft")
	d := askGroup(t, a, owners(node.ChangeOwners{Rotate: true, Draft: draft}))
	if d.Wrote != draft || d.Missing != 1 || d.Groups[0].Owner != first || d.Groups[0].Version != 2 {
		t.Fatalf("drafted: wrote %q, %d missing, %+v", d.Wrote, d.Missing, d.Groups[0])
	}
	if got := askGroup(t, b, owners(node.ChangeOwners{Draft: draft})).Groups[0]; got.Version != 3 {
		t.Fatalf("completed: %+v", got)
	}
	atVersion(a, 3)
	next := show(t, a).Owner
	if next == first {
		t.Error("the key that was rotated out is still the owner's")
	}

	// The new key signs on.
	draft2 := filepath.Join(t.TempDir(), "draft")
	askGroup(t, a, owners(node.ChangeOwners{Need: 1, Draft: draft2}))
	if got := askGroup(t, b, owners(node.ChangeOwners{Draft: draft2})).Groups[0]; got.Version != 4 || got.Need != 1 {
		t.Fatalf("the new key: %+v", got)
	}
	atVersion(a, 4)

	// What was rotated out does not, though one is enough now.
	must(t, os.WriteFile(filepath.Join(groupDir(home2, g), "owner.key"), old, 0o600))
	_, err = b.Group(t.Context(), owners(node.ChangeOwners{Add: []string{first}}), func(node.Event) {})
	if err == nil {
		t.Error("an owner that was rotated out adds one")
	}
	if got := show(t, b).Version; got != 4 {
		t.Errorf("version: got %d, want 4", got)
	}
}

// TestRotationIsCutOff stops a rotation before the root is kept: the key that is held is still an owner's.
func TestRotationIsCutOff(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	g := askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}).Groups[0]
	end()
	opened, err := group.Open(groupDir(home, g), time.Now)
	must(t, err)
	next, err := group.NewSecret()
	must(t, err)
	must(t, opened.NextOwner(next)) // and no root
	n, _ = daemon(t, home, nil)
	if got := show(t, n).Owner; got != g.Owner {
		t.Fatalf("owner: got %s, want %s", got, g.Owner)
	}
	if got := askGroup(t, n, owners(node.ChangeOwners{Rotate: true})).Groups[0]; got.Version != 2 || got.Owner == g.Owner {
		t.Errorf("rotated: %+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(groupDir(home, g), "owner*")); len(left) != 1 {
		t.Errorf("owner keys: %v, want one", left)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func copyFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}
