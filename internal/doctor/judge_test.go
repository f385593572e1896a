package doctor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/doctor"
)

// sound is a node that has nothing to complain of.
func sound() doctor.Facts {
	return doctor.Facts{
		Daemon: true, Home: "/h", HomeFree: 1 << 40,
		Port:  doctor.Port{Number: 7000, Tries: []doctor.Try{{Addr: "192.168.1.5"}}, Came: 3},
		LAN:   doctor.LAN{Interfaces: []doctor.Interface{{Name: "eth0", Heard: true}, {Name: "tun0", Err: "no multicast"}}},
		DHT:   doctor.DHT{Nodes: 40, For: time.Minute},
		DNS:   []doctor.Server{{Addr: "192.168.1.1"}},
		Clock: doctor.Clock{Readings: []doctor.Reading{{From: "t.example", Ahead: 2 * time.Second}}},
		Rates: doctor.Rates{UpLimit: 1 << 20, Up: 1000},
		Sites: []doctor.Site{{URL: "https://t.example/"}},
		Shares: []doctor.Share{
			{ID: "a1", Name: "rel", State: "seeding", Path: "/srv/rel", Free: -1},
			{ID: "b2", Name: "iso", State: doctor.Fetching, Path: "/srv/iso", For: time.Hour, Peers: 3, Seeds: 1, Down: 5, Missing: 1 << 20, Free: 1 << 30, Floor: 1 << 20},
		},
	}
}

func TestSound(t *testing.T) {
	found, well := doctor.Judge(sound())
	for _, f := range found {
		t.Errorf("found %s: %s, want nothing", f.Code, f.What)
	}
	for _, want := range []string{"a daemon runs", "port 7000 is open", "multicast works on eth0", "40 nodes", "the DNS server 192.168.1.1 answers", "the clock agrees with t.example", "1 of 1 trackers"} {
		if !slices.ContainsFunc(well, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("looked at: got %q, want %q in it", well, want)
		}
	}
	if found, well = doctor.Judge(doctor.Facts{HomeFree: -1}); len(found) != 0 || len(well) != 0 {
		t.Errorf("without facts: got %v and %v, want nothing", found, well)
	}
}

