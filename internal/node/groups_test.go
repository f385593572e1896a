package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// alone opens a node that is no daemon, on a home.
func alone(t *testing.T, home string) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return n
}

func askGroup(t *testing.T, n *node.Node, r node.GroupRequest) *node.GroupAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	a, err := n.Group(ctx, r, func(e node.Event) {})
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return a
}

func askCatalog(t *testing.T, n *node.Node, r node.CatalogRequest) *node.CatalogAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	a, err := n.Catalog(ctx, r, func(e node.Event) {})
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return a
}

func publishAs(t *testing.T, n *node.Node, path, group, as string) (*node.Published, error) {
	t.Helper()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path, In: &node.InGroup{Group: group, As: as, Note: "a note"}}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	return last.Published, err
}

func entries(a *node.CatalogAnswer) string {
	var out []string
	for _, e := range a.Entries {
		out = append(out, e.Ref+" by "+e.Account)
	}
	return strings.Join(out, ", ")
}

// acme is a group made by one daemon, joined by another.
func acme(t *testing.T) (owner, reader *node.Node, link string) {
	t.Helper()
	owner, _ = daemon(t, t.TempDir(), nil)
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	if a.Link == "" || a.Groups[0].Role != "admin" || a.Groups[0].Account != "alice" {
		t.Fatalf("created: %+v", a)
	}
	reader, _ = daemon(t, t.TempDir(), nil)
	j := askGroup(t, reader, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, owner)}, Timeout: 20 * time.Second}})
	if j.Groups[0].Name != "acme" || j.Groups[0].Role != "" {
		t.Fatalf("joined: %+v", j.Groups[0])
	}
	return owner, reader, a.Link
}

// waitEntries waits until a node's catalog of acme lists these, with who signed them.
func waitEntries(t *testing.T, n *node.Node, want string) {
	t.Helper()
	waitCatalog(t, n, "acme", want, entries)
}

// waitCatalog waits until what say makes of all that a node's catalog of a group lists is want.
func waitCatalog(t *testing.T, n *node.Node, group, want string, say func(*node.CatalogAnswer) string) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := say(askCatalog(t, n, node.CatalogRequest{Group: group, List: &node.ListCatalog{All: true}}))
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the catalog: got %q, want %q", got, want)
		}
	}
}

func TestPublishIntoAGroupAndFetchByName(t *testing.T) {
	owner, reader, link := acme(t)
	dir := folder(t, "app", map[string]string{"bin": "program", "doc/readme": "text"})
	pub, err := publishAs(t, owner, dir, "acme", "app@1.0.0")
	if err != nil || pub.Entry != "acme/app@1.0.0" {
		t.Fatalf("got %+v, %v", pub, err)
	}
	waitEntries(t, reader, "acme/app@1.0.0 by alice")
	receipt := filepath.Join(t.TempDir(), "receipt.json")
	target := t.TempDir()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return reader.Fetch(ctx, node.FetchRequest{Ref: "acme/app@latest", Dir: target, FromGroup: node.FromGroup{Receipt: receipt}}, on)
	}, nil)
	if err != nil || last.Fetched.Entry != "acme/app@1.0.0" {
		t.Fatalf("fetched: %+v, %v", last.Fetched, err)
	}
	same(t, last.Fetched.Path, dir)
	raw, err := os.ReadFile(receipt)
	var r struct {
		Account string
		Files   []struct{ Path string }
	}
	if err != nil || json.Unmarshal(raw, &r) != nil || r.Account != "alice" || len(r.Files) != 2 {
		t.Errorf("receipt: %s, %v", raw, err)
	}
	// By the link alone, from a home that is in no group.
	visitor := alone(t, t.TempDir())
	last, err = ask(t, func(ctx context.Context, on func(node.Event)) error {
		return visitor.Fetch(ctx, node.FetchRequest{Ref: link + "/app@1.x", Dir: t.TempDir(), Peers: []string{addrOf(t, owner)}}, on)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, last.Fetched.Path, dir)
	_, err = ask(t, func(ctx context.Context, on func(node.Event)) error {
		return visitor.Fetch(ctx, node.FetchRequest{Ref: link + "/app", Dir: t.TempDir(), FromGroup: node.FromGroup{Receipt: receipt + "2"}}, on)
	}, nil)
	if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("a receipt from a visit: got %v, want a usage error and a hint", err)
	}
	if a := askGroup(t, visitor, node.GroupRequest{List: &struct{}{}}); len(a.Groups) != 0 {
		t.Errorf("a visitor has joined: %+v", a.Groups)
	}
	// What is not there, and who may not.
	for _, c := range []struct {
		ref  string
		kind fault.Kind
	}{{"acme/app@2.0.0", fault.NotFound}, {"acme/other", fault.NotFound}, {"other/app", fault.NotFound}} {
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return reader.Fetch(ctx, node.FetchRequest{Ref: c.ref, Dir: t.TempDir()}, on)
		}, nil)
		if fault.KindOf(err) != c.kind || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want kind %v and a hint", c.ref, err, c.kind)
		}
	}
	if _, err := publishAs(t, reader, dir, "acme", "app@6.6.6"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a reader publishes: got %v, want Denied", err)
	}
}

