//go:build linux

package wire

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
)

// Watcher is a running tcpdump.
type Watcher struct {
	file string
	proc *client.Process
}

// Watch records every packet between the hosts of a lab, at its hub, until Stop or the end of the test.
func Watch(ctx context.Context, t testing.TB, hub *netlab.Host) (*Watcher, error) {
	w := &Watcher{file: filepath.Join(t.TempDir(), "wire.pcap")}
	// -Z root: another user could not write into the test's folder. -U: write each packet immediately. -B: enough buffer for
	// times when this machine is busy.
	w.proc = client.Start(t, hub.Command(context.Background(), "tcpdump", "-i", "br0", "-Z", "root", "-n", "-U", "-s", "0", "-B", "131072", "-w", w.file))
	_, err := w.proc.Stderr.Line(ctx, func(l string) bool { return strings.Contains(l, "listening on") })
	if err != nil {
		return nil, fmt.Errorf("watching the network: %w", err)
	}
	return w, nil
}

// Capture returns the traffic so far. The most recent packets may be missing.
func (w *Watcher) Capture() (*Capture, error) {
	raw, err := os.ReadFile(w.file)
	if err != nil {
		return nil, err
	}
	return Parse(raw)
}

// Await calls Capture repeatedly until ok is true.
func (w *Watcher) Await(ctx context.Context, what string, ok func(*Capture) bool) (*Capture, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := w.Capture()
		if err != nil {
			return nil, err
		}
		if ok(c) {
			return c, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return c, fmt.Errorf("waiting on the wire until %s: %w", what, context.Cause(ctx))
		}
	}
}

var droppedLine = regexp.MustCompile(`(?m)^(\d+) packets dropped by kernel`)

// Stop stops the watch and returns all traffic. It fails if packets were dropped.
func (w *Watcher) Stop(ctx context.Context) (*Capture, error) {
	pid := w.proc.Pid() // of ip netns exec, which has become tcpdump
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return nil, err
	}
	if _, err := w.proc.Exit(ctx); err != nil {
		return nil, err
	}
	m := droppedLine.FindStringSubmatch(w.proc.Stderr.String())
	if m == nil || m[1] != "0" {
		return nil, fmt.Errorf("packets are missing from the capture: %s", w.proc.Stderr.String())
	}
	return w.Capture()
}
