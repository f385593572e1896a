package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// hand is a member whose records are written by the test itself.
type hand struct {
	*group.Group
	t *testing.T
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joinByHand joins a group without a node, and takes what a daemon has of it.
func joinByHand(t *testing.T, link string, from *node.Node) *hand {
	t.Helper()
	l, err := signed.ParseLink(link)
	must(t, err)
	g, err := group.Join(t.TempDir(), l, group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	h := &hand{g, t}
	h.pull(from)
	must(t, g.Asked(1))
	return h
}

// client reaches a node as this member.
func (h *hand) client(n *node.Node) *http.Client {
	h.t.Helper()
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{
		Addr: addrOf(h.t, n), ServerName: h.Link().ServerName(signed.DayOf(time.Now())), Identity: h.Device(),
	})
	h.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (h *hand) pull(n *node.Node) {
	h.t.Helper()
	_, err := groupsync.NewPeer(h.client(n), h.ID(), h).Pull(h.t.Context(), 0)
	must(h.t, err)
}

func (h *hand) push(n *node.Node) error {
	return groupsync.NewPeer(h.client(n), h.ID(), h).Push(h.t.Context())
}

// post hands in bytes, and gives the status and the words of the answer.
func (h *hand) post(n *node.Node, path string, body []byte) (int, string) {
	h.t.Helper()
	resp, err := h.client(n).Post("https://member"+path, "", bytes.NewReader(body))
	must(h.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(h.t, err)
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// written are the records of this member's own log, each with its newline, and the head over them.
func (h *hand) written() (lines []string, head string) {
	h.t.Helper()
	me := h.Device().Public()
	b, err := h.Records(me, 0, 1<<20)
	must(h.t, err)
	for line := range strings.Lines(string(b)) {
		lines = append(lines, line)
	}
	for _, x := range h.AllHeads() {
		if x.Device == me {
			head = string(x.Raw)
		}
	}
	return lines, head
}

func (h *hand) share(s catalog.Share) error {
	s.Time = time.Unix(time.Now().Unix(), 0).UTC()
	if s.ID == "" {
		s.ID = fmt.Sprintf("%x", sha256.Sum256([]byte(s.Ref())))[:24]
	}
	return h.Append(s.Marshal)
}

func invented(name, version string) catalog.Share {
	return catalog.Share{Name: name, Version: version, Content: name, Size: 1, Files: 1, Info: signed.HashOf([]byte(name)), Torrent: signed.HashOf([]byte(version))}
}

// publisher has an admin add an account, whose device the hand becomes.
func publisher(t *testing.T, owner *node.Node, link, name string) *hand {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".key")
	askGroup(t, owner, node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: name, Role: "publisher", Key: path}})
	h := joinByHand(t, link, owner)
	key, err := group.ReadKey(path, group.KeyAccount)
	must(t, err)
	must(t, h.BecomeDevice(key, "a hand"))
	must(t, h.push(owner))
	return h
}

func show(t *testing.T, n *node.Node) node.Group {
	t.Helper()
	return askGroup(t, n, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0]
}

// waitWarning waits until a node shows a warning of the group.
func waitWarning(t *testing.T, n *node.Node, want string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got = show(t, n).Warnings
		if strings.Contains(strings.Join(got, "\n"), want) {
			return
		}
	}
	t.Fatalf("warnings: got %q, want one with %q", got, want)
}

// log is a head over records, and what is posted of both.
func logBody(t *testing.T, g signed.GroupID, by signed.Secret, records ...string) []byte {
	t.Helper()
	return logAt(t, g, by, time.Now(), records...)
}

func logAt(t *testing.T, g signed.GroupID, by signed.Secret, at time.Time, records ...string) []byte {
	t.Helper()
	var tree signed.Tree
	for _, r := range records {
		tree.Append([]byte(r))
	}
	h, err := signed.SignHead(g, by, tree.Size(), tree.Root(), at)
	must(t, err)
	body := bytes.Clone(h.Raw)
	for _, r := range records {
		body = append(append(body, r...), '\n')
	}
	return body
}

