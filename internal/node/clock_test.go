package node_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/state"
)

// TestTheClockWasWrong starts a daemon on a home that was used while the clock stood years off, in both directions: what
// times were written down decides nothing but the order of the list. Within a run time is measured on the system's
// monotonic clock, which does not jump.
func TestTheClockWasWrong(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	future, past := folder(t, "future", map[string]string{"f": "1"}), folder(t, "past", map[string]string{"f": "2"})
	for dir, year := range map[string]int{future: 2200, past: 1971} {
		at := time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC)
		if err := os.Chtimes(filepath.Join(dir, "f"), at, at); err != nil {
			t.Fatal(err)
		}
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return n.Publish(ctx, node.PublishRequest{Path: dir, Policy: node.Policy{Time: time.Hour}}, on)
		}, func(e node.Event) bool { return e.Published != nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]string{}
	for _, name := range []string{"future", "past"} {
		ids[name] = shareIn(t, n, name, in(node.StateSeeding)).ID
	}
	end()
	for name, year := range map[string]string{"future": "2200", "past": "1971"} {
		path := filepath.Join(home, "shares", ids[name], "record.json")
		var r map[string]any
		if err := state.ReadVersioned(path, 1, &r); err != nil {
			t.Fatal(err)
		}
		r["added"] = year + "-01-02T03:04:05Z"
		if err := state.WriteVersioned(path, 1, r); err != nil {
			t.Fatal(err)
		}
	}
	var log lockedBuffer
	n, end = daemon(t, home, func(o *node.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	now := folder(t, "now", map[string]string{"f": "3"})
	publishIn(t, n, now)
	for _, name := range []string{"past", "now", "future"} {
		shareIn(t, n, name, in(node.StateSeeding))
	}
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, sh := range s.Shares {
		order = append(order, sh.Name)
	}
	if got := strings.Join(order, " "); got != "past now future" || len(s.Problems) > 0 {
		t.Errorf("got %q, problems %q, want the shares by age", got, s.Problems)
	}
	end()
	if strings.Contains(log.String(), "hashing a share again") {
		t.Errorf("a share was hashed again for its times: %s", log.String())
	}
}

// TestWindowsWhenTheClockJumps: what holds depends on the hour it is, and not on the one it was.
func TestWindowsWhenTheClockJumps(t *testing.T) {
	l := node.Limits{Up: 1, Windows: []node.Window{{Days: "mon-fri", From: "08:00", To: "18:00", Up: 2}, {From: "22:00", To: "06:00", Up: 3}}}
	at := time.Date(2026, 11, 23, 7, 59, 0, 0, time.Local) // a Monday
	for _, c := range []struct {
		name string
		jump time.Duration
		want int64
	}{
		{"before the window", 0, 1}, {"into it", 2 * time.Minute, 2}, {"back", -2 * time.Minute, 1}, {"to the night", 16 * time.Hour, 3},
		{"a year back, a Sunday night", -365 * 24 * time.Hour, 3}, {"on, to Monday morning", 10*time.Hour + 30*time.Minute, 2},
	} {
		at = at.Add(c.jump)
		if up, _ := node.LimitsNow(l, at); up != c.want {
			t.Errorf("%s, %s: got %d, want %d", c.name, at.Format("Mon 15:04"), up, c.want)
		}
	}
}
