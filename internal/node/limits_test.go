package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// The 2nd of November 2026 is a Monday.
func at(t *testing.T, s string) time.Time {
	t.Helper()
	tm, err := time.ParseInLocation("2006-01-02 15:04", s, time.Local)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

func TestWindows(t *testing.T) {
	l := node.Limits{Up: 1, Down: 2, Windows: []node.Window{
		{Days: "mon-fri", From: "08:00", To: "18:00", Up: 10},
		{Days: "sat,sun", From: "00:00", To: "24:00", Up: 20},
		{Days: "fri", From: "22:00", To: "06:00", Up: 30}, // the morning of Saturday is the window before
		{Days: "thu", From: "23:00", To: "05:30", Up: 40, Down: 41},
	}}
	for _, c := range []struct {
		at       string
		up, down int64
	}{
		{"2026-11-02 07:59", 1, 2},
		{"2026-11-02 08:00", 10, 0},
		{"2026-11-02 17:59", 10, 0},
		{"2026-11-02 18:00", 1, 2},
		{"2026-11-06 22:00", 30, 0},
		{"2026-11-07 03:00", 20, 0},
		{"2026-11-08 23:59", 20, 0},
		{"2026-11-09 00:00", 1, 2},
		{"2026-11-05 23:30", 40, 41},
		{"2026-11-06 05:29", 40, 41},
		{"2026-11-06 05:30", 1, 2},
		{"2026-11-05 05:00", 1, 2},
	} {
		if up, down := node.LimitsNow(l, at(t, c.at)); up != c.up || down != c.down {
			t.Errorf("%s: got %d and %d, want %d and %d", c.at, up, down, c.up, c.down)
		}
	}
}

func TestLimitsRefused(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	publishIn(t, n, folder(t, "s", map[string]string{"f": "1"}))
	bad, fine := int64(-1), int64(5)
	windows := func(w ...node.Window) *[]node.Window { return &w }
	for _, c := range []struct {
		name string
		r    node.LimitRequest
		says string
	}{
		{"negative", node.LimitRequest{Up: &bad}, "negative"},
		{"negative, of a share", node.LimitRequest{Refs: []string{"s"}, Down: &bad}, "negative"},
		{"no time", node.LimitRequest{Windows: windows(node.Window{From: "8:00", To: "18:00"})}, "8:00"},
		{"hour 25", node.LimitRequest{Windows: windows(node.Window{From: "25:00", To: "18:00"})}, "25:00"},
		{"minute 60", node.LimitRequest{Windows: windows(node.Window{From: "08:60", To: "18:00"})}, "08:60"},
		{"after the day", node.LimitRequest{Windows: windows(node.Window{From: "08:00", To: "24:01"})}, "24:01"},
		{"empty", node.LimitRequest{Windows: windows(node.Window{From: "08:00", To: "08:00"})}, "empty"},
		{"begins at the end", node.LimitRequest{Windows: windows(node.Window{From: "24:00", To: "08:00"})}, "24:00"},
		{"no day", node.LimitRequest{Windows: windows(node.Window{Days: "mon-fry", From: "08:00", To: "09:00"})}, "mon-fry"},
		{"negative in a window", node.LimitRequest{Windows: windows(node.Window{From: "08:00", To: "09:00", Up: -1})}, "negative"},
		{"too many", node.LimitRequest{Windows: windows(make([]node.Window, 65)...)}, "65"},
		{"a policy for all", node.LimitRequest{Policy: &node.Policy{Ratio: 1}}, "policy"},
		{"a ratio below 0", node.LimitRequest{Refs: []string{"s"}, Policy: &node.Policy{Ratio: -1}}, "-1"},
		{"a time below 0", node.LimitRequest{Refs: []string{"s"}, Policy: &node.Policy{Time: -1}}, "-1"},
		{"copies below 0", node.LimitRequest{Refs: []string{"s"}, Policy: &node.Policy{Copies: -1}}, "-1"},
	} {
		_, err := n.Limit(t.Context(), c.r)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want a usage error with %q", c.name, err, c.says)
		}
	}
	if _, err := n.Limit(t.Context(), node.LimitRequest{Refs: []string{"nobody"}, Up: &fine}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a share that is not there: got %v, want NotFound", err)
	}
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil || s.Limits.Up != 0 || len(s.Limits.Windows) != 0 || s.Shares[0].Policy != (node.Policy{}) {
		t.Errorf("after the refusals: got %+v, %v, want no limits", s, err)
	}
}

