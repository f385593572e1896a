package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// fakeDaemons are daemons that do what a test tells them.
type fakeDaemons struct {
	ran     cli.DaemonSettings
	args    []string
	home    string
	version string
	info    *cli.DaemonInfo
	output  string
	err     error

	atLogin, noAtLogin bool // were called
}

func (f *fakeDaemons) AtLogin(_ context.Context, s cli.Settings) (*cli.DaemonInfo, error) {
	f.home, f.version, f.atLogin = s.Home, s.Version, true
	return f.info, f.err
}

func (f *fakeDaemons) NoAtLogin(context.Context) (bool, error) {
	f.noAtLogin = true
	return f.info != nil, f.err
}

func (f *fakeDaemons) Run(_ context.Context, s cli.DaemonSettings, ready func(cli.DaemonInfo)) error {
	f.ran = s
	if f.info != nil {
		ready(*f.info)
	}
	return f.err
}

func (f *fakeDaemons) Detach(_ context.Context, s cli.Settings, args []string) (*cli.DaemonInfo, []byte, error) {
	f.home, f.version, f.args = s.Home, s.Version, args
	return f.info, []byte(f.output), f.err
}

func (f *fakeDaemons) End(_ context.Context, s cli.Settings) (int, error) {
	f.home, f.version = s.Home, s.Version
	return 42, f.err
}

var answering = &cli.DaemonInfo{PID: 42, Home: "/h", Socket: "/h/p2pshare.sock", Log: "/h/log/daemon.log", Port: 6881}

// daemon runs p2pshare daemon with args and returns the exit code.
func (s *shell) daemon(f *fakeDaemons, args ...string) int {
	env := s.cliEnv(append([]string{"daemon", "--home", "/h"}, args...))
	env.Daemons = f
	return cli.Main(env)
}

