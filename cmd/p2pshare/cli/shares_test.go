package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// manyShares are shares in every state.
func manyShares() []node.Share {
	return []node.Share{
		{ID: "a1", Kind: "publish", Name: "rel", Path: "/d/rel", Infohash: v1hex, Size: 1_200_000_000, Files: 3, State: node.StateSeeding, Peers: 2, Copies: 2, WebSeeds: 1,
			Up: 300_000, Uploaded: 2_400_000_000, Ratio: 2, Policy: node.Policy{Ratio: 3, Time: 90 * time.Minute}},
		{ID: "a2", Kind: "publish", Name: "alone", Path: "/d/alone", Size: 5, Files: 1, State: node.StateSeeding},
		{ID: "a3", Kind: "seed", Name: "web", Path: "/d/web", Size: 5, Files: 1, State: node.StateSeeding, WebSeeds: 2},
		{ID: "a4", Kind: "fetch", Name: "film\x1b[31m", Path: "/d/film", Size: 1000, Files: 2, State: node.StateFetching, Peers: 4, Seeds: 1, Down: 1_000_000, BadPieces: 2,
			Progress: &node.Progress{Phase: "fetching", Done: 430, Total: 1000, ETA: 63 * time.Second}},
		{ID: "a5", Kind: "fetch", Name: "rare", State: node.StateFetching, Progress: &node.Progress{Phase: "metadata", Waiting: "nobody with this content was found yet"}},
		{ID: "a6", Kind: "fetch", Name: "half", Size: 5, Files: 1, State: node.StateFetching, Peers: 3},
		{ID: "a7", Kind: "publish", Name: "away", Path: "/mnt/away", Size: 5, Files: 1, State: node.StateWaiting, Reason: "the drive is away", Hint: "plug it in"},
		{ID: "a8", Kind: "publish", Name: "still", Path: "/d/still", Size: 5, Files: 1, State: node.StateStopped},
		{ID: "a9", Kind: "fetch", Name: "got it", Path: "/d/got it", Size: 5, Files: 1, State: node.StateDone},
		{ID: "b1", Kind: "publish", Name: "old", Path: "/d/old", Size: 5, Files: 1, State: node.StateChecking, Progress: &node.Progress{Phase: "checking", Done: 1, Total: 2}},
		{ID: "b2", Kind: "fetch", Name: "later", State: node.StateQueued},
		{ID: "b3", State: node.StateDamaged, Reason: "its record is torn\n", Hint: "p2pshare remove b3"},
		{ID: "b4", Kind: "publish", Name: "rel", Path: "/e/rel", Size: 5, Files: 1, State: node.StateStarting},
	}
}

func daemonStatus(s *shell) *node.Status {
	st := &node.Status{
		Daemon: true, Version: "1.2.3", PID: 4242, Started: s.clock.now().Add(-90 * time.Second), Home: "/home/u/h", Port: 6881, DHTNodes: 120,
		Up: 300_000, Down: 1_000_000, Limits: node.Limits{Up: 2_000_000}, Now: node.Limits{Up: 2_000_000}, Shares: manyShares(), Problems: []string{"the share c1 is passed over: \x07"},
	}
	return st
}

func TestStatus(t *testing.T) {
	s := newShell(t)
	s.fake.daemon, s.fake.status = true, daemonStatus(s)
	s.want(0, "daemon 1.2.3, process 4242", `warning: the share c1 is passed over: \a`, "status")
	golden(t, "status", s.stdout.String())
	s = newShell(t)
	s.fake.status = &node.Status{Shares: []node.Share{{ID: "a1", Name: "rel", State: node.StateWaiting, Reason: "no daemon runs", Hint: "p2pshare daemon --detach starts one"}}}
	s.want(0, "no daemon runs, and what other terminals share is not shown; p2pshare daemon --detach starts it\n\nrel (a1): waiting\n    no daemon runs\n", "", "status", "rel")
	if got := s.stdout.String(); strings.Count(got, "--detach") != 1 {
		t.Errorf("got %q, want what helps once", got)
	}
	if got, want := s.fake.statusAsked.Refs, []string{"rel"}; !reflect.DeepEqual(got, want) {
		t.Errorf("asked for: got %q, want %q", got, want)
	}
	s = newShell(t)
	s.fake.storeErr = fault.Hint(fault.New(fault.NotFound, "no share is called %q", "x"), "p2pshare list shows what there is")
	s.want(10, "", "p2pshare list shows", "status", "x")
}

