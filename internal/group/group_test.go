package group_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T) *group.Group {
	t.Helper()
	g, err := group.Create(t.TempDir(), group.Created{Name: "acme", User: "alice", Label: "laptop", Stale: 720}, time.Now)
	must(t, err)
	must(t, g.NobodyToAsk())
	return g
}

// sync brings everything from one to the other, over HTTP.
func sync(t *testing.T, from, to *group.Group) error {
	t.Helper()
	s := httptest.NewServer(groupsync.NewHandler(groupsync.Options{Group: from.ID(), Vault: from, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Root: true, Read: true, Push: true}
	}}))
	defer s.Close()
	client := &http.Client{Transport: rewritten{s.Listener.Addr().String()}}
	defer client.CloseIdleConnections()
	_, err := groupsync.NewPeer(client, to.ID(), to).Pull(t.Context(), 0)
	return err
}

type rewritten struct{ addr string }

func (r rewritten) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme = "http"
	return (&http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, r.addr)
	}}).RoundTrip(req)
}

func join(t *testing.T, g *group.Group) *group.Group {
	t.Helper()
	out, err := group.Join(t.TempDir(), g.Link(), group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	must(t, sync(t, g, out))
	must(t, out.Asked(1))
	return out
}

// share publishes NAME@VERSION with invented contents.
func share(g *group.Group, name, version string) error {
	return g.Append(func(n int64) ([]byte, error) {
		s := catalog.Share{ID: fmt.Sprintf("s%d", n), Name: name, Version: version, Content: name, Time: time.Now(), Size: 1, Files: 1,
			Info: signed.HashOf([]byte(name + version)), Torrent: signed.HashOf([]byte(version))}
		return s.Marshal(n)
	})
}

func names(t *testing.T, g *group.Group) string {
	t.Helper()
	ix, err := g.Index()
	must(t, err)
	var out []string
	for _, e := range ix.Entries() {
		out = append(out, e.Ref()+" by "+e.Account)
	}
	return strings.Join(out, ", ")
}

// addUser gives an account and the file with its key.
func addUser(t *testing.T, g *group.Group, name string, role acl.Role) group.Key {
	t.Helper()
	secret, err := group.NewSecret()
	must(t, err)
	key := secret.Public()
	must(t, g.Append(func(n int64) ([]byte, error) { return acl.AccountChange{Name: name, Role: role, Key: &key}.Marshal(n) }))
	path := filepath.Join(t.TempDir(), name+".key")
	must(t, group.WriteKey(path, group.Key{Kind: group.KeyAccount, Group: g.ID(), Account: name, Secret: secret}))
	k, err := group.ReadKey(path, group.KeyAccount)
	must(t, err)
	return k
}

func TestFromHandToHand(t *testing.T) {
	alice := create(t)
	must(t, share(alice, "app", "1.0.0"))
	bob := join(t, alice)
	carol := join(t, bob) // alice is not asked
	if got := names(t, carol); got != "app@1.0.0 by alice" {
		t.Errorf("got %q", got)
	}
	// A reader publishes nothing.
	if err := share(carol, "app", "6.6.6"); err == nil {
		must(t, sync(t, carol, alice))
	}
	if got := names(t, alice); got != "app@1.0.0 by alice" {
		t.Errorf("after a stranger's share: got %q", got)
	}
	// An admin adds a publisher, whose machine then publishes.
	key := addUser(t, alice, "dave", acl.Publisher)
	dave := join(t, alice)
	must(t, dave.BecomeDevice(key, "builder"))
	must(t, share(dave, "app", "1.1.0"))
	must(t, sync(t, dave, bob))
	must(t, sync(t, bob, alice))
	if got := names(t, alice); got != "app@1.1.0 by dave, app@1.0.0 by alice" && got != "app@1.0.0 by alice, app@1.1.0 by dave" {
		t.Errorf("got %q", got)
	}
	// It is all there again when the home is opened the next time.
	again, err := group.Open(alice.Dir(), time.Now)
	must(t, err)
	if names(t, again) != names(t, alice) || again.Name() != "acme" || again.Device().Public() != alice.Device().Public() {
		t.Errorf("opened again: got %q", names(t, again))
	}
	if _, err := again.AsAdmin("change anything"); err != nil {
		t.Errorf("the admin is not any more: %v", err)
	}
	if _, err := dave.AsAdmin("change anything"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a publisher as admin: got %v, want Denied", err)
	}
	if _, err := bob.AsAdmin("change anything"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a reader as admin: got %v, want Denied", err)
	}
}

func TestRemovedPublisher(t *testing.T) {
	alice := create(t)
	dave := join(t, alice)
	key := addUser(t, alice, "dave", acl.Publisher)
	must(t, sync(t, alice, dave))
	must(t, dave.BecomeDevice(key, "builder"))
	must(t, share(dave, "app", "1"))
	must(t, sync(t, dave, alice))
	s, err := alice.State()
	must(t, err)
	gone, err := s.Removal("dave")
	must(t, err)
	must(t, alice.Append(gone.Marshal))
	must(t, share(dave, "app", "2")) // before dave hears of it
	must(t, sync(t, dave, alice))
	if got := names(t, alice); got != "app@1 by dave" {
		t.Errorf("got %q, want what was there before alone", got)
	}
}

func TestNothingIsSignedBeforeMembersWereAsked(t *testing.T) {
	alice := create(t)
	again, err := group.Open(alice.Dir(), time.Now)
	must(t, err)
	if err := share(again, "app", "1"); !errors.Is(err, group.ErrNotAsked) {
		t.Errorf("got %v, want ErrNotAsked", err)
	}
	if err := again.Asked(0); err == nil {
		t.Error("nobody was asked, and it was taken for an answer")
	}
}

// TestRestoredDisk puts an old copy of the home back: what it lacks comes from a member before it signs again.
func TestRestoredDisk(t *testing.T) {
	alice := create(t)
	must(t, share(alice, "app", "1"))
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(copied, os.DirFS(alice.Dir())))
	for _, f := range []string{"device.key", "owner.key"} {
		must(t, os.Chmod(filepath.Join(copied, f), 0o600))
	}
	must(t, share(alice, "app", "2"))
	bob := join(t, alice)
	old, err := group.Open(copied, time.Now)
	must(t, err)
	must(t, sync(t, bob, old))
	must(t, old.Asked(1))
	must(t, share(old, "app", "3"))
	must(t, sync(t, old, bob))
	if got := names(t, bob); !strings.Contains(got, "app@3") || len(bob.Forks()) != 0 {
		t.Errorf("got %q, forks %v", got, bob.Forks())
	}
}

