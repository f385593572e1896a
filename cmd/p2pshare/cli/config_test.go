package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/node"
)

// writeConfig makes the file the usual one, and returns its path.
func writeConfig(t *testing.T, s *shell, text string) string {
	t.Helper()
	s.env["XDG_CONFIG_HOME"] = filepath.Join(s.dir, "xdg")
	path := filepath.Join(s.dir, "xdg", "p2pshare", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	s := newShell(t)
	writeConfig(t, s, `
[network]
port = 7001
max-up = "1M"
max-down = "80Mbit"
no-lan = true
no-dht = true
utp = true
peer = ["file:1", "file:2"]
tracker = ["http://file/ http://tier/"]
[daemon]
stop-ratio = 1.5
`)
	s.env["P2PSHARE_MAX_UP"], s.env["P2PSHARE_PORT"], s.env["P2PSHARE_NO_LAN"] = "2M", "7002", "no"
	s.want(0, "", "", "fetch", v1hex, "--port", "7003", "--no-dht=false", "--peer", "line:1")
	want := node.Network{Port: 7003, MaxUp: 2_000_000, MaxDown: 10_000_000, UTP: true, Peers: []string{"line:1"}, Trackers: []string{"http://file/", "http://tier/"}}
	got := s.fake.settings.Network
	got.DHTNodes = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("network: got %+v, want %+v", got, want)
	}
	if s.fake.fetch.Policy != (node.Policy{}) {
		t.Errorf("policy: got %+v, want that of the daemon's section left to the daemon", s.fake.fetch.Policy)
	}
	s.want(0, "", "", "publish", "x")
	if got, want := s.fake.publish.Trackers, [][]string{{"http://file/", "http://tier/"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("trackers of a publish: got %q, want %q", got, want)
	}
	s.fake.daemon = true
	s.want(0, "", "", "fetch", v1hex)
	if got, want := s.fake.fetch, (node.FetchRequest{Ref: v1hex, Dir: s.dir}); !reflect.DeepEqual(got, want) {
		t.Errorf("to a daemon: got %+v, want nothing of the file in it", got)
	}
}

func TestConfigFileByName(t *testing.T) {
	s := newShell(t)
	usual := writeConfig(t, s, "network.port = 1")
	other := filepath.Join(s.dir, "other.toml")
	if err := os.WriteFile(other, []byte("network.port = 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		variable string
		args     []string
		want     int
	}{{"", nil, 1}, {"", []string{"--config", "other.toml"}, 2}, {other, nil, 2}, {other, []string{"--config", usual}, 1}} {
		s.env["P2PSHARE_CONFIG"] = c.variable
		s.want(0, "", "", append([]string{"fetch", v1hex}, c.args...)...)
		if got := s.fake.settings.Network.Port; got != c.want {
			t.Errorf("variable %q, %q: got port %d, want %d", c.variable, c.args, got, c.want)
		}
	}
	s.want(10, "", "p2pshare config init", "fetch", v1hex, "--config", "gone.toml")
	s = newShell(t)
	s.env = map[string]string{"P2PSHARE_HOME": "/state"} // no HOME, so no file, and none is missed
	s.want(0, "", "", "fetch", v1hex)
}

func TestConfigRefusals(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
		code int
	}{
		{"[network]\nprot = 1", "config.toml:2: there is no setting \"network.prot\"\n  did you mean port?", 4},
		{"[network]\nport = \"1\"", "config.toml:2: port is a string", 4},
		{"[network]\nport = 70000", `config.toml:2: port: "70000" is not a number between`, 4},
		{"[network]\nmax-up = \"fast\"", `config.toml:2: max-up: "fast" is not a rate`, 4},
		{"[network]\nmax-down = \"8Mb\"", "bits or bytes", 4},
		{"[network]\npeer = [\"10.0.0.1\"]", "config.toml:2: peer:", 4},
		{"[network]\ndht-node = [\"a:0\"]", "config.toml:2: dht-node:", 4},
		{"[network]\ntracker = [\"wss://t/\"]", "config.toml:2: tracker:", 4},
		{"[network]\nlisten = \"here\"", `config.toml:2: listen: "here" is not an IP address`, 4},
		{"[network]\nno-dht = true\ndht-node = [\"a:1\"]", "--no-dht (from ", 4},
		{"[daemon]\nfloor = \"much\"", "config.toml:2: floor:", 4},
		{"[daemon]\nfetches = -1", "config.toml:2: fetches:", 4},
		{"[daemon]\nstop-ratio = -1.5", "config.toml:2: stop-ratio:", 4},
		{"[daemon]\nstop-time = \"soon\"", "config.toml:2: stop-time:", 4},
		{"[daemon]\nstop-copies = 1.5", "config.toml:2: stop-copies:", 4},
		{"[daemon]\nmetrics = \"here\"", "config.toml:2: metrics:", 4},
		{"[daemon]\nlog-format = \"xml\"", "choose text or json", 4},
		{"[demon]", "did you mean [daemon]?", 4},
	} {
		s := newShell(t)
		writeConfig(t, s, c.text)
		s.want(c.code, "", c.want, "fetch", v1hex)
		if s.fake.opened != 0 {
			t.Errorf("%q: a node was opened all the same", c.text)
		}
	}
	s := newShell(t)
	path := writeConfig(t, s, "network.port = 1")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	s.want(12, "", "chmod go-w", "fetch", v1hex)
	// What needs no settings goes on with a file that is broken, and so does what helps to mend it.
	s.fake.status, s.fake.verified = &node.Status{}, &node.Verified{OK: true}
	for _, args := range [][]string{{"status"}, {"list"}, {"verify", "x"}, {"help"}, {"version"}, {"config", "path"}} {
		if code := s.run(args...); code != 0 {
			t.Errorf("%q with a broken file: got code %d, want 0; stderr %s", args, code, s.stderr.String())
		}
	}
	if code := s.run("daemon", "--stop"); code == 4 || code == 12 {
		t.Errorf("ending a daemon with a broken file: got code %d; stderr %s", code, s.stderr.String())
	}
	for variable, value := range map[string]string{"P2PSHARE_MAX_UP": "fast", "P2PSHARE_PEER": "a:1 nobody", "P2PSHARE_LISTEN": "here", "P2PSHARE_PORT": "70000"} {
		s := newShell(t)
		s.env[variable] = value
		s.want(4, "", variable+": ", "fetch", v1hex)
	}
}

// What p2pshare limit has set is shown with what it goes before.
func TestConfigShowKnowsLimits(t *testing.T) {
	s := newShell(t)
	path := writeConfig(t, s, "[network]\nmax-up = \"20M\"\n")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(s.dir, "home")
	s.env["P2PSHARE_HOME"] = home
	shows := func(want string, args ...string) {
		t.Helper()
		s.stdout = buffer{}
		if code := s.run(append([]string{"config", "show"}, args...)...); code != 0 {
			t.Errorf("exit code %d: %s", code, s.stderr.String())
		}
		if got := strings.Join(strings.Fields(s.stdout.String()), " "); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	shows("network.max-up 20M " + path + ":2")
	if s.fake.opened > 0 {
		t.Error("a home that is not there was opened")
	}
	must(os.Mkdir(home, 0o700))
	s.fake.status = &node.Status{Limits: node.Limits{Up: 3_000_000, Down: 2_500}, LimitsSet: []string{"up", "down", "windows"}}
	shows("network.max-up 3M p2pshare limit (instead of 20M of " + path + ":2) network.max-down 2500 p2pshare limit network.utp")
	if !strings.Contains(s.stderr.String(), "at some hours other rates hold") {
		t.Errorf("stderr: %q", s.stderr.String())
	}
	shows("network.max-up 1M flag", "--max-up", "1M")
	s.stdout = buffer{}
	s.want(0, `{"key":"network.max-up","value":"3M","from":"limit","hides":"20M of `+path+`:2"}`, "", "config", "show", "--json")
	s.stdout, s.fake.openErr = buffer{}, errors.New("it is busy")
	s.want(0, "20M", "whether p2pshare limit has set other rates is not known: it is busy", "config", "show")
}

func TestConfigShow(t *testing.T) {
	s := newShell(t)
	path := writeConfig(t, s, "[network]\nport = 7001\nno-lan = true\n\npeer = [\"a:1\", \"b:2\"]\ntracker = [\n\"https://u:pw@t.example/0123456789abcdef0123/announce?passkey=secret\", \"udp://t.example:6969/announce\"]\n[daemon]\nstop-ratio = 1.5\n")
	s.env["P2PSHARE_MAX_UP"], s.env["P2PSHARE_FETCHES"], s.env["P2PSHARE_NO_UPNP"] = "2M", "2", "yes"
	s.want(0, "network.port", "", "config", "show", "--max-down", "80Mbit", "--log-format=json")
	got := strings.ReplaceAll(s.stdout.String(), path, "CONFIG")
	golden(t, "config", got)
	for _, secret := range []string{"pw", "0123456789abcdef0123", "secret"} {
		if strings.Contains(got, secret) {
			t.Errorf("got %q, want no %q in it", got, secret)
		}
	}
	s.stdout = buffer{}
	s.want(0, `"type":"config"`, "", "config", "show", "--max-down", "80Mbit", "--json")
	var o struct {
		File     string
		Read     bool
		Settings []struct {
			Key, From, Variable, File string
			Line                      int
			Value                     any
		}
	}
	if err := json.Unmarshal([]byte(s.stdout.String()), &o); err != nil || o.File != path || !o.Read {
		t.Fatalf("got %+v, %v, want the file", o, err)
	}
	want := map[string]string{"network.port": "file", "network.max-up": "variable", "network.max-down": "flag", "network.listen": "default", "daemon.stop-ratio": "file", "daemon.fetches": "variable"}
	for _, x := range o.Settings {
		if w, ok := want[x.Key]; ok && x.From != w {
			t.Errorf("%s: got from %q, want %q", x.Key, x.From, w)
		}
		switch x.Key {
		case "network.port":
			if x.Value != 7001.0 || x.File != path || x.Line != 2 {
				t.Errorf("port: got %+v, want 7001 of line 2", x)
			}
		case "network.listen":
			if x.Value != nil {
				t.Errorf("listen: got %v, want null", x.Value)
			}
		case "network.max-up":
			if x.Variable != "P2PSHARE_MAX_UP" {
				t.Errorf("max-up: got %+v, want its variable", x)
			}
		}
		delete(want, x.Key)
	}
	if len(want) > 0 {
		t.Errorf("not shown: %v", want)
	}
	s = newShell(t)
	s.want(0, "network.port", "there is no file", "config", "show")
	s.want(10, "network.port", "there is no configuration", "config", "show", "--config", "gone")
	s = newShell(t)
	s.want(4, "", `config has no "edit"`, "config", "edit")
	s.want(4, "", "config needs show|path|init", "config")
}

// TestConfigKnowsEveryFlag: what has a variable can stand in the file, and so can all that the daemon is told.
func TestConfigKnowsEveryFlag(t *testing.T) {
	s := newShell(t)
	s.want(0, "network", "", "config", "show")
	inFile := func(flag string) bool {
		return strings.Contains(s.stdout.String(), "."+strings.TrimPrefix(flag, "--")+" ")
	}
	everywhere := map[string]bool{"--home": true, "--config": true, "--json": true, "--quiet": true, "--verbose": true, "--help": true}
	for _, name := range []string{"publish", "fetch", "seed", "daemon", "doctor"} {
		help := newShell(t)
		help.run("help", name)
		for _, flag := range cli.LongFlags(name) {
			variable := "[P2PSHARE_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(flag, "--"), "-", "_")) + "]"
			if strings.Contains(help.stdout.String(), variable) && !everywhere[flag] && !inFile(flag) {
				t.Errorf("%s of %s has a variable, and no place in the file", flag, name)
			}
		}
	}
	for _, flag := range cli.LongFlags("daemon") {
		if flag != "--detach" && flag != "--stop" && !strings.HasSuffix(flag, "at-login") && !everywhere[flag] && !inFile(flag) {
			t.Errorf("%s of the daemon has no place in the file", flag)
		}
	}
}

func TestConfigInit(t *testing.T) {
	s := newShell(t)
	s.env["XDG_CONFIG_HOME"] = filepath.Join(s.dir, "xdg")
	path := filepath.Join(s.dir, "xdg", "p2pshare", "config.toml")
	s.want(0, path+"\n", "take the # away", "config", "init")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.want(12, path+"\n", "not overwritten", "config", "init")
	if again, _ := os.ReadFile(path); string(again) != string(data) {
		t.Error("the file was written over")
	}
	// As it is it changes nothing, and with its comments taken off every example holds.
	s.want(0, path, "", "fetch", v1hex)
	if got := s.fake.settings.Network; !reflect.DeepEqual(got, node.Network{Peers: []string{}, DHTNodes: []string{}, Trackers: []string{}}) && !reflect.DeepEqual(got, node.Network{}) {
		t.Errorf("network: got %+v, want nothing set", got)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#\n" && !strings.HasPrefix(line, "#no-dht") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	writeConfig(t, s, strings.Join(lines, ""))
	s.stderr = buffer{}
	s.want(0, path, "", "fetch", v1hex)
	if got := s.fake.settings.Network; got.Port != 6881 || got.MaxUp != 2_000_000 || len(got.Peers) != 1 {
		t.Errorf("with the comments taken off: got %+v, want the examples", got)
	}
	s = newShell(t)
	s.want(0, filepath.Join(s.dir, "c.toml")+"\n", "", "config", "path", "--config", "c.toml")
	s.stdout = buffer{}
	s.want(0, `{"version":1,"type":"config","file":"`+filepath.Join(s.dir, "c.toml")+`"}`+"\n", "", "config", "path", "--config", "c.toml", "--json")
	s = newShell(t)
	s.env = nil
	s.want(4, "", "P2PSHARE_CONFIG", "config", "path")
}