func TestReferencesOfShares(t *testing.T) {
	s := newShell(t)
	s.fake.status = &node.Status{}
	s.want(0, "no daemon runs", "", "status", "rel", "./rel", "sub/rel/", "/abs/rel", magnet+"&tr=http://t/", v1hex[:6])
	want := []string{"rel", filepath.Join(s.dir, "rel"), filepath.Join(s.dir, "sub", "rel"), "/abs/rel", magnet + "&tr=http://t/", v1hex[:6]}
	if got := s.fake.statusAsked.Refs; !reflect.DeepEqual(got, want) {
		t.Errorf("asked for: got %q, want %q", got, want)
	}
}

func TestStatusJSON(t *testing.T) {
	s := newShell(t)
	s.fake.daemon, s.fake.status = true, daemonStatus(s)
	s.fake.status.Shares = s.fake.status.Shares[:5]
	s.run("status", "--json")
	s.run("list", "--json")
	s.fake.shares = manyShares()[:1]
	s.run("stop", "rel", "--json")
	s.run("remove", "rel", "--json")
	s.fake.limited = &node.Limited{Limits: node.Limits{Up: 7, Windows: []node.Window{{Days: "mon-fri", From: "08:00", To: "18:00", Down: 3}}}}
	s.run("limit", "--json")
	s.fake.limited = &node.Limited{Shares: manyShares()[:1]}
	s.run("limit", "rel", "--json")
	golden(t, "shares-json", s.stdout.String())
	if got := s.stderr.String(); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
	for line := range strings.Lines(s.stdout.String()) {
		d := json.NewDecoder(strings.NewReader(line))
		keys := map[string]bool{}
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		for d.More() { // a key twice would be read differently by different readers
			k, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			if keys[k.(string)] {
				t.Errorf("the key %v is there twice in %s", k, line)
			}
			keys[k.(string)] = true
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
		}
		if !keys["version"] || !keys["type"] {
			t.Errorf("got %s, want version and type", line)
		}
	}
}

func TestList(t *testing.T) {
	s := newShell(t)
	s.fake.status = daemonStatus(s)
	s.want(0, "a1  seeding", "warning: the share", "list")
	golden(t, "list", s.stdout.String())
	s = newShell(t)
	s.width, s.height = 200, 50
	s.fake.status = daemonStatus(s)
	s.want(0, "ID  STATE         SIZE", "", "list")
	s = newShell(t)
	s.fake.status = &node.Status{}
	s.want(0, "", "nothing is kept", "list")

	s = newShell(t)
	s.fake.status = daemonStatus(s)
	s.want(0, "a1\nalone\nweb\na4\nrare\nhalf\naway\nstill\ngot it\nold\nlater\nb3\nb4\n", "", "list", "-q")
	if got := s.stdout.String(); strings.Count(got, "rel\n") != 0 {
		t.Errorf("a name that is there twice: got %q, want IDs", got)
	}
}

func TestCompleteShares(t *testing.T) {
	s := newShell(t)
	s.fake.status = &node.Status{Shares: []node.Share{{ID: "a1", Name: "rel"}, {ID: "a2", Name: "-x"}, {ID: "a3", Name: "a\nb"}, {ID: "a\n4"}}}
	s.want(0, "rel\na2\na3\n", "", "__complete", "shares")
	if got := s.stdout.String(); got != "rel\na2\na3\n" {
		t.Errorf("got %q, want three words and no empty line", got)
	}
	for name, prepare := range map[string]func(s *shell){
		"nothing":       func(s *shell) { s.fake.status = &node.Status{} },
		"an error":      func(s *shell) { s.fake.storeErr = errors.New("broken") },
		"no home":       func(s *shell) { s.env = nil },
		"home in use":   func(s *shell) { s.fake.openErr = fault.New(fault.InUse, "in use") },
		"it takes long": func(s *shell) { s.fake.look = func(ctx context.Context) { <-ctx.Done() } },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t)
			prepare(s)
			s.want(0, "", "", "__complete", "shares")
			if got := s.stderr.String(); got != "" {
				t.Errorf("stderr: got %q, want nothing", got)
			}
		})
	}
	s = newShell(t)
	if s.want(0, "", "", "__complete", "colours"); s.fake.opened != 0 {
		t.Error("asked for what there is not: a node was opened")
	}
	s = newShell(t)
	if s.run("help"); strings.Contains(s.stdout.String(), "__complete") {
		t.Error("help shows the command that only scripts call")
	}
}