// TestFork has a copied home sign beside the first: the evidence is kept, and neither counts on.
func TestFork(t *testing.T) {
	alice := create(t)
	dave := join(t, alice)
	key := addUser(t, alice, "dave", acl.Publisher)
	must(t, sync(t, alice, dave))
	must(t, dave.BecomeDevice(key, "builder"))
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(copied, os.DirFS(dave.Dir())))
	must(t, os.Chmod(filepath.Join(copied, "device.key"), 0o600))
	twin, err := group.Open(copied, time.Now)
	must(t, err)
	must(t, twin.NobodyToAsk())
	must(t, share(dave, "app", "1"))
	must(t, share(twin, "app", "2"))
	must(t, sync(t, dave, alice))
	if err := sync(t, twin, alice); err != nil {
		t.Errorf("who brings a fork is blamed: %v", err)
	}
	if len(alice.Forks()) != 1 {
		t.Fatalf("got %d forks, want 1", len(alice.Forks()))
	}
	must(t, share(dave, "app", "3"))
	must(t, sync(t, dave, alice))
	if got := names(t, alice); strings.Contains(got, "app@3") {
		t.Errorf("a frozen author goes on: %q", got)
	}
	if again, err := group.Open(alice.Dir(), time.Now); err != nil || len(again.Forks()) != 1 {
		t.Errorf("opened again: got %v, %v", again, err)
	}
}

// push brings everything from one to the other, which is asked for nothing.
func push(t *testing.T, from, to *group.Group) error {
	t.Helper()
	s := httptest.NewServer(groupsync.NewHandler(groupsync.Options{Group: to.ID(), Vault: to, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Push: true}
	}}))
	defer s.Close()
	client := &http.Client{Transport: rewritten{s.Listener.Addr().String()}}
	defer client.CloseIdleConnections()
	return groupsync.NewPeer(client, from.ID(), from).Push(t.Context())
}

