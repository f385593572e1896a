//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
	"github.com/p2pshare/p2pshare/integration/wire"
)

// What somebody may be after.
const (
	infohashes  = "infohash"
	names       = "name"
	sizes       = "size"
	contents    = "bytes"
	memberNames = "member names"
	groupName   = "group name"
	guesses     = "password guess" // something to try passwords on
)

// asked are the columns of the matrix.
var asked = []string{infohashes, names, sizes, contents, memberNames, groupName, guesses}

// treasure is what there is to find out, each in every form that it could have.
type treasure map[string][][]byte

// in says which of it some bytes hold.
func (tr treasure) in(loot []byte) (found []string) {
	loot = wire.Lower(loot)
	for _, what := range asked {
		if slices.ContainsFunc(tr[what], func(needle []byte) bool { return bytes.Contains(loot, wire.Lower(needle)) }) {
			found = append(found, what)
		}
	}
	return found
}

// guild is a private group in a lab, with people in every position to it.
type guild struct {
	lab                                    *netlab.Lab
	watch                                  *wire.Watcher
	link                                   string
	admin, anna, bert, carl, mirror, other *machine
	open, secret, sealed                   shown  // what all read, what the admin and bert read, what is sealed for mirrors
	content                                string // of open
	gone                                   string // the link that bert's removal replaced
	treasure                               treasure
	tags                                   []string          // torrents' hashes that a thief may know
	guessed                                []string          // what slots are asked for by who does not know the password
	passwords                              map[string]string // of the group, as "join", and of the accounts that were made with one
}

// openPieces are those of open, of 64 KiB each.
const openPieces = 48

const (
	host1Admin = iota + 1
	host2Anna
	host3Bert
	host4Carl
	host5Mirror
	host6Outside
	guildHosts = host6Outside
)

// newGuild makes the group: anna has joined with its password, bert and carl as prepared accounts, a mirror. There is a share
// for all, one that anna may not read, one that is sealed; and a public torrent, which the network is to show.
func newGuild(t *testing.T) *guild {
	t.Helper()
	lab := newLab(t, guildHosts+clients)
	w, err := wire.Watch(within(t, 30*time.Second), t, lab.Hub())
	if err != nil {
		t.Fatal(err)
	}
	g := &guild{lab: lab, watch: w}
	for i, m := range map[int]**machine{host1Admin: &g.admin, host2Anna: &g.anna, host3Bert: &g.bert, host4Carl: &g.carl, host5Mirror: &g.mirror, host6Outside: &g.other} {
		*m = newMachine(t, lab.Host(i))
		if i != host6Outside {
			(*m).daemon(onlyLAN...)
		}
	}
	made := g.admin.asks("group", "create", "geheimbund", "--private", "--user", "direktorin")
	g.link = made.Link
	if _, err := g.anna.joins(g.link, made.Password, "--account", "anna-lena", "--label", "annas-notebook"); err != nil {
		t.Fatal(err)
	}
	g.passwords = map[string]string{"join": made.Password}
	for _, who := range []struct {
		*machine
		name, role string
	}{{g.bert, "berthold", "publisher"}, {g.carl, "carlotta", "publisher"}, {g.mirror, "spiegelein", "mirror"}} {
		u := g.admin.asks("group", "user", "add", "geheimbund", who.name, "--role", who.role)
		g.passwords[who.name] = u.Password
		if _, err := who.joins(u.Link, u.Password, "--user", who.name, "--label", who.name+"s-rechner"); err != nil {
			t.Fatal(err)
		}
	}
	g.content = payloadFile(t, "sommerfest-video.mkv", 3_141_593)
	confidential := payloadFile(t, "gehaltsliste-alle.ods", 1_618_033)
	for share, flags := range map[string][]string{"filme/sommerfest": {"--format", "v1", "--piece-length", "64KiB"}, "personal/gehaelter": {"--for", "direktorin,berthold"}, "archiv/bilanz": {"--seal"}} {
		path := g.content
		if share != "filme/sommerfest" {
			path = confidential
		}
		g.admin.must(append([]string{"publish", path, "--group", "geheimbund", "--as", share + "@1"}, flags...)...)
	}
	g.open, g.secret, g.sealed = g.admin.entry("geheimbund/filme/sommerfest"), g.admin.entry("geheimbund/personal/gehaelter"), g.admin.entry("geheimbund/archiv/bilanz")
	g.admin.must("publish", payloadFile(t, "public.iso", 300_000), "--format", "v1") // one infohash
	for _, m := range []*machine{g.anna, g.bert, g.carl} {
		m.until("filme/sommerfest", "catalog", "list", "geheimbund")
	}
	g.anna.must("fetch", "geheimbund/filme/sommerfest", "--seed", "-o", t.TempDir())
	g.bury(t, made.Password)
	return g
}