func TestLimitsLast(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, func(o *node.Options) { o.Network.MaxUp = 7 })
	publishIn(t, n, folder(t, "s", map[string]string{"f": "1"}))
	if s, err := n.Status(t.Context(), node.StatusRequest{}); err != nil || s.Limits.Up != 7 {
		t.Errorf("before any was set: got %+v, %v, want the settings'", s, err)
	}
	up, down := int64(1000), int64(2000)
	all := []node.Window{{From: "00:00", To: "24:00", Up: 5, Down: 6}}
	if _, err := n.Limit(t.Context(), node.LimitRequest{Up: &up, Windows: &all}); err != nil {
		t.Fatal(err)
	}
	l, err := n.Limit(t.Context(), node.LimitRequest{Refs: []string{"s"}, Down: &down})
	if err != nil || len(l.Shares) != 1 || l.Shares[0].Limits.Down != down || l.Limits.Up != up {
		t.Errorf("got %+v, %v", l, err)
	}
	end()
	n, _ = daemon(t, home, func(o *node.Options) { o.Network.MaxUp = 7 })
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil || s.Limits.Up != up || len(s.Limits.Windows) != 1 || s.Now.Up != 5 || s.Now.Down != 6 || s.Shares[0].Limits.Down != down {
		t.Errorf("after a restart: got %+v, %v", s, err)
	}
}

// What was set goes before the settings until it is taken back; what a run is started with goes before both, until something is set in it.
func TestWhichLimitHolds(t *testing.T) {
	home := t.TempDir()
	var n *node.Node
	end := func() {}
	start := func(firm bool) {
		end()
		n, end = daemon(t, home, func(o *node.Options) {
			o.Network.MaxUp, o.Network.MaxDown, o.FirmUp = 7000, 8000, firm
		})
	}
	holds := func(when string, up, down int64, set string) {
		t.Helper()
		s, err := n.Status(t.Context(), node.StatusRequest{})
		if err != nil || s.Limits.Up != up || s.Limits.Down != down || strings.Join(s.LimitsSet, " ") != set {
			t.Errorf("%s: got %+v set by %v, %v; want %d and %d, set %q", when, s.Limits, s.LimitsSet, err, up, down, set)
		}
	}
	limit := func(r node.LimitRequest) {
		t.Helper()
		_, err := n.Limit(t.Context(), r)
		must(t, err)
	}
	rate := func(n int64) *int64 { return &n }
	start(false)
	holds("nothing was set", 7000, 8000, "")
	limit(node.LimitRequest{Up: rate(3000)})
	holds("up was set", 3000, 8000, "up")
	start(false)
	holds("started again", 3000, 8000, "up")
	start(true)
	holds("with a flag", 7000, 8000, "")
	limit(node.LimitRequest{Down: rate(0)})
	holds("down was set in that run", 7000, 0, "down")
	limit(node.LimitRequest{Up: rate(5000)})
	holds("up too", 5000, 0, "up down")
	start(false)
	holds("without the flag", 5000, 0, "up down")
	limit(node.LimitRequest{Default: []string{"up"}})
	holds("up was taken back", 7000, 0, "down")
	start(false)
	holds("and stays so", 7000, 0, "down")
	limit(node.LimitRequest{Default: []string{"down"}})
	holds("all of it", 7000, 8000, "")
}
