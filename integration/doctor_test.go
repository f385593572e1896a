//go:build linux

package integration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
)

type doctorFinding struct {
	Code  string
	Grave bool
	Share string
	What  string
	Do    string
}

// diagnose runs the doctor on a host, and checks that its exit code matches its findings.
func diagnose(t *testing.T, p client.P2PShare, h *netlab.Host, args ...string) []doctorFinding {
	t.Helper()
	cmd := p.Command(t, h, "doctor", append([]string{"--json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		var d struct {
			Type     string
			Findings []doctorFinding
		}
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatalf("got %q: %v", line, err)
		}
		if d.Type != "diagnosis" {
			continue
		}
		want := 0
		if slices.ContainsFunc(d.Findings, func(f doctorFinding) bool { return f.Grave }) {
			want = 1
		}
		if code != want {
			t.Errorf("exit code: got %d, want %d with %+v", code, want, d.Findings)
		}
		return d.Findings
	}
	t.Fatalf("got code %d, %q, %q, want a diagnosis", code, out, stderr.String())
	return nil
}

// onHost runs a program on a host, which must succeed.
func onHost(t *testing.T, h *netlab.Host, name string, args ...string) {
	t.Helper()
	if out, err := h.Command(within(t, 20*time.Second), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// TestDoctorNetwork breaks the network in one way at a time.
func TestDoctorNetwork(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, lab *netlab.Lab)
		flags []string
		code  string // in addition to the lab's private address, which is always found
		what  string
	}{
		{"everything works", nil, []string{"--no-dht"}, "", ""},
		{"multicast off", func(t *testing.T, lab *netlab.Lab) {
			onHost(t, lab.Host(1), "ip", "link", "set", "eth0", "multicast", "off")
		}, []string{"--no-dht"}, "no-multicast", "eth0 (multicast is turned off)"},
		{"multicast blocked", func(t *testing.T, lab *netlab.Lab) {
			onHost(t, lab.Host(1), "nft", "add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in udp dport 6771 drop")
		}, []string{"--no-dht"}, "no-multicast", "eth0 (what is sent does not come back)"},
		{"port blocked", func(t *testing.T, lab *netlab.Lab) {
			onHost(t, lab.Host(1), "nft", "add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in tcp dport 7000 drop")
		}, []string{"--no-dht"}, "port-closed", "blocked on this machine, at 10.77.0.1 (no answer in time)"},
		{"no DHT", nil, []string{"--dht-node", "10.77.0.254:1"}, "no-dht", "no node of the DHT has answered"},
		{"no network", func(t *testing.T, lab *netlab.Lab) {
			if err := lab.Down(1); err != nil {
				t.Fatal(err)
			}
		}, []string{"--no-dht"}, "no-network", "no interface but loopback is up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 1)
			if c.spoil != nil {
				c.spoil(t, lab)
			}
			found := diagnose(t, us, lab.Host(1), append([]string{"--port", "7000", "--no-upnp"}, c.flags...)...)
			others := slices.DeleteFunc(slices.Clone(found), func(f doctorFinding) bool {
				return f.Code == "port-closed" && strings.Contains(f.What, "may be closed to the internet")
			})
			if c.code == "" {
				if len(others) != 0 {
					t.Errorf("got %+v, want nothing", others)
				}
				return
			}
			if len(others) != 1 || others[0].Code != c.code || !strings.Contains(others[0].What, c.what) || others[0].Do == "" {
				t.Errorf("got %+v, want only %s with %q", others, c.code, c.what)
			}
		})
	}
}

// nameServer answers every query on a host with a DNS response code; if it is negative, it never answers.
func nameServer(t *testing.T, h *netlab.Host, address string, code int) {
	t.Helper()
	c, err := h.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n >= 12 && code >= 0 {
				b[2], b[3] = b[2]|0x80, 0x80|byte(code)     // an answer, recursion available
				b[10], b[11] = 0, 0                         // without the additional records of the query
				_, _ = c.WriteTo(b[:question(b[:n])], from) // a lost answer fails the test
			}
		}
	}()
}

// question returns the end of the question in a DNS message.
func question(b []byte) int {
	for i := 12; i < len(b); i += 1 + int(b[i]) {
		if b[i] == 0 {
			return min(i+5, len(b))
		}
	}
	return len(b)
}

