package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

var (
	keptEvent      = node.Event{Kept: &node.Kept{ID: "a1", Name: "rel"}}
	publishedEvent = node.Event{Published: &node.Published{Name: "rel", Magnet: magnet, Infohash: v1hex}}
	seedingEvent   = node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Port: 7}}
	fetchedEvent   = node.Event{Fetched: &node.Fetched{Path: "/d/rel", Name: "rel"}}
)

// left is a daemon's request that emits events, and then goes on until its caller leaves.
func left(events ...node.Event) func(context.Context, func(node.Event)) error {
	return func(ctx context.Context, on func(node.Event)) error {
		for _, e := range events {
			on(e)
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// broken is one whose user presses Ctrl-C after the events.
func broken(s *shell, events ...node.Event) func(context.Context, func(node.Event)) error {
	return func(ctx context.Context, on func(node.Event)) error {
		for _, e := range events {
			on(e)
		}
		s.sig <- os.Interrupt
		<-ctx.Done()
		return ctx.Err()
	}
}

// ended is one that ends by itself.
func ended(err error, events ...node.Event) func(context.Context, func(node.Event)) error {
	return func(_ context.Context, on func(node.Event)) error {
		for _, e := range events {
			on(e)
		}
		return err
	}
}

const (
	lookAt = "p2pshare status rel shows it, p2pshare remove rel ends it"
	goesOn = "it goes on in the daemon: " + lookAt
)

// TestHandOver: what publish, fetch and seed do where a daemon runs, and how they end.
func TestHandOver(t *testing.T) {
	second := node.Event{Kept: &node.Kept{ID: "a2", Name: "b"}}
	for _, c := range []struct {
		name   string
		args   []string
		do     func(*shell) func(context.Context, func(node.Event)) error
		code   int
		stdout string
		stderr string
	}{
		{"publish ends when the link is there", []string{"publish", "x"},
			func(*shell) func(context.Context, func(node.Event)) error { return left(keptEvent, publishedEvent) }, 0, magnet + "\n", "the daemon goes on; " + lookAt},
		{"publish without its ctx's error", []string{"publish", "x"},
			func(*shell) func(context.Context, func(node.Event)) error {
				return ended(nil, keptEvent, publishedEvent, seedingEvent)
			}, 0, magnet + "\n", "the daemon goes on"},
		{"publish --no-wait", []string{"publish", "x", "--no-wait"},
			func(*shell) func(context.Context, func(node.Event)) error { return left(keptEvent, publishedEvent) }, 0, magnet + "\n", "the daemon goes on"},
		{"publish --no-seed", []string{"publish", "x", "--no-seed"},
			func(*shell) func(context.Context, func(node.Event)) error { return ended(nil, publishedEvent) }, 0, magnet + "\n", "rel: 0 files"},
		{"publish --wait, and Ctrl-C", []string{"publish", "x", "--wait"},
			func(s *shell) func(context.Context, func(node.Event)) error {
				return broken(s, keptEvent, publishedEvent, seedingEvent)
			}, 0, magnet + "\n", "the daemon goes on; " + lookAt},
		{"publish --wait, and Ctrl-C before", []string{"publish", "x", "--wait"},
			func(s *shell) func(context.Context, func(node.Event)) error {
				return broken(s, keptEvent, publishedEvent)
			}, 130, "", goesOn},
		{"publish, and Ctrl-C while hashing", []string{"publish", "x"},
			func(s *shell) func(context.Context, func(node.Event)) error { return broken(s, keptEvent) }, 130, "", goesOn},
		{"publish, and Ctrl-C before the daemon has it", []string{"publish", "x"},
			func(s *shell) func(context.Context, func(node.Event)) error { return broken(s) }, 130, "", "nothing is shared; the same command begins anew"},
		{"publish that fails", []string{"publish", "x"},
			func(*shell) func(context.Context, func(node.Event)) error {
				return ended(fault.New(fault.NotFound, "gone"), keptEvent)
			}, 10, "", "gone"},
		{"publish that fails after the link", []string{"publish", "x", "--wait"},
			func(*shell) func(context.Context, func(node.Event)) error {
				return ended(errors.New("the daemon has ended"), keptEvent, publishedEvent)
			}, 1, "", "the daemon has ended"},
		{"fetch ends when the content is there", []string{"fetch", v1hex},
			func(*shell) func(context.Context, func(node.Event)) error { return ended(nil, keptEvent, fetchedEvent) }, 0, "/d/rel\n", "fetched and verified rel"},
		{"fetch, and Ctrl-C", []string{"fetch", v1hex},
			func(s *shell) func(context.Context, func(node.Event)) error { return broken(s, keptEvent) }, 130, "", goesOn},
		{"fetch, and Ctrl-C that the backend takes for an end", []string{"fetch", v1hex},
			func(s *shell) func(context.Context, func(node.Event)) error {
				return func(ctx context.Context, on func(node.Event)) error { _ = broken(s, keptEvent)(ctx, on); return nil }
			}, 130, "", goesOn},
		{"fetch, and Ctrl-C before the daemon has it", []string{"fetch", v1hex},
			func(s *shell) func(context.Context, func(node.Event)) error { return broken(s) }, 130, "", ".p2pshare"},
		{"fetch --no-wait", []string{"fetch", v1hex, "--no-wait"},
			func(*shell) func(context.Context, func(node.Event)) error { return left(keptEvent) }, 0, "a1\n", "the daemon goes on; " + lookAt},
		{"fetch --no-wait of what is there", []string{"fetch", v1hex, "--no-wait"},
			func(*shell) func(context.Context, func(node.Event)) error { return ended(nil, keptEvent, fetchedEvent) }, 0, "a1\n", ""},
		{"fetch --no-wait that fails", []string{"fetch", v1hex, "--no-wait"},
			func(*shell) func(context.Context, func(node.Event)) error {
				return ended(fault.New(fault.InUse, "here already"))
			}, 11, "", "here already"},
		{"fetch --seed", []string{"fetch", v1hex, "--seed"},
			func(*shell) func(context.Context, func(node.Event)) error { return left(keptEvent, fetchedEvent) }, 0, "/d/rel\n", "the daemon goes on"},
		{"fetch --seed --wait, and Ctrl-C", []string{"fetch", v1hex, "--seed", "--wait"},
			func(s *shell) func(context.Context, func(node.Event)) error {
				return broken(s, keptEvent, fetchedEvent, seedingEvent)
			}, 0, "/d/rel\n", "the daemon goes on"},
		{"publish of what is shared already", []string{"publish", "x"},
			func(*shell) func(context.Context, func(node.Event)) error {
				first := node.Event{Kept: &node.Kept{ID: "a0", Name: "rel", Ref: "a0"}}
				return left(first, node.Event{Kept: &node.Kept{ID: "a1", Name: "rel", Ref: "rel", Was: "a0"}}, publishedEvent, seedingEvent)
			}, 0, magnet + "\n", "the daemon goes on; " + lookAt},
		{"seed ends when all are there", []string{"seed", "x"},
			func(*shell) func(context.Context, func(node.Event)) error {
				other := node.Event{Seeding: &node.Seeding{Name: "b", Magnet: "magnet:?b"}}
				return left(keptEvent, second, seedingEvent, seedingEvent, other)
			}, 0, magnet + "\nmagnet:?b\n", "p2pshare status rel b shows it"},
		{"seed of which one is lost", []string{"seed", "x"},
			func(*shell) func(context.Context, func(node.Event)) error {
				return left(keptEvent, second, seedingEvent, node.Event{Stopped: &node.Stopped{Name: "b", Reason: "changed"}})
			}, 0, magnet + "\n", "stopped sharing b"},
		{"seed --no-wait", []string{"seed", "x", "--no-wait"},
			func(*shell) func(context.Context, func(node.Event)) error { return left(keptEvent) }, 0, "", "the daemon goes on"},
		{"seed --wait, and Ctrl-C", []string{"seed", "x", "--wait"},
			func(s *shell) func(context.Context, func(node.Event)) error {
				return broken(s, keptEvent, seedingEvent)
			}, 0, magnet + "\n", "the daemon goes on"},
		{"seed, and Ctrl-C while checking", []string{"seed", "x"},
			func(s *shell) func(context.Context, func(node.Event)) error { return broken(s, keptEvent) }, 130, "", goesOn},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.daemon, s.fake.do = true, c.do(s)
			s.want(c.code, c.stdout, c.stderr, c.args...)
			if got := s.stdout.String(); got != c.stdout {
				t.Errorf("stdout: got %q, want %q", got, c.stdout)
			}
		})
	}
}

func TestNoWaitNeedsADaemon(t *testing.T) {
	for _, args := range [][]string{{"publish", "x"}, {"fetch", v1hex}, {"seed", "x"}} {
		s := newShell(t)
		s.fake.do = func(context.Context, func(node.Event)) error { t.Error("asked all the same"); return nil }
		s.want(4, "", "p2pshare daemon --detach starts it", append(args, "--no-wait")...)
	}
}

func TestNetworkFlagsWithADaemon(t *testing.T) {
	verbs := map[string][]string{"publish": {"publish", "x"}, "fetch": {"fetch", v1hex}, "seed": {"seed", "x"}}
	for name, value := range map[string]string{"--listen": "::1", "--port": "7", "--no-dht": "", "--dht-node": "a:1", "--no-lan": "", "--utp": "", "--no-upnp": "", "--super-seed": "off"} {
		for verb, args := range verbs {
			args := append([]string{}, args...)
			args = append(args, name)
			if value != "" {
				args = append(args, value)
			}
			s := newShell(t)
			s.fake.daemon = true
			s.fake.do = func(context.Context, func(node.Event)) error { t.Error("asked all the same"); return nil }
			s.want(4, "", "a daemon runs, and "+name+" is for it to be started with", args...)
			if got := s.stderr.String(); !strings.Contains(got, "--alone") || !strings.Contains(got, "p2pshare daemon") {
				t.Errorf("%s %s: got %q, want the ways out", verb, name, got)
			}
			s = newShell(t) // the node of this process takes them
			s.want(0, "", "", args...)
		}
	}
	s := newShell(t)
	s.fake.daemon = true
	s.env["P2PSHARE_PORT"], s.env["P2PSHARE_PEER"], s.env["P2PSHARE_MAX_UP"], s.env["P2PSHARE_TRACKER"] = "7", "a:1", "1M", "http://t/"
	s.want(0, "", "", "fetch", v1hex)
	if got, want := s.fake.fetch, (node.FetchRequest{Ref: v1hex, Dir: s.dir}); !reflect.DeepEqual(got, want) {
		t.Errorf("from variables: got %+v, want none of them in the request", got)
	}
}

func TestRequestsToADaemon(t *testing.T) {
	flags := []string{"--peer", "10.0.0.1:1", "--tracker", "http://t/", "--max-up", "1M", "--max-down", "2M", "--stop-ratio", "2", "--stop-time", "1d", "--stop-copies", "3"}
	limits, policy := node.Limits{Up: 1_000_000, Down: 2_000_000}, node.Policy{Ratio: 2, Time: 24 * time.Hour, Copies: 3}
	peers, announce := []string{"10.0.0.1:1"}, []string{"http://t/"}
	for _, daemon := range []bool{true, false} {
		s := newShell(t)
		s.fake.daemon = daemon
		s.want(0, "", "", append([]string{"publish", "rel"}, flags...)...)
		s.want(0, "", "", append([]string{"fetch", v1hex, "--seed", "-o", "sub"}, flags...)...)
		s.want(0, "", "", append([]string{"seed", "a.torrent", "--data", "d"}, flags...)...)
		pub := node.PublishRequest{Path: filepath.Join(s.dir, "rel"), Format: "auto", Chunks: "auto", Trackers: [][]string{announce}, Policy: policy}
		fetch := node.FetchRequest{Ref: v1hex, Dir: filepath.Join(s.dir, "sub"), Seed: true, Policy: policy}
		seed := node.SeedRequest{Torrents: []string{filepath.Join(s.dir, "a.torrent")}, Data: filepath.Join(s.dir, "d"), Policy: policy}
		if daemon {
			pub.Peers, pub.Limits = peers, limits
			fetch.Peers, fetch.Announce, fetch.Limits = peers, announce, limits
			seed.Peers, seed.Announce, seed.Limits = peers, announce, limits
		}
		for _, x := range []struct{ got, want any }{{s.fake.publish, pub}, {s.fake.fetch, fetch}, {s.fake.seed, seed}} {
			if fmt.Sprintf("%+v", x.got) != fmt.Sprintf("%+v", x.want) {
				t.Errorf("daemon %v: got %+v, want %+v", daemon, x.got, x.want)
			}
		}
		if net := s.fake.settings.Network; net.MaxUp != limits.Up || !reflect.DeepEqual(net.Peers, peers) || !reflect.DeepEqual(net.Trackers, announce) {
			t.Errorf("network: got %+v, want what the flags say", net)
		}
	}
}

func TestAlone(t *testing.T) {
	for _, args := range [][]string{{"publish", "x"}, {"fetch", v1hex}, {"seed", "x"}} {
		s := newShell(t)
		s.want(0, "", "", args...)
		if s.fake.settings.Alone {
			t.Errorf("%q: got alone, want a daemon asked", args)
		}
		s.want(0, "", "", append(args, "--alone", "--port", "7")...)
		if !s.fake.settings.Alone {
			t.Errorf("%q --alone: got a daemon asked", args)
		}
	}
}

func TestUntilCopies(t *testing.T) {
	copies := func(n int) node.Event {
		return node.Event{Seeding: &node.Seeding{Name: "rel", Magnet: magnet, Port: 7, Copies: n, WebSeeds: 1}}
	}
	s := newShell(t)
	s.fake.do = ended(nil, publishedEvent, copies(0), copies(2))
	s.want(0, magnet+"\n", "2 other machines have all of it, and 1 web seed may; stopped seeding", "publish", "x", "--until-copies", "2")
	if got := s.fake.publish.UntilCopies; got != 2 {
		t.Errorf("request: got %d copies, want 2", got)
	}
	if got := s.stderr.String(); !strings.Contains(got, "2 others have all of it\n") {
		t.Errorf("progress: got %q, want the copies in it", got)
	}
	s = newShell(t)
	s.fake.daemon, s.fake.do = true, ended(nil, keptEvent, publishedEvent, copies(1))
	s.want(0, magnet+"\n", "1 other machine has all of it, and 1 web seed may; the daemon keeps it available", "publish", "x", "--until-copies", "1")
	for _, daemon := range []bool{false, true} {
		s = newShell(t)
		s.fake.daemon, s.fake.do = daemon, broken(s, keptEvent, publishedEvent, copies(1))
		s.want(130, magnet+"\n", "", "publish", "x", "--until-copies", "2")
		s = newShell(t)
		s.fake.daemon = daemon
		s.fake.do = func(ctx context.Context, on func(node.Event)) error {
			_ = broken(s, keptEvent, publishedEvent, copies(1))(ctx, on)
			return nil
		}
		s.want(130, magnet+"\n", "interrupted", "publish", "x", "--until-copies", "2")
		s = newShell(t)
		s.fake.daemon, s.fake.do = daemon, ended(errors.New("a file changed"), keptEvent, publishedEvent, copies(1))
		s.want(1, magnet+"\n", "a file changed", "publish", "x", "--until-copies", "2")
	}
}

func TestEndsThatContradict(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"publish", "x", "--wait", "--no-wait"}, "contradict"},
		{[]string{"publish", "x", "--alone", "--no-wait"}, "contradict"},
		{[]string{"publish", "x", "--no-seed", "--wait"}, "nothing is left to wait for"},
		{[]string{"publish", "x", "--no-seed", "--no-wait"}, "nothing is left to wait for"},
		{[]string{"publish", "x", "--no-seed", "--until-copies", "2"}, "contradict"},
		{[]string{"publish", "x", "--no-wait", "--until-copies", "2"}, "--stop-copies"},
		{[]string{"publish", "x", "--until-copies", "0"}, "not a number of machines"},
		{[]string{"publish", "x", "--until-copies", "-1"}, "not a number of machines"},
		{[]string{"publish", "x", "--until-copies", "some"}, "malformed"},
		{[]string{"publish", "x", "--stop-ratio", "some"}, `--stop-ratio: "some" is not a ratio`},
		{[]string{"fetch", v1hex, "--wait"}, "add --seed"},
		{[]string{"fetch", v1hex, "--no-seed", "--ratio", "2"}, "with --no-seed nothing is seeded"},
		{[]string{"seed", "x", "--stop-time", "some"}, "--stop-time"},
		{[]string{"verify", "x", "--alone"}, "has no flag"},
	} {
		s := newShell(t)
		s.fake.daemon = true
		s.want(4, "", c.want, c.args...)
		if s.fake.opened != 0 {
			t.Errorf("%q: a node was opened all the same", c.args)
		}
	}
}

func TestHowASharesNameIsTyped(t *testing.T) {
	for name, want := range map[string]string{
		"rel-1.2": "status rel-1.2 shows", "my film (1)": "status 'my film (1)' shows", "it's": "status a1 shows", "-x": "status a1 shows",
		"a\x1bb": "status a1 shows", "": "status a1 shows", "$HOME": "status '$HOME' shows", "wow!": "status a1 shows", "grün": "status 'grün' shows",
	} {
		s := newShell(t)
		s.fake.daemon, s.fake.do = true, left(node.Event{Kept: &node.Kept{ID: "a1", Name: name}})
		s.want(0, "a1\n", want, "fetch", v1hex, "--no-wait")
	}
}

func TestKeptJSON(t *testing.T) {
	s := newShell(t)
	s.fake.daemon, s.fake.do = true, left(keptEvent)
	s.want(0, `{"version":1,"type":"kept","id":"a1","name":"rel"}`+"\n", "", "fetch", v1hex, "--no-wait", "--json")
}
