package bench

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// The kinds of programs.
const (
	kindP2PShare     = "p2pshare"
	kindAria2        = "aria2"
	kindLibtorrent   = "libtorrent"
	kindTransmission = "transmission"
	kindHTTP         = "http" // nginx and curl
)

//go:embed libtorrent_peer.py
var libtorrentPeer []byte

//go:embed libtorrent_create.py
var libtorrentCreate []byte

// systemPython is the interpreter with Debian's modules; another one may come first in the PATH.
const systemPython = "/usr/bin/python3"

// job describes what a program has to do in a run.
type job struct {
	bin     string // p2pshare's
	work    string // the work folder, which contains the scripts
	state   string // a folder for this program only
	torrent string
	dir     string // contains the content, or will
	name    string // of the content
	files   []string
	ip      string // the address it listens at
	from    string // the http server's address
	tracker string
	private bool     // web seeds have private addresses
	old     bool     // dir has older content, to be checked first
	more    []string // extra flags, only for p2pshare
}

const (
	peerPort = 6881
	httpPort = 8080
)

// client is a program that shares and fetches.
type client struct {
	kind     string
	programs []string // that it needs
	module   string   // Python module that it needs; empty: none
	install  string   // Debian packages
	torrents bool     // it speaks BitTorrent
	version  []string
	seed     func(job) ([]string, error)
	fetch    func(job) ([]string, error)
}

func clients() []client {
	return []client{
		{kind: kindP2PShare, torrents: true, seed: seedP2PShare, fetch: fetchP2PShare},
		{kind: kindAria2, programs: []string{"aria2c"}, install: "aria2", torrents: true, version: []string{"aria2c", "--version"}, seed: seedAria2, fetch: fetchAria2},
		{kind: kindLibtorrent, programs: []string{systemPython}, module: "libtorrent", install: "python3-libtorrent", torrents: true,
			version: []string{systemPython, "-c", "import libtorrent; print('libtorrent', libtorrent.version)"}, seed: seedLibtorrent, fetch: fetchLibtorrent},
		{kind: kindTransmission, programs: []string{"transmission-cli"}, install: "transmission-cli", torrents: true, version: []string{"transmission-cli", "--version"}, seed: transmission, fetch: transmission},
		{kind: kindHTTP, programs: []string{"nginx", "curl"}, install: "nginx-light curl", version: []string{"curl", "--version"}, seed: nginx, fetch: curl},
	}
}

func clientOf(kind string) client {
	list := clients()
	return list[slices.IndexFunc(list, func(c client) bool { return c.kind == kind })] // kinds were checked earlier
}

// missing returns what a client needs and is not installed; empty: nothing.
func (e Env) missing(c client) string {
	for _, p := range c.programs {
		if _, err := e.LookPath(p); err != nil {
			return p
		}
	}
	if c.module != "" && !e.HasModule(c.module) {
		return "the Python module " + c.module
	}
	return ""
}

// choose returns the clients to measure: the named ones, or all installed ones, among those that satisfy can. With mixed, a
// kind with + between its parts is a swarm of several kinds. absent has a sentence for each client left out.
func (e Env) choose(kinds []string, can func(client) bool, mixed bool) (chosen []string, absent []string, err error) {
	var names []string
	for _, c := range clients() {
		if !can(c) {
			continue
		}
		names = append(names, c.kind)
		what := e.missing(c)
		switch {
		case len(kinds) == 0 && what == "":
			chosen = append(chosen, c.kind)
		case len(kinds) == 0:
			absent = append(absent, fmt.Sprintf("%s is not measured: %s is not installed (apt-get install %s)", c.kind, what, c.install))
		}
	}
	for _, k := range kinds {
		parts := []string{k}
		if mixed {
			parts = strings.Split(k, "+")
		}
		for _, part := range parts {
			if !slices.Contains(names, part) {
				return nil, nil, fault.Hint(fault.New(fault.Usage, "there is no kind %q to measure here", part), "the kinds are %s", strings.Join(names, ", "))
			}
			c := clientOf(part)
			if what := e.missing(c); what != "" {
				return nil, nil, fault.Hint(fault.New(fault.NotFound, "%s cannot be measured: %s is not installed", part, what), "install it: apt-get install %s", c.install)
			}
		}
		if slices.Contains(chosen, k) {
			return nil, nil, fault.New(fault.Usage, "the kind %q is named twice", k)
		}
		chosen = append(chosen, k)
	}
	return chosen, absent, nil
}

func anyClient(client) bool { return true }