// TestHostileMember has a member hand in what is forged, cut short, in another order, replayed and of other groups. Each is
// refused by its name, nothing of it counts, and the daemon goes on.
func TestHostileMember(t *testing.T) {
	owner, reader, link := acme(t)
	eve := publisher(t, owner, link, "eve")
	must(t, eve.share(invented("fine", "1")))
	must(t, eve.share(invented("fine", "2")))
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/fine@2 by eve, acme/fine@1 by eve")
	before := show(t, reader)

	sofar, head := eve.written()
	// Two more that the others do not have yet.
	must(t, eve.share(invented("fine", "3")))
	must(t, eve.share(invented("fine", "4")))
	lines, longer := eve.written()
	fresh := lines[len(sofar):]
	on := fmt.Sprintf("/v1/log/%v?from=%d", eve.Device().Public(), len(sofar))
	roots := eve.Roots(1)
	stranger, err := group.NewSecret()
	must(t, err)
	other, err := group.Create(t.TempDir(), group.Created{Name: "other", User: "eve", Label: "x", Stale: 720}, time.Now)
	must(t, err)
	root, err := signed.ParseRoot(roots[0])
	must(t, err)
	next := root.Successor(time.Now())
	next.Owners = []signed.Key{stranger.Public()}
	usurped, err := next.Sign(stranger)
	must(t, err)
	skipped := next
	skipped.Version = 3
	gap, err := skipped.Sign(stranger)
	must(t, err)
	mine := "/v1/log/" + eve.Device().Public().String()
	asJSON := func(notes ...[]byte) []byte {
		var out []string
		for _, n := range notes {
			out = append(out, `"`+strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(n), `\`, `\\`), `"`, `\"`), "\n", `\n`)+`"`)
		}
		return []byte(`{"roots":[` + strings.Join(out, ",") + `]}`)
	}
	for _, c := range []struct {
		name, path string
		body       []byte
		status     int
		why        string
	}{
		{"a root of another group", "/v1/root", asJSON(other.Roots(1)...), 422, ""},
		{"a root signed by a stranger", "/v1/root", asJSON(usurped), 422, string(signed.Threshold)},
		{"a root with one missing before", "/v1/root", asJSON(gap), 422, string(signed.Gap)},
		{"a root cut short", "/v1/root", asJSON(roots[0][:len(roots[0])/2]), 422, string(signed.Malformed)},
		{"the first root again", "/v1/root", asJSON(roots...), 204, ""},
		{"a head with another key's signature", mine, bytes.Replace(logBody(t, eve.ID(), stranger, lines[0]), []byte(stranger.Public().String()), []byte(eve.Device().Public().String()), -1), 422, ""},
		{"records in another order", on, []byte(longer + fresh[1] + fresh[0]), 422, string(signed.Disagrees)},
		{"a record left out", on, []byte(longer + fresh[1]), 422, ""},
		{"a record twice", on, []byte(longer + fresh[0] + fresh[0]), 422, string(signed.Disagrees)},
		{"a changed record", on, []byte(longer + fresh[0] + strings.Replace(fresh[1], "fine", "evil", 1)), 422, string(signed.Disagrees)},
		{"records of the beginning", on, []byte(longer + lines[0] + lines[1]), 422, string(signed.Disagrees)},
		{"a whole log in another order", mine, []byte(longer + strings.Join(sofar, "") + fresh[1] + fresh[0]), 422, string(signed.Disagrees)},
		{"more records than the head has", on, []byte(longer + fresh[0] + fresh[1] + fresh[1]), 422, ""},
		{"a part of the way, with a gap", fmt.Sprintf("/v1/log/%v?from=%d", eve.Device().Public(), len(sofar)+1), []byte(longer + fresh[1]), 422, string(signed.Gap)},
		{"a head from the future", "/v1/log/" + stranger.Public().String(), logAt(t, eve.ID(), stranger, time.Now().Add(time.Hour), `{"n":1,"op":"junk"}`), 422, string(signed.Future)},
		{"another's log under her name", mine, logBody(t, eve.ID(), stranger, `{"n":1,"op":"junk"}`), 422, ""},
		{"a head of another group", mine, logBody(t, other.ID(), eve.Device(), lines[0]), 422, string(signed.WrongGroup)},
		{"the same log again", mine, []byte(head + strings.Join(sofar, "")), 204, ""},
		{"an older log", mine, logBody(t, eve.ID(), eve.Device(), strings.TrimSuffix(lines[0], "\n")), 204, ""},
		{"no log at all", mine, nil, 400, ""},
		{"evidence that she made up", "/v1/forks", []byte(`{"forks":["{}"]}`), 422, string(signed.Malformed)},
		{"a record of more than a mebibyte", "/v1/log/" + stranger.Public().String(), logBody(t, eve.ID(), stranger, `{"n":1,"op":"`+strings.Repeat("a", 1<<20)+`"}`), 422, string(signed.TooLarge)},
	} {
		status, why := eve.post(owner, c.path, c.body)
		if status != c.status || c.why != "" && why != c.why {
			t.Errorf("%s: got %d %q, want %d %q", c.name, status, why, c.status, c.why)
		}
	}
	after := show(t, owner)
	if after.Version != before.Version || after.Entries != before.Entries || after.Accounts != before.Accounts || after.Devices != before.Devices {
		t.Errorf("after the attacks: got %+v, want as before %+v", after, before)
	}
	if len(after.Warnings) != 0 {
		t.Errorf("warnings: %q", after.Warnings)
	}
	// Everybody goes on.
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/fine@4 by eve, acme/fine@3 by eve, acme/fine@2 by eve, acme/fine@1 by eve")
}

// TestForkIsTold has a publisher sign two histories and hand each to another member: both learn of it, and tell.
func TestForkIsTold(t *testing.T) {
	owner, reader, link := acme(t)
	eve := publisher(t, owner, link, "eve")
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(copied, os.DirFS(eve.Dir())))
	must(t, os.Chmod(filepath.Join(copied, "device.key"), 0o600))
	g, err := group.Open(copied, time.Now)
	must(t, err)
	twin := &hand{g, t}
	must(t, twin.NobodyToAsk())
	must(t, eve.share(invented("app", "1")))
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/app@1 by eve")
	must(t, twin.share(invented("app", "1.0.1")))
	must(t, twin.share(invented("app", "6.6.6")))
	must(t, twin.push(reader))
	for name, n := range map[string]*node.Node{"the owner": owner, "the reader": reader} {
		waitWarning(t, n, `of "eve" has signed two histories`)
		if got := entries(askCatalog(t, n, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})); got != "acme/app@1 by eve" {
			t.Errorf("%s shows %q, want what was there before", name, got)
		}
	}
	// Who fetches is told, before the bytes.
	var said []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = reader.Fetch(ctx, node.FetchRequest{Ref: "acme/app@1", Dir: t.TempDir()}, func(e node.Event) {
		if e.Message != "" {
			said = append(said, e.Message)
			if strings.Contains(e.Message, "two histories") {
				cancel()
			}
		}
	})
	if !strings.Contains(strings.Join(said, "\n"), "two histories") {
		t.Errorf("a fetch says %q", said)
	}
	devices := askGroup(t, owner, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Devices
	frozen := 0
	for _, d := range devices {
		if strings.HasPrefix(d.Problem, "frozen") {
			frozen++
		}
	}
	if frozen != 1 {
		t.Errorf("frozen devices: got %d of %+v, want 1", frozen, devices)
	}
	// The author adds nothing.
	must(t, eve.share(invented("app", "2")))
	must(t, eve.push(owner))
	if got := entries(askCatalog(t, owner, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})); got != "acme/app@1 by eve" {
		t.Errorf("after the freeze: got %q", got)
	}
}

// TestEntryThatDisagrees has a publisher sign a name to a torrent that is another: nothing of it is fetched.
func TestEntryThatDisagrees(t *testing.T) {
	owner, reader, link := acme(t)
	dir := folder(t, "app", map[string]string{"bin": "program"})
	pub, err := publishAs(t, owner, dir, "acme", "app@1")
	must(t, err)
	good := askCatalog(t, owner, node.CatalogRequest{Group: "acme", Show: ptr("app@1")}).Entries[0]
	eve := publisher(t, owner, link, "eve")
	eve.pull(owner)
	ix, err := eve.Index()
	must(t, err)
	e, err := ix.Resolve("app", "1")
	must(t, err)
	for i, spoil := range []func(*catalog.Share){
		func(s *catalog.Share) { s.Size++ },
		func(s *catalog.Share) { s.Files++ },
		func(s *catalog.Share) { s.Content = "other" },
		func(s *catalog.Share) { s.Info = signed.HashOf([]byte("x")) },
	} {
		s := *e.Share
		s.ID, s.Name, s.Version = "", "copy", fmt.Sprint(i)
		spoil(&s)
		must(t, eve.share(s))
	}
	must(t, eve.push(reader))
	for i := range 4 {
		ref := fmt.Sprint("acme/copy@", i)
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if strings.Contains(entries(askCatalog(t, reader, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})), ref) {
				break
			}
		}
		target := t.TempDir()
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return reader.Fetch(ctx, node.FetchRequest{Ref: ref, Dir: target, Peers: []string{addrOf(t, owner)}}, on)
		}, nil)
		if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), "eve") {
			t.Errorf("%s: got %v, want it unverified, with the author named", ref, err)
		}
		if left, _ := os.ReadDir(target); len(left) != 0 {
			t.Errorf("%s: %v is left in the target", ref, left)
		}
	}
	if pub.Magnet == "" || good.Magnet == "" {
		t.Error("no magnet")
	}
}

func ptr(s string) *string { return &s }

// TestTwoPublishersOfOneVersion: who was first has the name, and a rule changes that; the other is shown.
func TestTwoPublishersOfOneVersion(t *testing.T) {
	owner, reader, link := acme(t)
	bob, carol := publisher(t, owner, link, "bob"), publisher(t, owner, link, "carol")
	must(t, bob.share(invented("app", "1")))
	must(t, bob.push(owner))
	waitEntries(t, reader, "acme/app@1 by bob")
	carol.pull(owner)
	must(t, carol.share(catalog.Share{Name: "app", Version: "1", Content: "app", Size: 2, Files: 1, Info: signed.HashOf([]byte("c")), Torrent: signed.HashOf([]byte("d"))}))
	must(t, carol.push(owner))
	others := func(want string) {
		t.Helper()
		var e node.Entry
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			e = askCatalog(t, reader, node.CatalogRequest{Group: "acme", Show: ptr("app@1")}).Entries[0]
			if e.Account+" before "+strings.Join(e.Others, ",") == want {
				return
			}
		}
		t.Errorf("got %s before %v, want %s", e.Account, e.Others, want)
	}
	others("bob before carol")
	// A rule that lets carol alone publish there counts from then on: what was published before it stands.
	askGroup(t, owner, node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: "allow carol publish app/**"}})
	carol.pull(owner)
	must(t, carol.share(catalog.Share{Name: "app", Version: "1", Content: "app", Size: 3, Files: 1, Info: signed.HashOf([]byte("e")), Torrent: signed.HashOf([]byte("f"))}))
	must(t, carol.push(owner))
	others("carol before bob")
}

// TestRemovedPublisherBackdates: what a removed publisher dates before the removal changes nothing.
func TestRemovedPublisherBackdates(t *testing.T) {
	owner, reader, link := acme(t)
	eve := publisher(t, owner, link, "eve")
	must(t, eve.share(invented("app", "1")))
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/app@1 by eve")
	askGroup(t, owner, node.GroupRequest{Group: "acme", RemoveUser: ptr("eve")})
	// She has not heard of it, and dates the next record right after her last.
	must(t, eve.Append(func(int64) ([]byte, error) {
		s, n := invented("app", "2"), lastTime(t, eve)+1
		s.ID, s.Time = "backdated", time.Unix(time.Now().Unix(), 0).UTC()
		return s.Marshal(n)
	}))
	if err := eve.push(owner); err != nil {
		t.Errorf("she is cut off with an error: %v", err)
	}
	must(t, eve.push(reader))
	for name, n := range map[string]*node.Node{"the owner": owner, "the reader": reader} {
		waitEntries(t, n, "acme/app@1 by eve")
		a := askCatalog(t, n, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})
		if name == "the owner" && !strings.Contains(strings.Join(a.Problems, "\n"), "removed") {
			t.Errorf("%s does not tell why: %q", name, a.Problems)
		}
	}
}

func lastTime(t *testing.T, h *hand) int64 {
	t.Helper()
	l, err := h.Log(h.Device().Public())
	must(t, err)
	return l.Records[len(l.Records)-1].N
}

// TestTwoGroupsOfOneName: the second keeps its ID until the user names it.
func TestTwoGroupsOfOneName(t *testing.T) {
	owner, reader, _ := acme(t)
	second, _ := daemon(t, t.TempDir(), nil)
	a := askGroup(t, second, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	j := askGroup(t, reader, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, second)}, Timeout: 20 * time.Second}})
	if j.Groups[0].Name != a.Groups[0].ID || j.Groups[0].Title != "acme" {
		t.Errorf("joined: got the name %q and title %q, want the ID and acme", j.Groups[0].Name, j.Groups[0].Title)
	}
	if got := show(t, reader).ID; got != show(t, owner).ID {
		t.Errorf("acme is now %s", got)
	}
	_, err := reader.Group(t.Context(), node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}, func(node.Event) {})
	if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("a third of that name: got %v, want a usage error with a hint", err)
	}
}

// TestWrongClock: who is told by members that its clock is off shows it, and signs nothing unless told to.
func TestWrongClock(t *testing.T) {
	_, reader, link := acme(t)
	h := joinByHand(t, link, reader)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	handler := groupsync.NewHandler(groupsync.Options{Group: h.ID(), Vault: h, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Root: true, Read: true, Push: true}
	}})
	wrong := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat))
		handler.ServeHTTP(w, r)
	})
	server := groupnet.NewServer(func(string) *groupnet.Group {
		return &groupnet.Group{Identity: h.Device(), Admit: func(signed.Key, string) error { return nil }, Sync: wrong}
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := errors.Join(<-done, server.Close()); err != nil {
			t.Error(err)
		}
	}()
	late := alone(t, t.TempDir())
	askGroup(t, late, node.GroupRequest{Group: link, Join: &node.JoinGroup{As: "acme", Peers: []string{l.Addr().String()}, Timeout: 20 * time.Second}})
	waitWarning(t, late, "this clock is 2h0m0s off")
	add := node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "x", Role: "publisher", Key: filepath.Join(t.TempDir(), "k")}}
	_, err = late.Group(t.Context(), add, func(node.Event) {})
	if !errors.Is(err, signed.ClockOff) || !strings.Contains(fault.HintOf(err), "--offline") {
		t.Errorf("signing: got %v (%s), want the clock, and the way out", err, fault.HintOf(err))
	}
	add.Offline = true
	if _, err := late.Group(t.Context(), add, func(node.Event) {}); errors.Is(err, signed.ClockOff) || fault.KindOf(err) != fault.Denied {
		t.Errorf("with --offline: got %v, want that a reader may not", err)
	}
}

// TestDamagedGroup: a group's folder that cannot be read is shown and can be left, and the others go on.
func TestDamagedGroup(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	bad := askGroup(t, n, node.GroupRequest{Group: "bad", Create: &node.CreateGroup{Kind: "public"}}).Groups[0].ID
	askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	end()
	file := filepath.Join(home, "groups", bad, "group.json")
	raw, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, raw[:len(raw)/2], 0o600))
	must(t, os.Mkdir(filepath.Join(home, "groups", ".new-left"), 0o700))
	must(t, os.Mkdir(filepath.Join(home, ".visit-left"), 0o700))
	n, _ = daemon(t, home, nil)
	list := askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups
	if len(list) != 2 || list[0].Name != "acme" || list[1].ID != bad || !strings.Contains(strings.Join(list[1].Warnings, ""), "cannot be read") {
		t.Fatalf("listed: %+v", list)
	}
	for _, left := range []string{filepath.Join(home, "groups", ".new-left"), filepath.Join(home, ".visit-left")} {
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left", left)
		}
	}
	_, err = n.Group(t.Context(), node.GroupRequest{Group: bad, Show: &struct{}{}}, func(node.Event) {})
	if err == nil || !strings.Contains(err.Error(), "cannot be read") || fault.HintOf(err) == "" {
		t.Errorf("shown: got %v, want that it cannot be read, with a hint", err)
	}
	if _, err := publishAs(t, n, folder(t, "f", map[string]string{"f": "1"}), "acme", "f@1"); err != nil {
		t.Errorf("the other group: %v", err)
	}
	askGroup(t, n, node.GroupRequest{Group: bad, Leave: &struct{}{}})
	if list := askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups; len(list) != 1 {
		t.Errorf("after leaving: %+v", list)
	}
}

// TestVisitsTogether has several fetches visit a group at once, which is joined meanwhile.
func TestVisitsTogether(t *testing.T) {
	owner, _, link := acme(t)
	if _, err := publishAs(t, owner, folder(t, "app", map[string]string{"f": "1"}), "acme", "app@1"); err != nil {
		t.Fatal(err)
	}
	visitor, _ := daemon(t, t.TempDir(), nil)
	peers := []string{addrOf(t, owner)}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
				return visitor.Fetch(ctx, node.FetchRequest{Ref: link + "/app", Dir: t.TempDir(), Peers: peers}, on)
			}, func(e node.Event) bool { return e.Kept != nil })
			if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "is being fetched") {
				t.Error(err)
			}
		})
	}
	askGroup(t, visitor, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: peers, Timeout: 20 * time.Second}})
	wg.Wait()
	waitEntries(t, visitor, "acme/app@1 by alice")
	if list := askGroup(t, visitor, node.GroupRequest{List: &struct{}{}}).Groups; len(list) != 1 {
		t.Errorf("groups: %+v, want the one that was joined", list)
	}
}
