package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"plain", errors.New("broken"), 1},
		{"usage", fault.New(fault.Usage, "broken"), 4},
		{"not found", fault.New(fault.NotFound, "broken"), 10},
		{"in use", fault.New(fault.InUse, "broken"), 11},
		{"denied", fault.New(fault.Denied, "broken"), 12},
		{"unverified", fault.New(fault.Unverified, "broken"), 13},
		{"timeout", fault.New(fault.Timeout, "broken"), 14},
		{"deadline", fmt.Errorf("broken: %w", context.DeadlineExceeded), 14},
		{"wrapped", fmt.Errorf("doing: %w", fault.New(fault.Denied, "broken")), 12},
		{"cancelled, but not by the user", fmt.Errorf("broken: %w", context.Canceled), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.do = func(context.Context, func(node.Event)) error { return fault.Hint(c.err, "mend it") }
			s.want(c.want, "", "broken", "fetch", v1hex)
			if got := s.stderr.String(); !strings.HasSuffix(got, "\n  mend it\n") {
				t.Errorf("stderr: got %q, want the hint at its end", got)
			}
			if s.fake.closed != 1 {
				t.Errorf("backend closed %d times, want once", s.fake.closed)
			}
			s = newShell(t)
			s.fake.openErr = c.err
			s.want(c.want, "", "broken", "publish", "x")
		})
	}
	s := newShell(t)
	s.fake.closeErr = errors.New("disk full")
	s.want(1, "", "disk full", "fetch", v1hex)
}

func TestPublish(t *testing.T) {
	made := &node.Published{
		Name: "rel\x1b[31m", Size: 3_000_000, Files: 2, PieceLength: 65536, Format: "v1", Infohash: v1hex, Magnet: magnet, TorrentFile: "/x.torrent", SumsFile: "/SUMS",
		Skipped: []node.Skipped{{Path: "a\u202eb", Reason: "a socket"}},
	}
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error { on(node.Event{Published: made}); return nil }
	s.want(0, magnet+"\n", "", "publish", "x", "--no-seed")
	want := `rel\x1b[31m: 2 files, 3.0 MB, v1, pieces of 64 KiB, infohash ` + v1hex + "\n" + `left out: a\u202eb: a socket` + "\nwrote /x.torrent\nwrote /SUMS\n"
	if got := s.stderr.String(); got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
	if got := s.stdout.String(); got != magnet+"\n" {
		t.Errorf("stdout: got %q, want the magnet alone", got)
	}
}

func TestPublishPrintsTheMagnetOnceItCanBeFetched(t *testing.T) {
	s := newShell(t)
	before := "unset"
	s.fake.do = func(ctx context.Context, on func(node.Event)) error {
		on(node.Event{Published: &node.Published{Name: "rel", Magnet: "early"}})
		before = s.stdout.String()
		for range 3 {
			on(node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Port: 7}})
		}
		s.sig <- os.Interrupt
		<-ctx.Done()
		return nil
	}
	s.want(0, magnet+"\n", "stopped seeding", "publish", "x")
	if before != "" {
		t.Errorf("stdout before seeding: got %q, want nothing", before)
	}
	if got := s.stdout.String(); got != magnet+"\n" {
		t.Errorf("stdout: got %q, want the magnet once", got)
	}
}

