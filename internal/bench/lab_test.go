package bench_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/bench"
	"github.com/p2pshare/p2pshare/internal/fault"
)

const counters = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       7       1    0    0    0     0          0         0        7       1    0    0    0     0       0          0
   br0:     500       5    0    0    0     0          0         0      600       6    0    0    0     0       0          0
    v1: 4000000    2000    0    0    0     0          0         0     9000      90    0    0    0     0       0          0
   v12:      12       1    0    0    0     0          0         0 12345678901      90    0    0    0     0       0          0
  veth: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
    v3: broken
`

func TestParseCounters(t *testing.T) {
	sent, received := bench.ParseCounters([]byte(counters))
	if len(sent) != 2 || sent[1] != 4000000 || sent[12] != 12 {
		t.Errorf("sent: got %v, want 4000000 of host 1 and 12 of host 12", sent)
	}
	if len(received) != 2 || received[1] != 9000 || received[12] != 12345678901 {
		t.Errorf("received: got %v, want 9000 of host 1 and 12345678901 of host 12", received)
	}
}

func TestParseRSS(t *testing.T) {
	if got := bench.ParseRSS([]byte("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n")); got != 2<<20 {
		t.Errorf("got %d bytes, want 2 MiB", got)
	}
	for _, s := range []string{"", "VmHWM:", "VmRSS: 5 kB"} {
		if got := bench.ParseRSS([]byte(s)); got != 0 {
			t.Errorf("%q: got %d, want 0", s, got)
		}
	}
}

func TestShaping(t *testing.T) {
	got := strings.Join(bench.Shaping("ns", "eth0", 10_000_000), "\n")
	for _, want := range []string{"tc -n ns qdisc add dev eth0 root handle 1: htb", "rate 10000000bps ceil 10000000bps", "bfifo limit 500000"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q in it", got, want)
		}
	}
	if got := bench.Shaping("ns", "eth0", 0); got != nil {
		t.Errorf("without a rate: got %q, want nothing", got)
	}
}

// env returns an Env with the given programs, which reports nothing.
func env(programs ...string) bench.Env {
	return bench.Env{
		Program: "/bin/false", Root: true, Say: func(string) {}, Now: time.Now,
		LookPath: func(p string) (string, error) {
			if slices.Contains(programs, p) {
				return "/usr/bin/" + p, nil
			}
			return "", exec.ErrNotFound
		},
		HasModule: func(m string) bool { return slices.Contains(programs, m) },
	}
}

func TestWhatALabNeeds(t *testing.T) {
	if err := env("ip", "tc").NeedLab(); err != nil {
		t.Errorf("with all of it: got %v", err)
	}
	e := env("ip")
	if err := e.NeedLab(); fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "apt-get install iproute2") {
		t.Errorf("without tc: got %v (%s), want how to install iproute2", err, fault.HintOf(err))
	}
	e = env("ip", "tc", "nginx", "curl")
	e.Root = false
	ctx := context.Background()
	for name, run := range map[string]func() error{
		"swarm": func() error {
			_, err := bench.Swarm(ctx, e, bench.SwarmOptions{Links: bench.Links{Peers: 1, Size: 1e6}, Runs: 1})
			return err
		},
		"link": func() error { _, err := bench.Link(ctx, e, bench.LinkOptions{Size: 1e6, Runs: 1}); return err },
		"webseed": func() error {
			_, err := bench.WebSeed(ctx, e, bench.WebSeedOptions{Size: 1e6, Swarm: bench.Links{Peers: 1, Size: 1e6}, Runs: 1})
			return err
		},
		"reuse": func() error {
			_, err := bench.Reuse(ctx, e, bench.ReuseOptions{Size: 1e6, Same: 90, Runs: 1})
			return err
		},
	} {
		if err := run(); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "sudo p2pshare-bench") {
			t.Errorf("%s without root: got %v (%s), want how to become it", name, err, fault.HintOf(err))
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	ctx, e := context.Background(), env("ip", "tc", "nginx", "curl")
	good := bench.Links{Peers: 2, Size: 1e6}
	swarm := func(o bench.SwarmOptions) error { _, err := bench.Swarm(ctx, e, o); return err }
	web := func(o bench.WebSeedOptions) error { _, err := bench.WebSeed(ctx, e, o); return err }
	reuse := func(o bench.ReuseOptions) error { _, err := bench.Reuse(ctx, e, o); return err }
	_, linkErr := bench.Link(ctx, e, bench.LinkOptions{Size: 1e6, Runs: 1, Kinds: []string{"p2pshare+http"}})
	_, buildErr := bench.Build(ctx, e, bench.BuildOptions{Size: 1e6, Runs: 1, Kinds: []string{"aria2"}})
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"no fetchers", "0 fetchers", swarm(bench.SwarmOptions{Links: bench.Links{Size: 1e6}, Runs: 1})},
		{"too many fetchers", "201 fetchers", swarm(bench.SwarmOptions{Links: bench.Links{Peers: 201, Size: 1e6}, Runs: 1})},
		{"no runs", "0 runs", swarm(bench.SwarmOptions{Links: good})},
		{"too many runs", "101 runs", swarm(bench.SwarmOptions{Links: good, Runs: 101})},
		{"too small", "too small to measure", swarm(bench.SwarmOptions{Links: bench.Links{Peers: 1, Size: 1}, Runs: 1})},
		{"unknown kind", `no kind "rsync"`, swarm(bench.SwarmOptions{Links: good, Runs: 1, Kinds: []string{"rsync"}})},
		{"half a mix", `no kind ""`, swarm(bench.SwarmOptions{Links: good, Runs: 1, Kinds: []string{"p2pshare+"}})},
		{"a kind twice", "named twice", swarm(bench.SwarmOptions{Links: good, Runs: 1, Kinds: []string{"http", "http"}})},
		{"a mix where there is one fetcher", `no kind "p2pshare+http"`, linkErr},
		{"what makes no torrents", `no kind "aria2"`, buildErr},
		{"unknown part", `no part "slow"`, web(bench.WebSeedOptions{Parts: []string{"slow"}, Size: 1e6, Swarm: good, Runs: 1})},
		{"nothing unchanged", "0 % unchanged bytes", reuse(bench.ReuseOptions{Size: 1e6, Runs: 1})},
		{"everything unchanged", "100 % unchanged bytes", reuse(bench.ReuseOptions{Size: 1e6, Same: 100, Runs: 1})},
		{"what reuses nothing", `no kind "http"`, reuse(bench.ReuseOptions{Size: 1e6, Same: 90, Runs: 1, Kinds: []string{"http"}})},
	} {
		if c.err == nil || fault.KindOf(c.err) != fault.Usage || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want a usage error with %q", c.name, c.err, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	e := env("aria2c", "curl") // nginx, transmission-cli, libtorrent are not there
	chosen, absent, err := e.Choose(nil, true)
	if err != nil || !slices.Equal(chosen, []string{"p2pshare", "aria2"}) {
		t.Errorf("got %q, %v, want what is installed", chosen, err)
	}
	told := strings.Join(absent, "\n")
	for _, want := range []string{"libtorrent is not measured", "apt-get install python3-libtorrent", "transmission-cli is not installed", "apt-get install nginx-light curl"} {
		if !strings.Contains(told, want) {
			t.Errorf("got %q, want %q in it", told, want)
		}
	}
	chosen, absent, err = e.Choose([]string{"aria2", "aria2+p2pshare"}, true)
	if err != nil || len(absent) != 0 || !slices.Equal(chosen, []string{"aria2", "aria2+p2pshare"}) {
		t.Errorf("got %q, %q, %v, want the two that were named", chosen, absent, err)
	}
	for _, kinds := range [][]string{{"transmission"}, {"p2pshare+transmission"}} {
		_, _, err = e.Choose(kinds, true)
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "apt-get install transmission-cli") {
			t.Errorf("%q: got %v (%s), want how to install it", kinds, err, fault.HintOf(err))
		}
	}
	_, err = bench.Build(context.Background(), e, bench.BuildOptions{Size: 1e6, Runs: 1, Kinds: []string{"mktorrent"}})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "apt-get install mktorrent") {
		t.Errorf("mktorrent: got %v (%s), want how to install it", err, fault.HintOf(err))
	}
	_, err = bench.WebSeed(context.Background(), e, bench.WebSeedOptions{Size: 1e6, Swarm: bench.Links{Peers: 1, Size: 1e6}, Runs: 1})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "nginx-light") {
		t.Errorf("a web seed without nginx: got %v (%s), want how to install it", err, fault.HintOf(err))
	}
}

func TestParseLeave(t *testing.T) {
	for _, c := range []struct {
		in   string
		want bench.Leave
	}{
		{"", bench.Leave{}},
		{"half", bench.Leave{Half: true}},
		{"origin=1.3", bench.Leave{Copies: 1.3}},
		{"origin=1", bench.Leave{Copies: 1}},
		{"half,origin=2", bench.Leave{Half: true, Copies: 2}},
	} {
		if got, err := bench.ParseLeave(c.in); err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v, want %+v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"all", "origin", "origin=", "origin=0.5", "origin=NaN", "origin=1e9", "half,", "origin=x,half"} {
		if got, err := bench.ParseLeave(in); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || got != (bench.Leave{}) {
			t.Errorf("%q: got %+v, %v, want it refused with a hint", in, got, err)
		}
	}
}
