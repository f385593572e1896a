//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
)

// TestAShareThatEndsTheDaemonIsStopped kills a daemon twice while it starts a share: the third comes up with that share
// stopped, says why, and serves the other, which was being started at the first kill too.
func TestAShareThatEndsTheDaemonIsStopped(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	keeps(t, d, small(t, "one", 100_000, 1))
	keeps(t, d, small(t, "two", 100_000, 2))
	opening(t, home, 0)
	ended(t, d)
	p := us
	p.Home = home
	var culprit string
	for _, many := range []int{2, 1} {
		d := client.Start(t, p.Command(t, nil, "daemon", still...))
		culprit = opening(t, home, many)[0]
		d.Kill()
	}
	d = daemon(t, nil, home, still...)
	s, err := d.When(within(t, time.Minute), "the other share is seeded", func(s *client.Status) bool {
		for _, sh := range s.Shares {
			if sh.State == "seeding" && sh.ID != culprit {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range s.Shares {
		if sh.ID == culprit && (sh.State != "stopped" || !strings.Contains(sh.Reason, "ended 2 times while it was starting this share")) {
			t.Errorf("%s is %s: %s", sh.Name, sh.State, sh.Reason)
		}
	}
	if err := d.Ask(within(t, time.Minute), "change", map[string]any{"refs": []string{culprit}, "run": true}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.When(within(t, time.Minute), "both shares are seeded", func(s *client.Status) bool {
		return len(s.Shares) == 2 && s.Shares[0].State == "seeding" && s.Shares[1].State == "seeding"
	}); err != nil {
		t.Fatal(err)
	}
	ended(t, d)
}

// TestAGroupThatEndsTheDaemonIsClosed kills a daemon twice while it is at work on what a member has sent: the third comes up with
// that group closed, says why, and serves the other.
func TestAGroupThatEndsTheDaemonIsClosed(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	admin, anna := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	d := admin.daemon(onlyLAN...)
	anna.daemon(onlyLAN...)
	admin.must("group", "create", "good", "--public")
	made := admin.asks("group", "create", "bad", "--private", "--user", "chef")
	if _, err := anna.joins(made.Link, made.Password, "--account", "anna"); err != nil {
		t.Fatal(err)
	}
	admin.must("group", "user", "role", "bad", "anna", "publisher")
	anna.until("publisher", "group", "show", "bad")
	gid := made.Group.ID
	for i := range 2 {
		heard(t, admin.home, "") // nobody has sent anything for some time
		anna.must("publish", payloadFile(t, "x", 1000+i), "--group", "bad", "--as", fmt.Sprintf("x@%d", i))
		heard(t, admin.home, gid)
		d.Kill()
		d = admin.daemon(onlyLAN...)
	}
	if got := admin.must("group", "list", "--json"); !strings.Contains(got, "ended 2 times while it was at work on what its members had sent") {
		t.Errorf("the groups are %s", got)
	}
	admin.refuses(1, "the group is stopped", "group", "show", gid)
	if e := admin.asks("group", "show", "good").Group; e.Name != "good" {
		t.Errorf("the other group is %+v", e)
	}
	ended(t, d)
	admin.daemon(onlyLAN...)
	if got := admin.people("bad"); !strings.Contains(got, "anna publisher") {
		t.Errorf("the next daemon: %s", got)
	}
}

// heard waits until a home says that a group, or none, is at work on what a member has sent.
func heard(t *testing.T, home, gid string) {
	t.Helper()
	for end := time.Now().Add(busy * time.Minute); ; <-time.After(time.Millisecond) {
		var doc struct{ Now []string }
		b, err := os.ReadFile(filepath.Join(home, "groups-heard.json"))
		if err == nil {
			err = json.Unmarshal(b, &doc)
		}
		if err == nil && (gid == "" && len(doc.Now) == 0 || slices.Contains(doc.Now, gid)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("at work are %q, want %q (%v)", doc.Now, gid, err)
		}
	}
}

// opening waits until a home says that so many shares are being started, and names them.
func opening(t *testing.T, home string, many int) []string {
	t.Helper()
	for end := time.Now().Add(busy * time.Minute); ; <-time.After(time.Millisecond) {
		var doc struct {
			Now []string `json:"now"`
		}
		b, err := os.ReadFile(filepath.Join(home, "opening.json"))
		if err == nil {
			err = json.Unmarshal(b, &doc)
		}
		if err == nil && len(doc.Now) == many {
			return doc.Now
		}
		if time.Now().After(end) {
			t.Fatalf("%d shares are being started, want %d (%v)", len(doc.Now), many, err)
		}
	}
}
