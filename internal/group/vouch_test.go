package group_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// stranger signs a log that nobody vouches for.
func stranger(t testing.TB, g *group.Group, records ...string) (signed.Head, [][]byte) {
	t.Helper()
	s, err := group.NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	var tree signed.Tree
	var raw [][]byte
	for _, r := range records {
		raw = append(raw, []byte(r))
		tree.Append([]byte(r))
	}
	h, err := signed.SignHead(g.ID(), s, tree.Size(), tree.Root(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return h, raw
}

// whole is all that a group has of its own log.
func whole(t *testing.T, g *group.Group) (signed.Head, [][]byte) {
	t.Helper()
	for _, h := range g.AllHeads() {
		if h.Device != g.Device().Public() {
			continue
		}
		b, err := g.Records(h.Device, 0, signed.MaxLog)
		must(t, err)
		var out [][]byte
		for r := range signed.Lines(b) {
			out = append(out, bytes.Clone(r))
		}
		return h, out
	}
	t.Fatal("it has no log")
	return signed.Head{}, nil
}

func logFiles(t *testing.T, g *group.Group) (n int) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(g.Dir(), "logs"))
	must(t, err)
	return len(list)
}

// TestStrangersLogs has machines without an account hand in logs, small and large: not a byte is kept on disk.
func TestStrangersLogs(t *testing.T) {
	alice := create(t)
	before := logFiles(t, alice)
	for i := range 200 {
		records := []string{`{"n":1,"op":"junk"}`}
		if i%10 == 0 {
			records = append(records, fmt.Sprintf(`{"n":2,"op":"junk","z":"%s"}`, strings.Repeat("z", 100_000)))
		}
		h, raw := stranger(t, alice, records...)
		ctx := groupsync.WithCaller(t.Context(), fmt.Sprint(i%50))
		if err := alice.AddLog(ctx, h, 0, raw); !errors.Is(err, signed.ErrUnsigned) {
			t.Fatalf("got %v, want Unsigned", err)
		}
	}
	if got := logFiles(t, alice); got != before {
		t.Errorf("%d files of logs, want the %d there were", got, before)
	}
	if got := len(alice.AllHeads()); got != 1 {
		t.Errorf("%d logs are held, want alice's alone", got)
	}
}

// TestALogThatComesEarly is taken when what vouches for it has come, however many strangers press in between; one that is
// too large to wait, or waits too long, has to be handed in again.
func TestALogThatComesEarly(t *testing.T) {
	alice := create(t)
	bob := join(t, alice)
	key := addUser(t, alice, "bob", acl.Publisher)
	must(t, sync(t, alice, bob))
	must(t, bob.BecomeDevice(key, "pc"))
	now := time.Now()
	carol, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, func() time.Time { return now })
	must(t, err)
	must(t, carol.AddRoots(t.Context(), alice.Roots(1)))
	handIn := func(caller string, h signed.Head, records [][]byte) error {
		return carol.AddLog(groupsync.WithCaller(t.Context(), caller), h, 0, records)
	}
	early := func(caller string) {
		t.Helper()
		h, records := whole(t, bob)
		if err := handIn(caller, h, records); !errors.Is(err, signed.ErrUnsigned) {
			t.Fatalf("got %v, want Unsigned", err)
		}
	}
	known := func() bool {
		s, err := carol.State()
		must(t, err)
		_, known := s.Device(bob.Device().Public())
		return known
	}
	vouch := func() {
		t.Helper()
		must(t, share(alice, "app", fmt.Sprint(len(alice.Heads(0)))))
		h, records := whole(t, alice)
		must(t, handIn("10.0.0.9", h, records))
	}
	early("10.0.0.1")
	for i := range 1000 {
		h, records := stranger(t, alice, `{"n":1,"op":"junk"}`)
		if err := handIn("10.0.0.2", h, records); !errors.Is(err, signed.ErrUnsigned) {
			t.Fatalf("stranger %d: got %v, want Unsigned", i, err)
		}
	}
	vouch()
	if !known() {
		t.Error("bob's log, which came before alice's, is lost")
	}

	carol, err = group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, func() time.Time { return now })
	must(t, err)
	must(t, carol.AddRoots(t.Context(), alice.Roots(1)))
	early("10.0.0.1")
	now = now.Add(11 * time.Minute)
	vouch()
	must(t, carol.Settle())
	if known() {
		t.Error("a log has waited for 11 minutes")
	}
}

// TestUnvouchedIsForgotten opens a home with the log of somebody whom the group does not know.
func TestUnvouchedIsForgotten(t *testing.T) {
	alice := create(t)
	for name, c := range map[string]struct {
		spoil func(dir string) error
		gone  bool
	}{
		"all is well": {func(string) error { return nil }, true},
		"something is damaged": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "logs", alice.Device().Public().String()+".rec"), []byte("{}\n"), 0o600)
		}, false},
	} {
		bob := join(t, alice)
		store, err := grouplog.Open(bob.Dir(), alice.ID())
		must(t, err)
		h, records := stranger(t, alice, `{"n":1,"op":"junk"}`)
		_, err = store.Extend(h, records, time.Now())
		must(t, err)
		must(t, c.spoil(bob.Dir()))
		again, err := group.Open(bob.Dir(), time.Now)
		must(t, err)
		_, err = os.Stat(filepath.Join(bob.Dir(), "logs", h.Device.String()+".rec"))
		if gone := errors.Is(err, os.ErrNotExist); gone != c.gone {
			t.Errorf("%s: the stranger's log is gone: %v, want %v", name, gone, c.gone)
		}
		if again.Vouched(h.Device, nil, true) == nil {
			t.Errorf("%s: somebody vouches for the stranger", name)
		}
	}
	// A clock that is years behind reads nothing, and removes nothing.
	bob := join(t, alice)
	_, err := group.Open(bob.Dir(), func() time.Time { return time.Unix(0, 0) })
	must(t, err)
	again, err := group.Open(bob.Dir(), time.Now)
	must(t, err)
	if len(again.AllHeads()) != 1 {
		t.Error("with a clock that is behind alice's log was removed")
	}
}
