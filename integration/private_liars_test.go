//go:build linux

package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/rogue"
)

// login is the account that a password of the group opens.
func (g *guild) login(t *testing.T, name string) rogue.Account {
	t.Helper()
	link := parsed(t, g.link)
	slot, err := link.Slot(name, g.passwords[name], rogue.Work)
	if err != nil {
		t.Fatal(err)
	}
	a, err := g.admin.reaching(g.other.h, rogue.Member{Key: link.Lobby()}, link).Get(within(t, time.Minute), "/v1/slot/"+slot.Tag)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("asking for the slot of %q: %v, %v", name, a, err)
	}
	who, err := slot.Account(a.Body)
	if err != nil || who.Name != name {
		t.Fatalf("the slot of %q: %q, %v", name, who.Name, err)
	}
	return who
}

// signed are the times of the records that a machine has signed, as the admin gives them to who.
func (g *guild) signed(t *testing.T, m *machine) (times []int64) {
	t.Helper()
	link := parsed(t, g.link)
	gid := link.GID()
	device := (&rogue.Log{Key: m.stolen(gid).Key}).Device()
	a, err := g.admin.reaching(g.other.h, g.carl.stolen(gid), link).Get(within(t, time.Minute), "/v1/log/"+device+"?from=0")
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("the log of %s: %v, %v", m.h.IP, a, err)
	}
	for line := range bytes.Lines(a.Body) {
		n, err := rogue.TimeOf(line)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, n)
	}
	if len(times) == 0 {
		t.Fatalf("%s has signed nothing", m.h.IP)
	}
	return times
}

// push hands a log to machines, which answer with a status and words.
func (g *guild) push(t *testing.T, l *rogue.Log, as rogue.Account, from int, at time.Time, status int, words string, to ...*machine) {
	t.Helper()
	for _, m := range to {
		a, err := l.Push(within(t, time.Minute), m.reaching(g.other.h, rogue.Member{Key: as.Key}, parsed(t, g.link)), from, at)
		switch {
		case err != nil:
			t.Errorf("%s: %v", m.h.IP, err)
		case a.Status != status || !strings.Contains(string(a.Body), words):
			t.Errorf("%s: got %d %q, want %d and %q", m.h.IP, a.Status, a.Body, status, words)
		}
	}
}

// liar is carl with a program of his own: he has signed for a device, as early as the group lets him, which says what it likes.
type liar struct {
	rogue.Account
	*rogue.Log
	to   rogue.Audience
	last int64 // the time of its last record
}

func (g *guild) newLiar(t *testing.T) *liar {
	t.Helper()
	link := parsed(t, g.link)
	l := &liar{Account: g.login(t, "carlotta"), last: g.signed(t, g.carl)[0] + 1}
	l.Log = &rogue.Log{Group: link.Group, Key: rogue.NewKey()}
	if err := l.Hello(l.last, l.Name, l.Account.Key, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.to, err = rogue.StolenAudience(filepath.Join(g.carl.home, "groups", link.GID(), "keys.json"), "all"); err != nil {
		t.Fatal(err)
	}
	return l
}

// says adds an entry at the time n; 0: as early as may be.
func (l *liar) says(t *testing.T, n int64, id string, open rogue.Record) {
	t.Helper()
	l.last = max(l.last+1, n)
	if err := l.Share(l.last, id, l.to, open); err != nil {
		t.Fatal(err)
	}
}

// pushed hands the whole log to machines, which take it.
func (l *liar) pushed(t *testing.T, g *guild, to ...*machine) {
	t.Helper()
	g.push(t, l.Log, l.Account, 0, time.Now(), http.StatusNoContent, "", to...)
}

// entryOf is an entry for everyone with the hashes of another's.
func entryOf(e shown, torrent, name, version string) rogue.Record {
	r := rogue.Record{"name": name, "content": e.Content, "files": 1, "size": e.Size, "time": time.Now().Unix(), "v1": e.Infohash, "info": e.InfoSHA256, "torrent": torrent}
	if version != "" {
		r["version"] = version
	}
	return r
}

// torrentNaming is the hash of the .torrent in the admin's home that names a file.
func (g *guild) torrentNaming(t *testing.T, gid, file string) string {
	t.Helper()
	list, _ := filepath.Glob(filepath.Join(g.admin.home, "groups", gid, "torrents", "*"))
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("4:name")) && bytes.Contains(raw, []byte(file)) {
			return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		}
	}
	t.Fatalf("no .torrent of %q in %v", file, list)
	return ""
}

