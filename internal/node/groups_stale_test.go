package node_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestFrozenView: when no admin was heard of for longer than the group allows, readers are warned, in what is shown and before a
// fetch; a word of the admin ends it.
func TestFrozenView(t *testing.T) {
	home := t.TempDir()
	before := func() time.Time { return time.Now().Add(-3 * time.Hour) }
	g, err := group.Create(filepath.Join(home, "groups"), group.Created{Name: "acme", User: "alice", Label: "x", Stale: 1}, before)
	must(t, err)
	must(t, g.NobodyToAsk())
	secret, err := group.NewSecret()
	must(t, err)
	key := secret.Public()
	must(t, g.Append(func(n int64) ([]byte, error) {
		return acl.AccountChange{Name: "bob", Role: acl.Publisher, Key: &key}.Marshal(n)
	}))
	owner, _ := daemon(t, home, nil)
	reader, _ := daemon(t, t.TempDir(), nil)
	j := askGroup(t, reader, node.GroupRequest{Group: g.Link().String(), Join: &node.JoinGroup{Peers: []string{addrOf(t, owner)}, Timeout: 20 * time.Second}})
	if j.Groups[0].Age != "stale" || !strings.Contains(strings.Join(j.Groups[0].Warnings, "\n"), "for more than 1 hours") {
		t.Errorf("joined: age %q, warnings %q, want it stale and told", j.Groups[0].Age, j.Groups[0].Warnings)
	}
	bob := joinByHand(t, g.Link().String(), reader)
	must(t, bob.BecomeDevice(group.Key{Kind: group.KeyAccount, Group: g.ID(), Account: "bob", Secret: secret}, "a hand"))
	must(t, bob.share(invented("app", "1")))
	must(t, bob.push(reader))
	var said []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = reader.Fetch(ctx, node.FetchRequest{Ref: "acme/app", Dir: t.TempDir()}, func(e node.Event) {
		if said = append(said, e.Message); strings.Contains(e.Message, "signed by") {
			cancel()
		}
	})
	if !strings.Contains(strings.Join(said, "\n"), "no admin was heard of") {
		t.Errorf("a fetch says %q, want that no admin was heard of", said)
	}
	if _, err := publishAs(t, owner, folder(t, "f", map[string]string{"f": "1"}), "acme", "f@1"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(90 * time.Second); show(t, reader).Age != "fresh"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("age: got %q, want fresh", show(t, reader).Age)
		}
	}
}
