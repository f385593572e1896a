//go:build linux

package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
)

// damage is what can happen to a file.
var damage = []struct {
	name string
	do   func(b []byte) []byte
}{
	{"torn", func(b []byte) []byte { return b[:len(b)/2] }},
	{"empty", func([]byte) []byte { return nil }},
	{"flipped", func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)*2/3] ^= 0x10
		return b
	}},
}

// TestDamagedState damages each kind of file that a home has. The daemon starts, says which it was, the other share is
// there, and what is damaged can be removed.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	home, path := wellWorn(t)
	id := shareNamed(t, home, "hurt")
	for _, f := range []struct {
		name   string
		file   string
		states []string // of the share that was hurt
		says   string   // in the problems or the log
	}{
		{"record", "shares/" + id + "/record.json", []string{"damaged"}, "the share " + id},
		{"torrent", "shares/" + id + "/torrent", []string{"failed"}, "torrent"},
		{"stamps", "shares/" + id + "/stamps", []string{"seeding"}, "hashing a share again"},
		{"counters", "counters.json", []string{"seeding"}, "what was sent and received before is not known"},
		{"limits", "limits.json", []string{"seeding"}, "the limits are not known"},
		{"DHT nodes", "dht.json", []string{"seeding"}, "the saved DHT nodes cannot be used"},
		{"lock", "daemon.lock", []string{"seeding"}, "the daemon is ready"},
	} {
		for _, d := range damage {
			if f.name == "lock" && d.name == "empty" {
				continue // as after any start
			}
			t.Run(f.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				hurt := filepath.Join(t.TempDir(), "home")
				if out, err := exec.Command("cp", "-a", home, hurt).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				file := filepath.Join(hurt, f.file)
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("the home has no %s: %v", f.file, err)
				}
				if err := os.WriteFile(file, d.do(b), 0o600); err != nil {
					t.Fatal(err)
				}
				p := daemon(t, nil, hurt, withDHT...)
				name := "hurt"
				if f.name == "record" {
					name = id // the name is in what cannot be read
				}
				sh := reaches(t, p, name, f.states...)
				reaches(t, p, "whole", "seeding")
				s, err := p.Status(within(t, 10*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if said := strings.Join(s.Problems, "\n") + "\n" + p.Stderr.String(); !strings.Contains(said, f.says) {
					t.Errorf("status and log do not say %q: %s", f.says, said)
				}
				if sh.State != "seeding" && (sh.Reason == "" || sh.Hint == "") {
					t.Errorf("got %+v, want a reason and a hint", sh)
				}
				if err := p.Ask(within(t, 10*time.Second), "remove", map[string]any{"refs": []string{name}}, nil); err != nil {
					t.Errorf("removing it: %v", err)
				}
				if !exists(filepath.Join(path, "f")) {
					t.Error("the user's file has gone with it")
				}
				ended(t, p)
				again := daemon(t, nil, hurt, withDHT...)
				if s, err := again.Status(within(t, 10*time.Second)); err != nil || len(s.Shares) != 1 || f.name == "record" && len(s.Problems) > 0 {
					t.Errorf("after the removal: got %+v, %v, want one share and no word of the other", s, err)
				}
			})
		}
	}
}

// withDHT is a daemon with a DHT where nobody is.
var withDHT = []string{"--listen", "127.0.0.1", "--dht-node", "127.0.0.1:9", "--no-lan", "--no-upnp"}

// wellWorn is a home with two shares that has every kind of file, and the folder of the share called hurt.
func wellWorn(t *testing.T) (home, hurt string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, withDHT...)
	hurt = filepath.Join(t.TempDir(), "hurt")
	if err := os.Mkdir(hurt, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hurt, "f"), bytes.Repeat([]byte("hurt"), 10_000), 0o644); err != nil {
		t.Fatal(err)
	}
	keeps(t, d, hurt)
	whole := small(t, "whole", 50_000, 7)
	magnet := keeps(t, d, whole)
	fetchable(within(t, 30*time.Second), t, nil, magnet, whole, peerOf(t, d, nil))
	ctx := within(t, 30*time.Second)
	if err := d.Ask(ctx, "limit", map[string]any{"up": 5_000_000}, nil); err != nil {
		t.Fatal(err)
	}
	// Another node of the DHT, so that there are some to remember.
	other := append([]string{"--dht-node", peerOf(t, d, nil)}, withDHT[4:]...)
	daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--listen", "127.0.0.1"}, other...)...)
	if _, err := d.When(ctx, "a DHT node is known", func(s *client.Status) bool { return s.DHTNodes > 0 }); err != nil {
		t.Fatal(err)
	}
	ended(t, d)
	return home, hurt
}

// shareNamed is the ID of a share of a home where no daemon runs.
func shareNamed(t *testing.T, home, name string) string {
	t.Helper()
	p := us
	p.Home = home
	out, err := p.Command(t, nil, "status", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var s client.Status
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, sh := range s.Shares {
		if sh.Name == name {
			return sh.ID
		}
	}
	t.Fatalf("no share %q in %s", name, out)
	return ""
}

// TestDamagedSocketFiles damages what leads to the daemon: the commands find the next one all the same.
func TestDamagedSocketFiles(t *testing.T) {
	t.Parallel()
	for _, d := range damage {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			// A path that is too long for a socket: the file "socket" names another place.
			home := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "home")
			p := us
			p.Home = home
			run := func() *client.Process {
				t.Helper()
				proc := client.Start(t, p.Command(t, nil, "daemon", still...))
				if _, err := proc.Stderr.Line(within(t, 30*time.Second), func(l string) bool { return strings.Contains(l, "Ctrl-C ends it") }); err != nil {
					t.Fatal(err)
				}
				return proc
			}
			first := run()
			file := filepath.Join(home, "socket")
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first.Kill()
			if err := os.WriteFile(file, d.do(b), 0o600); err != nil {
				t.Fatal(err)
			}
			second := run()
			out, err := p.Command(t, nil, "status", "--json").CombinedOutput()
			if err != nil || !bytes.Contains(out, fmt.Appendf(nil, `"pid":%d`, second.Pid())) {
				t.Errorf("status: got %s, %v, want the second daemon (process %d)", out, err, second.Pid())
			}
		})
	}
}