// claims: carl signs entries of his own with the hashes of the payroll, which is not for him, with times from before it was
// published. They give nobody anything.
func (g *guild) claims(t *testing.T, gid string) {
	torrent := g.torrentNaming(t, gid, "gehaltsliste-alle.ods")
	l := g.newLiar(t)
	mine := entryOf(g.secret, torrent, "urlaub/meine", "")
	mine["read"] = []string{"carlotta"}
	forMirrors := entryOf(g.secret, torrent, "urlaub/kopie", "")
	forMirrors["sealed"], forMirrors["sealed_size"] = "file", g.secret.Size
	l.says(t, 0, "c1", entryOf(g.secret, torrent, "urlaub/fotos", ""))
	l.says(t, 0, "c2", mine)
	l.says(t, 0, "c3", forMirrors)
	// An entry of before the payroll's, with its name too.
	l.says(t, 0, "c4", entryOf(g.secret, torrent, "personal/gehaelter", "1"))
	thieves := map[string]func() rogue.Member{
		"carl":               func() rogue.Member { return g.carl.stolen(gid) },
		"carl's other":       func() rogue.Member { return rogue.Member{Key: l.Log.Key} },
		"another member":     func() rogue.Member { return g.anna.stolen(gid) },
		"the group's mirror": func() rogue.Member { return g.mirror.stolen(gid) },
	}
	before := map[string][]string{}
	for name, thief := range thieves {
		if name != "carl's other" { // which is carl's, and not in yet
			before[name] = g.served(t, g.admin.reaching(g.other.h, thief(), parsed(t, g.link)))
		}
	}
	before["carl's other"] = before["carl"]
	holders := []*machine{g.admin, g.anna, g.bert, g.mirror}
	l.pushed(t, g, holders...)
	for _, m := range []*machine{g.admin, g.anna, g.bert} {
		m.until("urlaub/fotos", "catalog", "list", "geheimbund")
	}
	hash := [20]byte(unhex(t, g.secret.Infohash))
	for name, thief := range thieves {
		for _, m := range holders {
			who := m.reaching(g.other.h, thief(), parsed(t, g.link))
			if got, err := who.Take(within(t, 10*time.Second), hash, 3, 40<<10); len(got) > 0 {
				t.Errorf("%s at %s: got %d bytes of the payroll, %v, want none", name, m.h.IP, len(got), err)
			}
			if a, err := who.Get(within(t, time.Minute), "/v1/have"); err == nil && strings.Contains(string(a.Body), g.secret.Infohash) {
				t.Errorf("%s at %s: /v1/have names the payroll's infohash", name, m.h.IP)
			}
		}
		if got := g.served(t, g.admin.reaching(g.other.h, thief(), parsed(t, g.link))); !slices.Equal(got, before[name]) {
			t.Errorf("%s: got %d .torrents and indexes from the admin after the claim, and %d before", name, len(got), len(before[name]))
		}
	}
	out := t.TempDir()
	if _, err := g.anna.types("fetch", "geheimbund/urlaub/fotos", "--no-seed", "-o", out); err == nil {
		t.Error("a fetch by the claim has succeeded")
	}
	g.nothingFound(t, out)
	if e := g.bert.entry("geheimbund/personal/gehaelter"); e.Account != "direktorin" {
		t.Errorf("the payroll is %q's after the claim", e.Account)
	}
}