func (g *guild) all() []*machine {
	return []*machine{g.admin, g.anna, g.bert, g.carl, g.mirror, g.other}
}

// payloadFile is a file of random bytes.
func payloadFile(t testing.TB, name string, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := payload.Write(path, size, uint64(size)); err != nil {
		t.Fatal(err)
	}
	return path
}

// bury notes all that is secret.
func (g *guild) bury(t *testing.T, password string) {
	t.Helper()
	tr := treasure{groupName: {[]byte("geheimbund")}}
	for _, e := range []shown{g.open, g.secret} { // what is sealed for mirrors may be found, and is looked for by its name
		tr[infohashes] = append(tr[infohashes], encodings(unhex(t, e.Infohash))...)
		tr[infohashes] = append(tr[infohashes], encodings(unhex(t, e.InfoSHA256))...)
		tr[sizes] = append(tr[sizes], []byte(strconv.FormatInt(e.Size, 10)))
	}
	for _, n := range []string{"sommerfest", "gehaelter", "gehaltsliste", "archiv/bilanz"} {
		tr[names] = append(tr[names], []byte(n))
	}
	for _, n := range []string{"direktorin", "anna-lena", "berthold", "carlotta", "spiegelein", "annas-notebook", "s-rechner"} {
		tr[memberNames] = append(tr[memberNames], []byte(n))
	}
	for _, e := range []shown{g.open, g.secret} {
		all := payload.Bytes(int(e.Size), uint64(e.Size))
		for at := 0; at+40 < len(all); at += 256 << 10 { // the begin of every piece, and of the blocks that are asked for
			tr[contents] = append(tr[contents], all[at:at+32])
		}
	}
	tr[guesses] = g.slot(t, password)
	g.treasure = tr
}

// slot is the group's own, in every form: what somebody can try passwords on who has it.
func (g *guild) slot(t *testing.T, password string) [][]byte {
	t.Helper()
	link := parsed(t, g.link)
	ask := func(tag string) []byte {
		a, err := g.admin.reaching(g.other.h, rogue.Member{Key: link.Lobby()}, link).Get(within(t, time.Minute), "/v1/slot/"+tag)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("asking for a slot: %v, %v", a, err)
		}
		return a.Body
	}
	tag := func(name, password string) string {
		s, err := link.Slot(name, password, rogue.Work)
		if err != nil {
			t.Fatal(err)
		}
		return s.Tag
	}
	real := ask(tag("join", password))
	for _, name := range []string{"join", "direktorin", "anna-lena", "berthold"} {
		g.guessed = append(g.guessed, tag(name, "correct horse battery"))
	}
	if fake := ask(g.guessed[0]); len(fake) != len(real) || bytes.Equal(fake, real) {
		t.Errorf("a wrong password is answered with %d bytes, the right one with %d", len(fake), len(real))
	}
	return encodings(real[:90]) // its header, with the salt
}

// loot asks a machine for everything that there is to ask for, and returns all that it said.
func (g *guild) loot(t *testing.T, who rogue.Member) (loot []byte) {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	ask := func(path string) []byte {
		a, err := who.Get(ctx, path)
		if err != nil {
			if ctx.Err() != nil {
				t.Fatalf("%s: %v", path, err)
			}
			return nil // closed
		}
		loot = append(loot, a.Body...)
		if a.Status != http.StatusOK {
			return nil
		}
		return a.Body
	}
	ask("/v1/root?from=1")
	heads := ask("/v1/heads?wait=0")
	for _, tag := range g.guessed {
		ask("/v1/slot/" + tag)
	}
	ask("/v1/have")
	ask("/v1/forks")
	for _, device := range g.devices(t) {
		ask("/v1/log/" + device + "?from=0")
	}
	for _, tag := range g.tags {
		ask("/v1/torrent/" + tag)
	}
	_ = heads
	for _, e := range []shown{g.open, g.secret, g.sealed} {
		got := taken(t, who, e.Infohash)
		loot = append(loot, got...)
	}
	return loot
}