func TestInterrupts(t *testing.T) {
	seeding := node.Event{Seeding: &node.Seeding{Name: "n", Magnet: magnet}}
	fetched := node.Event{Fetched: &node.Fetched{Path: "/d/n", Name: "n"}}
	for _, c := range []struct {
		name   string
		events []node.Event
		args   []string
		err    error // returned besides ctx's; nil: as the event contract says
		want   int
		stderr string
	}{
		{"publish while hashing", nil, []string{"publish", "x"}, context.Canceled, 130, "interrupted"},
		{"publish while seeding", []node.Event{seeding}, []string{"publish", "x"}, nil, 0, "stopped seeding"},
		{"publish while seeding, with ctx's error", []node.Event{seeding}, []string{"publish", "x"}, context.Canceled, 0, "stopped seeding"},
		{"seed while checking", nil, []string{"seed", "x"}, context.Canceled, 130, "interrupted"},
		{"seed while seeding", []node.Event{seeding}, []string{"seed", "x"}, nil, 0, "stopped seeding"},
		{"fetch", nil, []string{"fetch", v1hex}, context.Canceled, 130, "the same command goes on from there"},
		{"fetch then seeding", []node.Event{fetched, seeding}, []string{"fetch", v1hex, "--seed"}, nil, 0, "stopped seeding"},
		{"verify", nil, []string{"verify", "x.torrent"}, context.Canceled, 130, "interrupted"},
		{"a failure on the way out", nil, []string{"fetch", v1hex}, errors.New("disk full"), 1, "disk full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.do = func(ctx context.Context, on func(node.Event)) error {
				for _, e := range c.events {
					on(e)
				}
				s.sig <- syscall.SIGTERM
				<-ctx.Done()
				if c.err != nil {
					return fmt.Errorf("working: %w", c.err)
				}
				return nil
			}
			if got := s.run(c.args...); got != c.want {
				t.Errorf("exit code: got %d, want %d", got, c.want)
			}
			if !strings.Contains(s.stderr.String(), c.stderr) || !strings.Contains(s.stderr.String(), "Ctrl-C again stops at once") {
				t.Errorf("stderr: got %q, want %q and what a second signal does", s.stderr.String(), c.stderr)
			}
			if s.fake.closed != 1 {
				t.Errorf("backend closed %d times, want once", s.fake.closed)
			}
		})
	}
}

func TestInterruptedFetchNamesItsStaging(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(ctx context.Context, _ func(node.Event)) error {
		s.sig <- os.Interrupt
		<-ctx.Done()
		return ctx.Err()
	}
	s.want(130, "", filepath.Join(s.dir, "d", ".p2pshare"), "fetch", v1hex, "-o", "d")
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := newShell(t)
	stuck := make(chan struct{})
	defer close(stuck)
	s.fake.do = func(context.Context, func(node.Event)) error {
		s.sig <- os.Interrupt
		s.sig <- os.Interrupt
		<-stuck
		return nil
	}
	if got := s.run("fetch", v1hex); got != 130 {
		t.Errorf("exit code: got %d, want 130", got)
	}
}

func TestPanicIsCalledABug(t *testing.T) {
	for _, args := range [][]string{{"fetch", v1hex}, {"fetch", v1hex, "--json"}} {
		s := newShell(t)
		s.fake.do = func(context.Context, func(node.Event)) error { panic("index out of \x1b range") }
		if got := s.run(args...); got != 1 {
			t.Errorf("exit code: got %d, want 1", got)
		}
		first, rest, _ := strings.Cut(s.stderr.String(), "\n")
		if want := `p2pshare: internal error: index out of \x1b range`; first != want {
			t.Errorf("first line: got %q, want %q", first, want)
		}
		if !strings.Contains(rest, "bug in p2pshare") || !strings.Contains(rest, "run_test.go") {
			t.Errorf("stderr: got %q, want whose bug it is, and the trace", rest)
		}
		if json := len(args) == 3; json != strings.Contains(s.stdout.String(), `"bug":true`) {
			t.Errorf("stdout of %q: got %q", args, s.stdout.String())
		}
	}
}

func TestFetch(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Message: "3 of 5 files are wanted", Level: "info"})
		on(node.Event{Message: "the peer \x07 lies", Level: "warn"})
		on(node.Event{Fetched: &node.Fetched{Path: "/d/a b", Name: "a b", Files: 1, Size: 1500, Seconds: 2.04, BytesFrom: node.BytesFrom{Peers: 1000, Reused: 500}}})
		return nil
	}
	s.want(0, "/d/a b\n", "", "fetch", v1hex)
	want := "3 of 5 files are wanted\n" + `warning: the peer \a lies` + "\nfetched and verified a b: 1 file, 1.5 kB in 2s, 33 % reused, 66 % from peers (peers 1.0 kB, reused 500 B)\n"
	if got := s.stderr.String(); got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}

