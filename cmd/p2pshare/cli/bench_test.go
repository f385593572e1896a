package cli_test

import (
	"strings"
	"testing"
)

func TestBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		name, args, stderr string
		code               int
	}{
		{"a fraction above one", "bench swarm --uplink-fraction 2", "--uplink-fraction 2 is not above 0 and at most 1", 4},
		{"no fraction", "bench swarm --uplink-fraction 0", "--uplink-fraction 0", 4},
		{"a fraction that is no number", "bench swarm --uplink-fraction NaN", "--uplink-fraction NaN", 4},
		{"a time before the first", "bench swarm --stagger -1s", "--stagger -1s is not between", 4},
		{"who leaves", "bench swarm --leave everyone", "--leave: \"everyone\" does not say who leaves\n  write half, or origin=COPIES", 4},
		{"a rate", "bench swarm --up fast", "--up: \"fast\" is not a rate", 4},
		{"the origin's rate", "bench webseed --origin-up 80Mb", "--origin-up: \"80Mb\" may mean bits or bytes", 4},
		{"a web seed's rate", "bench webseed --rate x", "--rate", 4},
		{"a part", "bench webseed --parts slow", "there is no part \"slow\" to measure\n  the parts are alone, shaped, swarm", 4},
		{"the swarm's size", "bench webseed --swarm-size x", "--swarm-size: \"x\" is not a size", 4},
		{"a size", "bench swarm --size much", "--size: \"much\" is not a size", 4},
		{"a size of a link", "bench link --size much", "--size", 4},
		{"a size of what is built", "bench build --size much", "--size", 4},
		{"a size of a web seed", "bench webseed --size much", "--size", 4},
		{"a size of a release", "bench reuse --size much", "--size", 4},
		{"a size too small", "bench build --size 1k", "too small to measure", 4},
		{"runs", "bench build --runs 0", "0 runs are not between 1 and 100", 4},
		{"fetchers", "bench swarm --peers 1000", "1000 fetchers are not between 1 and 200", 4},
		{"what is the same", "bench reuse --same 100", "100 % of the bytes the same", 4},
		{"a kind", "bench build --kinds p2pshare,zip", "there is no kind \"zip\" to measure here\n  the kinds are p2pshare, mktorrent, transmission, libtorrent", 4},
		{"no program", "bench build --program gone", "gone\"\n  give the file of a p2pshare", 10},
		{"no folder for the report", "bench build --report nowhere/x.json", "--report: there is no folder", 10},
		{"no folder for the drawing", "bench swarm --svg nowhere/x.svg", "--svg: there is no folder", 10},
		{"a folder as the report", "bench build --report .", "is a folder", 4},
		{"no folder for the work", "bench build --work nowhere", "there is no folder", 10},
		{"an argument", "bench build x", "takes no argument", 4},
		{"nothing that is measured", "bench everything", "everything", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.want(c.code, "", c.stderr, strings.Fields(c.args)...)
			if s.fake.opened != 0 {
				t.Errorf("got %d nodes opened, want none", s.fake.opened)
			}
		})
	}
}

func TestBenchHelp(t *testing.T) {
	s := newShell(t)
	s.want(0, "Commands:\n  swarm ", "", "help", "bench")
	s = newShell(t)
	s.want(0, "What is measured:\n      --size SIZE", "", "help", "bench", "swarm")
}
