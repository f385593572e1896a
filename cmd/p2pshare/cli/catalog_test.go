package cli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/p2pshare/p2pshare/internal/node"
)

func acmeCatalog() *node.CatalogAnswer {
	return &node.CatalogAnswer{
		Group: acmeGroup(), Records: 12, Devices: 3, Problems: []string{"record 3 of \x07 does not count"},
		Entries: []node.Entry{{
			Ref: "acme/app@1.4.2", Name: "app", Version: "1.4.2", Content: "rel\x1b[2J", Size: 1_500_000, Files: 3, Time: time.Unix(1_700_000_000, 0).UTC(), Until: time.Unix(1_800_000_000, 0).UTC(), Note: "no\tte",
			Account: "bob", Device: aKey, Infohash: v1hex, InfoSHA256: aKey, Magnet: magnet, For: []string{"@crew"}, WebSeeds: []string{"https://w/"}, Others: []string{"eve"},
		}},
	}
}

func TestCatalogRequests(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		args           []string
		want           func(s *shell) node.CatalogRequest
		stdout, stderr string
	}{
		{[]string{"catalog", "list", "acme"}, func(*shell) node.CatalogRequest { return node.CatalogRequest{Group: "acme", List: &node.ListCatalog{}} },
			"app  1.4.2  1.5 MB  3  2023-11-14 22:13:20Z  bob  no te\n", `warning: record 3 of \a does not count`},
		{[]string{"catalog", "list", "acme", "--search", "linux arm", "--all", "-q"}, func(*shell) node.CatalogRequest {
			return node.CatalogRequest{Group: "acme", List: &node.ListCatalog{Search: "linux arm", All: true}}
		}, "acme/app@1.4.2\n", ""},
		{[]string{"catalog", "show", "acme/app@stable"}, func(*shell) node.CatalogRequest { return node.CatalogRequest{Group: "acme", Show: text("app@stable")} },
			`  content       rel\x1b[2J: 3 files, 1.5 MB` + "\n", "warning"},
		{[]string{"catalog", "show", acmeLink + "/films/alien"}, func(*shell) node.CatalogRequest {
			return node.CatalogRequest{Group: acmeLink, Show: text("films/alien")}
		}, "  magnet        " + magnet + "\n", ""},
		{[]string{"catalog", "verify", "acme"}, func(*shell) node.CatalogRequest { return node.CatalogRequest{Group: "acme", Verify: &struct{}{}} }, "OK acme: 12 records of 3 machines\n", "does not count"},
		{[]string{"catalog", "export", "acme", "x"}, func(s *shell) node.CatalogRequest {
			return node.CatalogRequest{Group: "acme", Export: text(filepath.Join(s.dir, "x"))}
		}, "/x\n", "wrote 12 records of 3 machines"},
		{[]string{"catalog", "import", "acme", "x"}, func(s *shell) node.CatalogRequest {
			return node.CatalogRequest{Group: "acme", Import: text(filepath.Join(s.dir, "x"))}
		}, "acme: 12 new records of 3 machines\n", "does not count"},
		{[]string{"drop", "acme/app@1.4.2", "--yes", "--note", "crashes on start"}, func(*shell) node.CatalogRequest {
			return node.CatalogRequest{Group: "acme", Drop: text("app@1.4.2"), Note: "crashes on start"}
		}, "dropped acme/app@1.4.2\n", ""},
		{[]string{"drop", "acme/app@1.4.2", "--yes", "--offline"}, func(*shell) node.CatalogRequest {
			return node.CatalogRequest{Group: "acme", Drop: text("app@1.4.2"), Offline: true}
		}, "dropped acme/app@1.4.2\n", "whoever has the content keeps it"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			s.fake.catalogAnswer = acmeCatalog()
			s.want(0, c.stdout, c.stderr, c.args...)
			if got, want := s.fake.catalog, c.want(s); !reflect.DeepEqual(got, want) {
				t.Errorf("request: got %+v, want %+v", got, want)
			}
			if strings.ContainsAny(s.stdout.String()+s.stderr.String(), "\x1b\x07\t") {
				t.Errorf("got %q and %q, want no control characters", s.stdout.String(), s.stderr.String())
			}
		})
	}
	s := newShell(t)
	s.fake.catalogAnswer = acmeCatalog()
	s.want(0, "acme/app@1.4.2\n", "", "catalog", "show", "acme/app")
	golden(t, "entry", s.stdout.String())
	for _, args := range [][]string{{"catalog", "list", "acme"}, {"catalog", "list", "acme", "--search", "x"}} {
		s = newShell(t)
		s.fake.catalogAnswer = &node.CatalogAnswer{Group: node.Group{Name: "acme"}}
		s.want(0, "", map[int]string{3: "nothing is shared in acme", 5: "nothing in acme has all of these words"}[len(args)], args...)
	}
	s = newShell(t)
	s.want(1, "", "there was no answer", "catalog", "list", "acme")
}

