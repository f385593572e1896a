//go:build linux

package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// house is the group of the story, as far as it has come.
type house struct {
	t                                       *testing.T // for as long as the daemons live
	chef, clara, dora, second, nas, spiegel *machine
	daemons                                 map[*machine]*client.Daemon
	link, password                          string
	doras, nasPassword, chefs               string // passwords
	ownerFile                               string // the exported owner key
	passphrase                              string
	backup                                  string // the folder that the backup keeps
	photos, hr, films                       string // content
}

// TestPrivateGroupStory is the life of a private group on six machines, from its creation to the fire in which all of them
// but the backup's folder are lost.
func TestPrivateGroupStory(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 6)
	h := &house{t: t, daemons: map[*machine]*client.Daemon{}, passphrase: "ein langer satz fuer die schublade"}
	for i, m := range []**machine{&h.chef, &h.clara, &h.dora, &h.second, &h.nas, &h.spiegel} {
		*m = newMachine(t, lab.Host(i+1))
		h.starts(*m)
	}
	h.photos, h.hr, h.films = made(t, payload.Folder), payloadFile(t, "payroll.ods", 700_001), payloadFile(t, "film.mkv", 5_000_003)
	for _, chapter := range []struct {
		name string
		tell func(*testing.T)
	}{
		{"create", h.create}, {"three joins", h.joins}, {"a simple share", h.simple}, {"for some alone", h.forSome},
		{"rules", h.rules}, {"removal", h.removal}, {"a newcomer", h.newcomer}, {"passwords", h.passwords}, {"audit", h.audit},
		{"sealed, with a mirror", h.sealed}, {"a member's machine is lost", h.memberLost}, {"the admin's machine is lost", h.adminLost},
		{"all is lost but the backup's folder", h.allLost},
	} {
		if !step(t, []*machine{h.chef, h.clara, h.dora, h.second, h.nas, h.spiegel}, chapter.name, chapter.tell) {
			t.Fatalf("the story ends with: %s", chapter.name)
		}
	}
}

// starts a daemon that outlives the chapter.
func (h *house) starts(m *machine) {
	h.t.Helper()
	h.daemons[m] = (&machine{h.t, m.h, m.home}).daemon(onlyLAN...)
}

// fresh is a machine with an empty disk and a daemon.
func (h *house) fresh(t *testing.T, host *netlab.Host) *machine {
	h.t.Helper()
	m := &machine{t, host, filepath.Join(h.t.TempDir(), "home")}
	h.starts(m)
	return m
}

// burns is a machine that is gone with its disk.
func (h *house) burns(m *machine) {
	m.t.Helper()
	h.daemons[m].Kill()
	if err := os.RemoveAll(m.home); err != nil {
		m.t.Fatal(err)
	}
}