// taken is what somebody is given of three pieces, who may be given nothing, in which case that is waited for in vain.
func taken(t *testing.T, who rogue.Member, infohash string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, _ := who.Take(ctx, [20]byte(unhex(t, infohash)), 3, 40<<10) // an error is a refusal, which says nothing
	return got
}

// devices are the keys of all, which a thief may know.
func (g *guild) devices(t *testing.T) (keys []string) {
	t.Helper()
	raw := g.admin.must("group", "device", "list", "geheimbund", "--json")
	var l struct{ Devices []struct{ Key string } }
	if err := json.Unmarshal([]byte(raw), &l); err != nil || len(l.Devices) < 4 {
		t.Fatalf("%v in %s", err, raw)
	}
	for _, d := range l.Devices {
		keys = append(keys, d.Key)
	}
	return keys
}

// torrents are the hashes of the .torrent files and chunk indexes that a home keeps.
func (m *machine) torrents(gid string) (tags []string) {
	list, _ := filepath.Glob(filepath.Join(m.home, "groups", gid, "torrents", "*"))
	for _, p := range list {
		tags = append(tags, strings.TrimSuffix(filepath.Base(p), filepath.Ext(p)))
	}
	return tags
}

// position is somebody who may learn some of what there is, and nothing else.
type position struct {
	name string
	who  func() rogue.Member // nil Key: shows no certificate
	may  []string
}

// TestOutsiders is the matrix of who asks and for what. All of it is one group on one network, which is watched.
func TestOutsiders(t *testing.T) {
	t.Parallel()
	g := newGuild(t)
	gid := parsed(t, g.link).GID()
	g.tags = g.admin.torrents(gid)
	if len(g.tags) != 5 {
		t.Fatalf("the admin's home has %d torrents and indexes, want 5", len(g.tags))
	}
	lobby := func() rogue.Member { return rogue.Member{Key: parsed(t, g.link).Lobby()} }
	positions := []position{
		// The test's own tools see everything where it may be seen: what is not found below is not there.
		{"the admin", func() rogue.Member { return g.admin.stolen(gid) }, []string{infohashes, names, sizes, contents, memberNames, groupName, guesses}},
		{"outsider with the server name of the day, as the wire shows it", func() rogue.Member { return rogue.Member{Key: rogue.NewKey()} }, nil},
		{"outsider without a certificate", func() rogue.Member { return rogue.Member{} }, nil},
		{"outsider with the link and no password", lobby, []string{groupName, memberNames}},
		{"outsider with a key of his own, the link and no password", func() rogue.Member { return rogue.Member{Key: rogue.NewKey()} }, nil},
		{"mirror", func() rogue.Member { return g.mirror.stolen(gid) }, []string{memberNames, groupName, guesses}},
		{"member without the right to a share", func() rogue.Member { return g.anna.stolen(gid) }, []string{infohashes, names, sizes, contents, memberNames, groupName, guesses}},
	}
	for _, p := range positions {
		step(t, g.all(), p.name, func(t *testing.T) {
			for _, m := range []*machine{g.admin, g.anna} {
				g.cells(t, g.loot(t, m.reaching(g.other.h, p.who(), parsed(t, g.link))), p.may)
			}
		})
	}
	step(t, g.all(), "outsider without the link", func(t *testing.T) { g.withoutLink(t) })
	step(t, g.all(), "member without the right to this share", func(t *testing.T) { g.withoutRight(t, gid) })
	step(t, g.all(), "hybrid by either of its infohashes", func(t *testing.T) { g.hybrid(t, gid) })
	step(t, g.all(), "mirror asks for what is sealed", func(t *testing.T) { g.asMirror(t, gid) })
	step(t, g.all(), "wrong password", func(t *testing.T) { g.wrongPassword(t) })
	step(t, g.all(), "ordinary client", func(t *testing.T) { g.ordinaryClients(t, gid) })
	step(t, g.all(), "who asks for whole pieces", func(t *testing.T) { g.wholePieces(t) })
	step(t, g.all(), "member who serves garbage", func(t *testing.T) { g.garbage(t) })
	step(t, g.all(), "member who claims others' hashes", func(t *testing.T) { g.claims(t, gid) })
	step(t, g.all(), "member who lies about times", func(t *testing.T) { g.times(t) })
	step(t, g.all(), "newcomer who takes a known name", func(t *testing.T) { g.knownNames(t) })
	step(t, g.all(), "member removed", func(t *testing.T) { g.removed(t, gid) })
	step(t, g.all(), "recorded TLS played again", func(t *testing.T) { g.replay(t) })
	step(t, g.all(), "the wire", func(t *testing.T) { g.wire(t) })
}

