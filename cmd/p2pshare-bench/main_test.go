package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		name, args, stderr string
		code               int
	}{
		{"a fraction above one", "swarm --uplink-fraction 2", "--uplink-fraction 2 is not above 0 and at most 1", 4},
		{"a fraction of 0", "swarm --uplink-fraction 0", "--uplink-fraction 0", 4},
		{"a fraction that is not a number", "swarm --uplink-fraction NaN", "--uplink-fraction NaN", 4},
		{"a negative time", "swarm --stagger -1s", "--stagger -1s is not between", 4},
		{"who leaves", "swarm --leave everyone", "--leave: \"everyone\" does not say who leaves\n  write half, or origin=COPIES", 4},
		{"a rate", "swarm --up fast", "--up: \"fast\" is not a rate", 4},
		{"the origin's rate", "webseed --origin-up 80Mb", "--origin-up: \"80Mb\" may mean bits or bytes", 4},
		{"a web seed's rate", "webseed --rate x", "--rate", 4},
		{"a part", "webseed --parts slow", "there is no part \"slow\" to measure\n  the parts are alone, shaped, swarm", 4},
		{"the swarm's size", "webseed --swarm-size x", "--swarm-size: \"x\" is not a size", 4},
		{"a size", "swarm --size much", "--size: \"much\" is not a size", 4},
		{"a size of a link", "link --size much", "--size", 4},
		{"a size of a build", "build --size much", "--size", 4},
		{"a size of a web seed", "webseed --size much", "--size", 4},
		{"a size of a release", "reuse --size much", "--size", 4},
		{"a size too small", "build --size 1k", "too small to measure", 4},
		{"runs", "build --runs 0", "0 runs are not between 1 and 100", 4},
		{"fetchers", "swarm --peers 1000", "1000 fetchers are not between 1 and 200", 4},
		{"unchanged bytes", "reuse --same 100", "100 % unchanged bytes", 4},
		{"a kind", "build --kinds p2pshare,zip", "there is no kind \"zip\" to measure here\n  the kinds are p2pshare, mktorrent, transmission, libtorrent", 4},
		{"no program", "build --program gone", "gone\"\n  give the path of a p2pshare", 10},
		{"no folder for the report", "build --report nowhere/x.json", "--report: there is no folder", 10},
		{"no folder for the drawing", "swarm --svg nowhere/x.svg", "--svg: there is no folder", 10},
		{"a folder as the report", "build --report .", "is a folder", 4},
		{"no folder for the work", "build --work nowhere", "there is no folder", 10},
		{"an argument", "build x", "takes no argument", 4},
		{"an unknown command", "everything", "everything", 4},
		{"help for an unknown command", "help everything", "there is no command \"everything\"", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			code, stdout, stderr := runLine(t, strings.Fields(c.args)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.stderr) {
				t.Errorf("got %d, %q, %q, want %d and %q", code, stdout, stderr, c.code, c.stderr)
			}
		})
	}
}

// runLine runs a command line, with an executable file in place of p2pshare.
func runLine(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "help" && args[0] != "man" && !slices.Contains(args, "--program") {
		program := filepath.Join(t.TempDir(), "p2pshare")
		if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		args = slices.Insert(slices.Clone(args), 1, "--program", program)
	}
	var out, errs bytes.Buffer
	code = system{args: args, stdout: &out, stderr: &errs}.run(context.Background())
	return code, out.String(), errs.String()
}

func TestHelp(t *testing.T) {
	for line, want := range map[string]string{"": "swarm ", "help": "swarm ", "swarm --help": "--size SIZE", "help build": "--kinds KIND", "man": ".TH"} {
		if code, stdout, stderr := runLine(t, strings.Fields(line)...); code != 0 || !strings.Contains(stdout, want) || stderr != "" {
			t.Errorf("%q: got %d, %q, %q, want %q", line, code, stdout, stderr, want)
		}
	}
}

// TestProgram checks that without --program the p2pshare from the PATH is measured, and that an error names the missing one.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if got, err := program(""); err == nil {
		t.Errorf("without any: got %q", got)
	}
	file := filepath.Join(dir, "p2pshare")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := program(""); got != file || err != nil {
		t.Errorf("in the PATH: got %q, %v, want %q", got, err, file)
	}
}