// stops ends a daemon in order; its machine is offline then.
func (h *house) stops(t *testing.T, m *machine) {
	t.Helper()
	if err := h.daemons[m].Term(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.daemons[m].Exit(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
}

// gets fetches an entry and compares it with what was shared.
func (m *machine) gets(t *testing.T, ref, want string, flags ...string) (path string) {
	t.Helper()
	out := t.TempDir()
	if len(flags) == 0 {
		flags = []string{"--no-seed"}
	} else {
		out = filepath.Join(filepath.Dir(m.home), "seeded", filepath.Base(filepath.Dir(out))) // for longer than this chapter
	}
	got, err := m.types(append([]string{"fetch", ref, "-o", out}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(want, got); err != nil {
		t.Error(err)
	}
	return got
}

// lists has the machine's catalog hold some names and not others.
func (m *machine) lists(t *testing.T, yes, no string) {
	t.Helper()
	if yes != "" {
		m.until(yes, "catalog", "list", "haus", "--all", "--quiet")
	}
	if got := m.must("catalog", "list", "haus", "--all", "--quiet"); no != "" && strings.Contains(got, no) {
		t.Errorf("got %q, want nothing of %s", got, no)
	}
}

func (h *house) create(t *testing.T) {
	a := h.chef.asks("group", "create", "haus", "--private", "--user", "chef")
	if !strings.HasPrefix(a.Link, "p2pshare:") || len(strings.FieldsFunc(a.Password, func(r rune) bool { return r == '-' || r == ' ' })) < 5 {
		t.Fatalf("got %+v, want a link and a password of five words", a)
	}
	h.link, h.password = a.Link, a.Password
	h.ownerFile = filepath.Join(h.t.TempDir(), "owner.age")
	h.chef.must("group", "owner", "export", "haus", h.ownerFile, "--passphrase-file", secret(t, h.passphrase))
	// An admin's account has a password too, once it is set.
	h.chefs = h.chef.asks("group", "passwd", "haus").Password
	if h.chefs == "" {
		t.Fatal("no password for the admin's account")
	}
}

func (h *house) joins(t *testing.T) {
	begun := time.Now()
	if _, err := h.clara.joins(h.link, h.password, "--account", "clara"); err != nil {
		t.Fatal(err)
	}
	t.Logf("joined with the group's password after %v", time.Since(begun))
	d := h.chef.asks("group", "user", "add", "haus", "dora", "--role", "publisher", "--team", "crew")
	n := h.chef.asks("group", "user", "add", "haus", "nas", "--role", "backup")
	s := h.chef.asks("group", "user", "add", "haus", "spiegel", "--role", "mirror")
	h.doras, h.nasPassword = d.Password, n.Password
	for _, j := range []struct {
		m              *machine
		user, password string
	}{{h.dora, "dora", d.Password}, {h.second, "dora", d.Password}, {h.nas, "nas", n.Password}, {h.spiegel, "spiegel", s.Password}} {
		if _, err := j.m.joins(h.link, j.password, "--user", j.user, "--label", j.user+"-pc"); err != nil {
			t.Fatal(err)
		}
	}
	// The folder outlives the machine.
	h.backup = filepath.Join(filepath.Dir(filepath.Dir(h.nas.home)), "backup")
	if err := os.MkdirAll(h.backup, 0o700); err != nil {
		t.Fatal(err)
	}
	h.nas.must("group", "follow", "haus", "-o", h.backup)
	h.spiegel.must("group", "follow", "haus", "-o", t.TempDir()+"-mirror")
	h.chef.until("spiegel", "group", "device", "list", "haus")
	if got := h.chef.must("group", "user", "list", "haus"); !strings.Contains(got, "clara") || !strings.Contains(got, "dora") {
		t.Errorf("the accounts: got %q", got)
	}
}

func (h *house) simple(t *testing.T) {
	if got := h.dora.must("publish", h.photos, "--group", "haus", "--as", "photos/summer@1"); got != "haus/photos/summer@1" {
		t.Errorf("stdout: got %q, want the name and no magnet", got)
	}
	h.clara.lists(t, "photos/summer", "")
	h.clara.gets(t, "haus/photos/summer", h.photos, "--seed")
	// From another member, when who published it is offline.
	h.stops(t, h.dora)
	h.second.gets(t, "haus/photos/summer", h.photos, "--seed")
	h.starts(h.dora)
}

func (h *house) forSome(t *testing.T) {
	h.chef.must("publish", h.hr, "--group", "haus", "--as", "plans/surprise@1", "--for", "dora,@backup")
	h.second.lists(t, "plans/surprise", "")
	h.second.gets(t, "haus/plans/surprise", h.hr)
	h.clara.lists(t, "photos/summer", "plans/surprise")
	h.clara.refuses(10, "", "fetch", "haus/plans/surprise", "-o", t.TempDir())
}

func (h *house) rules(t *testing.T) {
	h.chef.must("group", "rule", "add", "haus", "deny clara read hr/**")
	h.chef.must("group", "rule", "add", "haus", "allow @crew publish films/** until 2099-01-01")
	h.chef.must("group", "rule", "add", "haus", "deny * publish films/**")
	if out, talk, code := h.chef.says("group", "rule", "test", "haus", "clara", "read", "hr/payroll"); code != 12 || !strings.Contains(out+talk, "deny clara read hr/**") {
		t.Errorf("rule test: got %q, %q, %d, want 12 and the rule", out, talk, code)
	}
	h.dora.until("films/**", "group", "rule", "list", "haus")
	h.chef.must("publish", h.hr, "--group", "haus", "--as", "hr/payroll@1")
	h.dora.must("publish", h.films, "--group", "haus", "--as", "films/one@1")
	h.clara.lists(t, "films/one", "hr/payroll")
	h.clara.refuses(12, "", "publish", h.hr, "--group", "haus", "--as", "films/mine@1")
	h.second.gets(t, "haus/hr/payroll", h.hr)
}

func (h *house) removal(t *testing.T) {
	old := h.link
	begun := time.Now()
	a := h.chef.asks("group", "user", "remove", "haus", "clara")
	t.Logf("removed after %v: %q", time.Since(begun), a.Notes)
	if a.Link == "" || a.Link == old || a.Password == "" || a.Password == h.password {
		t.Errorf("got link %q and password %q, before %q and %q, want new ones: she knew both", a.Link, a.Password, old, h.password)
	}
	if !strings.Contains(strings.Join(a.Notes, "\n"), "photos") && !strings.Contains(strings.Join(a.Notes, "\n"), "clara") {
		t.Errorf("the notes %q do not say what stays with her", a.Notes)
	}
	h.link, h.password = a.Link, a.Password
	h.dora.until("clara", "group", "user", "list", "haus")
	h.chef.must("publish", h.hr, "--group", "haus", "--as", "after/removal@1")
	h.dora.lists(t, "after/removal", "")
	h.clara.lists(t, "", "after/removal")
	if out, err := h.clara.types("fetch", "haus/films/one", "--timeout", "5s", "-o", t.TempDir()); err == nil {
		t.Errorf("after her removal she fetched %q", out)
	}
	stray := &machine{t, h.clara.h, filepath.Join(t.TempDir(), "home")}
	if _, err := stray.joins(old, "whatever it was before", "--timeout", "5s", "--account", "clara2", "--no-dht", "--no-upnp"); err == nil {
		t.Error("the old link still lets somebody join")
	}
	h.daemons[h.clara].Kill()
}

func (h *house) newcomer(t *testing.T) {
	emil := h.fresh(t, h.clara.h)
	if _, err := emil.joins(h.link, h.password, "--account", "emil", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatal(err)
	}
	// What was shared before he came he reads too.
	emil.lists(t, "photos/summer", "plans/surprise")
	emil.lists(t, "after/removal", "")
	emil.gets(t, "haus/photos/summer", h.photos)
	h.stops(t, emil)
}

func (h *house) passwords(t *testing.T) {
	was := h.doras
	a := h.dora.asks("group", "passwd", "haus")
	if a.Password == "" || a.Password == was {
		t.Fatalf("got the password %q, want another", a.Password)
	}
	h.doras = a.Password
	stray := &machine{t, h.second.h, filepath.Join(t.TempDir(), "home")}
	stray.refuses(12, "password", "group", "join", h.link, "--user", "dora", "--password-file", secret(t, was), "--peer", h.dora.h.IP+":6881", "--no-dht", "--no-upnp")
	if _, err := h.second.joins(h.link, h.doras, "--user", "dora", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatalf("logging in again: %v", err)
	}
	h.dora.must("publish", h.hr, "--group", "haus", "--as", "new/plan@1", "--for", "dora,@backup")
	h.second.lists(t, "new/plan", "")
	h.second.gets(t, "haus/new/plan", h.hr)
	// The group's, while a member is offline, who notices nothing.
	h.stops(t, h.second)
	g := h.chef.asks("group", "passwd", "haus", "--group")
	h.starts(h.second)
	h.chef.must("publish", h.hr, "--group", "haus", "--as", "new/password@1")
	h.second.lists(t, "new/password", "")
	if g.Password == "" || g.Password == h.password {
		t.Fatalf("got the password %q, want another", g.Password)
	}
	stray.refuses(12, "password", "group", "join", h.link, "--password-file", secret(t, h.password), "--peer", h.dora.h.IP+":6881", "--no-dht", "--no-upnp")
	h.password = g.Password
	if _, err := stray.joins(h.link, h.password, "--account", "fritz", "--peer", h.dora.h.IP+":6881", "--no-dht", "--no-upnp"); err != nil {
		t.Error(err)
	}
}

func (h *house) audit(t *testing.T) {
	for _, want := range []string{`"admitted"`, `"served"`} {
		h.dora.until(want, "group", "audit", "haus", "--json")
	}
	if got := h.dora.must("group", "audit", "haus", "--user", "clara"); !strings.Contains(got, "clara") {
		t.Errorf("what clara was served: got %q", got)
	}
	if got := h.chef.must("group", "log", "haus"); !strings.Contains(got, "clara") || !strings.Contains(got, "hr/**") {
		t.Errorf("the history: got %q", got)
	}
}

func (h *house) sealed(t *testing.T) {
	h.chef.must("publish", h.films, "--group", "haus", "--as", "vault/film@1", "--seal")
	h.chef.must("publish", h.photos, "--group", "haus", "--as", "vault/photos@1", "--seal")
	h.dora.lists(t, "vault/film", "")
	var boxes []string
	eventually(t, "the mirror holds both as ciphertext", func() bool {
		boxes, _ = filepath.Glob(filepath.Join(followed(t, h.spiegel), "*.age"))
		more, _ := filepath.Glob(filepath.Join(followed(t, h.spiegel), "*", "*.age"))
		boxes = append(boxes, more...)
		return len(boxes) == 2
	})
	h.stops(t, h.chef)
	h.stops(t, h.nas)
	h.dora.gets(t, "haus/vault/film", h.films)
	h.dora.gets(t, "haus/vault/photos", h.photos)
	h.opens(t, boxes)
	h.starts(h.chef)
	h.starts(h.nas)
}

// followed is the folder in which a machine mirrors.
func followed(t *testing.T, m *machine) string {
	t.Helper()
	raw := m.must("group", "show", "haus", "--json")
	_, rest, ok := strings.Cut(raw, `"dir":"`)
	if !ok {
		t.Fatalf("no folder in %s", raw)
	}
	dir, _, _ := strings.Cut(rest, `"`)
	return dir
}

// opens has stock age open what the mirror holds, with the identities that a member has.
func (h *house) opens(t *testing.T, boxes []string) {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(h.dora.home, "groups", parsed(t, h.link).GID(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var identities []string
	for _, f := range strings.FieldsFunc(string(keys), func(r rune) bool { return r == '"' || r == '\\' || r == '\n' }) {
		if strings.HasPrefix(f, "AGE-SECRET-KEY-1") {
			identities = append(identities, f)
		}
	}
	file := secret(t, strings.Join(identities, "\n"))
	plain := 0
	for _, box := range boxes {
		out := filepath.Join(t.TempDir(), "opened")
		if talk, err := exec.Command("age", "-d", "-i", file, "-o", out, box).CombinedOutput(); err != nil {
			t.Errorf("age -d with %d identities: %v: %s", len(identities), err, talk)
			continue
		}
		if payload.Same(h.films, out) == nil {
			plain++
			continue
		}
		dir := t.TempDir()
		if talk, err := exec.Command("tar", "-C", dir, "-xf", out).CombinedOutput(); err != nil {
			t.Errorf("tar: %v: %s", err, talk)
		}
		if payload.Same(h.photos, filepath.Join(dir, filepath.Base(h.photos))) != nil && payload.Same(h.photos, dir) != nil {
			t.Errorf("%s opens, and is neither the film nor the photos", box)
		}
	}
	if plain != 1 {
		t.Errorf("%d of %d open as the film, want 1", plain, len(boxes))
	}
}

// memberLost: dora's machines are gone. With her password she is back on another, and has her content from the others.
func (h *house) memberLost(t *testing.T) {
	h.backedUp(t)
	h.burns(h.dora)
	h.burns(h.second)
	h.dora = h.fresh(t, h.dora.h)
	if _, err := h.dora.joins(h.link, h.doras, "--user", "dora", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatal(err)
	}
	h.dora.lists(t, "films/one", "")
	h.dora.gets(t, "haus/films/one", h.films)
	h.dora.gets(t, "haus/new/plan", h.hr)
}

// backedUp waits until the backup has all that there is.
func (h *house) backedUp(t *testing.T) {
	t.Helper()
	want := strings.Fields(h.chef.must("catalog", "list", "haus", "--all", "--quiet"))
	list, missing := "", ""
	defer func() {
		if t.Failed() {
			t.Logf("missing %q of %q in %s", missing, want, list)
		}
	}()
	eventually(t, "the backup has everything", func() bool {
		list, missing = h.nas.must("list", "--json"), ""
		for _, ref := range want {
			if !strings.Contains(list, h.chef.entry(ref).Infohash) {
				missing = ref
			}
		}
		return missing == "" && !strings.Contains(list, `"fetching"`)
	})
}

// adminLost: the admin's machine is gone, and his password forgotten. The owner key that was exported makes another admin.
func (h *house) adminLost(t *testing.T) {
	u := h.chef.asks("group", "user", "add", "haus", "gerda")
	gerda := h.fresh(t, h.clara.h)
	if _, err := gerda.joins(h.link, u.Password, "--user", "gerda", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatal(err)
	}
	h.burns(h.chef)
	gerda.refuses(12, "", "group", "user", "role", "haus", "gerda", "admin")
	gerda.must("group", "owner", "import", "haus", h.ownerFile, "--passphrase-file", secret(t, h.passphrase))
	gerda.must("group", "user", "role", "haus", "gerda", "admin", "--passphrase-file", secret(t, h.passphrase)) // the key keeps that of the file
	gerda.must("group", "user", "add", "haus", "hilde")
	h.nas.until("hilde", "group", "user", "list", "haus")
	h.stops(t, gerda)
	// With his password he would be admin again without the owner.
	h.chef = h.fresh(t, h.chef.h)
	if _, err := h.chef.joins(h.link, h.chefs, "--user", "chef", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatal(err)
	}
	h.chef.must("group", "user", "add", "haus", "hans")
	h.nas.until("hans", "group", "user", "list", "haus")
	h.dora.must("publish", h.photos, "--group", "haus", "--as", "last/words@1")
	h.nas.lists(t, "last/words", "")
	h.backedUp(t)
}

// allLost: only the folder that the backup kept is left. With an account's password the group is there again.
func (h *house) allLost(t *testing.T) {
	for _, m := range []*machine{h.chef, h.dora, h.nas, h.spiegel} {
		h.burns(m)
	}
	m := h.fresh(t, h.nas.h)
	m.refuses(12, "password", "group", "restore", h.backup, "--user", "chef", "--password-file", secret(t, "not the password of chef"))
	m.must("group", "restore", h.backup, "--user", "nas", "--password-file", secret(t, h.nasPassword), "--follow")
	m.lists(t, "last/words", "")
	chef := h.fresh(t, h.chef.h)
	chef.must("group", "restore", h.backup, "--user", "chef", "--password-file", secret(t, h.chefs))
	a := chef.asks("group", "user", "add", "haus", "ida")
	chef.gets(t, "haus/photos/summer", h.photos)
	chef.gets(t, "haus/hr/payroll", h.hr)
	chef.gets(t, "haus/vault/film", h.films)
	ida := h.fresh(t, h.dora.h)
	if _, err := ida.joins(a.Link, a.Password, "--user", "ida", "--peer", h.nas.h.IP+":6881"); err != nil {
		t.Fatal(err)
	}
	ida.lists(t, "last/words", "plans/surprise")
	ida.gets(t, "haus/last/words", h.photos)
}
