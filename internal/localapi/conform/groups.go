package conform

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// group carries a request out that has to succeed.
func (s *suite) group(b localapi.Groups, r node.GroupRequest) *node.GroupAnswer {
	s.Helper()
	a, err := b.Group(s.Context(), r, ignore)
	if err != nil || a == nil {
		s.Fatalf("asking of the group %q: got %+v, %v (%s)", r.Group, a, err, fault.HintOf(err))
	}
	return a
}

// catalog carries a request out that has to succeed.
func (s *suite) catalog(b localapi.Groups, r node.CatalogRequest) *node.CatalogAnswer {
	s.Helper()
	a, err := b.Catalog(s.Context(), r, ignore)
	if err != nil || a == nil {
		s.Fatalf("asking of the catalog of %q: got %+v, %v (%s)", r.Group, a, err, fault.HintOf(err))
	}
	return a
}

var asked = &struct{}{}

// acme makes a group and publishes a release into it; port is where its member listens.
func (s *suite) acme(dir string) (link string, port int) {
	s.Helper()
	a := s.group(s.b, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	if len(a.Groups) != 1 || a.Groups[0].Name != "acme" || a.Groups[0].Role != "admin" || !strings.HasPrefix(a.Link, "p2pshare:") {
		s.Fatalf("a group that was made: got %+v, want it, with us as its admin, and a link", a)
	}
	pub, port, _ := s.share(node.PublishRequest{Path: dir, In: &node.InGroup{Group: "acme", As: "app@1.4.2", Note: "a <b> & c"}})
	if pub.Entry != "acme/app@1.4.2" {
		s.Errorf("published: got the entry %q, want acme/app@1.4.2", pub.Entry)
	}
	return a.Link, port
}

func (s *suite) groups() {
	dir := s.release(1<<20, 1)
	link, port := s.acme(dir)
	if l := s.group(s.b, node.GroupRequest{List: asked}).Groups; len(l) != 1 || l[0].Entries != 1 || l[0].Account != "admin" {
		s.Errorf("groups: got %+v, want one with an entry", l)
	}
	if a := s.group(s.b, node.GroupRequest{Group: "acme", Link: &node.LinkGroup{}}); a.Link != link {
		s.Errorf("link: got %q, want %q", a.Link, link)
	}
	reader := s.other()
	var said []node.Event
	a, err := reader.Group(s.Context(), node.GroupRequest{Group: link, Join: &node.JoinGroup{As: "theirs", Peers: []string{addr(port)}, Timeout: patience}}, func(e node.Event) { said = append(said, e) })
	if err != nil || len(a.Groups) != 1 || a.Groups[0].Entries != 1 || len(said) == 0 {
		s.Fatalf("joining: got %+v, %v, and heard %+v", a, err, said)
	}
	out, receipt := s.TempDir(), filepath.Join(s.TempDir(), "receipt")
	r := node.FetchRequest{Ref: "theirs/app@latest", Dir: out, Timeout: patience, FromGroup: node.FromGroup{Receipt: receipt}}
	if err := reader.Fetch(s.Context(), r, ignore); err != nil {
		s.Fatalf("fetching by name: %v (%s)", err, fault.HintOf(err))
	}
	s.same(filepath.Join(out, "release"), dir)
	if info, err := os.Stat(receipt); err != nil || info.Size() == 0 {
		s.Errorf("the receipt was not written: %v", err)
	}
	_, err = s.b.Group(s.Context(), node.GroupRequest{Group: link, Join: &node.JoinGroup{}}, ignore)
	s.refused("joined twice", err, fault.KindOf(err), true)
	own := node.GroupRequest{Group: "theirs", Owners: &node.ChangeOwners{Own: true}}
	made := s.group(reader, own)
	if again := s.group(reader, own); made.Wrote == "" || made.Groups[0].Owner == "" || again.Wrote != "" || again.Groups[0].Owner != made.Groups[0].Owner {
		s.Errorf("an owner key: got %+v and %+v, want one that is made once", made, again)
	}
	if a := s.group(s.b, node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Add: []string{made.Groups[0].Owner}}}); a.Groups[0].Owners != 2 {
		s.Errorf("an owner that was added: got %+v, want two", a.Groups[0])
	}
	s.group(s.b, node.GroupRequest{Group: "acme", Leave: asked})
	if l := s.group(s.b, node.GroupRequest{List: asked}).Groups; len(l) != 0 {
		s.Errorf("after leaving: got %+v, want no group", l)
	}
}

