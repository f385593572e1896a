package node_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

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
		{"a root signed by a stranger", "/v1/root", asJSON(usurped), 422, string(signed.ErrThreshold)},
		{"a root with one missing before", "/v1/root", asJSON(gap), 422, string(signed.ErrGap)},
		{"a root cut short", "/v1/root", asJSON(roots[0][:len(roots[0])/2]), 422, string(signed.ErrMalformed)},
		{"the first root again", "/v1/root", asJSON(roots...), 204, ""},
		{"a head with another key's signature", mine, bytes.Replace(logBody(t, eve.ID(), stranger, lines[0]), []byte(stranger.Public().String()), []byte(eve.Device().Public().String()), -1), 422, ""},
		{"records in another order", on, []byte(longer + fresh[1] + fresh[0]), 422, string(signed.ErrDisagrees)},
		{"a record left out", on, []byte(longer + fresh[1]), 422, ""},
		{"a record twice", on, []byte(longer + fresh[0] + fresh[0]), 422, string(signed.ErrDisagrees)},
		{"a changed record", on, []byte(longer + fresh[0] + strings.Replace(fresh[1], "fine", "evil", 1)), 422, string(signed.ErrDisagrees)},
		{"records of the beginning", on, []byte(longer + lines[0] + lines[1]), 422, string(signed.ErrDisagrees)},
		{"a whole log in another order", mine, []byte(longer + strings.Join(sofar, "") + fresh[1] + fresh[0]), 422, string(signed.ErrDisagrees)},
		{"more records than the head has", on, []byte(longer + fresh[0] + fresh[1] + fresh[1]), 422, ""},
		{"a part of the way, with a gap", fmt.Sprintf("/v1/log/%v?from=%d", eve.Device().Public(), len(sofar)+1), []byte(longer + fresh[1]), 422, string(signed.ErrGap)},
		{"a head from the future", "/v1/log/" + stranger.Public().String(), logAt(t, eve.ID(), stranger, time.Now().Add(time.Hour), `{"n":1,"op":"junk"}`), 422, string(signed.ErrFuture)},
		{"another's log under her name", mine, logBody(t, eve.ID(), stranger, `{"n":1,"op":"junk"}`), 422, ""},
		{"a head of another group", mine, logBody(t, other.ID(), eve.Device(), lines[0]), 422, string(signed.ErrWrongGroup)},
		{"the same log again", mine, []byte(head + strings.Join(sofar, "")), 204, ""},
		{"an older log", mine, logBody(t, eve.ID(), eve.Device(), strings.TrimSuffix(lines[0], "\n")), 204, ""},
		{"no log at all", mine, nil, 400, ""},
		{"evidence that she made up", "/v1/forks", []byte(`{"forks":["{}"]}`), 422, string(signed.ErrMalformed)},
		{"a record of more than a mebibyte", "/v1/log/" + stranger.Public().String(), logBody(t, eve.ID(), stranger, `{"n":1,"op":"`+strings.Repeat("a", 1<<20)+`"}`), 422, string(signed.ErrTooLarge)},
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

// TestForkIsTold has a publisher sign two histories and hand each to another member: both learn of it, tell, and keep what the
// histories have in common.
func TestForkIsTold(t *testing.T) {
	owner, reader, link := acme(t)
	eve := publisher(t, owner, link, "eve")
	must(t, eve.share(invented("app", "1")))
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/app@1 by eve")
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(copied, os.DirFS(eve.Dir())))
	must(t, os.Chmod(filepath.Join(copied, "device.key"), 0o600))
	g, err := group.Open(copied, time.Now)
	must(t, err)
	twin := &hand{g, t}
	must(t, twin.NobodyToAsk())
	must(t, eve.share(invented("app", "2")))
	must(t, eve.push(owner))
	waitEntries(t, reader, "acme/app@2 by eve, acme/app@1 by eve")
	must(t, twin.share(invented("app", "1.0.1")))
	must(t, twin.share(invented("app", "6.6.6")))
	must(t, twin.push(reader))
	for name, n := range map[string]*node.Node{"the owner": owner, "the reader": reader} {
		waitWarning(t, n, `of "eve" has signed two histories`)
		if got := entries(askCatalog(t, n, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})); got != "acme/app@1 by eve" {
			t.Errorf("%s shows %q, want what both histories have", name, got)
		}
		if st, err := n.Status(t.Context(), node.StatusRequest{}); err != nil || !strings.Contains(strings.Join(st.Problems, "\n"), `the group "acme": the device`) {
			t.Errorf("%s: status says %q, %v", name, st.Problems, err)
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
	must(t, eve.share(invented("app", "3")))
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
		for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
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
		for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
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
		// The owner takes nothing more of her log. The reader, who has not heard of the removal, is told by its next look.
		if name == "the owner" && len(a.Problems) != 0 {
			t.Errorf("%s took what does not count: %q", name, a.Problems)
		}
	}
}

func lastTime(t *testing.T, h *hand) int64 {
	t.Helper()
	l, err := h.Log(h.Device().Public())
	must(t, err)
	return l.Records[len(l.Records)-1].N
}
