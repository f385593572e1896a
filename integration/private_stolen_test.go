//go:build linux

package integration_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
)

// TestPrivateStolen: a notebook is stolen, and its disk with the key; later the admin's disk of last week is put back.
func TestPrivateStolen(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 4)
	h := &house{t: t, daemons: map[*machine]*client.Daemon{}}
	chef, notebook, pc, thief := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2)), newMachine(t, lab.Host(3)), lab.Host(4)
	for _, m := range []*machine{chef, notebook, pc} {
		h.starts(m)
	}
	a := chef.asks("group", "create", "haus", "--private", "--user", "chef")
	u := chef.asks("group", "user", "add", "haus", "anna")
	for label, m := range map[string]*machine{"notebook": notebook, "pc": pc} {
		if _, err := m.joins(a.Link, u.Password, "--user", "anna", "--label", label); err != nil {
			t.Fatal(err)
		}
	}
	film := payloadFile(t, "film.mkv", 2_000_001)
	chef.must("publish", film, "--group", "haus", "--as", "film@1")
	pc.lists(t, "film", "")
	pc.gets(t, "haus/film", film, "--seed")
	link := parsed(t, a.Link)
	stolen := notebook.stolen(link.GID())
	hash := [20]byte(unhex(t, chef.entry("haus/film").Infohash))

	step(t, []*machine{chef, notebook, pc}, "a device that is removed", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		var open []*held
		for _, m := range []*machine{chef, pc} {
			who := m.reaching(thief, stolen, link)
			open = append(open, hold(ctx, t, "sync", who, hash), hold(ctx, t, "content", who, hash))
		}
		key := deviceOf(t, chef, "notebook")
		chef.must("group", "device", "remove", "haus", key)
		for _, o := range open {
			select {
			case <-o.end:
			case <-ctx.Done():
				t.Errorf("%s was not cut", o.what)
			}
		}
		for _, m := range []*machine{chef, pc} {
			who := m.reaching(thief, stolen, link)
			for _, path := range []string{"/v1/root?from=1", "/v1/heads?wait=0", "/v1/have", "/v1/slot/" + strings.Repeat("0", 64)} {
				if got, err := who.Get(ctx, path); err == nil {
					t.Errorf("%s: got %d, %.80q, want a connection that is closed", path, got.Status, got.Body)
				}
			}
			if got, _ := who.Take(ctx, hash, 1, 40<<10); len(got) > 0 {
				t.Errorf("content: got %d bytes, want none", len(got))
			}
		}
		// Anna's other machine goes on, with the new epoch.
		chef.must("publish", film, "--group", "haus", "--as", "film@2")
		pc.lists(t, "film@2", "")
		pc.gets(t, "haus/film@2", film)
		notebook.lists(t, "", "film@2")
	})

	step(t, []*machine{chef, notebook, pc}, "an old copy of the admin's disk", func(t *testing.T) {
		h.stops(t, chef)
		old := filepath.Join(t.TempDir(), "old")
		if out, err := exec.Command("cp", "-a", chef.home, old).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		h.starts(chef)
		chef.must("group", "user", "add", "haus", "bert")
		pc.until("bert", "group", "user", "list", "haus")
		h.stops(t, chef)
		if err := os.RemoveAll(chef.home); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(old, chef.home); err != nil {
			t.Fatal(err)
		}
		h.starts(chef)
		chef.must("group", "user", "add", "haus", "carl")
		for _, m := range []*machine{chef, pc} {
			m.until("carl", "group", "user", "list", "haus")
			m.until("bert", "group", "user", "list", "haus")
			if w := m.asks("group", "show", "haus").Group.Warnings; len(w) > 0 {
				t.Errorf("warnings: got %q, want none", w)
			}
		}
	})

	step(t, []*machine{chef, notebook, pc}, "two admins who do not see each other", func(t *testing.T) {
		chef.must("group", "user", "role", "haus", "anna", "admin")
		pc.until("admin", "group", "show", "haus")
		if err := lab.Down(3); err != nil {
			t.Fatal(err)
		}
		chef.must("group", "user", "role", "haus", "bert", "member", "--offline")
		chef.must("group", "rule", "add", "haus", "deny bert read hr/**", "--offline")
		pc.must("group", "user", "remove", "haus", "bert", "--offline")
		pc.must("group", "rule", "add", "haus", "deny carl read hr/**", "--offline")
		if err := lab.Up(3); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*machine{chef, pc} {
			m.until("deny bert read", "group", "rule", "list", "haus")
			m.until("deny carl read", "group", "rule", "list", "haus")
		}
		eventually(t, "both see the same people", func() bool {
			return chef.people("haus") == pc.people("haus") && strings.Contains(chef.people("haus"), "bert removed")
		})
	})

	step(t, []*machine{chef, notebook, pc}, "what is not there to be asked", func(t *testing.T) {
		who := pc.reaching(thief, chef.stolen(link.GID()), parsed(t, chef.must("group", "link", "haus")))
		for path, want := range map[string]int{"/v1/root?from=1": http.StatusOK, "/v1/slot/zz": http.StatusBadRequest, "/v1/torrent/../../device.key": http.StatusNotFound,
			"/v1/log/" + strings.Repeat("0", 64) + "?from=-1": http.StatusBadRequest, "/": http.StatusNotFound, "/v1/group": http.StatusNotFound} {
			got, err := who.Get(within(t, time.Minute), path)
			if err != nil || got.Status != want && (want == http.StatusOK || got.Status < 400 || got.Status >= 500) {
				t.Errorf("%s: got %v, %v, want %d", path, got, err, want)
			}
		}
	})
}

// people are the accounts with their roles, as the machine sees them.
func (m *machine) people(group string) string {
	var l struct {
		Users []struct {
			Name, Role string
			Gone       bool
		}
	}
	raw := m.must("group", "user", "list", group, "--json")
	if err := json.Unmarshal([]byte(raw), &l); err != nil {
		m.t.Fatalf("%v in %s", err, raw)
	}
	var out []string
	for _, u := range l.Users {
		if u.Gone {
			u.Role = "removed"
		}
		out = append(out, u.Name+" "+u.Role)
	}
	return strings.Join(out, ", ")
}

// deviceOf is the key of the device with a label.
func deviceOf(t *testing.T, m *machine, label string) string {
	t.Helper()
	var l struct{ Devices []struct{ Key, Label string } }
	raw := m.must("group", "device", "list", "haus", "--json")
	if err := json.Unmarshal([]byte(raw), &l); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	for _, d := range l.Devices {
		if d.Label == label {
			return d.Key
		}
	}
	t.Fatalf("no device %q in %s", label, raw)
	return ""
}
