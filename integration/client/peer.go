//go:build linux

package client

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/integration/netlab"
)

// Port is the port of every peer in a lab: each has its own address.
const Port = 6881

// Peer is a third-party BitTorrent client.
type Peer interface {
	Name() string
	// Seed shares the content of a .torrent file. data is the folder that contains the file or folder with the torrent's
	// name. Seed returns when the client has checked the content.
	Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error)
	// Fetch downloads ref, a .torrent file or a magnet link, into the folder out. It returns at once; use
	// Process.Finished to wait for the end.
	Fetch(ctx context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error)
}

// Way has the settings of a client that differ from its defaults.
type Way struct {
	Encrypted bool // it accepts only obfuscated connections (MSE)
	IPv6      bool // it listens on IPv6
}

// Peers returns the clients that start fast, with which most tests run.
func Peers(w Way) []Peer { return []Peer{Aria2{Way: w}, Transmission{w}, Libtorrent{Way: w}} }

// Aria2 is aria2c.
type Aria2 struct {
	Way
	Stays bool // keep running when the fetch is complete
	MaxUp int  // bytes per second; 0: no limit
}

// Name is "aria2".
func (Aria2) Name() string { return "aria2" }

func (a Aria2) args(extra ...string) []string {
	if a.Encrypted {
		extra = append([]string{"--bt-force-encryption=true"}, extra...)
	}
	return append([]string{"--no-conf", "--enable-color=false", "--summary-interval=0", "--file-allocation=none",
		"--listen-port=" + strconv.Itoa(Port), "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
		"--follow-torrent=mem", "--allow-overwrite=true"}, extra...)
}

// Seed implements Peer.
func (a Aria2) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	p := Start(t, h.Command(context.Background(), "aria2c", a.args("--check-integrity=true", "--seed-ratio=0.0",
		"--max-upload-limit="+strconv.Itoa(a.MaxUp), "--dir", data, torrent)...))
	_, err := p.Stdout.Line(ctx, func(l string) bool {
		return strings.Contains(l, "Verification finished successfully")
	})
	if err != nil {
		return nil, fmt.Errorf("aria2 does not accept the data as complete: %w", err)
	}
	return p, nil
}

// Fetch implements Peer.
func (a Aria2) Fetch(_ context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	if !a.Stays {
		return Start(t, h.Command(context.Background(), "aria2c", a.args("--seed-time=0", "--dir", out, ref)...)), nil
	}
	// Its output is buffered in large blocks.
	dir := t.TempDir()
	hook, mark := filepath.Join(dir, "hook"), filepath.Join(dir, "done")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\ntouch '"+mark+"'\n"), 0o700); err != nil {
		return nil, err
	}
	p := Start(t, h.Command(context.Background(), "aria2c", a.args("--seed-ratio=0.0", "--on-bt-download-complete", hook, "--dir", out, ref)...))
	p.finished = func(ctx context.Context) error {
		return p.Until(ctx, "aria2 has all", func() bool { _, err := os.Stat(mark); return err == nil })
	}
	return p, nil
}

// Transmission is transmission-daemon, controlled through transmission-remote.
type Transmission struct{ Way }

// Name is "transmission".
func (Transmission) Name() string { return "transmission" }

// Seed implements Peer.
func (tr Transmission) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	p, err := tr.start(ctx, t, h, torrent, data)
	if err != nil {
		return nil, err
	}
	return p, p.Finished(ctx)
}

// Fetch implements Peer.
func (tr Transmission) Fetch(ctx context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	return tr.start(ctx, t, h, ref, out)
}

