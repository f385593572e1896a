//go:build linux

package client

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/integration/netlab"
)

// P2PShare is the program under test, with the flags of every call. Each process gets a new home unless Home is set.
type P2PShare struct {
	Bin   string   // the binary, absolute
	Home  string   // --home; empty: a new one each time
	Flags []string // after the command's name
}

// Quiet turns off everything that finds peers: DHT, LAN discovery and UPnP. A test turns on what it is about.
func (p P2PShare) Quiet() P2PShare {
	p.Flags = append([]string{"--no-dht", "--no-lan", "--no-upnp"}, p.Flags...)
	return p
}

// With adds flags.
func (p P2PShare) With(flags ...string) P2PShare {
	p.Flags = append(append([]string{}, p.Flags...), flags...)
	return p
}

// Name is "p2pshare".
func (P2PShare) Name() string { return "p2pshare" }

// Command returns the command p2pshare VERB on a host; nil is this machine itself.
func (p P2PShare) Command(t testing.TB, h *netlab.Host, verb string, args ...string) *exec.Cmd {
	home := p.Home
	if home == "" {
		home = filepath.Join(t.TempDir(), "home")
	}
	args = append(append([]string{verb, "--home", home}, p.Flags...), args...)
	if h == nil {
		return exec.Command(p.Bin, args...)
	}
	return h.Command(context.Background(), p.Bin, args...)
}

// Publish shares path and returns the magnet link that it prints. Flags may set another port than Port.
func (p P2PShare) Publish(ctx context.Context, t testing.TB, h *netlab.Host, path string, args ...string) (*Process, string, error) {
	proc := Start(t, p.Command(t, h, "publish", append(append([]string{"--port", strconv.Itoa(Port)}, args...), path)...))
	magnet, err := proc.Stdout.Line(ctx, func(l string) bool { return strings.HasPrefix(l, "magnet:") })
	return proc, magnet, err
}

// Seed implements Peer with the command seed.
func (p P2PShare) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	proc := Start(t, p.Command(t, h, "seed", "--port", strconv.Itoa(Port), "--data", data, torrent))
	_, err := proc.Stdout.Line(ctx, func(l string) bool { return strings.HasPrefix(l, "magnet:") })
	return proc, err
}

// Fetch implements Peer. The trackers of a magnet link or torrent may be in the lab.
func (p P2PShare) Fetch(_ context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	return Start(t, p.Command(t, h, "fetch", "--port", strconv.Itoa(Port), "--allow-private", "-o", out, ref)), nil
}