func TestDaemonSettings(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{info: answering}
	code := s.daemon(f, "--fetches", "3", "--floor", "5GiB", "--stop-ratio", "2", "--stop-time", "36h", "--stop-copies", "4", "--metrics", "127.0.0.1:9877",
		"--log-format", "json", "-v", "--port", "6881", "--listen", "127.0.0.1", "--no-dht", "--no-lan", "--no-upnp", "--utp", "--max-up", "1MB", "--max-down", "2MB",
		"--peer", "127.0.0.1:1", "--tracker", "http://a/announce http://b/announce", "--tracker", "udp://c:1/announce")
	if code != 0 {
		t.Fatalf("got exit code %d: %s", code, s.stderr.String())
	}
	got := f.ran
	if got.Stderr == nil {
		t.Error("there is no place for the log")
	}
	got.Stderr, got.Log = nil, nil
	want := cli.DaemonSettings{
		Settings: cli.Settings{
			Home: "/h", Version: "1.2.3", Daemon: true, Fetches: 3, Floor: 5 << 30, Policy: node.Policy{Ratio: 2, Time: 36 * time.Hour, Copies: 4}, FirmUp: true, FirmDown: true,
			Network: node.Network{
				ListenHost: "127.0.0.1", Port: 6881, NoDHT: true, NoLAN: true, NoUPnP: true, UTP: true, MaxUp: 1e6, MaxDown: 2e6,
				Peers: []string{"127.0.0.1:1"}, Trackers: []string{"http://a/announce", "http://b/announce", "udp://c:1/announce"},
			},
		},
		Metrics: "127.0.0.1:9877", LogFormat: "json", Verbose: true,
	}
	if len(got.Network.DHTNodes) == 0 {
		got.Network.DHTNodes = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s, f = newShell(t), &fakeDaemons{}
	if code := s.daemon(f); code != 0 || f.ran.Fetches != 8 || f.ran.Floor != 1<<30 || f.ran.LogFormat != "text" || f.ran.Metrics != "" || f.ran.Policy != (node.Policy{}) {
		t.Errorf("defaults: got %+v, exit code %d", f.ran, code)
	}
}

func TestDaemonAtLogin(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{info: answering}
	if code := s.daemon(f, "--at-login"); code != 0 || !f.atLogin || f.home != "/h" || s.stdout.String() != "42\n" || !strings.Contains(s.stderr.String(), "--no-at-login takes that back") {
		t.Errorf("got exit code %d, %+v, %q and %q", code, f, s.stdout.String(), s.stderr.String())
	}
	for info, want := range map[*cli.DaemonInfo]string{answering: "started at login no longer", nil: "was not started at login"} {
		s, f = newShell(t), &fakeDaemons{info: info}
		if code := s.daemon(f, "--no-at-login"); code != 0 || !f.noAtLogin || f.atLogin || !strings.Contains(s.stderr.String(), want) {
			t.Errorf("taken back: got exit code %d, %+v and %q, want %q", code, f, s.stderr.String(), want)
		}
	}
	for _, args := range [][]string{{"--at-login", "--no-at-login"}, {"--at-login", "--port", "6881"}, {"--at-login", "--detach"}, {"--no-at-login", "--stop"}} {
		s, f = newShell(t), &fakeDaemons{info: answering}
		if code := s.daemon(f, args...); code != 4 || f.atLogin || f.noAtLogin {
			t.Errorf("%q: got exit code %d, %+v, want 4 and nothing done", args, code, f)
		}
	}
	s, f = newShell(t), &fakeDaemons{err: fault.Hint(errors.New("no bus"), "log in")}
	if code := s.daemon(f, "--at-login"); code != 1 || !strings.Contains(s.stderr.String(), "no bus\n  log in") {
		t.Errorf("without a service manager: got exit code %d and %q", code, s.stderr.String())
	}
}

func TestDaemonRefusals(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--stop", "--detach"}, "contradict"},
		{[]string{"--fetches", "-1"}, "--fetches"},
		{[]string{"--floor", "much"}, "--floor"},
		{[]string{"--log-format", "xml"}, "--log-format"},
		{[]string{"--metrics", "9877"}, "--metrics"},
		{[]string{"--stop-ratio", "x"}, "--stop-ratio"},
		{[]string{"--tracker", "gopher://x"}, "--tracker"},
		{[]string{"--port", "99999"}, "--port"},
		{[]string{"extra"}, "extra"},
	} {
		for _, how := range [][]string{nil, {"--detach"}} {
			s, f := newShell(t), &fakeDaemons{info: answering}
			if code := s.daemon(f, append(how, tt.args...)...); code != 4 || !strings.Contains(s.stderr.String(), tt.says) {
				t.Errorf("%q: got exit code %d and %q, want 4 and %q", append(how, tt.args...), code, s.stderr.String(), tt.says)
			}
			if f.args != nil || f.ran.Home != "" {
				t.Errorf("%q was begun", tt.args)
			}
		}
	}
	s := newShell(t)
	s.want(1, "", "no daemon", "daemon")
}

func TestDaemonForeground(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{info: answering}
	if code := s.daemon(f); code != 0 || s.stdout.String() != "" || !strings.Contains(s.stderr.String(), "process 42, port 6881") {
		t.Errorf("got exit code %d, stdout %q, stderr %q", code, s.stdout.String(), s.stderr.String())
	}
	s, f = newShell(t), &fakeDaemons{info: answering}
	s.daemon(f, "--json")
	var got struct {
		Version int
		Type    string
		cli.DaemonInfo
	}
	if err := json.Unmarshal([]byte(s.stdout.String()), &got); err != nil || got.Version != 1 || got.Type != "daemon" || got.DaemonInfo != *answering {
		t.Errorf("JSON: got %q, %v", s.stdout.String(), err)
	}
	s, f = newShell(t), &fakeDaemons{err: fault.Hint(fault.New(fault.InUse, "held by 7"), "end 7")}
	if code := s.daemon(f); code != 11 || !strings.Contains(s.stderr.String(), "held by 7\n  end 7") {
		t.Errorf("in use: got exit code %d and %q, want 11", code, s.stderr.String())
	}
}