func TestPublisherInAGroup(t *testing.T) {
	owner, reader, link := acme(t)
	key := filepath.Join(t.TempDir(), "bob.key")
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "bob", Role: "publisher", Key: key}})
	if a.Wrote != key || len(a.Accounts) != 2 {
		t.Fatalf("added: %+v", a)
	}
	bob, _ := daemon(t, t.TempDir(), nil)
	b := askGroup(t, bob, node.GroupRequest{Group: link, Join: &node.JoinGroup{User: "bob", Key: key, Label: "builder", Peers: []string{addrOf(t, owner)}}})
	if b.Groups[0].Account != "bob" || b.Groups[0].Role != "publisher" {
		t.Fatalf("joined as bob: %+v", b.Groups[0])
	}
	dir := folder(t, "tool", map[string]string{"f": "1"})
	if _, err := publishAs(t, bob, dir, "acme", "tool@1"); err != nil {
		t.Fatal(err)
	}
	waitEntries(t, reader, "acme/tool@1 by bob")
	// A rule keeps bob from a path.
	r := askGroup(t, owner, node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: "deny bob publish secret/**"}})
	if len(r.Rules) != 1 || len(r.Rules[0].Matches) != 1 || r.Rules[0].Matches[0] != "bob" {
		t.Fatalf("rules: %+v", r.Rules)
	}
	d := askGroup(t, owner, node.GroupRequest{Group: "acme", TestRule: &node.TestRule{User: "bob", Right: "publish", Path: "secret/x"}})
	if d.Decision.Allowed || d.Decision.Rule != r.Rules[0].ID {
		t.Errorf("decision: %+v", d.Decision)
	}
	for end := time.Now().Add(90 * time.Second); len(askGroup(t, bob, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Rules) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("bob does not hear of the rule")
		}
	}
	if _, err := publishAs(t, bob, folder(t, "s", map[string]string{"f": "2"}), "acme", "secret@1"); fault.KindOf(err) != fault.Denied {
		t.Errorf("against the rule: got %v, want Denied", err)
	}
	// What bob published stays when he is removed; he publishes nothing more.
	askGroup(t, owner, node.GroupRequest{Group: "acme", RemoveUser: &b.Groups[0].Account})
	waitEntries(t, reader, "acme/tool@1 by bob")
	// Readers and publishers change nothing.
	for name, req := range map[string]node.GroupRequest{
		"add a user":      {AddUser: &node.AddUser{Name: "eve", Role: "publisher", Key: filepath.Join(t.TempDir(), "eve.key")}},
		"add a rule":      {AddRule: &node.AddRule{Rule: "allow * publish **"}},
		"remove a user":   {RemoveUser: &b.Groups[0].Account},
		"change an owner": {Owners: &node.ChangeOwners{Rotate: true}},
	} {
		req.Group = "acme"
		if _, err := reader.Group(t.Context(), req, func(node.Event) {}); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s as a reader: got %v, want Denied", name, err)
		}
	}
	// The owner rotates the key, and drops the entry.
	o := askGroup(t, owner, node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Rotate: true}})
	if o.Groups[0].Version != 2 {
		t.Errorf("after the rotation: version %d, want 2", o.Groups[0].Version)
	}
	drop := "tool@1"
	askCatalog(t, owner, node.CatalogRequest{Group: "acme", Drop: &drop})
	waitEntries(t, reader, "")
	// The new root travels by itself, and may come after what its owner did next.
	for end := time.Now().Add(90 * time.Second); askGroup(t, reader, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0].Version != 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the reader does not hear of version 2")
		}
	}
	h := askGroup(t, reader, node.GroupRequest{Group: "acme", Log: &struct{}{}})
	var all []string
	for _, l := range h.Log {
		all = append(all, l.What)
	}
	for _, want := range []string{"published tool@1", "removed the account bob", "set the rule", "version 2"} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("the history does not tell %q:\n%s", want, strings.Join(all, "\n"))
		}
	}
}

