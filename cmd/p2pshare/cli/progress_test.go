package cli_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/p2pshare/p2pshare/internal/node"
)

// fetching is a fetch of 1 GB at a part of its way.
func fetching(percent int64) node.Event {
	return node.Event{Progress: &node.Progress{Phase: "fetching", Name: "rel\x1b[31m", Done: percent * 10_000_000, Total: 1_000_000_000,
		Down: 35_000_000, ETA: 63 * time.Second, Peers: 5, From: node.BytesFrom{Peers: percent * 9_000_000, WebSeeds: percent * 1_000_000}}}
}

func TestPlainProgress(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		step := func(d time.Duration, e node.Event) { s.clock.add(d); on(e) }
		metadata := node.Event{Progress: &node.Progress{Phase: "metadata", Waiting: "nobody with this content was found yet"}}
		step(0, node.Event{Progress: &node.Progress{Phase: "metadata"}})
		step(time.Second, metadata) // what it waits for is new
		step(time.Second, metadata)
		step(9*time.Second, metadata) // ten seconds
		step(0, fetching(0))          // a phase
		step(500*time.Millisecond, fetching(15))
		step(500*time.Millisecond, fetching(19)) // ten percent more, a second later
		step(5*time.Second, fetching(19))
		step(5*time.Second, fetching(19)) // ten seconds
		step(time.Second, fetching(100))
		for _, uploaded := range []int64{0, 1, 2} {
			step(40*time.Second, node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Port: 7, Uploaded: uploaded, Peers: 1}})
		}
		step(90*time.Second, node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Port: 7, Uploaded: 2, Peers: 1}})
		return nil
	}
	if code := s.run("fetch", v1hex); code != 0 {
		t.Fatalf("exit code: got %d, want 0", code)
	}
	golden(t, "plain", s.stderr.String())
	for _, c := range s.stderr.String() {
		if c < ' ' && c != '\n' {
			t.Fatalf("stderr holds the control character %q", c)
		}
	}
}

// Reading files has a first line when it takes a second, and a last one when it is done.
func TestPlainReading(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		read := func(after time.Duration, phase string, done int64) {
			s.clock.add(after)
			on(node.Event{Progress: &node.Progress{Phase: phase, Name: "rel", Done: done, Total: 1000}})
		}
		read(0, "hashing", 0)
		read(900*time.Millisecond, "hashing", 1000) // faster than a line about it
		read(0, "indexing", 0)
		read(time.Second, "indexing", 300)
		read(200*time.Millisecond, "indexing", 1000)
		read(0, "indexing", 1000)
		return nil
	}
	s.want(0, "", "", "publish", "rel", "--no-seed")
	if got, want := s.stderr.String(), "indexing rel: 30%, 300 B/1.0 kB\nindexing rel: 100%, 1.0 kB/1.0 kB\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlainWhereATerminalCannotOrMayNot(t *testing.T) {
	for name, value := range map[string]string{"TERM": "dumb", "NO_COLOR": "1"} {
		s := newShell(t)
		s.width, s.env[name] = 80, value
		s.fake.do = func(_ context.Context, on func(node.Event)) error { on(fetching(50)); return nil }
		s.want(0, "", "fetching rel", "fetch", v1hex)
		if got := s.stderr.String(); strings.Contains(got, "\x1b") {
			t.Errorf("%s=%s: got %q, want plain lines", name, value, got)
		}
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9]*[A-Z]`)

// drawn runs a fetch that draws event until a line was drawn, and returns what came to stderr.
func drawn(t *testing.T, s *shell, e node.Event, until string) string {
	t.Helper()
	s.fake.do = func(ctx context.Context, on func(node.Event)) error {
		on(node.Event{Message: "before"})
		on(e)
		deadline := time.Now().Add(60 * time.Second)
		for !strings.Contains(s.stderr.String(), until) {
			if time.Now().After(deadline) {
				t.Errorf("not drawn: %q; stderr %q", until, s.stderr.String())
				break
			}
			time.Sleep(5 * time.Millisecond) // mpb draws on its own clock
		}
		on(node.Event{Message: "between"})
		on(node.Event{Fetched: &node.Fetched{Path: "/p", Name: "n"}})
		on(e)
		return nil
	}
	if code := s.run("fetch", v1hex); code != 0 {
		t.Fatalf("exit code: got %d, want 0", code)
	}
	return s.stderr.String()
}

func TestTerminalProgress(t *testing.T) {
	for _, c := range []struct {
		width    int
		has, not []string
	}{
		{200, []string{`fetching rel\x1b[31m`, "42%", "420 MB/1.0 GB", "35 MB/s", "1m3s left", "5 peers", "from peers 378 MB, web seeds 42 MB", "[####", "-]"}, nil},
		{100, []string{"42%", "35 MB/s", "1m3s left", "5 peers", "[##"}, []string{"web seeds"}},
		{60, []string{"42%", "35 MB/s", "[#"}, []string{"web seeds", "420 MB"}},
		{40, []string{"42%", "35 MB/s"}, []string{"web seeds", "420 MB"}},
		{20, []string{"42%"}, []string{"peers"}},
	} {
		s := newShell(t)
		s.width = c.width
		got := drawn(t, s, fetching(42), "42%")
		for _, want := range c.has {
			if !strings.Contains(got, want) {
				t.Errorf("width %d: got %q, want %q in it", c.width, got, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("width %d: got %q, want no %q in it", c.width, got, not)
			}
		}
		for line := range strings.Lines(escapes.ReplaceAllString(got, "")) {
			if w := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); w > c.width && strings.Contains(line, "42%") {
				t.Errorf("width %d: the line %q has %d columns", c.width, line, w)
			}
		}
		if strings.Contains(got, "\x1b[31m") {
			t.Errorf("width %d: the name's escape sequence reached the terminal: %q", c.width, got)
		}
		if !strings.Contains(got, "between\n") || !strings.HasSuffix(escapes.ReplaceAllString(got, ""), "\n") {
			t.Errorf("width %d: got %q, want the messages on lines of their own", c.width, got)
		}
		if got := s.stdout.String(); got != "/p\n" {
			t.Errorf("width %d: stdout: got %q, want the path alone", c.width, got)
		}
	}
}

func TestTerminalShowsWhatItWaitsFor(t *testing.T) {
	s := newShell(t)
	s.width = 80
	e := node.Event{Progress: &node.Progress{Phase: "metadata", Waiting: "nobody with this content was found yet"}}
	got := drawn(t, s, e, "nobody with this")
	if strings.Contains(got, "%") || strings.Contains(got, "[") && strings.Contains(got, "#") {
		t.Errorf("got %q, want neither percent nor bar while the size is unknown", got)
	}
}

func TestTerminalSeeding(t *testing.T) {
	s := newShell(t)
	s.width = 80
	got := drawn(t, s, node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Peers: 3, Up: 1_200_000, Uploaded: 30_000_000}}, "seeding rel")
	if want := "3 peers, 1.2 MB/s up, 30 MB sent"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}
