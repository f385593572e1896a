package cli_test

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestStopAndStart(t *testing.T) {
	s := newShell(t)
	s.fake.daemon, s.fake.shares = true, []node.Share{{ID: "a1", Name: "rel\x1b", State: node.StateStopped}, {ID: "a2", State: node.StateDone}}
	s.want(0, `rel\x1b: stopped`+"\na2: done\n", "", "stop", "rel", "./d/x")
	if got, want := s.fake.change, (node.ChangeRequest{Refs: []string{"rel", filepath.Join(s.dir, "d", "x")}}); !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
	s = newShell(t)
	s.fake.shares = []node.Share{{ID: "a1", Name: "rel", State: node.StateWaiting}}
	s.want(0, "rel: waiting\n", "they start with it (p2pshare daemon --detach)", "start", "--all")
	if got, want := s.fake.change, (node.ChangeRequest{Refs: []string{}, All: true, Run: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
	for _, name := range []string{"stop", "start", "remove"} {
		s := newShell(t)
		s.want(4, "", "p2pshare list shows what there is", name)
		s.want(4, "", "contradict", name, "--all", "rel")
		if s.fake.opened != 0 {
			t.Errorf("%s: a node was opened for nothing", name)
		}
		s = newShell(t)
		s.fake.storeErr = fault.New(fault.NotFound, "no share is called %q", "x")
		s.want(10, "", "no share is called", name, "x")
	}
}

func TestRemove(t *testing.T) {
	done := time.Unix(1, 0)
	s := newShell(t)
	s.fake.shares = []node.Share{
		{ID: "a1", Kind: "publish", Name: "rel", Path: "/d/rel", Files: 1}, {ID: "a2", Kind: "fetch", Name: "half", Path: "/d/half", Files: 1},
		{ID: "a3", Kind: "fetch", Name: "whole", Path: "/d/whole\x1b", Files: 1, Done: done}, {ID: "a4", Kind: "fetch", Name: "nothing", Path: "/d"}, {ID: "a5"},
	}
	s.want(0, "removed rel; its files stay in /d/rel\nremoved half and what was fetched of it so far"+
		"\nremoved whole; its files stay in /d/whole\\x1b\nremoved nothing\nremoved a5\n", "", "remove", "rel", "half")
	if got, want := s.fake.remove, (node.RemoveRequest{Refs: []string{"rel", "half"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
}

func TestRemoveDataAsks(t *testing.T) {
	shown := &node.Status{Shares: []node.Share{{ID: "a1", Name: "rel", Path: "/d/rel\x1b", Files: 2, Size: 1000}, {ID: "a2", Kind: "fetch", Name: "b", Path: "/d", Files: 1, Size: 500}}}
	for _, c := range []struct {
		name, answer string
		err          error
		code         int
		want         *node.RemoveRequest
	}{
		{"yes", "Yes ", nil, 0, &node.RemoveRequest{Refs: []string{"a1", "a2"}, Data: true}},
		{"y", "y", nil, 0, &node.RemoveRequest{Refs: []string{"a1", "a2"}, Data: true}},
		{"no", "n", nil, 1, nil},
		{"nothing", "", nil, 1, nil},
		{"something", "rel", nil, 1, nil},
		{"broken off", "", context.Canceled, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			asked := ""
			s.ask = func(q string) (string, error) { asked = q; return c.answer, c.err }
			s.fake.status = shown
			if code := s.run("remove", "--all", "--data"); code != c.code {
				t.Errorf("exit code: got %d, want %d; stderr %s", code, c.code, s.stderr.String())
			}
			if want := `  /d/rel\x1b` + "\n  b (what was fetched of it so far)\nRemove 2 shares and their files from the disk for good (3 files, 1.5 kB)? [y/N] "; asked != want {
				t.Errorf("asked: got %q, want %q", asked, want)
			}
			want := node.RemoveRequest{}
			if c.want != nil {
				want = *c.want
			}
			if got := s.fake.remove; !reflect.DeepEqual(got, want) {
				t.Errorf("request: got %+v, want %+v (those that were shown)", got, want)
			}
		})
	}
	s := newShell(t)
	s.want(4, "", "add --yes", "remove", "rel", "--data")
	if s.fake.opened != 0 {
		t.Error("a node was opened where nobody can be asked")
	}
	s.fake.shares = []node.Share{{ID: "a1", Name: "rel", Path: "/d/rel", Files: 2}}
	s.want(0, "removed rel and its files: /d/rel\n", "", "remove", "rel", "--data", "--yes")
	if got, want := s.fake.remove, (node.RemoveRequest{Refs: []string{"rel"}, Data: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
	s = newShell(t)
	s.fake.shares = []node.Share{{ID: "a1", Name: "rel", Path: "/d/rel", Files: 2, Stays: []string{"/d/rel/x\x1b"}}, {ID: "a2", Name: "gone", Path: "/d/gone", Files: 1, Absent: true}}
	s.want(0, "removed rel and its files but 1 other in their place: /d/rel\nremoved gone; none of its files were at /d/gone\n", `/d/rel/x\x1b stays: it is not what was shared`, "remove", "rel", "gone", "--data", "--yes")
	s = newShell(t)
	s.ask = func(string) (string, error) { t.Error("asked about nothing"); return "", nil }
	s.fake.status = &node.Status{}
	s.want(0, "", "", "remove", "--all", "--data")
}

func ptr[T any](v T) *T { return &v }

func TestLimitRequests(t *testing.T) {
	windows := []node.Window{{Days: "mon-fri", From: "08:00", To: "18:00", Up: 1_000_000}, {From: "22:00", To: "06:30", Down: 10_000_000}}
	for _, c := range []struct {
		args []string
		want node.LimitRequest
	}{
		{nil, node.LimitRequest{}},
		{[]string{"--up", "2M/s", "--down", "0"}, node.LimitRequest{Up: ptr(int64(2_000_000)), Down: ptr(int64(0))}},
		{[]string{"rel", "--up", "80Mbit"}, node.LimitRequest{Refs: []string{"rel"}, Up: ptr(int64(10_000_000))}},
		{[]string{"--window", "Mon-Fri 8:00-18:00 up=1M down=0", "--window", "22:00-06:30 down=80Mbit"}, node.LimitRequest{Windows: &windows}},
		{[]string{"--up", "default", "--down", "none"}, node.LimitRequest{Default: []string{"up"}, Down: ptr(int64(0))}},
		{[]string{"--up", "default", "--down", "default"}, node.LimitRequest{Default: []string{"down", "up"}}},
		{[]string{"--no-windows"}, node.LimitRequest{Windows: &[]node.Window{}}},
	} {
		s := newShell(t)
		s.fake.limited, s.fake.status = &node.Limited{}, &node.Status{}
		if code := s.run(append([]string{"limit"}, c.args...)...); code != 0 {
			t.Fatalf("%q: got code %d, want 0; stderr %s", c.args, code, s.stderr.String())
		}
		got := s.fake.limit
		if len(got.Refs) == 0 {
			got.Refs = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, want %+v", c.args, got, c.want)
		}
	}
}

// TestLimitKeepsTheRestOfARule: what is not named of when seeding ends stays, for each share its own.
func TestLimitKeepsTheRestOfARule(t *testing.T) {
	s := newShell(t)
	s.fake.limited = &node.Limited{Shares: []node.Share{{ID: "x", Name: "rel"}}}
	s.fake.status = &node.Status{Shares: []node.Share{{ID: "a1", Policy: node.Policy{Ratio: 1, Copies: 3}}, {ID: "a2", Policy: node.Policy{Time: time.Hour}}}}
	s.want(0, "rel\n", "", "limit", "rel", "b", "--stop-ratio", "2.5", "--stop-copies", "0", "--up", "1k")
	want := []node.LimitRequest{
		{Refs: []string{"a1"}, Up: ptr(int64(1000)), Policy: &node.Policy{Ratio: 2.5}},
		{Refs: []string{"a2"}, Up: ptr(int64(1000)), Policy: &node.Policy{Ratio: 2.5, Time: time.Hour}},
	}
	if got := s.fake.limitsAsked; !reflect.DeepEqual(got, want) {
		t.Errorf("requests: got %+v, want %+v", got, want)
	}
	if got := s.fake.statusAsked.Refs; !reflect.DeepEqual(got, []string{"rel", "b"}) {
		t.Errorf("asked for: got %q, want rel and b", got)
	}
	s = newShell(t)
	s.fake.limited = &node.Limited{}
	s.fake.status = &node.Status{Shares: []node.Share{{ID: "a1"}}}
	s.want(0, "", "", "limit", "rel", "--stop-time", "14d")
	if got := s.fake.limit.Policy; got == nil || got.Time != 14*24*time.Hour {
		t.Errorf("policy: got %+v, want 14 days", got)
	}
}

func TestLimitRefusals(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--up", "fast"}, `--up: "fast" is not a rate`},
		{[]string{"--down", "8Mb"}, "bits or bytes"},
		{[]string{"--window", "08:00-18:00"}, "it has no rate"},
		{[]string{"--window", "mon up=1M"}, "it has no hours"},
		{[]string{"--window", ""}, "it has no hours"},
		{[]string{"--window", "08:00-18:00 up=fast"}, `"fast" is not a rate`},
		{[]string{"--window", "08:00-18:00 up=1M up=2M"}, "up is there twice"},
		{[]string{"--window", "08:00-18:00 sideways=1M"}, "means nothing here"},
		{[]string{"--window", "08:00-18:00 up=1M mon"}, `"mon" means nothing here`},
		{[]string{"--window", "8-18 up=1M"}, "it has no hours"},
		{[]string{"--window", "08:00-18:00 up=1M", "--no-windows"}, "contradict"},
		{[]string{"--stop-ratio", "2"}, "name them"},
		{[]string{"rel", "--stop-ratio", "much"}, "not a ratio"},
		{[]string{"rel", "--stop-ratio", "-1"}, "not a ratio"},
		{[]string{"rel", "--stop-ratio", "NaN"}, "not a ratio"},
		{[]string{"rel", "--stop-time", "soon"}, "not a length of time"},
		{[]string{"rel", "--stop-time", "-3h"}, "not a length of time"},
		{[]string{"rel", "--stop-copies", "1.5"}, "not a number of copies"},
	} {
		s := newShell(t)
		s.want(4, "", c.want, append([]string{"limit"}, c.args...)...)
		if s.fake.opened != 0 {
			t.Errorf("%q: a node was opened all the same", c.args)
		}
	}
	s := newShell(t)
	s.fake.storeErr = fault.New(fault.Usage, "window: %q is no day of the week", "monday")
	s.want(4, "", "no day of the week", "limit", "--window", "monday 08:00-18:00 up=1M")
}

func TestLimitShows(t *testing.T) {
	monday := time.Date(2026, 11, 23, 9, 30, 0, 0, time.Local)
	l := node.Limits{Up: 2_000_000, Windows: []node.Window{
		{Days: "sat,sun", From: "00:00", To: "24:00"}, {Days: "mon-fri", From: "08:00", To: "18:00", Up: 500_000, Down: 1_000_000}, {From: "09:00", To: "10:00"},
	}}
	s := newShell(t)
	s.clock.t = monday
	s.fake.daemon = true
	s.fake.limited, s.fake.status = &node.Limited{Limits: l}, &node.Status{Daemon: true}
	s.want(0, "all shares together\n", "", "limit")
	golden(t, "limits", s.stdout.String())
	s = newShell(t)
	s.clock.t = monday.Add(12 * time.Hour)
	s.fake.limited, s.fake.status = &node.Limited{Limits: l}, &node.Status{}
	s.want(0, "otherwise            2.0 MB/s up, no limit down  <- now\n", "this holds when one does", "limit")
	s = newShell(t)
	s.clock.t = monday
	s.fake.limited = &node.Limited{Shares: []node.Share{
		{ID: "a1", Name: "rel\x1b", Limits: node.Limits{Down: 5_000}, Policy: node.Policy{Ratio: 2, Time: time.Hour, Copies: 1}}, {ID: "a2", Name: "b"},
	}}
	s.want(0, `rel\x1b`+"\n     at all hours  no limit up, 5.0 kB/s down  <- now\n     seeding ends at the ratio 2.00, or after 1h0m0s, or when 1 other machine has all of it\n"+
		"b\n     at all hours  no limit up, no limit down  <- now\n     seeding does not end by a rule of its own\n", "", "limit", "rel", "b")
}
