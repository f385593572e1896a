package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/needs"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestOverview(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}, {"-h"}} {
		s := newShell(t)
		s.want(0, "p2pshare publish ./release", "", args...)
		for _, name := range cli.CommandNames() {
			name, _, _ = strings.Cut(name, " ")
			if strings.Count(s.stdout.String(), "\n  "+name+" ") != 1 {
				t.Errorf("%q: the overview does not name %s", args, name)
			}
		}
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	for _, name := range cli.CommandNames() {
		var texts []string
		words := strings.Fields(name)
		for _, args := range [][]string{slices.Concat([]string{"help"}, words), append(words, "--help"), append(slices.Clone(words), "x", "-h"), slices.Concat([]string{"-h"}, words)} {
			s := newShell(t)
			s.want(0, "Usage:\n  p2pshare "+name, "", args...)
			texts = append(texts, s.stdout.String())
		}
		for _, text := range texts[1:] {
			if text != texts[0] {
				t.Errorf("%s: its help differs by how it is asked for", name)
			}
		}
		for _, want := range append(cli.LongFlags(name), "Examples:\n  # ", "Exit codes:\n    0  done\n", "  p2pshare "+name) {
			if !strings.Contains(texts[0], want) {
				t.Errorf("help of %s: got\n%s\nwant %q in it", name, texts[0], want)
			}
		}
		for line := range strings.Lines(texts[0]) {
			if len(line) > 130 {
				t.Errorf("help of %s has a line of %d columns: %s", name, len(line), line)
			}
		}
	}
	s := newShell(t)
	s.want(0, "130  interrupted", "", "help", "fetch")
	s.want(0, "[P2PSHARE_MAX_UP]", "", "help", "publish")
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		s := newShell(t)
		s.want(0, "p2pshare 1.2.3 (github.com/anacrolix/torrent ", "", args...)
		if got := s.stdout.String(); !strings.Contains(got, runtime.Version()) {
			t.Errorf("got %q, want Go's version in it", got)
		}
	}
	s := newShell(t)
	env := s.cliEnv([]string{"version"})
	env.Version = ""
	if cli.Main(env); strings.Contains(s.stdout.String(), "1.2.3") || strings.HasPrefix(s.stdout.String(), "p2pshare  ") {
		t.Errorf("without a given version: got %q, want what the toolchain recorded", s.stdout.String())
	}
}

func TestManualPage(t *testing.T) {
	s := newShell(t)
	s.want(0, ".TH", "", "man")
	page := s.stdout.String()
	for _, name := range cli.CommandNames() {
		for _, flag := range cli.LongFlags(name) {
			if !strings.Contains(page, strings.ReplaceAll(flag, "-", `\-`)) && !strings.Contains(page, flag) {
				t.Errorf("the page does not name %s of %s", flag, name)
			}
		}
	}
	for _, want := range []string{"EXIT CODES", "130", "ENVIRONMENT", "P2PSHARE_HOME", ".SH COMMANDS"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestBashCompletion(t *testing.T) {
	bash := needs.Program(t, "bash", "bash")
	s := newShell(t)
	s.want(0, "complete ", "", "completion", "bash")
	script := filepath.Join(t.TempDir(), "p2pshare.bash")
	if err := os.WriteFile(script, []byte(s.stdout.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"p2pshare pub", "publish"},
		{"p2pshare fetch --time", "--timeout"},
		{"p2pshare --json fetch --allow-p", "--allow-private"},
		{"p2pshare verify --por", ""},
		{"p2pshare completion f", "fish"},
		{"p2pshare help ver", "version verify"},
		{"p2pshare fetch x", ""},
		{"p2pshare group us", "user"},
		{"p2pshare group user re", "remove"},
		{"p2pshare group user add --ro", "--role"},
		{"p2pshare catalog li", "list"},
		{"p2pshare list --off", ""},
	} {
		words := strings.Fields(c.line)
		cmd := exec.Command(bash, "--norc", "-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _p2pshare; echo "${COMPREPLY[*]}"`, "bash", script)
		cmd.Args = append(cmd.Args, words...)
		out, err := cmd.CombinedOutput()
		got := strings.Fields(string(out))
		if err != nil || len(got) != len(strings.Fields(c.want)) {
			t.Errorf("%q: got %q, %v, want %q", c.line, got, err, c.want)
			continue
		}
		for _, w := range strings.Fields(c.want) {
			if !strings.Contains(string(out), w) {
				t.Errorf("%q: got %q, want %q in it", c.line, got, w)
			}
		}
	}
}

func TestLint(t *testing.T) {
	s := newShell(t)
	s.want(0, "OK: nothing", "", "lint", magnet+"&tr=http://t/")
	s = newShell(t)
	s.want(0, "warning: it names no tracker and no peer\n  troubles: ", "", "lint", magnet)
	s = newShell(t)
	s.want(1, "error: it has only a v2 infohash", "lint found 1 error", "lint", strings.Repeat("ab", 32))
	s = newShell(t)
	s.want(10, "", "gone.torrent", "lint", "gone.torrent")

	sound := "d8:announce13:http://t.ex/a4:infod6:lengthi16384e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee"
	for _, c := range []struct {
		name, data string
		code       int
		want       string
	}{
		{"sound", sound, 0, "OK: nothing"},
		{"refused", strings.Replace(sound, "4:name1:a", "4:name2:..", 1), 1, "error: p2pshare refuses it"},
		{"bytes after it", sound + "\r\n<!-- 0.01s -->", 0, "OK: nothing"},
		{"no torrent", "hello", 1, "not a torrent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			if err := os.WriteFile(filepath.Join(s.dir, "x.torrent"), []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			s.want(c.code, c.want, "", "lint", "x.torrent")
		})
	}
}

// TestBackendIsNotOpenedForNothing: what needs no node must work with a home that is broken.
func TestBackendIsNotOpenedForNothing(t *testing.T) {
	for _, args := range [][]string{nil, {"version"}, {"help"}, {"man"}, {"completion", "bash"}, {"lint", magnet}, {"fetch", "-h"}} {
		s := newShell(t)
		s.env = nil
		s.fake.do = func(context.Context, func(node.Event)) error { panic("asked") }
		if code := s.run(args...); code != 0 || s.fake.opened != 0 {
			t.Errorf("%q: got code %d and %d nodes opened, want 0 and none", args, code, s.fake.opened)
		}
	}
}
