package cli_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// everyEvent is one of each, with the clock going on.
func everyEvent(s *shell, on func(node.Event)) {
	on(node.Event{Message: "3 files <are> wanted & more", Level: "info"})
	on(node.Event{Progress: &node.Progress{Phase: "hashing", Name: "rel", Done: 1, Total: 4, ETA: 1500 * time.Millisecond}})
	on(node.Event{Progress: &node.Progress{Phase: "hashing", Name: "too soon"}})
	s.clock.add(time.Second)
	on(node.Event{Progress: &node.Progress{Phase: "fetching", Name: "a\x1b", Done: 2, Total: 4, Down: 2.5, Up: 1, Peers: 3, Seeds: 1,
		From: node.BytesFrom{Peers: 1, WebSeeds: 2, Reused: 3}, Waiting: "nobody with this content was found yet"}})
	on(node.Event{Published: &node.Published{Name: "rel", Size: 4, Files: 1, PieceLength: 16384, Format: "v1", Infohash: v1hex, Magnet: magnet}})
	on(node.Event{Seeding: &node.Seeding{Name: "rel", Infohash: v1hex, Magnet: magnet, Path: "/d/rel", Port: 7}})
	on(node.Event{Seeding: &node.Seeding{Name: "too soon", Magnet: magnet}})
	on(node.Event{Seeding: &node.Seeding{Name: "other", Magnet: "magnet:?other"}})
	s.clock.add(time.Second)
	on(node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Peers: 2, Up: 3.5, Uploaded: 9}})
	on(node.Event{Fetched: &node.Fetched{Path: "/d/rel", Name: "rel", Size: 4, Files: 1, InfohashV2: "00", BytesFrom: node.BytesFrom{Peers: 4}, Seconds: 1.25, Verified: true}})
	on(node.Event{Stopped: &node.Stopped{Name: "rel", Reason: "a file changed"}})
}

func TestJSONStream(t *testing.T) {
	for name, args := range map[string][]string{
		"stream":       {"fetch", v1hex, "--json"},
		"stream-quiet": {"fetch", v1hex, "--json", "--quiet"},
	} {
		s := newShell(t)
		s.fake.do = func(_ context.Context, on func(node.Event)) error {
			everyEvent(s, on)
			return fault.Hint(fault.New(fault.Timeout, "nobody has it"), "try again")
		}
		if got := s.run(args...); got != 14 {
			t.Errorf("exit code: got %d, want 14", got)
		}
		if got := s.stderr.String(); got != "" {
			t.Errorf("stderr: got %q, want nothing", got)
		}
		for line := range strings.Lines(s.stdout.String()) {
			var o struct {
				Version int
				Type    string
			}
			if err := json.Unmarshal([]byte(line), &o); err != nil || o.Version != 1 || o.Type == "" {
				t.Errorf("line %q: got %+v, %v, want an object with version 1 and a type", line, o, err)
			}
		}
		golden(t, name, s.stdout.String())
	}
}

func TestJSONObjects(t *testing.T) {
	s := newShell(t)
	s.fake.verified = &node.Verified{Path: "/d/rel", Name: "rel", Size: 10, Files: 3, OK: true, Pieces: 2}
	s.run("verify", "a.torrent", "--json")
	s.fake.verified = &node.Verified{Path: "/d/rel", Name: "rel", Size: 10, Files: 3, Pieces: 2, Bad: []node.VerifiedFile{{Path: "a", Problem: "missing"}}, Extra: []string{"x"}}
	s.run("verify", "a.torrent", "--json")
	s.run("lint", magnet, "--json")
	s.run("lint", magnet+"&tr=http://t/", "--json")
	s.run("fetch", "--json")
	s.run("fetch", v1hex, "--json", "--prot", "1")
	s.run("--json", "nonsense")
	golden(t, "objects", s.stdout.String())
	if got := s.stderr.String(); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
}

func TestJSONInterrupted(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(ctx context.Context, _ func(node.Event)) error {
		s.sig <- os.Interrupt
		<-ctx.Done()
		return ctx.Err()
	}
	s.want(130, `{"version":1,"type":"error","error":"interrupted","hint":"what was fetched and proven stays in`, "", "fetch", v1hex, "--json")
}

func TestJSONTexts(t *testing.T) {
	for _, args := range [][]string{{"--json"}, {"help", "--json"}, {"fetch", "--help", "--json"}, {"man", "--json"}, {"completion", "bash", "--json"}, {"version", "--json"}} {
		s := newShell(t)
		if code := s.run(args...); code != 0 {
			t.Errorf("%q: got code %d, want 0", args, code)
		}
		var o map[string]any
		if err := json.Unmarshal([]byte(s.stdout.String()), &o); err != nil || o["version"] != 1.0 {
			t.Errorf("%q: got %.80q, %v, want one object with version 1", args, s.stdout.String(), err)
		}
	}
}

// TestJSONSteersNoTerminal: what strangers named is escaped, and says the same.
func TestJSONSteersNoTerminal(t *testing.T) {
	const hostile = "a\u009b31m\u202eb\u2066\u200f\u061c\u2028\ufeff\U000e0041"
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Message: hostile, Level: "warn"})
		on(node.Event{Progress: &node.Progress{Phase: "fetching", Name: hostile, Waiting: hostile}})
		on(node.Event{Seeding: &node.Seeding{Name: hostile, Path: hostile}})
		on(node.Event{Stopped: &node.Stopped{Name: hostile, Reason: hostile}})
		return fault.Hint(fault.New(fault.Failed, "%s", hostile), "%s", hostile)
	}
	s.run("fetch", "magnet:?xt=urn:btih:"+v1hex+"&dn=x%C2%9By", "--json")
	out := s.stdout.String()
	if n := strings.Count(out, `a\u009b31m\u202eb\u2066\u200f\u061c\u2028\ufeff\udb40\udc41`); n < 9 {
		t.Errorf("got %d escaped strings, want 9:\n%s", n, out)
	}
	if strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("stdout has characters that do not print: %q", out)
	}
	for line := range strings.Lines(out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %q", line)
		}
	}
}