func TestFindings(t *testing.T) {
	iso := func(f *doctor.Facts) *doctor.Share { return &f.Shares[1] }
	for _, c := range []struct {
		name  string
		spoil func(*doctor.Facts)
		code  string
		grave bool
		what  string
		do    string
	}{
		{"no daemon", func(f *doctor.Facts) {
			f.Daemon, f.Shares[0].State, f.Shares[1].State = false, doctor.Waiting, doctor.Waiting
		}, "no-daemon", true, `no daemon runs in "/h", and so 2 shares rest`, "p2pshare daemon --detach"},
		{"a group's device forked", func(f *doctor.Facts) {
			f.Groups = []doctor.Alarm{{What: "it has two histories", Do: "ask", Grave: true}}
		}, "group", true, "two histories", "ask"},
		{"a group's log is half full", func(f *doctor.Facts) { f.Groups = []doctor.Alarm{{What: "half of it", Do: "another machine"}} }, "group", false, "half of it", "another machine"},
		{"home unreadable", func(f *doctor.Facts) { f.Problems = []string{"the limits are not known"} }, "home", false, "the limits are not known", "backup"},
		{"home full", func(f *doctor.Facts) { f.HomeFree = 1 << 20 }, "disk-full", true, "1.0 MB left", "--home"},
		{"no network", func(f *doctor.Facts) { f.LAN.Interfaces, f.Port.Tries = nil, nil }, "no-network", true, "in no network", "connect"},
		{"port blocked", func(f *doctor.Facts) { f.Port.Tries[0].Err = "timed out" }, "port-closed", false, "blocked on this machine, at 192.168.1.5 (timed out)", "--port 7000"},
		{"port behind a router", func(f *doctor.Facts) { f.Port.Came = 0 }, "port-closed", false, "may be closed to the internet", "forward TCP and UDP port 7000"},
		{"port on loopback", func(f *doctor.Facts) { f.Port.Loopback = true }, "port-closed", false, "to this machine alone", "--listen"},
		{"no multicast", func(f *doctor.Facts) { f.LAN.Interfaces = f.LAN.Interfaces[1:] }, "no-multicast", false, "tun0 (no multicast)", "--peer"},
		{"no DHT", func(f *doctor.Facts) { f.DHT.Nodes = 0 }, "no-dht", false, "no node of the DHT has answered for 60 seconds", "--dht-node"},
		{"no DNS", func(f *doctor.Facts) { f.DNS[0].Err = "does not answer" }, "no-dns", false, "the DNS server 192.168.1.1 does not answer: names of the internet cannot be looked up; the local network works without", "another DNS server"},
		{"two DNS servers that do not answer", func(f *doctor.Facts) {
			f.DNS = []doctor.Server{{Addr: "192.168.1.1", Err: "does not answer"}, {Addr: "fe80::1%eth0", Err: "cannot be reached from here"}}
		}, "no-dns", false, "the DNS server 192.168.1.1 does not answer, the DNS server fe80::1%eth0 cannot be reached from here: names", "another DNS server"},
		{"one DNS server of two", func(f *doctor.Facts) {
			f.DNS = []doctor.Server{{Addr: "192.168.1.1", Err: "does not answer"}, {Addr: "192.168.1.2"}}
		}, "no-dns", false, "and the DNS server 192.168.1.2 does: names take seconds longer", "another DNS server"},
		{"the DNS server of a system that does not name it", func(f *doctor.Facts) { f.DNS = []doctor.Server{{Err: "does not answer"}} }, "no-dns", false, "the DNS server of this machine does not answer", "another DNS server"},
		{"clock ahead", func(f *doctor.Facts) { f.Clock.Readings[0].Ahead = 10 * time.Minute }, "clock", false, "10 minutes ahead of the time that t.example", "timedatectl"},
		{"clock of another year", func(f *doctor.Facts) { f.Clock.Readings[0].Ahead = -400 * 24 * time.Hour }, "clock", true, "400 days behind the time", "timedatectl"},
		{"a file of the future", func(f *doctor.Facts) { f.Clock.Future, f.Clock.FutureBy = "/h/x", 3*time.Hour }, "clock", false, `"/h/x" was written 3 hours in the future`, "timedatectl"},
		{"clock set back", func(f *doctor.Facts) { f.Clock.Jump = 2 * time.Hour }, "clock", false, "set back by 2 hours", ""},
		{"limit used up", func(f *doctor.Facts) { f.Rates.Up = 1 << 20 }, "rate-limit", false, "sending takes all of its limit, 1.0 MB a second", "p2pshare limit --up none"},
		{"limit of the hour", func(f *doctor.Facts) {
			f.Rates.DownLimit, f.Rates.Schedule = 1000, true
		}, "rate-limit", false, "receiving is limited to 1.0 kB a second, by the schedule of this hour", "p2pshare limit --down none"},
		{"limit of a share", func(f *doctor.Facts) { iso(f).DownLimit, iso(f).Down = 20<<10, 20<<10 }, "rate-limit", false, "receiving of this share takes all", "p2pshare limit b2 --down none"},
		{"tracker", func(f *doctor.Facts) { f.Sites[0].Err = "connection refused" }, "tracker", false, "https://t.example/ does not answer: connection refused", "--tracker"},
		{"web seed", func(f *doctor.Facts) {
			f.Sites[0] = doctor.Site{WebSeed: true, URL: "https://w.example/", Err: "404 Not Found"}
		}, "web-seed", false, "https://w.example/ does not give the content: 404", "--webseed"},
		{"disk full", func(f *doctor.Facts) { iso(f).Free, iso(f).State = 1<<20, doctor.Waiting }, "disk-full", true, `the disk of "/srv/iso" has 1.0 MB left, 1.0 MB are still to come, and 1.0 MB are to stay free`, "make room for 1.0 MB more"},
		{"files gone", func(f *doctor.Facts) {
			f.Shares[0].Gone, f.Shares[0].State, f.Shares[0].Own = true, doctor.Waiting, true
		}, "source-gone", true, `not there: "/srv/rel"`, "p2pshare remove a1"},
		{"files gone that were fetched", func(f *doctor.Facts) { f.Shares[0].Gone, f.Shares[0].State = true, doctor.Waiting }, "source-gone", true, `not there: "/srv/rel"`, "p2pshare repair a1 fetches them again"},
		{"files changed", func(f *doctor.Facts) {
			f.Shares[0].Source, f.Shares[0].State, f.Shares[0].Own = "x has another size", doctor.Failed, true
		}, "source-changed", true, "x has another size", "p2pshare start a1"},
		{"files changed that were fetched", func(f *doctor.Facts) {
			f.Shares[0].Source, f.Shares[0].State = "x has another size", doctor.Failed
		}, "source-changed", true, "x has another size", "p2pshare repair a1 fetches again"},
		{"files changed of a mirror", func(f *doctor.Facts) {
			f.Shares[0].Source, f.Shares[0].State, f.Shares[0].Mirror = "x has another size", "seeding", true
		}, "source-changed", false, "x has another size", "the mirror fetches them again"},
		{"damaged", func(f *doctor.Facts) { f.Shares[0].State, f.Shares[0].Reason = doctor.Damaged, "its sum does not fit" }, "home", true, "its sum does not fit", "p2pshare remove a1"},
		{"stopped", func(f *doctor.Facts) { f.Shares[0].State, f.Shares[0].Asked = doctor.Stopped, true }, "stopped", true, "it was stopped", "p2pshare start a1"},
		{"queued", func(f *doctor.Facts) { iso(f).State = doctor.Queued }, "queued", false, "waits for its turn", "--fetches"},
		{"failed", func(f *doctor.Facts) { iso(f).State, iso(f).Reason = doctor.Failed, "a file is in the way" }, "failed", true, "it cannot go on: a file is in the way", "p2pshare start b2"},
		{"waiting", func(f *doctor.Facts) {
			iso(f).State, iso(f).Reason, iso(f).Hint = doctor.Waiting, "because", "do this"
		}, "waiting", true, "it waits: because", "do this"},
		{"nobody found", func(f *doctor.Facts) { iso(f).Peers, iso(f).Seeds, iso(f).Down = 0, 0, 0 }, "nobody", true, "nobody who has it was found", "--peer"},
		{"nobody answers", func(f *doctor.Facts) { iso(f).Peers, iso(f).Down, iso(f).Known = 0, 0, 2 }, "nobody", true, "2 addresses are known", "--peer"},
		{"nobody looked for", func(f *doctor.Facts) { iso(f).Peers, iso(f).Down, f.DHT.Off = 0, 0, true }, "nobody", true, "nobody", "leave --no-dht out"},
		{"nobody has all", func(f *doctor.Facts) { iso(f).Seeds, iso(f).Down = 0, 0 }, "nobody", true, "of 3 peers connected none has what is missing", "keep it available"},
		{"private", func(f *doctor.Facts) { f.Shares[0].Private = true }, "private-no-tracker", true, "names no tracker", "--tracker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sound()
			c.spoil(&f)
			found, _ := doctor.Judge(f)
			if len(found) != 1 {
				t.Fatalf("got %+v, want one finding", found)
			}
			got := found[0]
			if got.Code != c.code || got.Grave != c.grave {
				t.Errorf("got %s, grave %v, want %s, %v", got.Code, got.Grave, c.code, c.grave)
			}
			if !strings.Contains(got.What, c.what) || !strings.Contains(got.Do, c.do) || (c.do == "") != (got.Do == "") {
				t.Errorf("got %q, do %q, want %q and %q in it", got.What, got.Do, c.what, c.do)
			}
		})
	}
}

