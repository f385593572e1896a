package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/config"
	"github.com/p2pshare/p2pshare/internal/fault"
)

var keys = []config.Key{
	{Section: "network", Name: "port", Kind: config.Number, Usage: "a port\non two lines", Value: "6881"},
	{Section: "network", Name: "max-up", Kind: config.Text, Usage: "a rate", Value: `"2M"`, Check: func(v string) error {
		if v == "bad" || v == "-1" {
			return fault.Hint(fault.New(fault.Usage, "%q is not a rate", v), "write 2M")
		}
		return nil
	}},
	{Section: "network", Name: "no-dht", Kind: config.Switch, Usage: "no DHT", Value: "true"},
	{Section: "network", Name: "peer", Kind: config.List, Usage: "peers", Value: `["a:1"]`, Check: func(v string) error {
		if v == "bad" {
			return errors.New("no peer")
		}
		return nil
	}},
	{Section: "daemon", Name: "fetches", Kind: config.Number, Usage: "fetches", Value: "3"},
}

func TestParse(t *testing.T) {
	type values = map[string]config.Value
	for _, c := range []struct {
		name, text string
		want       values
	}{
		{"empty", "", values{}},
		{"only comments", "# a\n\n[network]\n#port = 1\n", values{}},
		{"sections", "# c\n[network]\nport = 6_881\n\nmax-up = \"2M/s\"\n[daemon]\nfetches = 3\n", values{
			"network.port": {Line: 3, Texts: []string{"6881"}}, "network.max-up": {Line: 5, Texts: []string{"2M/s"}}, "daemon.fetches": {Line: 7, Texts: []string{"3"}},
		}},
		{"dotted and inline", "network.port = 1\ndaemon = { fetches = 2 }", values{
			"network.port": {Line: 1, Texts: []string{"1"}}, "daemon.fetches": {Line: 2, Texts: []string{"2"}},
		}},
		{"a list over several lines", "[network]\npeer = [\n  \"a:1\", # first\n  'b:2',\n]\nno-dht = false", values{
			"network.peer": {Line: 2, Texts: []string{"a:1", "b:2"}}, "network.no-dht": {Line: 6, Texts: []string{"false"}},
		}},
		{"an empty list", "network.peer = []", values{"network.peer": {Line: 1, Texts: []string{}}}},
		{"a number for a string", "network.max-up = 2000\n", values{"network.max-up": {Line: 1, Texts: []string{"2000"}}}},
		{"a fraction for a string", "network.max-up = 1.5\n", values{"network.max-up": {Line: 1, Texts: []string{"1.5"}}}},
		{"Windows line endings", "[network]\r\nport = 1\r\n", values{"network.port": {Line: 2, Texts: []string{"1"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := config.Parse("/c.toml", []byte(c.text), keys)
			if err != nil {
				t.Fatal(err)
			}
			got := values{}
			for _, k := range keys {
				if v, ok := f.Get(k.Section, k.Name); ok {
					got[k.Section+"."+k.Name] = v
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if f.Path() != "/c.toml" {
				t.Errorf("path: got %q, want /c.toml", f.Path())
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, text, err, hint string }{
		{"not TOML", "[network]\nport 1\n", "/c.toml:2: ", "config init"},
		{"a key twice", "[network]\nport = 1\nport = 2\n", "/c.toml:3: ", ""},
		{"a section twice", "[network]\nport = 1\n[network]\nno-dht = true\n", "/c.toml:3: ", ""},
		{"not UTF-8", "[network]\n# \xff\n", "/c.toml:2: ", ""},
		{"an unknown key", "[network]\n\nprot = 1\n", `/c.toml:3: there is no setting "network.prot"`, "did you mean port?"},
		{"an underscore", "[network]\nmax_up = \"1M\"\n", `/c.toml:2: there is no setting "network.max_up"`, "did you mean max-up in the section [network]?"},
		{"a key of another section", "[daemon]\nport = 1\n", `/c.toml:2: there is no setting "daemon.port"`, "did you mean port in the section [network]?"},
		{"a key outside of sections", "fetches = 1\n", `/c.toml:1: there is no setting "fetches"`, "in the section [daemon]?"},
		{"a typo outside of sections", "fetchs = 1\n", `/c.toml:1: there is no setting "fetchs"`, "did you mean fetches?"},
		{"nothing similar", "[network]\ncolour = 1\n", `/c.toml:2: there is no setting "network.colour"`, "config show"},
		{"an unknown section", "[netwrok]\n", "/c.toml:1: there is no section [netwrok]", "did you mean [network]?"},
		{"an unknown section with a key", "zzz.yyyyy = 1\n", "/c.toml:1: there is no section [zzz]", "config show"},
		{"a section below a section", "[network.deep]\nport = 1\n", `/c.toml:1: there is no setting "network.deep"`, ""},
		{"a section that is a value", "network = 1\n", `/c.toml:1: there is no setting "network"`, "its own line"},
		{"a value that is a section", "[network.port]\n", "/c.toml:1: port is a section", "a number without quotes"},
		{"a list of sections", "\n[[network]]\nport = 1\n", "/c.toml:2: [[network]] is a list of sections", "write [network]"},
		{"a number in quotes", "[network]\nport = \"6881\"\n", "/c.toml:2: port is a string", "a number without quotes"},
		{"a fraction for a number", "network.port = 1.5\n", "/c.toml:1: port is a number with a fraction", "a number"},
		{"a string for a switch", "network.no-dht = \"yes\"\n", "/c.toml:1: no-dht is a string", "true or false"},
		{"a string for a list", "network.peer = \"a:1\"\n", "/c.toml:1: peer is a string", `["a", "b"]`},
		{"a list of numbers", "network.peer = [\"a\", 1]\n", "/c.toml:1: peer is a list of other things", `["a", "b"]`},
		{"a date", "network.max-up = 2020-01-01\n", "/c.toml:1: max-up is a date", "a string"},
		{"a refused value", "[network]\nmax-up = \"bad\"\n", `/c.toml:2: max-up: "bad" is not a rate`, "write 2M"},
		{"a refused number", "network.max-up = -1\n", `/c.toml:1: max-up: "-1" is not a rate`, "write 2M"},
		{"a refused item", "network.peer = [\"a\",\n\"bad\"]\n", "/c.toml:1: peer: no peer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("/c.toml", []byte(c.text), keys)
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, want %q in it", err, c.err)
			}
			if got := fault.KindOf(err); got != fault.Usage {
				t.Errorf("kind: got %v, want usage", got)
			}
			if got := fault.HintOf(err); !strings.Contains(got, c.hint) {
				t.Errorf("hint of %q: got %q, want %q in it", err, got, c.hint)
			}
		})
	}
	_, err := config.Parse("/c.toml", []byte(strings.Repeat("#\n", 1<<20)), keys)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file of 2 MiB: got %v, want a refusal", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.Load(filepath.Join(dir, "missing"), keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v, want fs.ErrNotExist", err)
	}
	if _, err := config.Load(dir, keys); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: got %v, want a refusal", err)
	}
	path := filepath.Join(dir, "c.toml")
	if err := os.WriteFile(path, []byte("network.port = 7"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(path, keys)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := f.Get("network", "port"); !ok || v.Texts[0] != "7" {
		t.Errorf("port: got %v, %v, want 7", v, ok)
	}
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, keys)
		if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "chmod go-w") {
			t.Errorf("mode %o: got %v, want denied, with a hint", mode, err)
		}
	}
	if os.Geteuid() == 0 { // only root can give a file away
		if err := errors.Join(os.Chmod(path, 0o644), os.Chown(path, 4242, 4242)); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, keys); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "belongs to user 4242") {
			t.Errorf("a file of another user: got %v, want denied", err)
		}
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		name, system string
		env          map[string]string
		want         string
	}{
		{"home", "linux", map[string]string{"HOME": "/home/u"}, "/home/u/.config/p2pshare/config.toml"},
		{"XDG", "linux", map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "/x"}, "/x/p2pshare/config.toml"},
		{"relative XDG is ignored", "linux", map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "x"}, "/home/u/.config/p2pshare/config.toml"},
		{"Windows", "windows", map[string]string{"HOME": "/home/u", "APPDATA": "/a"}, "/a/p2pshare/config.toml"},
		{"APPDATA on another system", "linux", map[string]string{"HOME": "/home/u", "APPDATA": "/a"}, "/home/u/.config/p2pshare/config.toml"},
		{"nothing", "linux", nil, ""},
	} {
		if got := config.Path(func(k string) string { return c.env[k] }, c.system); got != filepath.FromSlash(c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestExample: the written file sets nothing, and with its comment signs removed it sets every key.
func TestExample(t *testing.T) {
	text := config.Example("What this is.\n\nSee there.", keys)
	f, err := config.Parse("x", []byte(text), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if v, ok := f.Get(k.Section, k.Name); ok {
			t.Errorf("%s: got %v, want it unset", k.Name, v)
		}
	}
	f, err = config.Parse("x", []byte(strings.NewReplacer("\n#port", "\nport", "\n#max", "\nmax", "\n#no", "\nno", "\n#peer", "\npeer", "\n#fetches", "\nfetches").Replace(text)), keys)
	if err != nil {
		t.Fatalf("with its comment signs removed: %v\n%s", err, text)
	}
	for _, k := range keys {
		if _, ok := f.Get(k.Section, k.Name); !ok {
			t.Errorf("%s is not in the example:\n%s", k.Name, text)
		}
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "config.toml")
	if err := config.Create(path, "first"); err != nil {
		t.Fatal(err)
	}
	err := config.Create(path, "second")
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("a second time: got %v, want denied", err)
	}
	data, _ := os.ReadFile(path)
	info, err := os.Stat(path)
	if err != nil || string(data) != "first" || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: got %q, %v, %v, want the first text, 0600", data, info.Mode(), err)
	}
	if err := config.Create(filepath.Join(path, "c.toml"), ""); err == nil {
		t.Error("below a file: got no error")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "[network]\nport = 1\n", "network = { port = 1, peer = ['a'] }", "[[network]]\n", "a.b.c = 1979-05-27T07:32:00Z", "x = [[1],[{a=1}]]", "\"\" = \"\\u0000\"", "[network]\nmax-up = \"\"\"\na\"\"\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := config.Parse("c", data, keys)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("kind of %v: got %v, want usage", err, fault.KindOf(err))
			}
			return
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, k := range keys {
			if v, ok := file.Get(k.Section, k.Name); ok && (v.Line < 1 || v.Line > lines || k.Kind != config.List && len(v.Texts) != 1) {
				t.Errorf("%s: got %+v of a file with %d lines", k.Name, v, lines)
			}
		}
	})
}