func TestMirror(t *testing.T) {
	owner, reader, _ := acme(t)
	dir := t.TempDir()
	askGroup(t, reader, node.GroupRequest{Group: "acme", Follow: &node.Follow{Keep: 1, Dir: dir, Match: []string{"app*"}}})
	one, two, other := folder(t, "app-1", map[string]string{"f": "1"}), folder(t, "app-2", map[string]string{"f": "2"}), folder(t, "other", map[string]string{"f": "3"})
	for _, p := range []struct{ path, as string }{{one, "app@1.0"}, {other, "other@1"}} {
		if _, err := publishAs(t, owner, p.path, "acme", p.as); err != nil {
			t.Fatal(err)
		}
	}
	s := shareIn2(t, reader, "app-1", in(node.StateSeeding))
	if s.Path != filepath.Join(dir, "app@1.0", "app-1") {
		t.Errorf("mirrored to %q", s.Path)
	}
	if _, err := publishAs(t, owner, two, "acme", "app@1.1"); err != nil {
		t.Fatal(err)
	}
	shareIn2(t, reader, "app-2", in(node.StateSeeding))
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(filepath.Join(dir, "app@1.0"))
		if os.IsNotExist(err) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the old version is kept")
		}
	}
	if st, err := reader.Status(t.Context(), node.StatusRequest{}); err != nil || len(st.Shares) != 1 {
		t.Errorf("shares of the mirror: %+v, %v, want app-2 alone", st, err)
	}
}

// shareIn2 is shareIn for a share that is not there yet.
func shareIn2(t *testing.T, n *node.Node, ref string, ok func(node.Share) bool) node.Share {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s, err := n.Status(t.Context(), node.StatusRequest{Refs: []string{ref}})
		if err == nil && ok(s.Shares[0]) {
			return s.Shares[0]
		}
		if time.Now().After(end) {
			t.Fatalf("the share %q does not get there: %+v, %v", ref, s, err)
		}
	}
}

func TestExportAndImport(t *testing.T) {
	owner, reader, _ := acme(t)
	if _, err := publishAs(t, owner, folder(t, "app", map[string]string{"f": "1"}), "acme", "app@1"); err != nil {
		t.Fatal(err)
	}
	waitEntries(t, reader, "acme/app@1 by alice")
	file := filepath.Join(t.TempDir(), "acme.export")
	a := askCatalog(t, reader, node.CatalogRequest{Group: "acme", Export: &file})
	if a.Records == 0 {
		t.Errorf("exported: %+v", a)
	}
	far := alone(t, t.TempDir())
	j := askGroup(t, far, node.GroupRequest{Group: file, Join: &node.JoinGroup{As: "acme"}})
	if j.Groups[0].Entries != 1 {
		t.Errorf("joined by a file: %+v", j.Groups[0])
	}
	waitEntries(t, far, "acme/app@1 by alice")
	v := askCatalog(t, far, node.CatalogRequest{Group: "acme", Verify: &struct{}{}})
	if len(v.Problems) != 0 || v.Records != a.Records {
		t.Errorf("verified: %+v, want %d records and no problem", v, a.Records)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoiled := range map[string][]byte{
		"torn":           raw[:len(raw)/2],
		"a changed name": bytes.ReplaceAll(raw, []byte(`"app"`), []byte(`"abb"`)),
		"nothing":        nil,
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		lost := alone(t, t.TempDir())
		if _, err := lost.Group(t.Context(), node.GroupRequest{Group: bad, Join: &node.JoinGroup{As: "acme"}}, func(node.Event) {}); err == nil {
			t.Errorf("%s: joined, want an error", name)
		}
		if a := askGroup(t, lost, node.GroupRequest{List: &struct{}{}}); len(a.Groups) != 0 {
			t.Errorf("%s: half a group is left: %+v", name, a.Groups)
		}
	}
}

// A link with an address is all that is needed where nobody is found otherwise.
func TestLinkWithAHint(t *testing.T) {
	owner, _, _ := acme(t)
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", Link: &node.LinkGroup{Hints: []string{addrOf(t, owner)}}})
	if !strings.Contains(a.Link, "?p="+addrOf(t, owner)) {
		t.Fatalf("got %q", a.Link)
	}
	far := alone(t, t.TempDir())
	if j := askGroup(t, far, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Timeout: 20 * time.Second}}); j.Groups[0].Name != "acme" {
		t.Errorf("joined: %+v", j.Groups[0])
	}
	for _, bad := range []string{"host", "host:0", "a b:1", ":1", "host:1&p=x:2"} {
		if _, err := owner.Group(t.Context(), node.GroupRequest{Group: "acme", Link: &node.LinkGroup{Hints: []string{bad}}}, func(node.Event) {}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: got %v, want a usage error", bad, err)
		}
	}
}

func TestLeave(t *testing.T) {
	_, reader, link := acme(t)
	askGroup(t, reader, node.GroupRequest{Group: "acme", Leave: &struct{}{}})
	if _, err := reader.Group(t.Context(), node.GroupRequest{Group: "acme", Show: &struct{}{}}, func(node.Event) {}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after leaving: got %v, want NotFound", err)
	}
	for _, c := range []struct{ name, link string }{
		{"a typo", link[:len(link)-1] + "x"}, {"half", link[:20]}, {"no link", "p2pshare:"}, {"no file", "/nonexistent/file"},
	} {
		if _, err := reader.Group(t.Context(), node.GroupRequest{Group: c.link, Join: &node.JoinGroup{}}, func(node.Event) {}); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want an error with a hint", c.name, err)
		}
	}
}
