package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// damagedShell has a share of which a file is missing, one is another, and one cannot be told.
func damagedShell(t *testing.T) *shell {
	s := newShell(t)
	s.fake.daemon = true
	s.fake.status = &node.Status{Daemon: true, Shares: []node.Share{{ID: "a1", Name: "rel", Path: "/d/rel"}}}
	s.fake.verified = &node.Verified{Path: "/d/rel", Bad: []node.VerifiedFile{
		{Path: "a\x1b", Problem: "1 of 5 pieces differ"}, {Path: "b", Problem: node.Missing}, {Path: "c", Problem: "1 of 2 pieces cannot be checked", Shares: true},
	}}
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		if len(s.fake.repairs) > 0 {
			on(node.Event{Kept: &node.Kept{ID: "a1", Name: "rel"}})
			on(node.Event{Fetched: &node.Fetched{Path: "/d/rel", Name: "rel", Files: 3, Size: 5000, Seconds: 1, BytesFrom: node.BytesFrom{Peers: 1000, Reused: 4000}}})
		}
		return nil
	}
	return s
}

// Files that are something else are replaced if the user says so; what is missing comes back unasked.
func TestRepairAsks(t *testing.T) {
	for _, c := range []struct {
		name   string
		flags  []string
		answer string
		code   int
		asked  bool
	}{
		{"yes", nil, "y", 0, true},
		{"no", nil, "", 1, true},
		{"--yes", []string{"--yes"}, "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := damagedShell(t)
			asked := ""
			s.ask = func(q string) (string, error) { asked = q; return c.answer, nil }
			if code := s.run(append([]string{"repair", "rel", "--timeout", "5s"}, c.flags...)...); code != c.code {
				t.Errorf("exit code: got %d, want %d; stderr %s", code, c.code, s.stderr.String())
			}
			if want := "  a\\x1b: 1 of 5 pieces differ\nReplace 1 file in /d/rel with what was published? [y/N] "; (asked != "") != c.asked || c.asked && asked != want {
				t.Errorf("asked: got %q, want %q", asked, want)
			}
			if c.code != 0 {
				if len(s.fake.repairs) > 0 {
					t.Error("it was repaired all the same")
				}
				return
			}
			if got := s.fake.repairs; len(got) != 1 || got[0].Ref != "a1" || got[0].Timeout != 5*time.Second {
				t.Errorf("requests: %+v", got)
			}
			if s.stdout.String() != "/d/rel\n" || !strings.Contains(s.stderr.String(), "repaired rel: 3 files, 5.0 kB in 1s, 1.0 kB fetched again") {
				t.Errorf("stdout %q, stderr %q", s.stdout.String(), s.stderr.String())
			}
		})
	}
	s := damagedShell(t)
	s.want(4, "", "add --yes", "repair", "rel")
	s = damagedShell(t)
	s.fake.verified.Bad = s.fake.verified.Bad[1:]
	s.want(0, "/d/rel\n", "", "repair", "rel")
	s = damagedShell(t)
	s.want(0, "a1\n", "the daemon goes on", "repair", "rel", "--yes", "--no-wait")
	s = damagedShell(t)
	s.fake.storeErr = fault.New(fault.NotFound, "no share is called %q", "x")
	s.want(10, "", "no share is called", "repair", "x")
}
