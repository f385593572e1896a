package cli_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestFlagsAnywhere(t *testing.T) {
	for _, args := range [][]string{
		{"fetch", "-o", "out", "--port", "7000", v1hex},
		{"fetch", v1hex, "-o", "out", "--port", "7000"},
		{"fetch", "-o", "out", v1hex, "--port", "7000"},
		{"-o", "out", "fetch", v1hex, "--port=7000"},
		{"--port", "7000", "-o=out", "fetch", v1hex},
		{"--port=7000", "--output=out", "fetch", "--", v1hex},
		{"--output", "out", "--port=7000", "--", "fetch", v1hex},
		{"fetch", "--port", "1", "--output", "x", v1hex, "-o", "out", "--port", "7000"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := newShell(t)
			s.want(0, "", "", args...)
			if got, want := s.fake.fetch.Ref, v1hex; got != want {
				t.Errorf("reference: got %q, want %q", got, want)
			}
			if got, want := s.fake.fetch.Dir, filepath.Join(s.dir, "out"); got != want {
				t.Errorf("folder: got %q, want %q", got, want)
			}
			if got, want := s.fake.settings.Network.Port, 7000; got != want {
				t.Errorf("port: got %d, want %d", got, want)
			}
		})
	}
}

func TestFetchFlags(t *testing.T) {
	s := newShell(t)
	s.want(0, "", "", "fetch", magnet+"&so=1", "--only", "*.{iso,img}", "--only", "a,b", "--seed", "--timeout", "90s",
		"--webseed", "http://a/b,c", "--allow-private", "--listen", "::1", "--no-dht", "--no-lan", "--peer", "10.0.0.1:1", "--peer", "[::1]:2",
		"--tracker", "http://t/a,b", "--max-up", "1MiB", "--max-down", "80Mbit", "--utp", "--no-upnp", "--super-seed", "on")
	wantReq := node.FetchRequest{
		Ref: magnet + "&so=1", Dir: s.dir, Only: []string{"*.{iso,img}", "a,b"}, Seed: true, Timeout: 90 * time.Second,
		WebSeeds: []string{"http://a/b,c"}, AllowPrivate: true,
	}
	if got := s.fake.fetch; !reflect.DeepEqual(got, wantReq) {
		t.Errorf("request: got %+v, want %+v", got, wantReq)
	}
	wantNet := node.Network{
		ListenHost: "::1", NoDHT: true, NoLAN: true, Peers: []string{"10.0.0.1:1", "[::1]:2"}, Trackers: []string{"http://t/a,b"},
		MaxUp: 1 << 20, MaxDown: 10_000_000, UTP: true, NoUPnP: true, SuperSeed: "on",
	}
	got := s.fake.settings.Network
	got.DHTNodes = nil
	if !reflect.DeepEqual(got, wantNet) {
		t.Errorf("network: got %+v, want %+v", got, wantNet)
	}
}

func TestReuseFlags(t *testing.T) {
	s := newShell(t)
	s.want(0, "", "", "fetch", v1hex, "--reuse", "old", "--reuse", "/srv/a,b", "--chunks-file", "x.chunks")
	want := node.FetchRequest{Ref: v1hex, Dir: s.dir, Reuse: []string{filepath.Join(s.dir, "old"), "/srv/a,b"}, ChunksFile: filepath.Join(s.dir, "x.chunks")}
	if got := s.fake.fetch; !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
	s = newShell(t)
	s.want(4, "", "--reuse", "fetch", v1hex, "--reuse", "")
	s.want(4, "", `--chunks "perhaps"`, "publish", "rel", "--chunks", "perhaps")
}