func TestDropAsks(t *testing.T) {
	for _, c := range []struct {
		answer string
		err    error
		code   int
	}{{"y", nil, 0}, {"", nil, 1}, {"", errors.New("gone"), 1}} {
		s := newShell(t)
		s.fake.catalogAnswer = acmeCatalog()
		asked := ""
		s.ask = func(q string) (string, error) { asked = q; return c.answer, c.err }
		s.want(c.code, map[bool]string{true: "dropped acme/app@1.4.2\n"}[c.code == 0], "", "drop", "acme/app")
		if !strings.Contains(asked, "acme/app@1.4.2  (3 files, 1.5 MB, by bob)") {
			t.Errorf("the question is %q, want what would go", asked)
		}
		d := s.fake.catalog.Drop
		if dropped := d != nil; dropped != (c.code == 0) {
			t.Errorf("answer %q: dropped is %v", c.answer, dropped)
		} else if dropped && *d != "app@1.4.2" {
			t.Errorf("got %q dropped, want the version that was shown", *d)
		}
	}
}

func TestPublishInAGroup(t *testing.T) {
	s := newShell(t)
	s.fake.do = ended(nil, node.Event{Published: &node.Published{Name: "rel", Magnet: magnet, Entry: "acme/app@1\x1b"}})
	s.want(0, magnet+"\n", `signed as acme/app@1\x1b`, "publish", "rel", "--no-seed", "--group", "acme", "--as", "app@1.4.2", "--for", "bob,@crew", "--for", "@publisher", "--note", "first, of all", "--offline", "--replace")
	want := &node.InGroup{Group: "acme", As: "app@1.4.2", For: []string{"bob", "@crew", "@publisher"}, Note: "first, of all", Offline: true, Replace: true}
	if got := s.fake.publish.In; !reflect.DeepEqual(got, want) {
		t.Errorf("in a group: got %+v, want %+v", got, want)
	}
	s = newShell(t)
	s.want(0, "", "", "publish", "rel", "--no-seed", "--group", acmeLink, "--as", "films/alien")
	if got := s.fake.publish.In; got == nil || got.As != "films/alien" || got.Group != acmeLink {
		t.Errorf("in a group by its link: got %+v", got)
	}
}

func TestFetchByName(t *testing.T) {
	for _, ref := range []string{"acme/app", "acme/app@latest", "acme/films/alien@1.x", acmeLink + "/app@1.4.2"} {
		s := newShell(t)
		s.fake.do = ended(nil, node.Event{Fetched: &node.Fetched{Path: "/d/rel", Name: "rel", Entry: "acme/app@1.4.2", Files: 1}})
		s.want(0, "/d/rel\n", "fetched and verified acme/app@1.4.2:", "fetch", ref)
		if got := s.fake.fetch.Ref; got != ref {
			t.Errorf("reference: got %q, want %q", got, ref)
		}
	}
	s := newShell(t)
	if err := os.MkdirAll(filepath.Join(s.dir, "acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "acme", "app"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(0, "", "", "fetch", "acme/app") // a file that is there goes before a name
	if got, want := s.fake.fetch.Ref, filepath.Join(s.dir, "acme", "app"); got != want {
		t.Errorf("reference: got %q, want %q", got, want)
	}
}

func TestFetchChecks(t *testing.T) {
	public, _, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := public.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "minisign.pub"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{public.String(), "minisign.pub"} {
		s.fake.do = func(_ context.Context, on func(node.Event)) error {
			on(node.Event{Fetched: &node.Fetched{Path: "/d/rel"}})
			return nil
		}
		s.want(0, "/d/rel\n", "wrote "+filepath.Join(s.dir, "r.json"), "fetch", "acme/app", "--receipt", "r.json", "--sums", "SUMS", "--minisign-key", key)
		want := node.FromGroup{Sums: filepath.Join(s.dir, "SUMS"), Receipt: filepath.Join(s.dir, "r.json"), MinisignKey: public.String()}
		if got := s.fake.fetch.FromGroup; got != want {
			t.Errorf("checks: got %+v, want %+v", got, want)
		}
	}
}
