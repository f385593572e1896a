package node_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestStrangersWord has an admin's machine go on from an old copy of its disk. A stranger who says that nobody knows of anything
// later, called or by himself, does not get it to sign, nor does his clock keep it from that: a confirmed member's word does,
// once it has caught up.
func TestStrangersWord(t *testing.T) {
	home := t.TempDir()
	alice, end := daemon(t, home, nil)
	link := askGroup(t, alice, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}}).Link
	bob := publisher(t, alice, link, "bob")
	eve := joinByHand(t, link, alice)
	add := func(n *node.Node, name string) error {
		_, err := n.Group(t.Context(), node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: name, Role: "publisher", Key: filepath.Join(t.TempDir(), "k")}}, func(node.Event) {})
		return err
	}
	settings := filepath.Join("groups", bob.ID().String(), "group.json")
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(home, settings)); err == nil && strings.Contains(string(b), `"met"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("alice's machine does not note that it has met bob's")
		}
	}
	end()
	old := t.TempDir()
	must(t, os.CopyFS(old, os.DirFS(home)))
	must(t, os.Chmod(filepath.Join(old, filepath.Dir(settings), "device.key"), 0o600))
	must(t, os.Chmod(filepath.Join(old, filepath.Dir(settings), "owner.key"), 0o600))

	alice, end = daemon(t, home, nil)
	must(t, bob.push(alice))
	must(t, add(alice, "carol"))
	bob.pull(alice)
	end()

	peer := quiet
	peer.Peers = []string{eve.serve(2 * time.Hour)}
	restored, _ := daemon(t, old, func(o *node.Options) { o.Network = peer })
	if err := add(restored, "dave"); !errors.Is(err, group.ErrNotAsked) {
		t.Errorf("after a stranger was called: got %v, want ErrNotAsked", err)
	}
	if got, _ := eve.post(restored, "/v1/heads", []byte(`{"root":1,"all":true,"heads":[]}`)); got != http.StatusOK {
		t.Errorf("a stranger's word: got %d, want it taken", got)
	}
	must(t, eve.push(restored))
	if err := add(restored, "dave"); !errors.Is(err, group.ErrNotAsked) {
		t.Errorf("after a stranger has called: got %v, want ErrNotAsked", err)
	}
	must(t, bob.push(restored))
	if err := add(restored, "dave"); err != nil {
		t.Errorf("after a member has told: %v", err)
	}
	bob.pull(restored)
	s, err := bob.State()
	must(t, err)
	for _, name := range []string{"carol", "dave"} {
		if _, ok := s.Account(name); !ok {
			t.Errorf("bob does not know %s", name)
		}
	}
	if forks := bob.Forks(); len(forks) > 0 {
		t.Errorf("the restored machine signed two histories: %v", forks)
	}
}

// TestAloneWithReaders: an admin in whose group nobody else has an account goes on after a restart, asked or not.
func TestAloneWithReaders(t *testing.T) {
	home := t.TempDir()
	alice, end := daemon(t, home, nil)
	link := askGroup(t, alice, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}}).Link
	reader := joinByHand(t, link, alice)
	at := reader.serve(2 * time.Hour) // a reader's clock says nothing
	for range 2 {
		must(t, reader.push(alice))
		if _, err := publishAs(t, alice, folder(t, "f", map[string]string{"f": "1"}), "acme", "f@1"); err != nil {
			t.Errorf("signing: %v", err)
		}
		end()
		peer := quiet
		peer.Peers = []string{at}
		alice, end = daemon(t, home, func(o *node.Options) { o.Network = peer })
	}
}

// TestUsedDeviceKey: who joins as an account with the key of a device that was used before, waits for a member's word; the
// device's first record would else be its second history.
func TestUsedDeviceKey(t *testing.T) {
	alice, _ := daemon(t, t.TempDir(), nil)
	link := askGroup(t, alice, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}}).Link
	account, device := filepath.Join(t.TempDir(), "bob.key"), filepath.Join(t.TempDir(), "device.key")
	askGroup(t, alice, node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "bob", Role: "publisher", Key: account}})
	eve := joinByHand(t, link, alice)
	join := func(n *node.Node, at string, timeout time.Duration) error {
		_, err := n.Group(t.Context(), node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: []string{at}, Key: account, DeviceKey: device, Timeout: timeout}}, func(node.Event) {})
		return err
	}
	first, end := daemon(t, t.TempDir(), nil)
	must(t, join(first, eve.serve(0), 20*time.Second)) // it is new: anybody's word does
	late := joinByHand(t, link, alice)                 // knows nothing of bob's device
	must(t, eve.push(alice))
	end()
	again, _ := daemon(t, t.TempDir(), nil)
	if err := join(again, late.serve(0), 2*time.Second); !errors.Is(err, group.ErrNotAsked) {
		t.Errorf("with a stranger alone: got %v, want ErrNotAsked", err)
	}
	must(t, join(again, addrOf(t, alice), 20*time.Second))
	if w := show(t, alice).Warnings; len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}