// TestDoctorDNS checks that a machine with unusable DNS servers is told about it, and which ones they are.
func TestDoctorDNS(t *testing.T) {
	const refused, noSuchName = 5, 3
	one := func(code int) func(t *testing.T, lab *netlab.Lab) []string {
		return func(t *testing.T, lab *netlab.Lab) []string {
			nameServer(t, lab.Hub(), lab.Hub().IP+":53", code)
			return []string{lab.Hub().IP}
		}
	}
	for _, c := range []struct {
		name  string
		serve func(t *testing.T, lab *netlab.Lab) (servers []string)
		flags []string
		what  string // empty: no finding
	}{
		{"it never answers", one(-1), nil, "the DNS server 10.77.0.254 does not answer: names of the internet cannot be looked up; the local network works without"},
		{"it refuses", one(refused), nil, "the DNS server 10.77.0.254 answers that it cannot look up names: names"},
		{"it knows no such name", one(noSuchName), nil, ""},
		{"no server there", func(_ *testing.T, lab *netlab.Lab) []string { return []string{lab.Hub().IP} }, nil, "the DNS server 10.77.0.254 does not answer: names"},
		{"no route there", func(t *testing.T, lab *netlab.Lab) []string {
			onHost(t, lab.Host(1), "ip", "route", "del", "default")
			return []string{"203.0.113.53"}
		}, nil, "the DNS server 203.0.113.53 cannot be reached from here: names"},
		{"the first of two never answers", func(t *testing.T, lab *netlab.Lab) []string {
			nameServer(t, lab.Hub(), lab.Hub().IP+":53", -1)
			nameServer(t, lab.Host(2), lab.Host(2).IP+":53", noSuchName)
			return []string{lab.Hub().IP, lab.Host(2).IP}
		}, nil, "the DNS server 10.77.0.254 does not answer, and the DNS server 10.77.0.2 does: names take seconds longer"},
		{"no name is needed", one(-1), []string{"--no-dht"}, ""},
		{"a tracker's name is needed", one(-1), []string{"--no-dht", "--tracker", "http://tracker.example/announce"}, "does not answer: names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 2)
			if err := lab.Host(1).Resolve(c.serve(t, lab)...); err != nil {
				t.Fatal(err)
			}
			found := diagnose(t, us, lab.Host(1), append([]string{"--port", "7000", "--no-upnp"}, c.flags...)...)
			i := slices.IndexFunc(found, func(f doctorFinding) bool { return f.Code == "no-dns" })
			switch {
			case c.what == "" && i >= 0:
				t.Errorf("got %+v, want no finding about DNS", found[i])
			case c.what != "" && (i < 0 || !strings.Contains(found[i].What, c.what) || found[i].Do == "" || found[i].Grave):
				t.Errorf("got %+v, want %q", found, c.what)
			}
		})
	}
}

// TestDoctorArrivals checks that the port counts as open once another machine has connected.
func TestDoctorArrivals(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	home := filepath.Join(t.TempDir(), "home")
	daemon(t, lab.Host(1), home, "--port", "7000", "--no-dht", "--no-lan", "--no-upnp")
	p := us
	p.Home = home
	closed := func() bool {
		return slices.ContainsFunc(diagnose(t, p, lab.Host(1)), func(f doctorFinding) bool { return f.Code == "port-closed" })
	}
	if !closed() {
		t.Error("before any connection: got no finding about the port")
	}
	c, err := lab.Host(2).Dial(within(t, 10*time.Second), "tcp", "10.77.0.1:7000")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(busy * 20 * time.Second)
	for closed() {
		if time.Now().After(end) {
			t.Fatal("after another machine has connected, the port is still reported as closed")
		}
	}
}

// TestDoctorFullDisk fills a separate file system.
func TestDoctorFullDisk(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	dir := t.TempDir()
	src := filepath.Join(dir, "rel")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "a"), bytes.Repeat([]byte("0123456789abcdef"), 1<<19), 0o644); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", full).CombinedOutput(); err != nil {
		t.Fatalf("mounting a small disk: %v: %s", err, out)
	}
	home := filepath.Join(dir, "home")
	d := daemon(t, lab.Host(1), home, "--no-dht", "--no-lan", "--no-upnp", "--floor", "0")
	t.Cleanup(func() {
		d.Kill()
		if out, err := exec.Command("umount", "-l", full).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	_, magnet, err := us.Quiet().Publish(within(t, 30*time.Second), t, lab.Host(2), src)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Stream(within(t, 30*time.Second), "fetch", map[string]any{"ref": magnet, "dir": full, "peers": []string{lab.Host(2).IP + ":" + strconv.Itoa(client.Port)}},
		func(e client.Event) bool { return e.Kept != nil }); err != nil {
		t.Fatal(err)
	}
	reaches(t, d, "rel", "waiting", "failed")
	p := us
	p.Home = home
	found := diagnose(t, p, lab.Host(1), "rel")
	if i := slices.IndexFunc(found, func(f doctorFinding) bool { return f.Code == "disk-full" }); i < 0 || !found[i].Grave || !strings.Contains(found[i].What, full) {
		t.Errorf("got %+v, want that the disk of %s is full", found, full)
	}
}

// TestDoctorOtherVersion queries a daemon with a program that differs only in its version.
func TestDoctorOtherVersion(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 1)
	home := filepath.Join(t.TempDir(), "home")
	daemon(t, lab.Host(1), home, "--no-dht", "--no-lan", "--no-upnp")
	out, err := exec.Command(us.Bin, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ P2pshare string }
	if err := json.Unmarshal(out, &v); err != nil || len(v.P2pshare) < 3 {
		t.Fatalf("got version %q, %v", out, err)
	}
	bin, err := os.ReadFile(us.Bin)
	if err != nil {
		t.Fatal(err)
	}
	other := "9" + strings.Repeat("x", len(v.P2pshare)-1)
	bin = bytes.ReplaceAll(bin, []byte(v.P2pshare), []byte(other))
	p := client.P2PShare{Bin: filepath.Join(t.TempDir(), "p2pshare"), Home: home}
	if err := os.WriteFile(p.Bin, bin, 0o755); err != nil {
		t.Fatal(err)
	}
	found := diagnose(t, p, lab.Host(1))
	if !slices.ContainsFunc(found, func(f doctorFinding) bool {
		return f.Code == "daemon-version" && strings.Contains(f.What, v.P2pshare) && strings.Contains(f.What, other)
	}) {
		t.Errorf("got %+v, want both versions in it", found)
	}
}
