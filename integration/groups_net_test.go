//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// machine is a host of a lab with a home, where commands are run.
type machine struct {
	t    testing.TB
	h    *netlab.Host
	home string
}

func newMachine(t testing.TB, h *netlab.Host) *machine {
	return &machine{t, h, filepath.Join(t.TempDir(), "home")}
}

// daemon starts a daemon on the machine.
func (m *machine) daemon(flags ...string) *client.Daemon {
	m.t.Helper()
	p := us
	p.Home = m.home
	d, err := p.Daemon(within(m.t, 30*time.Second), m.t, m.h, append([]string{"--port", "6881"}, flags...)...)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

// types runs a command to its end and returns its stdout.
func (m *machine) types(args ...string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), busy*90*time.Second)
	defer cancel()
	cmd := m.h.Command(ctx, us.Bin, append(args, "--home", m.home)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	begun := time.Now()
	err := cmd.Run()
	if took := time.Since(begun); took > 5*time.Second {
		m.t.Logf("%q took %v", args, took)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w: %s", args, err, talk.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.types(args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// until runs a command repeatedly until its stdout contains want.
func (m *machine) until(want string, args ...string) {
	m.t.Helper()
	out := ""
	for end := time.Now().Add(busy * 30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out = m.must(args...); strings.Contains(out, want) {
			return
		}
	}
	m.t.Fatalf("%q: got %q, want %q in it", args, out, want)
}

// TestGroupOutlivesItsOwner checks a group on a LAN without DHT whose owner goes offline for good. Anyone who joins later with
// only the link gets the catalog and the content from a member, and any client gets the content with the magnet link shown.
func TestGroupOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 5)
	owner, member, late := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2)), newMachine(t, lab.Host(3))
	owner.daemon(onlyLAN...)
	member.daemon(onlyLAN...)
	path := made(t, payload.Folder)
	name := filepath.Base(path)
	link := owner.must("group", "create", "acme", "--public")
	owner.must("publish", path, "--group", "acme", "--as", "app@1.4.2")
	begun := time.Now()
	member.must("group", "join", link)
	if got := member.must("catalog", "list", "acme"); !strings.Contains(got, "app") {
		t.Fatalf("the first listing: got %q", got)
	}
	t.Logf("from the join to the first listing: %v", time.Since(begun))
	out := t.TempDir()
	member.must("fetch", "acme/app@latest", "--seed", "-o", out)
	if err := payload.Same(path, filepath.Join(out, name)); err != nil {
		t.Fatal(err)
	}
	if err := lab.Down(1); err != nil {
		t.Fatal(err)
	}

	late.daemon(onlyLAN...)
	begun = time.Now()
	late.must("group", "join", link)
	t.Logf("joined without the owner after %v", time.Since(begun))
	far := t.TempDir()
	begun = time.Now()
	late.must("fetch", "acme/app", "-o", far)
	t.Logf("fetched from a member after %v", time.Since(begun))
	if err := payload.Same(path, filepath.Join(far, name)); err != nil {
		t.Error(err)
	}

	var shown struct {
		Entries []struct{ Magnet string }
		Magnet  string
	}
	raw := late.must("catalog", "show", "acme/app", "--json")
	if err := json.Unmarshal([]byte(raw), &shown); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	magnet := shown.Magnet
	if len(shown.Entries) > 0 {
		magnet = shown.Entries[0].Magnet
	}
	if !strings.HasPrefix(magnet, "magnet:") {
		t.Fatalf("no magnet in %s", raw)
	}
	ctx := within(t, 2*time.Minute)
	aria, lt := t.TempDir(), t.TempDir()
	a := client.Start(t, lab.Host(4).Command(context.Background(), "aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=true",
		"--follow-torrent=mem", "--seed-time=0", "--listen-port=6881", "--dir", aria, magnet))
	l, err := client.Libtorrent{LAN: true}.Fetch(ctx, t, lab.Host(5), magnet, lt)
	if err != nil {
		t.Fatal(err)
	}
	for dir, p := range map[string]*client.Process{aria: a, lt: l} {
		if err := p.Finished(ctx); err != nil {
			t.Error(err)
			continue
		}
		if err := payload.Same(path, filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestGroupDiscovery finds the members with only one mechanism.
func TestGroupDiscovery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags func(lab *netlab.Lab) []string
		join  func(lab *netlab.Lab, link string) []string
	}{
		{"the DHT", func(lab *netlab.Lab) []string {
			return append([]string{"--dht-node", lab.Host(3).IP + ":6881"}, onlyDHT...)
		}, func(_ *netlab.Lab, link string) []string { return []string{link} }},
		{"the LAN", func(*netlab.Lab) []string { return onlyLAN }, func(_ *netlab.Lab, link string) []string { return []string{link} }},
		{"an address in the link", func(*netlab.Lab) []string { return nothing }, func(lab *netlab.Lab, link string) []string {
			return []string{link + "?p=" + lab.Host(1).IP + ":6881"}
		}},
		{"--peer", func(*netlab.Lab) []string { return nothing }, func(lab *netlab.Lab, link string) []string {
			return []string{link, "--peer", lab.Host(1).IP + ":6881"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 3)
			flags := c.flags(lab)
			if c.name == "the DHT" {
				if _, err := (client.Libtorrent{}).DHTNode(within(t, 30*time.Second), t, lab.Host(3)); err != nil {
					t.Fatal(err)
				}
			}
			owner, member := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
			owner.daemon(flags...)
			d := member.daemon(flags...)
			path := made(t, payload.Folder)
			link := owner.must("group", "create", "acme", "--public")
			begun := time.Now()
			member.must(append([]string{"group", "join"}, c.join(lab, link)...)...)
			t.Logf("joined after %v", time.Since(begun))
			owner.must("publish", path, "--group", "acme", "--as", "app@1")
			begun = time.Now()
			member.until("app", "catalog", "list", "acme")
			t.Logf("the entry is there after %v", time.Since(begun))
			// Both are restarted: the member finds the owner again from what it stored.
			if err := d.Term(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Exit(within(t, 20*time.Second)); err != nil {
				t.Fatal(err)
			}
			owner.must("publish", path, "--group", "acme", "--as", "app@2")
			member.daemon(flags...)
			member.until("app@2", "catalog", "show", "acme/app@latest")
		})
	}
}

// TestGroupNobodyThere checks that a join which finds no member says so, with the way out, and leaves nothing behind.
func TestGroupNobodyThere(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	owner, lost := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	owner.daemon(nothing...)
	link := owner.must("group", "create", "acme", "--public")
	lost.daemon(nothing...)
	_, err := lost.types("group", "join", link, "--timeout", "2s")
	if err == nil || !strings.Contains(err.Error(), "--peer") {
		t.Errorf("got %v, want a hint", err)
	}
	if exit := exitOf(err); exit == nil || exit.ExitCode() != 14 {
		t.Errorf("got %v, want exit code 14", err)
	}
	if got := lost.must("group", "list"); strings.Contains(got, "acme") {
		t.Errorf("half a group is left: %q", got)
	}
}

func exitOf(err error) *exec.ExitError {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return nil
	}
	return exit
}