// TestForkOfLongerLogs has the twins sign different numbers of records: the evidence is made however the second log comes,
// and whoever knows one of them is told.
func TestForkOfLongerLogs(t *testing.T) {
	for _, c := range []struct {
		name        string
		dave, twin  int // records that each signs
		bring       func(*testing.T, *group.Group, *group.Group) error
		unconvicted bool // alice cannot know yet
	}{
		{"the second is longer, pulled", 1, 3, sync, false},
		{"the second is longer, pushed", 1, 3, push, false},
		{"as long, pushed", 2, 2, push, false},
		{"the second is shorter", 3, 1, sync, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			alice := create(t)
			dave := join(t, alice)
			key := addUser(t, alice, "dave", acl.Publisher)
			must(t, sync(t, alice, dave))
			must(t, dave.BecomeDevice(key, "builder"))
			copied := filepath.Join(t.TempDir(), "copy")
			must(t, os.CopyFS(copied, os.DirFS(dave.Dir())))
			must(t, os.Chmod(filepath.Join(copied, "device.key"), 0o600))
			twin, err := group.Open(copied, time.Now)
			must(t, err)
			must(t, twin.NobodyToAsk())
			for i := range c.dave {
				must(t, share(dave, "app", fmt.Sprint("1.", i)))
			}
			for i := range c.twin {
				must(t, share(twin, "app", fmt.Sprint("2.", i)))
			}
			must(t, sync(t, dave, alice))
			bob := join(t, dave) // he knows dave's log alone, and hears from alice alone afterwards
			if err := c.bring(t, twin, alice); err != nil {
				t.Errorf("who brings a fork is blamed: %v", err)
			}
			if c.unconvicted {
				if len(alice.Forks()) != 0 {
					t.Fatal("she convicts by a head alone")
				}
				must(t, sync(t, alice, twin)) // who has the shorter log finds out
				if len(twin.Forks()) != 1 {
					t.Fatal("the twin does not find out")
				}
				must(t, sync(t, twin, alice))
			}
			if len(alice.Forks()) != 1 {
				t.Fatalf("got %d forks, want 1", len(alice.Forks()))
			}
			must(t, sync(t, alice, bob))
			if len(bob.Forks()) != 1 {
				t.Errorf("bob was not told: %d forks", len(bob.Forks()))
			}
			s, err := bob.State()
			must(t, err)
			if d, _ := s.Device(dave.Device().Public()); !d.Frozen {
				t.Error("the author is not frozen")
			}
			// The author hears of it too, and signs nothing on top.
			must(t, push(t, alice, dave))
			if err := share(dave, "app", "9"); !errors.Is(err, signed.ErrForked) {
				t.Errorf("the author signs on: got %v, want Forked", err)
			}
		})
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := group.NewSecret()
	must(t, err)
	path := filepath.Join(dir, "k")
	must(t, group.WriteKey(path, group.Key{Kind: group.KeyAccount, Account: "bob", Secret: s}))
	if err := group.WriteKey(path, group.Key{Kind: group.KeyAccount, Secret: s}); fault.KindOf(err) != fault.Usage {
		t.Errorf("over another: got %v, want a usage error", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v", fi.Mode(), err)
	}
	raw, err := os.ReadFile(path)
	must(t, err)
	for _, c := range []struct {
		name  string
		spoil func() error
		kind  string
		want  fault.Kind
	}{
		{"another kind", func() error { return nil }, group.KeyDevice, fault.Usage},
		{"open to others", func() error { return os.Chmod(path, 0o644) }, group.KeyAccount, fault.Denied},
		{"torn", func() error { return os.WriteFile(path, raw[:30], 0o600) }, group.KeyAccount, fault.Usage},
		{"a flipped bit", func() error {
			b := []byte(strings.Replace(string(raw), "bob", "bab", 1))
			return os.WriteFile(path, b, 0o600)
		}, group.KeyAccount, fault.Usage},
		{"too large", func() error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) }, group.KeyAccount, fault.Usage},
		{"gone", func() error { return os.Remove(path) }, group.KeyAccount, fault.NotFound},
	} {
		must(t, c.spoil())
		if _, err := group.ReadKey(path, c.kind); fault.KindOf(err) != c.want || strings.Contains(err.Error(), fmt.Sprintf("%x", s.Seed())) {
			t.Errorf("%s: got %v, want kind %v and no secret", c.name, err, c.want)
		}
		if _, err := os.Stat(path); err == nil {
			must(t, os.Chmod(path, 0o600))
		}
	}
}

func TestJoinAndLeave(t *testing.T) {
	alice := create(t)
	dir := t.TempDir()
	g, err := group.Join(dir, alice.Link(), group.Joined{Hints: []string{"192.0.2.1:6881"}}, time.Now)
	must(t, err)
	if g.Ready() {
		t.Error("it is ready before anybody was asked")
	}
	if _, err := g.State(); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("the state before: got %v, want NotFound and a hint", err)
	}
	if _, err := group.Join(dir, alice.Link(), group.Joined{}, time.Now); fault.KindOf(err) != fault.Usage {
		t.Errorf("again: got %v, want a usage error", err)
	}
	must(t, sync(t, alice, g))
	all, err := group.Folders(dir)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("folders: %v", all)
	}
	again, err := group.Open(filepath.Join(dir, all[0]), time.Now)
	must(t, err)
	if again.Settings().Peers[0] != "192.0.2.1:6881" {
		t.Errorf("opened: %+v", again.Settings())
	}
	must(t, g.Leave())
	if all, err := group.Folders(dir); err != nil || len(all) != 0 {
		t.Errorf("after leaving: %v, %v", all, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// TestOlderMember: who shows less than is known takes nothing back, and is not blamed.
func TestOlderMember(t *testing.T) {
	alice := create(t)
	must(t, share(alice, "app", "1"))
	old := join(t, alice)
	must(t, share(alice, "app", "2"))
	bob := join(t, alice)
	before := names(t, bob)
	must(t, sync(t, old, bob))
	must(t, push(t, old, bob))
	if got := names(t, bob); got != before || !strings.Contains(got, "app@2") {
		t.Errorf("got %q, want %q", got, before)
	}
	// And bob brings the other up to date.
	must(t, sync(t, bob, old))
	if got := names(t, old); got != before {
		t.Errorf("the other has %q, want %q", got, before)
	}
}