func TestWatchOnAPipe(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		s := newShell(t)
		s.ticks = make(chan time.Time)
		s.fake.daemon = true
		s.fake.status = &node.Status{Daemon: true, Version: "1.2.3", PID: 1, Shares: []node.Share{{ID: "a1", Name: "rel", State: node.StateSeeding}}}
		looks := 0
		s.fake.look = func(context.Context) {
			if looks++; looks < 3 {
				go func() { s.ticks <- time.Time{} }()
				return
			}
			s.sig <- os.Interrupt
		}
		args := []string{"status", "--watch"}
		if asJSON {
			args = append(args, "--json")
		}
		if code := s.run(args...); code != 0 {
			t.Errorf("exit code: got %d, want 0", code)
		}
		got := s.stdout.String()
		if strings.Contains(got, "\x1b") {
			t.Errorf("got %q, want no control characters", got)
		}
		if asJSON {
			if n := strings.Count(got, `{"version":1,"type":"status",`); n < 2 || n != strings.Count(got, "\n") {
				t.Errorf("got %q, want an object a line for every look", got)
			}
			continue
		}
		if n := strings.Count(got, "daemon 1.2.3"); n < 2 || strings.Count(got, "\n\ndaemon") != n-1 {
			t.Errorf("got %q, want a block for every look, with an empty line between", got)
		}
	}
}

func TestWatchOnATerminal(t *testing.T) {
	s := newShell(t)
	s.width, s.height, s.ticks = 40, 8, make(chan time.Time)
	s.fake.daemon, s.fake.status = true, daemonStatus(s)
	looks := 0
	s.fake.look = func(context.Context) {
		switch looks++; looks {
		case 1:
			go func() { s.ticks <- time.Time{} }()
		case 2:
			s.fake.status = &node.Status{Shares: []node.Share{{ID: "a1", Name: "rel\x1b[2J", State: node.StateSeeding}}}
			go func() { s.ticks <- time.Time{} }()
		default:
			s.sig <- os.Interrupt
		}
	}
	if code := s.run("status", "--watch"); code != 0 {
		t.Errorf("exit code: got %d, want 0; stderr %s", code, s.stderr.String())
	}
	frames := strings.Split(s.stdout.String(), "\r\x1b[J")
	if len(frames) < 3 {
		t.Fatalf("got %q, want at least two pictures", s.stdout.String())
	}
	first := strings.TrimSuffix(frames[1], "\x1b[7A")
	if n := strings.Count(first, "\n"); n != 7 || !strings.Contains(first, "... and ") || frames[1] == first {
		t.Errorf("the first picture: got %q, want seven lines, the last of which says what is left out, drawn over by the next", first)
	}
	for line := range strings.Lines(first) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n >= 40 {
			t.Errorf("%q has %d columns, want fewer than 40", line, n)
		}
	}
	if second := frames[2]; !strings.Contains(second, `rel\x1b[2J (a1): seeding`) || strings.Contains(second, "daemon 1.2.3") {
		t.Errorf("the second picture: got %q, want what it is then, escaped", second)
	}
	s = newShell(t)
	s.width, s.height, s.env["TERM"], s.ticks = 40, 8, "dumb", make(chan time.Time)
	s.fake.status = &node.Status{}
	s.fake.look = func(context.Context) { s.fake.storeErr = fault.New(fault.InUse, "in use") }
	s.want(11, "", "in use", "status", "--watch")
}

func TestVerifyAShare(t *testing.T) {
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.fake.verified = &node.Verified{OK: true}
	for arg, want := range map[string]node.VerifyRequest{
		"rel":          {Ref: "rel"},
		v1hex:          {Ref: v1hex},
		magnet:         {Ref: magnet},
		"gone.torrent": {Torrent: filepath.Join(s.dir, "gone.torrent")},
		"./rel":        {Torrent: filepath.Join(s.dir, "rel")},
		"plain":        {Torrent: filepath.Join(s.dir, "plain")},
	} {
		if s.run("verify", arg); s.fake.verify != want {
			t.Errorf("%s: got %+v, want %+v", arg, s.fake.verify, want)
		}
	}
	s.run("verify", "rel", "elsewhere")
	if got, want := s.fake.verify, (node.VerifyRequest{Ref: "rel", Data: filepath.Join(s.dir, "elsewhere")}); got != want {
		t.Errorf("elsewhere: got %+v, want %+v", got, want)
	}
}
