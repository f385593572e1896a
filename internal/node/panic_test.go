package node_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/node"
)

// trap is a log that panics in the goroutine that writes a message about a share.
type trap struct {
	slog.Handler
	message, share string
}

func (h trap) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.message {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "share" && a.Value.String() == h.share {
				panic("a bug that was planted")
			}
			return true
		})
	}
	return h.Handler.Handle(ctx, r)
}

// TestAPanicCostsItsShare: a bug in one share's goroutine leaves the others, and is not met again until the user says so.
func TestAPanicCostsItsShare(t *testing.T) {
	home := t.TempDir()
	var log lockedBuffer
	n, end := daemon(t, home, func(o *node.Options) {
		o.Log = slog.New(trap{slog.NewTextHandler(&log, nil), "seeding", "poison"})
	})
	good := publishIn(t, n, folder(t, "good", map[string]string{"f": "1"}))
	poison := folder(t, "poison", map[string]string{"f": "2"})
	publishIn(t, n, poison)
	s := shareIn(t, n, "poison", in(node.StateFailed))
	if !strings.Contains(s.Reason, "a bug that was planted") || !strings.Contains(s.Hint, "p2pshare start "+s.ID) || s.Peers != 0 {
		t.Errorf("got %+v, want a reason and what to do", s)
	}
	if l := log.String(); !strings.Contains(l, "a share hit a bug") || !strings.Contains(l, "keep_serve.go") {
		t.Errorf("the log has no trace:\n%s", l)
	}
	fetchFrom(t, n, good.Magnet, filepath.Join(filepath.Dir(shareIn(t, n, "good", in(node.StateSeeding)).Path), "good"))
	end()
	// It rests at the next start, though the bug is gone, and goes on when it is told to.
	n, _ = daemon(t, home, nil)
	shareIn(t, n, "good", in(node.StateSeeding))
	if again := shareIn(t, n, "poison", in(node.StateFailed)); again.Reason != s.Reason || again.Hint != s.Hint {
		t.Errorf("after a restart: got %q, %q", again.Reason, again.Hint)
	}
	if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{"poison"}, Run: true}); err != nil {
		t.Fatal(err)
	}
	shareIn(t, n, "poison", in(node.StateSeeding))
}

// TestAPanicCostsItsGroup: a bug in a loop of one group halts that, says so, and leaves shares and other groups.
func TestAPanicCostsItsGroup(t *testing.T) {
	var log lockedBuffer
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, name := range []string{"ill", "well"} {
		if _, err := n.Group(t.Context(), node.GroupRequest{Group: name, Create: &node.CreateGroup{Kind: "public", User: "alice"}}, func(node.Event) {}); err != nil {
			t.Fatal(err)
		}
	}
	node.PanicIn(n, "ill")
	publishIn(t, n, folder(t, "good", map[string]string{"f": "1"}))
	shareIn(t, n, "good", in(node.StateSeeding))
	a, err := n.Group(t.Context(), node.GroupRequest{List: &struct{}{}}, func(node.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range a.Groups {
		if halted := strings.Contains(strings.Join(g.Warnings, "\n"), "halted"); halted != (g.Name == "ill") {
			t.Errorf("%s: got the warnings %q", g.Name, g.Warnings)
		}
	}
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil || !strings.Contains(strings.Join(s.Problems, "\n"), `the group "ill" is halted`) {
		t.Errorf("status: got %+v, %v, want the group among the problems", s.Problems, err)
	}
	if l := log.String(); !strings.Contains(l, "a group hit a bug") || !strings.Contains(l, "PanicIn") {
		t.Errorf("the log has no trace:\n%s", l)
	}
}