func TestPublishFlags(t *testing.T) {
	s := newShell(t)
	s.want(0, "", "", "publish", "--format", "v2", "rel", "--piece-length", "1MiB", "--name", "-n", "--private", "--webseed", "http://w/",
		"--exclude", "*.tmp", "--exclude", "!a,b", "--comment", "c", "-o", "x.torrent", "--sums", "/S", "--chunks", "on", "--no-seed",
		"--tracker", "udp://a:1 http://b/", "--tracker", "http://c/", "--dht-node", "h:1")
	want := node.PublishRequest{
		Path: filepath.Join(s.dir, "rel"), Name: "-n", Format: "v2", PieceLength: 1 << 20, Private: true,
		Trackers: [][]string{{"udp://a:1", "http://b/"}, {"http://c/"}}, WebSeeds: []string{"http://w/"},
		Exclude: []string{"*.tmp", "!a,b"}, Comment: "c", Output: filepath.Join(s.dir, "x.torrent"), Sums: "/S", Chunks: "on", NoSeed: true,
	}
	if got := s.fake.publish; !reflect.DeepEqual(got, want) {
		t.Errorf("request: got %+v, want %+v", got, want)
	}
	if got, want := s.fake.settings.Network, (node.Network{DHTNodes: []string{"h:1"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("network: got %+v, want %+v (a published tracker is the torrent's)", got, want)
	}
}

func TestSeedAndVerifyArguments(t *testing.T) {
	s := newShell(t)
	s.want(0, "", "", "seed", "a.torrent", "--data", "d", "/abs")
	if got, want := s.fake.seed, (node.SeedRequest{Torrents: []string{filepath.Join(s.dir, "a.torrent"), "/abs"}, Data: filepath.Join(s.dir, "d")}); !reflect.DeepEqual(got, want) {
		t.Errorf("seed: got %+v, want %+v", got, want)
	}
	s = newShell(t)
	s.fake.verified = &node.Verified{OK: true}
	s.want(0, "OK", "", "verify", "a.torrent", "--", "-dir")
	if got, want := s.fake.verify, (node.VerifyRequest{Torrent: filepath.Join(s.dir, "a.torrent"), Data: filepath.Join(s.dir, "-dir")}); got != want {
		t.Errorf("verify: got %+v, want %+v", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	s := newShell(t)
	s.env = map[string]string{
		"P2PSHARE_HOME": "/state", "P2PSHARE_PORT": "7001", "P2PSHARE_PEER": "a:1  b:2", "P2PSHARE_NO_DHT": "yes", "P2PSHARE_NO_LAN": "0",
		"P2PSHARE_MAX_UP": "2M/s", "P2PSHARE_TRACKER": "http://t/a,b",
	}
	s.want(0, "", "", "fetch", v1hex, "--port", "7002")
	want := cli.Settings{Home: "/state", Version: "1.2.3", Network: node.Network{
		Port: 7002, Peers: []string{"a:1", "b:2"}, NoDHT: true, MaxUp: 2_000_000, Trackers: []string{"http://t/a,b"},
	}}
	got := s.fake.settings
	got.Log, got.Network.DHTNodes = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings: got %+v, want %+v", got, want)
	}
	for variable, value := range map[string]string{"P2PSHARE_NO_DHT": "perhaps", "P2PSHARE_PORT": "many"} {
		s := newShell(t)
		s.env[variable] = value
		s.want(4, "", variable, "fetch", v1hex)
	}
}

func TestHome(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want string // relative: below the working folder
	}{
		{"default", map[string]string{"HOME": "/home/u"}, nil, "/home/u/.local/state/p2pshare"},
		{"XDG", map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/x"}, nil, "/x/p2pshare"},
		{"relative XDG is ignored", map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "x"}, nil, "/home/u/.local/state/p2pshare"},
		{"variable", map[string]string{"HOME": "/home/u", "P2PSHARE_HOME": "/v"}, nil, "/v"},
		{"flag over variable", map[string]string{"P2PSHARE_HOME": "/v"}, []string{"--home", "/f"}, "/f"},
		{"relative flag", map[string]string{}, []string{"--home=f"}, "f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.env = c.env
			s.want(0, "", "", append([]string{"fetch", v1hex}, c.args...)...)
			want := c.want
			if !filepath.IsAbs(want) {
				want = filepath.Join(s.dir, want)
			}
			if got := s.fake.settings.Home; got != want {
				t.Errorf("home: got %q, want %q", got, want)
			}
		})
	}
	s := newShell(t)
	s.env = nil
	s.want(4, "", "P2PSHARE_HOME", "fetch", v1hex)
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // in stderr
	}{
		{[]string{"fetsh", v1hex}, "did you mean p2pshare fetch?"},
		{[]string{"get", v1hex}, "did you mean p2pshare fetch?"},
		{[]string{"share", "x"}, "did you mean p2pshare publish?"},
		{[]string{"ls"}, "did you mean p2pshare list?"},
		{[]string{"join", "x"}, "did you mean p2pshare group join?"},
		{[]string{"invite"}, "did you mean p2pshare group link?"},
		{[]string{"group", "invite", "x"}, "did you mean p2pshare group link?"},
		{[]string{"daemon", "stop"}, "did you mean p2pshare daemon --stop?"},
		{[]string{"help", "rm"}, "did you mean p2pshare remove?"},
		{[]string{"frobnicate"}, "see p2pshare help"},
		{[]string{magnet}, "p2pshare fetch"},
		{[]string{"fetch", v1hex, "--timout", "3s"}, "did you mean --timeout?"},
		{[]string{"fetch", v1hex, "--no-ltn"}, "did you mean --no-lan?"},
		{[]string{"fetch", v1hex, "-port", "3"}, "did you mean --port?"},
		{[]string{"fetch", v1hex, "--zzzzzzzz"}, "see p2pshare help fetch"},
		{[]string{"--zzzzzzzz"}, "unknown flag"},
		{[]string{"verify", "--port", "1", "a.torrent"}, `verify has no flag "--port"`},
		{[]string{"--port", "1", "verify", "a.torrent"}, `verify has no flag "--port"`},
		{[]string{"fetch"}, "fetch needs REF"},
		{[]string{"fetch", v1hex, v1hex}, "takes no argument"},
		{[]string{"publish"}, "publish needs PATH"},
		{[]string{"publish", "a", "b"}, `takes no argument "b"`},
		{[]string{"seed"}, "seed needs"},
		{[]string{"verify", "a", "b", "c"}, "takes no argument"},
		{[]string{"version", "x"}, "takes no argument"},
		{[]string{"fetch", v1hex, "-o"}, "-o needs a value"},
		{[]string{"fetch", v1hex, "--port", "many"}, `--port "many" is malformed`},
		{[]string{"fetch", v1hex, "--port", "70000"}, "not between 0 and 65535"},
		{[]string{"fetch", v1hex, "--seed=perhaps"}, "neither true nor false"},
		{[]string{"fetch", v1hex, "--timeout", "3"}, "malformed"},
		{[]string{"fetch", v1hex, "--timeout", "-3s"}, "negative"},
		{[]string{"fetch", v1hex, "--seed", "--no-seed"}, "contradict"},
		{[]string{"fetch", v1hex, "--no-dht", "--dht-node", "a:1"}, "contradict"},
		{[]string{"fetch", v1hex, "--peer", "10.0.0.1"}, "--peer"},
		{[]string{"fetch", v1hex, "--dht-node", "a:0"}, "--dht-node"},
		{[]string{"fetch", v1hex, "--tracker", "wss://t/"}, "--tracker"},
		{[]string{"fetch", v1hex, "--webseed", "ftp://t/"}, "--webseed"},
		{[]string{"fetch", v1hex, "--max-up", "fast"}, `"fast" is not a rate`},
		{[]string{"seed", "a", "--super-seed", "sometimes"}, `"sometimes" is none of auto, on and off`},
		{[]string{"fetch", v1hex, "--max-down", "8Mb"}, "bits or bytes"},
		{[]string{"fetch", v1hex[:39]}, "39 hex digits"},
		{[]string{"fetch", ""}, "empty"},
		{[]string{"publish", "a", "--format", "v3"}, "choose auto, hybrid, v1 or v2"},
		{[]string{"publish", "a", "--piece-length", "1MB"}, "no power of two"},
		{[]string{"publish", "a", "--piece-length", "8KiB"}, "no power of two"},
		{[]string{"publish", "a", "--piece-length", "big"}, "not a size"},
		{[]string{"publish", "a", "--tracker", "http://a/ nonsense"}, "--tracker"},
		{[]string{"publish", "a", "--webseed", "nonsense"}, "--webseed"},
		{[]string{"seed", "a", "--tracker", "nonsense"}, "--tracker"},
		{[]string{"lint", "https://example.org/a.torrent"}, "get the .torrent first"},
		{[]string{"completion", "tcsh"}, "bash, zsh or fish"},
		{[]string{"completion"}, "needs SHELL"},
		{[]string{"help", "fetsh"}, "did you mean p2pshare fetch?"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			s.want(4, "", c.want, c.args...)
			if s.fake.opened != 0 {
				t.Error("the node was opened all the same")
			}
			if !strings.HasPrefix(s.stderr.String(), "p2pshare: ") {
				t.Errorf("stderr: got %q, want it to begin with the program's name", s.stderr.String())
			}
		})
	}
}