func TestDaemonDetach(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{info: answering}
	if code := s.daemon(f, "--detach", "--port", "6881", "-d"); code != 0 || s.stdout.String() != "42\n" || !strings.Contains(s.stderr.String(), "/h/log/daemon.log") {
		t.Errorf("got exit code %d, stdout %q, stderr %q, want the process number and where the log is", code, s.stdout.String(), s.stderr.String())
	}
	if want := []string{"--json", "daemon", "--home", "/h", "--port", "6881"}; !reflect.DeepEqual(f.args, want) || f.home != "/h" || f.version != "1.2.3" {
		t.Errorf("started with %q on %q, want %q", f.args, f.home, want)
	}
	s, f = newShell(t), &fakeDaemons{info: answering}
	if code := s.daemon(f, "--detach=true", "--json"); code != 0 || !strings.Contains(s.stdout.String(), `"type":"daemon","pid":42`) {
		t.Errorf("JSON: got exit code %d, stdout %q", code, s.stdout.String())
	}
	s, f = newShell(t), &fakeDaemons{err: errors.New("no more processes")}
	if code := s.daemon(f, "--detach"); code != 1 || !strings.Contains(s.stderr.String(), "no more processes") {
		t.Errorf("not started: got exit code %d, %q", code, s.stderr.String())
	}
}

// TestDaemonStartErrors tests that the error of a daemon in the background is that of the command.
func TestDaemonStartErrors(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		code         int
		says         string
	}{
		{"in use", `{"version":1,"type":"message","level":"warn","message":"m"}` + "\n" + `{"version":1,"type":"error","error":"held by 7","hint":"end 7","code":11}` + "\n", 11, "p2pshare: held by 7\n  end 7\n"},
		{"usage", `{"version":1,"type":"error","error":"a port","code":4}`, 4, "p2pshare: a port\n"},
		{"denied", `{"version":1,"type":"error","error":"no","code":12}`, 12, "no"},
		{"another code", `{"version":1,"type":"error","error":"no","code":77}`, 1, "no"},
		{"a crash", "panic: bug\n\ngoroutine 1:\nexit status 2\n", 1, "exit status 2"},
		{"nothing", "", 1, "it said nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, f := newShell(t), &fakeDaemons{output: tt.output}
			if code := s.daemon(f, "--detach"); code != tt.code || !strings.Contains(s.stderr.String(), tt.says) || s.stdout.String() != "" {
				t.Errorf("got exit code %d, stdout %q, stderr %q, want %d and %q", code, s.stdout.String(), s.stderr.String(), tt.code, tt.says)
			}
		})
	}
}

func TestDaemonStop(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{}
	if code := s.daemon(f, "--stop"); code != 0 || f.home != "/h" || f.version != "1.2.3" || !strings.Contains(s.stderr.String(), "process 42) has ended") {
		t.Errorf("got exit code %d, %q", code, s.stderr.String())
	}
	s, f = newShell(t), &fakeDaemons{}
	if s.daemon(f, "--stop", "--json"); s.stdout.String() != `{"version":1,"type":"daemon-stopped","pid":42}`+"\n" {
		t.Errorf("JSON: got %q", s.stdout.String())
	}
	s, f = newShell(t), &fakeDaemons{err: fault.New(fault.NotFound, "none runs")}
	if code := s.daemon(f, "--stop"); code != 10 {
		t.Errorf("none runs: got exit code %d, want 10", code)
	}
}

// TestDaemonHomeIsAbsolute tests that a daemon that goes elsewhere keeps its home.
func TestDaemonHomeIsAbsolute(t *testing.T) {
	s, f := newShell(t), &fakeDaemons{}
	env := s.cliEnv([]string{"daemon", "--home", "sub"})
	env.Daemons = f
	if code := cli.Main(env); code != 0 || f.ran.Home != filepath.Join(s.dir, "sub") {
		t.Errorf("got %q, exit code %d", f.ran.Home, code)
	}
}
