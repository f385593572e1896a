package node_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestAShareInTheBackupsOwnFolder: a publisher names a share so that it would lie where the copy of the group is written.
func TestAShareInTheBackupsOwnFolder(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	dir := folder(t, "photos", map[string]string{"a.jpg": "picture"})
	evil := folder(t, "evil", map[string]string{"a.jpg": "another"})
	publishFor(t, alice, evil, node.InGroup{As: ".p2pshare-group/group.p2pgroup/x@1"})
	publishFor(t, alice, dir, node.InGroup{As: "photos@1"})
	added := askGroup(t, alice, node.GroupRequest{Group: "family", AddUser: &node.AddUser{Name: "nas", Role: "backup"}})
	backup, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "nas", Password: added.Password})
	if err != nil {
		t.Fatal(err)
	}
	shareIn2(t, backup, "photos", in(node.StateSeeding))
	st, err := backup.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	if len(st.Shares) != 1 {
		t.Errorf("the backup mirrors %d shares, want photos alone", len(st.Shares))
	}
	follow := askGroup(t, backup, node.GroupRequest{Group: "family", Show: &struct{}{}}).Groups[0].Follow
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(follow.Dir, ".p2pshare-group", "group.p2pgroup")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no copy of the group was written")
		}
	}
	fresh, _ := daemon(t, t.TempDir(), quickly)
	askGroup(t, fresh, node.GroupRequest{Group: follow.Dir, Restore: &node.RestoreGroup{User: "nas", Password: added.Password}})
	waitNames(t, fresh, "family/.p2pshare-group/group.p2pgroup/x@1 family/photos@1")
}

// TestRemovedFromAMirror: what the user removes from a mirror stays removed, until he says anew what is to be mirrored.
func TestRemovedFromAMirror(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	publishFor(t, alice, folder(t, "photos", map[string]string{"a.jpg": "picture"}), node.InGroup{As: "photos@1"})
	added := askGroup(t, alice, node.GroupRequest{Group: "family", AddUser: &node.AddUser{Name: "nas", Role: "backup"}})
	backup, _, err := joins(t, alice, a.Link, node.JoinGroup{User: "nas", Password: added.Password})
	if err != nil {
		t.Fatal(err)
	}
	if !shareIn2(t, backup, "photos", in(node.StateSeeding)).Mirror {
		t.Error("it is not shown as a mirror's")
	}
	_, err = backup.Remove(t.Context(), node.RemoveRequest{Refs: []string{"photos"}, Data: true})
	must(t, err)
	// The mirror has looked again when what came later is there.
	publishFor(t, alice, folder(t, "films", map[string]string{"b.mkv": "film"}), node.InGroup{As: "films@1"})
	shareIn2(t, backup, "films", in(node.StateSeeding))
	st, err := backup.Status(t.Context(), node.StatusRequest{})
	must(t, err)
	if len(st.Shares) != 1 {
		t.Errorf("the mirror has %d shares, want films alone", len(st.Shares))
	}
	follow := askGroup(t, backup, node.GroupRequest{Group: "family", Show: &struct{}{}}).Groups[0].Follow
	askGroup(t, backup, node.GroupRequest{Group: "family", Follow: follow})
	shareIn2(t, backup, "photos", in(node.StateSeeding))
}

// TestAMirrorThatForgets: more removals than are remembered are said to be forgotten.
func TestAMirrorThatForgets(t *testing.T) {
	for _, c := range []struct {
		things int
		said   bool
	}{{group.MaxSkip, false}, {group.MaxSkip + 1, true}} {
		var log bytes.Buffer
		n := opened(t, node.Options{Home: t.TempDir(), Network: quiet, Log: slog.New(slog.NewTextHandler(&log, nil))})
		askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
		node.LeaveOut(n, "acme", c.things)
		if strings.Contains(log.String(), "remembered no more") != c.said {
			t.Errorf("%d removals: got %q, want it said %v", c.things, log.String(), c.said)
		}
	}
}