// scripts writes the scripts that the programs are started with.
func scripts(work string) error {
	for name, data := range map[string][]byte{
		"libtorrent_peer.py": libtorrentPeer, "libtorrent_create.py": libtorrentCreate,
		"done.sh": []byte("#!/bin/sh\necho '" + doneMark + "'\n"),
	} {
		if err := os.WriteFile(filepath.Join(work, name), data, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (j job) p2pshare(command string, args ...string) []string {
	return slices.Concat([]string{j.bin, command, j.torrent, "--json", "--alone", "--home", filepath.Join(j.state, "home"), "--port", strconv.Itoa(peerPort),
		"--no-dht", "--no-lan", "--no-upnp", "--tracker", j.tracker}, args, j.more)
}

func seedP2PShare(j job) ([]string, error) { return j.p2pshare("seed", "--data", j.dir), nil }

func fetchP2PShare(j job) ([]string, error) {
	args := []string{"--seed", "-o", j.dir}
	if j.private {
		args = append(args, "--allow-private")
	}
	return j.p2pshare("fetch", args...), nil
}

// aria2 runs aria2 with its defaults, except for finding peers elsewhere, the number of peers, and the speed above which it
// asks no further peers, which are meant for slower links.
func (j job) aria2(args ...string) []string {
	return slices.Concat([]string{"aria2c", "--no-conf", "--quiet", "--listen-port=" + strconv.Itoa(peerPort), "--enable-dht=false", "--enable-dht6=false",
		"--dir", j.dir, "--file-allocation=none", "--bt-max-peers=0", "--bt-request-peer-speed-limit=100M", "--seed-ratio=0",
		"--on-bt-download-complete=" + filepath.Join(j.work, "done.sh")}, args, []string{j.torrent})
}

func seedAria2(j job) ([]string, error) { return j.aria2("--bt-seed-unverified=true"), nil }

func fetchAria2(j job) ([]string, error) {
	if j.old {
		return j.aria2("--check-integrity=true", "--allow-overwrite=true"), nil
	}
	return j.aria2(), nil
}

func (j job) libtorrent(mode string) []string {
	return []string{systemPython, filepath.Join(j.work, "libtorrent_peer.py"), j.torrent, j.dir, strconv.Itoa(peerPort), mode}
}

func seedLibtorrent(j job) ([]string, error) { return j.libtorrent("seed"), nil }

func fetchLibtorrent(j job) ([]string, error) { return j.libtorrent("fetch"), nil }

// transmission checks existing files itself, so the same command seeds and fetches.
func transmission(j job) ([]string, error) {
	config := filepath.Join(j.state, "transmission")
	if err := os.MkdirAll(config, 0o700); err != nil {
		return nil, err
	}
	const settings = `{"dht-enabled": false, "lpd-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false, "ratio-limit-enabled": false, "rename-partial-files": false, "preallocation": 0}`
	if err := os.WriteFile(filepath.Join(config, "settings.json"), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	return []string{"transmission-cli", "--verify", "--config-dir", config, "--no-portmap", "--port", strconv.Itoa(peerPort), "--no-downlimit", "--no-uplimit",
		"--finish", filepath.Join(j.work, "done.sh"), "--download-dir", j.dir, j.torrent}, nil
}

// nginx serves j.dir.
func nginx(j job) ([]string, error) {
	config := filepath.Join(j.state, "nginx.conf")
	text := fmt.Sprintf("user root; daemon off; worker_processes 2; pid %s/nginx.pid; error_log stderr; events { worker_connections 4096; } http { access_log off; sendfile on; "+
		"client_body_temp_path %[1]s/t; proxy_temp_path %[1]s/t; fastcgi_temp_path %[1]s/t; uwsgi_temp_path %[1]s/t; scgi_temp_path %[1]s/t; server { listen %s:%d; root %s; } }\n",
		j.state, j.ip, httpPort, j.dir)
	return []string{"nginx", "-e", "stderr", "-c", config}, os.WriteFile(config, []byte(text), 0o600)
}

// curl gets all files, four in parallel, and verifies nothing.
func curl(j job) ([]string, error) {
	var list strings.Builder
	for _, f := range j.files {
		fmt.Fprintf(&list, "url=\"%s%s\"\noutput=\"%s\"\n", j.from, f, filepath.Join(j.dir, f))
	}
	config := filepath.Join(j.state, "urls")
	return []string{"curl", "--silent", "--show-error", "--fail", "--create-dirs", "--parallel", "--parallel-max", "4", "--config", config}, os.WriteFile(config, []byte(list.String()), 0o600)
}