// cells are those of one row: what was found, against what may be.
func (g *guild) cells(t *testing.T, loot []byte, may []string) {
	t.Helper()
	found := g.treasure.in(loot)
	for _, what := range asked {
		got, want := slices.Contains(found, what), slices.Contains(may, what)
		if got != want {
			t.Errorf("%s: got %v, want %v, in %d bytes", what, got, want, len(loot))
		}
	}
}

// withoutLink knocks without a name that is the group's: nothing comes back but that there is nobody, before any certificate.
func (g *guild) withoutLink(t *testing.T) {
	public := parsed(t, g.link)
	public.Secret = nil // what can be worked out from the group's ID alone
	for _, c := range []struct{ name, server string }{
		{"no name", ""},
		{"a guessed name", fmt.Sprintf("%032x", 7)},
		{"the name that the ID alone gives", public.ServerName(rogue.Today())},
		{"the ID", public.GID()},
		{"the name of the group", "geheimbund"},
	} {
		for _, protocol := range []string{rogue.Sync, rogue.Swarm} {
			who := g.admin.reaching(g.other.h, rogue.Member{Key: rogue.NewKey()}, public)
			who.Name = c.server
			conn := &counted{}
			connect := who.Connect
			who.Connect = func(ctx context.Context) (net.Conn, error) {
				raw, err := connect(ctx)
				conn.Conn = raw
				return conn, err
			}
			if tls, err := who.TLS(within(t, 30*time.Second), protocol); err == nil {
				tls.Close()
				t.Errorf("%s, %s: got a handshake, want a refusal", c.name, protocol)
			}
			if conn.read > 16 { // an alert
				t.Errorf("%s, %s: got %d bytes, want an alert at most", c.name, protocol, conn.read)
			}
		}
	}
	// No TLS at all: BitTorrent as it is spoken everywhere, which is answered as if the machine had no such torrent, and requests.
	say := func(b []byte) []byte {
		c, err := g.other.h.Dial(within(t, 30*time.Second), "tcp", g.admin.h.IP+":6881")
		if err != nil {
			t.Fatal(err)
		}
		return dialogue(t, c, b)
	}
	nobodys := len(say(rogue.Handshake([20]byte{1, 2, 3})))
	for name, hello := range map[string][]byte{
		"BitTorrent, what all read":  rogue.Handshake([20]byte(unhex(t, g.open.Infohash))),
		"BitTorrent, what is sealed": rogue.Handshake([20]byte(unhex(t, g.sealed.Infohash))),
	} {
		if got := say(hello); len(got) != nobodys || len(got) > 68 {
			t.Errorf("%s: got %d bytes, %.80q, and for an infohash that nobody has %d", name, len(got), got, nobodys)
		}
	}
	for name, hello := range map[string][]byte{
		"HTTP":                        []byte("GET /v1/root HTTP/1.1\r\nHost: x\r\n\r\n"), // which could be a greeting that hides its infohash
		"the begin of a TLS greeting": {0x16, 3, 1, 0xff, 0xff, 1},
	} {
		if got := say(hello); len(g.treasure.in(got)) > 0 || len(got) > 700 {
			t.Errorf("%s: got %d bytes, %.80q, want nothing that matters", name, len(got), got)
		}
	}
}