func (tr Transmission) start(ctx context.Context, t testing.TB, h *netlab.Host, ref, dir string) (*Process, error) {
	config := t.TempDir()
	encryption := 0 // whatever the other side prefers
	if tr.Encrypted {
		encryption = 2
	}
	settings, err := json.Marshal(map[string]any{
		"download-dir": dir, "incomplete-dir-enabled": false, "rename-partial-files": false, "trash-original-torrent-files": false,
		"dht-enabled": false, "lpd-enabled": false, "pex-enabled": true, "utp-enabled": false, "port-forwarding-enabled": false,
		"peer-port": Port, "peer-port-random-on-start": false, "encryption": encryption, "preallocation": 0,
		"rpc-bind-address": "127.0.0.1", "rpc-port": 9091, "rpc-authentication-required": false,
		"rpc-whitelist-enabled": false, "rpc-host-whitelist-enabled": false, "ratio-limit-enabled": false,
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(config, "settings.json"), settings, 0o600); err != nil {
		return nil, err
	}
	p := Start(t, h.Command(context.Background(), "transmission-daemon", "-f", "-g", config))
	remote := func(args ...string) (string, error) {
		b, err := h.Command(ctx, "transmission-remote", append([]string{"127.0.0.1:9091"}, args...)...).CombinedOutput()
		return string(b), err
	}
	if err := p.Until(ctx, "transmission answers", func() bool { _, err := remote("-si"); return err == nil }); err != nil {
		return nil, err
	}
	if out, err := remote("-w", dir, "-a", ref); err != nil || !strings.Contains(out, "success") {
		return nil, fmt.Errorf("transmission refuses it: %s", strings.TrimSpace(out))
	}
	p.finished = func(ctx context.Context) error {
		last := ""
		err := p.Until(ctx, "transmission has all", func() bool {
			b, err := h.Command(ctx, "transmission-remote", "127.0.0.1:9091", "-t", "1", "-i").CombinedOutput()
			last = string(b)
			return err == nil && strings.Contains(last, "Percent Done: 100%") &&
				(strings.Contains(last, "State: Seeding") || strings.Contains(last, "State: Idle"))
		})
		if err != nil {
			return fmt.Errorf("%w: %s", err, tail(last))
		}
		return nil
	}
	return p, nil
}

//go:embed libtorrent_peer.py
var libtorrentPeer string

// Libtorrent is libtorrent-rasterbar, through Debian's Python binding.
type Libtorrent struct {
	Way
	DHTNodes []string // host:port; nil: no DHT
	LAN      bool     // enable local service discovery
	Peers    []string // host:port, connected to immediately
	MaxDown  int      // bytes per second; 0: no limit
	Stays    bool     // keep running when the fetch is complete
	MaxUp    int      // like MaxDown
}

// Name is "libtorrent".
func (Libtorrent) Name() string { return "libtorrent" }

// Seed implements Peer.
func (l Libtorrent) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	p := l.start(t, h, "seed", torrent, data)
	_, err := p.Stdout.Line(ctx, func(l string) bool { return l == "seeding" })
	return p, err
}

// Fetch implements Peer.
func (l Libtorrent) Fetch(_ context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	if !l.Stays {
		return l.start(t, h, "fetch", ref, out), nil
	}
	p := l.start(t, h, "seed", ref, out)
	p.finished = func(ctx context.Context) error {
		_, err := p.Stdout.Line(ctx, func(l string) bool { return l == "seeding" })
		return err
	}
	return p, nil
}

// DHTNode runs a libtorrent session that is a DHT node and shares nothing. It listens on Port.
func (l Libtorrent) DHTNode(ctx context.Context, t testing.TB, h *netlab.Host) (*Process, error) {
	l.DHTNodes = []string{h.IP + ":" + strconv.Itoa(Port)}
	p := l.start(t, h, "dht", "", "")
	_, err := p.Stdout.Line(ctx, func(l string) bool { return l == "dht" })
	return p, err
}

func (l Libtorrent) start(t testing.TB, h *netlab.Host, mode, ref, dir string) *Process {
	listen := h.IP
	if l.IPv6 {
		listen = "[::]"
	}
	args := []string{"-c", libtorrentPeer, mode, listen + ":" + strconv.Itoa(Port), ref, dir, strings.Join(l.DHTNodes, ","), strconv.FormatBool(l.LAN),
		strings.Join(l.Peers, ","), strconv.Itoa(l.MaxDown), strconv.Itoa(l.MaxUp), strconv.FormatBool(l.Encrypted)}
	return Start(t, h.Command(context.Background(), "/usr/bin/python3", args...))
}