// joins tests that the backend itself joins and fetches by name, as another's member.
func (s *suite) joins() {
	dir, files := s.release(1<<20, 1), s.TempDir()
	owner := s.other()
	link := s.group(owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}).Link
	q := s.begin(func(ctx context.Context, on func(node.Event)) error {
		return owner.Publish(ctx, node.PublishRequest{Path: dir, In: &node.InGroup{Group: "acme", As: "app@2"}}, on)
	})
	port := q.until("the entry", isSeeding).Seeding.Port
	key := filepath.Join(files, "bob.key")
	if a := s.group(owner, node.GroupRequest{Group: "acme", Offline: true, AddUser: &node.AddUser{Name: "bob", Role: "publisher", Key: key}}); a.Wrote != key {
		s.Errorf("a key: got %q, want %q", a.Wrote, key)
	}
	a := s.group(s.b, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: []string{addr(port)}, User: "bob", Key: key, DeviceKey: filepath.Join(files, "device"), Label: "here", Timeout: patience}})
	if len(a.Groups) != 1 || a.Groups[0].Account != "bob" || a.Groups[0].Role != "publisher" {
		s.Fatalf("joining as bob: got %+v", a)
	}
	out := s.TempDir()
	f := s.begin(s.fetching(node.FetchRequest{Ref: "acme/app", Dir: out, Timeout: patience}))
	if got := f.until("the content", isFetched).Fetched; got.Entry != "acme/app@2" {
		s.Errorf("fetched: got the entry %q, want acme/app@2", got.Entry)
	}
	if err := f.end(); err != nil {
		s.Fatal(err)
	}
	s.same(filepath.Join(out, "release"), dir)
	q.cancel()
	if err := q.end(); err != nil {
		s.Error(err)
	}
}

func (s *suite) rights() {
	s.acme(s.release(1000, 1))
	key := filepath.Join(s.TempDir(), "bob.key")
	a := s.group(s.b, node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "bob", Role: "publisher", Teams: []string{"crew"}, Key: key}})
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 || a.Wrote != key || len(a.Accounts) != 2 {
		s.Errorf("a key: got %+v, %v, %v", a, info, err)
	}
	_, err := s.b.Group(s.Context(), node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "eve", Role: "publisher", Key: key}}, ignore)
	s.refused("a key over another", err, fault.Usage, true)
	a = s.group(s.b, node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: "deny @crew publish films/**"}})
	if len(a.Rules) != 1 || len(a.Rules[0].Matches) != 1 {
		s.Fatalf("rules: got %+v, want one that names bob", a.Rules)
	}
	test := &node.TestRule{User: "bob", Right: "publish", Path: "films/x"}
	if d := s.group(s.b, node.GroupRequest{Group: "acme", TestRule: test}).Decision; d == nil || d.Allowed || d.Rule != a.Rules[0].ID {
		s.Errorf("with the rule: got %+v, want no, by it", d)
	}
	s.group(s.b, node.GroupRequest{Group: "acme", RemoveRule: &a.Rules[0].ID})
	if d := s.group(s.b, node.GroupRequest{Group: "acme", TestRule: test}).Decision; d == nil || !d.Allowed || d.Why == "" {
		s.Errorf("without it: got %+v, want yes, and why", d)
	}
	bob := "bob"
	for _, x := range s.group(s.b, node.GroupRequest{Group: "acme", RemoveUser: &bob}).Accounts {
		if x.Name == bob && !x.Gone {
			s.Errorf("after he was removed: got %+v", x)
		}
	}
	if log := s.group(s.b, node.GroupRequest{Group: "acme", Log: asked}).Log; len(log) < 5 {
		s.Errorf("log: got %d lines, want each of what was signed: %+v", len(log), log)
	}
	a = s.group(s.b, node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Rotate: true}})
	if len(a.Groups) != 1 || a.Groups[0].Version != 2 {
		s.Errorf("after the owner's key was replaced: got %+v, want root 2", a.Groups)
	}
}