// counted counts what is read.
type counted struct {
	net.Conn
	read int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read += n
	return n, err
}

// dialogue says something and hears the answer, until the other end closes or says nothing for longer than it gives anyone
// to shake hands.
func dialogue(t *testing.T, c net.Conn, say []byte) (got []byte) {
	t.Helper()
	defer c.Close()
	if _, err := c.Write(say); err != nil {
		return nil
	}
	buf := make([]byte, 4<<10)
	for {
		if err := c.SetReadDeadline(time.Now().Add(7 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return got
		}
	}
}

// withoutRight is anna, who may not read the payroll: her client, and one of her own making.
func (g *guild) withoutRight(t *testing.T, gid string) {
	if got := g.anna.must("catalog", "list", "geheimbund", "--all"); strings.Contains(got, "gehaelter") || !strings.Contains(got, "sommerfest") {
		t.Errorf("the list: got %q, want the film and nothing of the payroll", got)
	}
	out := t.TempDir()
	hidden := g.anna.refuses(10, "", "fetch", "geheimbund/personal/gehaelter", "-o", out)
	absent := g.anna.refuses(10, "", "fetch", "geheimbund/personal/gibtesnicht", "-o", out)
	if plain := func(s string) string {
		return strings.NewReplacer("gehaelter", "X", "gibtesnicht", "X").Replace(s)
	}; plain(hidden) != plain(absent) {
		t.Errorf("a hint that it is there: got %q, and of what is not there %q", hidden, absent)
	}
	left, err := os.ReadDir(g.anna.home)
	if err != nil || len(left) == 0 {
		t.Fatal(err)
	}
	for _, m := range []*machine{g.admin, g.bert} {
		who := m.reaching(g.other.h, g.anna.stolen(gid), parsed(t, g.link))
		ctx := within(t, time.Minute)
		if got, err := who.Take(ctx, [20]byte(unhex(t, g.secret.Infohash)), 3, 40<<10); len(got) > 0 {
			t.Errorf("the payroll: got %d bytes, %v, want none", len(got), err)
		}
		if a, err := who.Get(ctx, "/v1/have"); err == nil && strings.Contains(string(a.Body), g.secret.Infohash) {
			t.Error("/v1/have names the payroll's infohash")
		}
		// The film's and the archive's, and the film's index: not the payroll's two.
		if got, want := len(g.served(t, who)), 3; m == g.admin && got != want {
			t.Errorf("torrents and indexes that she gets: got %d, want %d", got, want)
		}
	}
}

// served are the hashes of the torrents that a machine hands over to somebody.
func (g *guild) served(t *testing.T, who rogue.Member) (tags []string) {
	t.Helper()
	for _, tag := range g.tags {
		if a, err := who.Get(within(t, time.Minute), "/v1/torrent/"+tag); err == nil && a.Status == http.StatusOK {
			tags = append(tags, tag)
		}
	}
	return tags
}

// asMirror: ciphertext of what is sealed, and its torrent; nothing of the rest.
func (g *guild) asMirror(t *testing.T, gid string) {
	who := g.admin.reaching(g.other.h, g.mirror.stolen(gid), parsed(t, g.link))
	if got := g.served(t, who); len(got) != 1 {
		t.Errorf("torrents for the mirror: got %d, want the sealed one alone", len(got))
	}
	ctx := within(t, time.Minute)
	if got := taken(t, who, g.open.Infohash); len(got) > 0 {
		t.Errorf("what is not sealed: got %d bytes, want none", len(got))
	}
	if got, err := who.Take(ctx, [20]byte(unhex(t, g.sealed.Infohash)), 3, 40<<10); len(got) < 16<<10 || !bytes.Contains(got, []byte("age-encryption.org/v1")) {
		t.Errorf("what is sealed: got %d bytes, %v, want an age file", len(got), err)
	}
	if got := g.mirror.must("catalog", "list", "geheimbund", "--all"); strings.Contains(got, "bilanz") || strings.Contains(got, "sommerfest") {
		t.Errorf("the mirror's list: got %q, want no names", got)
	}
}

// wrongPassword: one text whether it is the name or the password, another for the group's own password, and nothing is left behind.
func (g *guild) wrongPassword(t *testing.T) {
	m := &machine{t, g.other.h, filepath.Join(t.TempDir(), "home")}
	var texts []string
	for _, flags := range [][]string{nil, {"--user", "berthold"}, {"--user", "gibtesnicht"}} {
		args := append([]string{"group", "join", g.link, "--password-file", secret(t, "correct horse battery"), "--peer", g.admin.h.IP + ":6881",
			"--no-dht", "--no-upnp"}, flags...)
		talk := m.refuses(12, "password", args...)
		_, talk, _ = strings.Cut(talk, "exit status 12: ")
		texts = append(texts, talk)
	}
	if texts[1] != texts[2] {
		t.Errorf("got %q for a name that somebody has, and %q for one that nobody has, want one text", texts[1], texts[2])
	}
	if found := g.treasure.in([]byte(texts[0])); len(found) > 0 {
		t.Errorf("the group's own password: %q tells of %v", texts[0], found)
	}
	if got := m.must("group", "list"); strings.Contains(got, "geheimbund") {
		t.Errorf("half a group is left: %q", got)
	}
	left, _ := os.ReadDir(filepath.Join(m.home, "groups"))
	if len(left) > 0 {
		t.Errorf("left in the home: %v", left)
	}
}

// stranger says whether an address is that of a host of attackers.
func (g *guild) stranger(ip string) bool {
	for i := host6Outside; i < hostClients+clients; i++ {
		if g.lab.Host(i).IP == ip {
			return true
		}
	}
	return false
}

// wire is what somebody saw who listened all the time.
func (g *guild) wire(t *testing.T) {
	seen, err := g.watch.Stop(within(t, 30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	said := seen.Said(g.admin.h.IP, g.anna.h.IP, g.bert.h.IP, g.carl.h.IP, g.mirror.h.IP)
	// Who names an infohash himself is answered with it, if nobody has it too; what others hear counts.
	said.Streams = slices.DeleteFunc(said.Streams, func(s wire.Stream) bool { return g.stranger(s.To.Addr().String()) })
	tr := g.treasure
	for _, id := range []string{g.link, g.gone} {
		l := parsed(t, id)
		tr[groupName] = append(tr[groupName], encodings(l.Group[:])...)
		tr[groupName] = append(tr[groupName], encodings(l.Secret)...)
	}
	for _, tag := range g.tags {
		tr[infohashes] = append(tr[infohashes], encodings(unhex(t, tag))...)
	}
	for what, needles := range tr {
		for _, needle := range needles {
			if where := said.Find(needle); len(where) > 0 {
				t.Errorf("%s %.60q was to be seen: %v", what, needle, where)
			}
		}
	}
	allowed := map[[20]byte]bool{}
	for _, link := range []string{g.link, g.gone} {
		for day := rogue.Today() - 2; day <= rogue.Today()+1; day++ {
			allowed[parsed(t, link).Rendezvous(day)] = true
		}
	}
	group, public := 0, 0
	for h, via := range said.Sought() {
		switch {
		case allowed[h]:
			group++
		case public == 0:
			public++ // the one public torrent; a second would be one too many
		default:
			t.Errorf("the infohash %x was sought by %s, and is neither the group's rendezvous nor the public torrent's", h, via)
		}
	}
	if group == 0 || public == 0 {
		t.Errorf("got %d rendezvous and %d public torrents on the network, want both: the watch is blind", group, public)
	}
	kinds := said.Kinds()
	t.Logf("on the wire: %v", kinds)
	if kinds["TLS"] == 0 || kinds["LSD"] == 0 {
		t.Errorf("got %v, want TLS and LSD: the watch is blind", kinds)
	}
	for _, kind := range []string{"BitTorrent in clear", "HTTP tracker", "UDP tracker", "DHT"} {
		if kinds[kind] > 0 {
			t.Errorf("got %d of %s, want none", kinds[kind], kind)
		}
	}
}