// TestSaysNothing holds the doctor to what it does not know or what is nobody's fault.
func TestSaysNothing(t *testing.T) {
	for name, spoil := range map[string]func(*doctor.Facts){
		"DHT that is off":             func(f *doctor.Facts) { f.DHT = doctor.DHT{Off: true, For: time.Hour} },
		"DHT that has just begun":     func(f *doctor.Facts) { f.DHT = doctor.DHT{For: time.Second} },
		"no name is needed":           func(f *doctor.Facts) { f.DNS = nil },
		"LAN that is off":             func(f *doctor.Facts) { f.LAN.Off, f.LAN.Interfaces[0].Heard = true, false },
		"nothing listens":             func(f *doctor.Facts) { f.Port = doctor.Port{} },
		"router that opens ports":     func(f *doctor.Facts) { f.Port.Came, f.Port.Router = 0, true },
		"public address":              func(f *doctor.Facts) { f.Port.Came, f.Port.Public = 0, true },
		"a fetch that has just begun": func(f *doctor.Facts) { f.Shares[1].For, f.Shares[1].Peers, f.Shares[1].Down = time.Second, 0, 0 },
		"web seeds give":              func(f *doctor.Facts) { f.Shares[1].Peers, f.Shares[1].Seeds = 0, 0 },
		"stopped, and not asked for":  func(f *doctor.Facts) { f.Shares[0].State = doctor.Stopped },
		"free space not known":        func(f *doctor.Facts) { f.Shares[1].Free = -1 },
		"home's space not known":      func(f *doctor.Facts) { f.HomeFree = -1 },
		"one wrong clock of three": func(f *doctor.Facts) {
			f.Clock.Readings = append(f.Clock.Readings, doctor.Reading{From: "wrong", Ahead: time.Hour}, doctor.Reading{From: "right"})
		},
		"a machine that slept":   func(f *doctor.Facts) { f.Clock.Jump = -8 * time.Hour },
		"private with a tracker": func(f *doctor.Facts) { f.Shares[0].Private, f.Shares[0].Trackers = true, 1 },
		"private with a peer":    func(f *doctor.Facts) { f.Shares[0].Private, f.Shares[0].Peers = true, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			spoil(&f)
			if found, _ := doctor.Judge(f); len(found) != 0 {
				t.Errorf("got %+v, want nothing", found)
			}
		})
	}
}

func TestGravestFirst(t *testing.T) {
	f := sound()
	f.DHT.Nodes, f.Shares[0].Gone = 0, true
	found, _ := doctor.Judge(f)
	if len(found) != 2 || found[0].Code != "source-gone" || found[1].Code != "no-dht" {
		t.Errorf("got %+v, want source-gone before no-dht", found)
	}
}