func (s *suite) catalogs() {
	s.acme(s.release(1000, 1))
	s.share(node.PublishRequest{Path: s.release(1000, 2), In: &node.InGroup{Group: "acme", As: "app@1.5.0"}})
	a := s.catalog(s.b, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{}})
	if len(a.Entries) != 1 || a.Entries[0].Ref != "acme/app@1.5.0" || a.Group.Name != "acme" {
		s.Errorf("the latest: got %+v", a)
	}
	if a = s.catalog(s.b, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true, Search: "<B> app"}}); len(a.Entries) != 1 || a.Entries[0].Note != "a <b> & c" {
		s.Errorf("a search: got %+v, want the entry with that note", a.Entries)
	}
	name, file := "app@1.4.2", filepath.Join(s.TempDir(), "acme.p2pshare")
	if a = s.catalog(s.b, node.CatalogRequest{Group: "acme", Show: &name}); len(a.Entries) != 1 || !strings.HasPrefix(a.Entries[0].Magnet, "magnet:?") || a.Entries[0].Account != "admin" {
		s.Errorf("one: got %+v", a.Entries)
	}
	if a = s.catalog(s.b, node.CatalogRequest{Group: "acme", Verify: asked}); a.Records < 3 || a.Devices != 1 || len(a.Problems) != 0 {
		s.Errorf("verified: got %+v", a)
	}
	if a = s.catalog(s.b, node.CatalogRequest{Group: "acme", Export: &file}); a.Records < 3 {
		s.Errorf("exported: got %+v", a)
	}
	reader := s.other()
	s.group(reader, node.GroupRequest{Group: file, Join: &node.JoinGroup{As: "theirs"}})
	s.catalog(s.b, node.CatalogRequest{Group: "acme", Drop: &name})
	if a = s.catalog(s.b, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}}); len(a.Entries) != 1 {
		s.Errorf("after a drop: got %+v, want one entry", a.Entries)
	}
	if a = s.catalog(reader, node.CatalogRequest{Group: "theirs", List: &node.ListCatalog{All: true}}); len(a.Entries) != 2 {
		s.Errorf("the reader: got %+v, want what the file held", a.Entries)
	}
	later := file + "2"
	s.catalog(s.b, node.CatalogRequest{Group: "acme", Export: &later})
	s.catalog(reader, node.CatalogRequest{Group: "theirs", Import: &later})
	if a = s.catalog(reader, node.CatalogRequest{Group: "theirs", List: &node.ListCatalog{All: true}}); len(a.Entries) != 1 {
		s.Errorf("the reader, brought up to date: got %+v, want one entry", a.Entries)
	}
	s.catalog(reader, node.CatalogRequest{Group: "theirs", Import: &file})
	if a = s.catalog(reader, node.CatalogRequest{Group: "theirs", List: &node.ListCatalog{All: true}}); len(a.Entries) != 1 {
		s.Errorf("the reader, given the older file again: got %+v, want nothing rolled back", a.Entries)
	}
}

func (s *suite) groupRefusals() {
	s.acme(s.release(1000, 1))
	nothing, bob := "nothing", "bob"
	for what, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"an unknown group":     {second(s.b.Group(s.Context(), node.GroupRequest{Group: "none", Show: asked}, ignore)), fault.NotFound},
		"an unknown catalog":   {second(s.b.Catalog(s.Context(), node.CatalogRequest{Group: "none", List: &node.ListCatalog{}}, ignore)), fault.NotFound},
		"an unknown entry":     {second(s.b.Catalog(s.Context(), node.CatalogRequest{Group: "acme", Show: &nothing}, ignore)), fault.NotFound},
		"an unknown user":      {second(s.b.Group(s.Context(), node.GroupRequest{Group: "acme", RemoveUser: &bob}, ignore)), fault.NotFound},
		"a name that is taken": {second(s.b.Group(s.Context(), node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}, ignore)), fault.Usage},
		"a kind that is none":  {second(s.b.Group(s.Context(), node.GroupRequest{Group: "b", Create: &node.CreateGroup{Kind: "secret"}}, ignore)), fault.Usage},
		"a password of none":   {second(s.b.Group(s.Context(), node.GroupRequest{Group: "acme", Passwd: &node.ChangePassword{}}, ignore)), fault.Usage},
		"a fetch of none":      {s.b.Fetch(s.Context(), node.FetchRequest{Ref: "acme/none", Dir: s.TempDir()}, ignore), fault.NotFound},
	} {
		s.refused(what, c.err, c.kind, false)
	}
}

// second is the error of two results.
func second[T any](_ T, err error) error { return err }