func TestFetchReferences(t *testing.T) {
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "plain"), []byte("d"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"plain":                         filepath.Join(s.dir, "plain"),
		"sub/x.torrent":                 filepath.Join(s.dir, "sub", "x.torrent"),
		"/abs/x.torrent":                "/abs/x.torrent",
		"https://example.org/a.torrent": "https://example.org/a.torrent",
		" " + magnet:                    magnet,
	} {
		s.want(0, "", "", "fetch", in)
		if got := s.fake.fetch.Ref; got != want {
			t.Errorf("reference of %q: got %q, want %q", in, got, want)
		}
	}
	s.want(0, "", "passed over: tracker", "fetch", magnet+"&tr=wss://t/")
}

func TestVerify(t *testing.T) {
	s := newShell(t)
	s.fake.verified = &node.Verified{Path: "/d/rel", Files: 3, Size: 10, OK: true, Extra: []string{"x\ny"}}
	s.want(0, "OK /d/rel: 3 files, 10 B\n", `not in the torrent: x\ny`, "verify", "a.torrent")
	s = newShell(t)
	s.fake.verified = &node.Verified{Path: "/d/rel", Files: 3, Bad: []node.VerifiedFile{{Path: "a\x1b", Problem: "missing"}, {Path: "b", Problem: "2 of 5 pieces differ"}}}
	s.want(13, `a\x1b: missing`+"\nb: 2 of 5 pieces differ\n", "2 of 3 files did not verify", "verify", "a.torrent")
}

func TestQuiet(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Progress: &node.Progress{Phase: "fetching"}})
		on(node.Event{Message: "something", Level: "warn"})
		on(node.Event{Seeding: &node.Seeding{Name: "n"}})
		on(node.Event{Fetched: &node.Fetched{Path: "/p"}})
		return nil
	}
	s.want(0, "/p\n", "", "-q", "fetch", v1hex)
	if got := s.stderr.String(); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
	s = newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Stopped: &node.Stopped{Name: "n", Reason: "a file changed"}})
		return errors.New("nothing is left to share")
	}
	s.want(1, "", "stopped sharing n: a file changed\np2pshare: nothing is left to share\n", "seed", "x", "--quiet", "--no-dht")
}

func TestLog(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		s := newShell(t)
		env := s.cliEnv([]string{"fetch", v1hex})
		if verbose {
			env.Args = append(env.Args, "-v")
		}
		write := func(string) {}
		env.StdLog = func(w io.Writer) {
			write = func(line string) { w.Write([]byte(line)) }
		}
		s.fake.do = func(context.Context, func(node.Event)) error {
			write("utp: strange \x1b packet\n")
			s.fake.settings.Log.Info("listening", "port", 7)
			return nil
		}
		if code := cli.Main(env); code != 0 {
			t.Fatalf("exit code: got %d, want 0", code)
		}
		got := s.stderr.String()
		if has := strings.Contains(got, "utp: strange") && strings.Contains(got, "listening port=7"); has != verbose {
			t.Errorf("verbose %v: stderr is %q", verbose, got)
		}
		if strings.Contains(got, "\x1b") {
			t.Errorf("stderr: got %q, want no control characters", got)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLostAnswerIsAFailure(t *testing.T) {
	s := newShell(t)
	s.fake.do = func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Fetched: &node.Fetched{Path: "/p"}})
		return nil
	}
	env := s.cliEnv([]string{"fetch", v1hex})
	env.Stdout = fullDisk{}
	if got := cli.Main(env); got != 1 || !strings.Contains(s.stderr.String(), "no space left") {
		t.Errorf("got code %d, stderr %q; want 1 and the reason", got, s.stderr.String())
	}
}

func TestClosedSignalChannel(t *testing.T) {
	s := newShell(t)
	close(s.sig)
	s.fake.do = func(ctx context.Context, _ func(node.Event)) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
			return nil
		}
	}
	s.want(0, "", "", "fetch", v1hex)
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünï 日本": "plain ünï 日本", "a\tb": "a b", "a\x1b[2Jb": `a\x1b[2Jb`, "a\nb\r": `a\nb\r`, "\u202egpj": `\u202egpj`,
		"\u2066x": `\u2066x`, "\xff\xfe": `\xff\xfe`, "\u200bx": `\u200bx`, "\x7f": `\x7f`, "\u009b2J": `\u009b2J`, "\ufffd": "\ufffd",
	} {
		if got := cli.Printable(in); got != want {
			t.Errorf("printable(%q): got %q, want %q", in, got, want)
		}
	}
}