// TestUsageErrorsAsJSON: what is wrong with a line that asks for JSON is told as JSON, though it could not be put in order.
func TestUsageErrorsAsJSON(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // empty: in words
	}{
		{[]string{"publsh", "--json"}, `"error":"there is no command \"publsh\"","hint":"did you mean p2pshare publish?","code":4}`},
		{[]string{"--json", "group", "usr"}, `"error":"there is no command \"group usr\""`},
		{[]string{"status", "--nope", "--json"}, `"error":"status has no flag \"--nope\""`},
		{[]string{"status", "--json=true", "--nope"}, `"error":"status has no flag \"--nope\""`},
		{[]string{"fetch", v1hex, "-o", "--json"}, `"error":"-o needs a value"`},
		{[]string{"fetch", "--json"}, `"error":"fetch needs`},
		{[]string{"publish", "a", "--format", "v3", "--json"}, "choose auto, hybrid, v1 or v2"},
		{[]string{"status", "--nope"}, ""},
		{[]string{"status", "--nope", "--", "--json"}, ""},
	} {
		s := newShell(t)
		if code := s.run(c.args...); code != 4 {
			t.Errorf("%q: exit code %d", c.args, code)
		}
		out, words := s.stdout.String(), s.stderr.String()
		if c.want == "" {
			if out != "" || !strings.HasPrefix(words, "p2pshare: ") {
				t.Errorf("%q: got %q and %q, want words", c.args, out, words)
			}
			continue
		}
		if !strings.HasPrefix(out, `{"version":1,"type":"error",`) || strings.Count(out, "\n") != 1 || !strings.Contains(out, c.want) || words != "" {
			t.Errorf("%q: got %q and %q, want one object with %q", c.args, out, words, c.want)
		}
	}
}
