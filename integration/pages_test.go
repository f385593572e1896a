//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/record"
)

// A page in docs is tested from top to bottom. In its blocks of kind "console" a line that starts with a name and "$ " is
// typed on the machine of that name; the lines below are the expected output, where "…" stands for anything and
// uninteresting lines are omitted. "# " starts a comment.
//
// Values that differ each time are remembered and inserted: a group's link, and a password that was generated for it. If a
// page shows a prompt, the command is run in a terminal, and the answer is the latest password.
//
// A comment "<!-- files: MACHINE PATH SIZE -->" creates a file before the first command of its block.
type page struct {
	t        *testing.T
	lab      *netlab.Lab
	machines map[string]*pageMachine
	shown    client.Shown
}

type pageMachine struct {
	h    *netlab.Host
	home string // the user's home
}

var (
	pageLink    = regexp.MustCompile(`p2pshare:\S*…`)
	pageFiles   = regexp.MustCompile(`^<!-- files: (\S+) (\S+) (\d+) -->$`)
	prompt      = regexp.MustCompile(`(?i)^password.*:$`)
	pageCommand = regexp.MustCompile(`^([a-z]+)\$ (.*)$`)
)

// pageStep is a command on a page, with the expected output.
type pageStep struct {
	line          int
	machine, what string
	want          []string
}

// TestPages runs every command of the tutorial pages.
func TestPages(t *testing.T) {
	for _, name := range []string{"home.md", "releases.md", "mirrors.md", "office.md", "troubleshooting.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "docs", name))
			if err != nil {
				t.Fatal(err)
			}
			steps, files := readPage(t, string(text))
			if len(steps) < 5 {
				t.Fatalf("found only %d commands", len(steps))
			}
			p := &page{t: t, machines: map[string]*pageMachine{}}
			var names []string
			for _, s := range steps {
				if p.machines[s.machine] == nil {
					p.machines[s.machine] = &pageMachine{}
					names = append(names, s.machine)
				}
			}
			p.lab = newLab(t, len(names))
			for i, name := range names {
				m := p.machines[name]
				m.h, m.home = p.lab.Host(i+1), filepath.Join(t.TempDir(), name)
				if err := os.MkdirAll(m.home, 0o755); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = p.command(context.Background(), name, "p2pshare daemon --stop").Run() })
			}
			for i, f := range files {
				at := filepath.Join(p.machines[f.machine].home, f.path)
				if err := payload.Write(at, f.size, uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range steps {
				p.run(s)
			}
		})
	}
}

type pageFile struct {
	machine, path string
	size          int
}

func readPage(t *testing.T, text string) (steps []pageStep, files []pageFile) {
	t.Helper()
	inside := false
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimPrefix(line, "```") == "console" && !inside
		case !inside:
			if f := pageFiles.FindStringSubmatch(line); f != nil {
				size := 0
				if _, err := fmt.Sscan(f[3], &size); err != nil {
					t.Fatal(err)
				}
				files = append(files, pageFile{f[1], f[2], size})
			}
		case pageCommand.MatchString(line):
			m := pageCommand.FindStringSubmatch(line)
			steps = append(steps, pageStep{line: i + 1, machine: m[1], what: m[2]})
		case line == "" || strings.HasPrefix(line, "# "):
		case len(steps) == 0:
			t.Fatalf("line %d: output before the first command", i+1)
		default:
			last := &steps[len(steps)-1]
			if strings.HasSuffix(last.what, `\`) && len(last.want) == 0 {
				last.what = strings.TrimSuffix(last.what, `\`) + strings.TrimSpace(line)
				continue
			}
			last.want = append(last.want, line)
		}
	}
	return steps, files
}

func (p *page) command(ctx context.Context, machine, line string) *exec.Cmd {
	m := p.machines[machine]
	cmd := m.h.Command(ctx, "bash", "-c", "cd && "+line)
	cmd.Env = append(os.Environ(), "HOME="+m.home, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "XDG_RUNTIME_DIR=", "P2PSHARE_NO_DHT=yes", "P2PSHARE_NO_UPNP=yes", "COLUMNS=120")
	return cmd
}

// run runs a command and checks its output against the page.
func (p *page) run(s pageStep) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	line := s.what
	if p.shown.Link != "" {
		line = pageLink.ReplaceAllLiteralString(line, p.shown.Link)
	}
	var answers []string
	for _, w := range s.want {
		switch {
		case prompt.MatchString(w):
			answers = append(answers, p.shown.Password)
		case strings.Contains(w, "[y/N]"):
			answers = append(answers, "y")
		}
	}
	out, err := client.Typed(func(line string) *exec.Cmd { return p.command(ctx, s.machine, line) }, line, answers...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("line %d: %s: %v", s.line, s.what, err)
	}
	shown := strings.ReplaceAll(string(out), "\r", "\n")
	if exit != nil && !strings.HasSuffix(s.what, "|| true") {
		p.t.Fatalf("line %d: %s: exit code %d\n%s", s.line, s.what, exit.ExitCode(), shown)
	}
	p.shown.Read(shown)
	rest := shown
	for _, w := range s.want {
		at := wanted(w).FindStringIndex(rest)
		if at == nil {
			p.t.Errorf("line %d: %s: the page shows\n  %s\nand the machine\n%s", s.line, s.what, w, shown)
			continue
		}
		rest = rest[at[1]:]
	}
}

// wanted matches a line of a page, in which "…" is anything and any number of spaces are equal.
func wanted(line string) *regexp.Regexp {
	var parts []string
	for _, part := range strings.Split(strings.TrimSpace(line), "…") {
		words := strings.Fields(part)
		for i := range words {
			words[i] = regexp.QuoteMeta(words[i])
		}
		text := strings.Join(words, `[ \t]+`)
		if strings.HasPrefix(part, " ") && text != "" {
			text = `[ \t]+` + text
		}
		if strings.HasSuffix(part, " ") && text != "" {
			text += `[ \t]+`
		}
		parts = append(parts, text)
	}
	return regexp.MustCompile(strings.Join(parts, `[^\n]*?`))
}

// TestPicture draws the picture in the README, as make docs does.
func TestPicture(t *testing.T) {
	t.Parallel()
	b, err := record.Picture(context.Background(), us.Bin)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is not XML: %v", err)
		}
	}
	for _, want := range []string{"joined family", "IMG_4003.JPG", "fetched and verified family/photos/2026"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("got a picture without %q", want)
		}
	}
}