// times: carl and a newcomer sign for times that are past or to come.
func (g *guild) times(t *testing.T) {
	torrent := strings.Repeat("5a", 32) // of nothing
	honest := []*machine{g.admin, g.anna, g.bert}
	step(t, g.all(), "nobody's clock is moved", func(t *testing.T) {
		l := g.newLiar(t)
		l.says(t, time.Now().Add(9*time.Minute+50*time.Second).UnixMilli(), "t1", entryOf(g.open, torrent, "uhr/vorgestellt", "1"))
		l.pushed(t, g, g.all()[:5]...)
		for _, m := range honest {
			m.until("uhr/vorgestellt", "catalog", "list", "geheimbund")
		}
		for i, m := range []*machine{g.admin, g.bert} {
			m.must("publish", payloadFile(t, fmt.Sprint("uhr", i), 1000+i), "--group", "geheimbund", "--as", fmt.Sprintf("uhr/wirklich%d@1", i))
			g.admin.until(fmt.Sprintf("uhr/wirklich%d", i), "catalog", "list", "geheimbund")
			times := g.signed(t, m)
			if ahead := time.Until(time.UnixMilli(times[len(times)-1])); ahead > 4*time.Minute {
				t.Errorf("%s signs %v ahead of its clock, want 4 minutes at most", m.h.IP, ahead)
			}
		}
	})
	step(t, g.all(), "a record of an hour that is to come is of no version", func(t *testing.T) {
		l := g.newLiar(t)
		l.says(t, 0, "t2", entryOf(g.open, torrent, "uhr/gelesen", "1"))
		l.says(t, time.Now().Add(time.Hour).UnixMilli(), "t3", entryOf(g.open, torrent, "filme/sommerfest", "2"))
		l.says(t, 0, "t4", entryOf(g.open, torrent, "uhr/dahinter", "1"))
		l.pushed(t, g, g.all()[:5]...)
		for _, m := range honest {
			m.until("uhr/gelesen", "catalog", "list", "geheimbund") // the log is here, as far as it counts
			if got := m.must("catalog", "list", "geheimbund", "--all"); strings.Contains(got, "sommerfest@2") || strings.Contains(got, "uhr/dahinter") {
				t.Errorf("%s lists what is signed for in an hour: %s", m.h.IP, got)
			}
			if e := m.entry("geheimbund/filme/sommerfest"); e.Account != "direktorin" {
				t.Errorf("%s: the film is %q's", m.h.IP, e.Account)
			}
		}
	})
	step(t, g.all(), "a head of an hour that is to come is refused", func(t *testing.T) {
		l := g.newLiar(t)
		g.push(t, l.Log, l.Account, 0, time.Now().Add(time.Hour), http.StatusUnprocessableEntity, "from the future", g.all()[:5]...)
	})
	step(t, g.all(), "a newcomer of an hour that is to come has no name", func(t *testing.T) {
		invite := g.login(t, "join")
		l := &rogue.Log{Group: parsed(t, g.link).Group, Key: rogue.NewKey()}
		if err := l.Hello(time.Now().Add(time.Hour).UnixMilli(), "zukunft", rogue.NewKey(), &invite); err != nil {
			t.Fatal(err)
		}
		g.push(t, l, invite, 0, time.Now(), http.StatusUnprocessableEntity, "from the future", g.all()[:5]...)
		for _, m := range honest {
			if got := m.people("geheimbund"); strings.Contains(got, "zukunft") {
				t.Errorf("%s: got %q", m.h.IP, got)
			}
		}
	})
	step(t, g.all(), "an earlier time takes no version from another publisher", func(t *testing.T) {
		g.bert.must("publish", payloadFile(t, "werkzeug", 50_000), "--group", "geheimbund", "--as", "software/werkzeug@1")
		for _, m := range honest {
			m.until("software/werkzeug", "catalog", "list", "geheimbund")
		}
		l := g.newLiar(t) // its times are from before bert's
		l.says(t, 0, "t5", entryOf(g.open, torrent, "software/werkzeug", "1"))
		l.says(t, 0, "t6", entryOf(g.open, torrent, "filme/sommerfest", "1"))
		l.pushed(t, g, honest...)
		for _, m := range honest {
			for ref, want := range map[string]string{"geheimbund/software/werkzeug": "berthold", "geheimbund/filme/sommerfest": "direktorin"} {
				eventually(t, "carl's entry is shown beside "+ref, func() bool {
					return slices.Contains(m.entry(ref).Others, "carlotta") || m.entry(ref).Account == "carlotta"
				})
				if e := m.entry(ref); e.Account != want {
					t.Errorf("%s: %s is %q's, want %q's", m.h.IP, ref, e.Account, want)
				}
			}
		}
	})
}

// knownNames: somebody who has the group's password asks for names that are others', with a time of now and with an earlier
// one than theirs. Every machine refuses him, and says so to its user.
func (g *guild) knownNames(t *testing.T) {
	invite := g.login(t, "join")
	people := g.admin.people("geheimbund")
	var asked []string
	for name, from := range map[string]int64{"anna-lena": g.signed(t, g.anna)[0] - 1, "berthold": g.signed(t, g.bert)[0] - 1, "spiegelein": 0, "direktorin": 0} {
		for _, n := range []int64{from, time.Now().UnixMilli()} {
			if n == 0 {
				continue
			}
			l := &rogue.Log{Group: parsed(t, g.link).Group, Key: rogue.NewKey()}
			if err := l.Hello(n, name, rogue.NewKey(), &invite); err != nil {
				t.Fatal(err)
			}
			g.push(t, l, invite, 0, time.Now(), http.StatusUnprocessableEntity, "the name is another's", g.all()[:5]...)
			asked = append(asked, fmt.Sprintf("%s asked for the name %q", l.Device()[:16], name))
		}
	}
	for _, m := range g.all()[:5] {
		warnings := strings.Join(m.asks("group", "show", "geheimbund").Group.Warnings, "\n")
		for _, a := range asked {
			if !strings.Contains(warnings, a) {
				t.Errorf("%s does not say that %s: %s", m.h.IP, a, warnings)
			}
		}
	}
	if got := g.admin.people("geheimbund"); got != people {
		t.Errorf("got the people %q, want %q", got, people)
	}
	raw := g.admin.must("group", "device", "list", "geheimbund", "--json")
	var list struct{ Devices []struct{ Key string } }
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Devices {
		if slices.ContainsFunc(asked, func(a string) bool { return strings.HasPrefix(a, d.Key[:16]) }) {
			t.Errorf("the group has the device %s of who took a name", d.Key)
		}
	}
}
