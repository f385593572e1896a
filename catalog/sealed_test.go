package catalog_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// opener opens the boxes it knows, by audience, epoch and box.
type opener map[string]string

func (o opener) OpenShare(aud string, epoch int64, box []byte) ([]byte, error) {
	if s, ok := o[fmt.Sprint(aud, epoch, string(box))]; ok {
		return []byte(s), nil
	}
	return nil, errors.New("no identity")
}

func body(t testing.TB, s *catalog.Share) string {
	t.Helper()
	b, err := s.Body()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sealedShare is one of a tar in an age file of 5,000 bytes.
func sealedShare(ref string) *catalog.Share {
	s := share(ref)
	s.Sealed, s.SealedSize = seal.Tar, 5000
	return s
}

// sealed adds the record of a share that opener{"all3"+box: ...} opens.
func (l *logs) sealed(dev, id, box string, hold *catalog.Hold) {
	l.t.Helper()
	l.n++
	raw, err := (&catalog.Sealed{ID: id, Audience: "all", Epoch: 3, Box: []byte(box), Hold: hold}).Marshal(l.n)
	l.add(dev, raw, err)
}

func TestSealed(t *testing.T) {
	l := newLogs(t)
	for _, box := range []string{"good", "unreadable", "forged"} {
		l.sealed("bob", box, box, nil)
	}
	parts := l.parts(opener{"all3good": body(t, share("hr/pay@1")), "all3forged": `{"name":"x"}`})
	if parts[0].Sealed != 1 {
		t.Errorf("sealed: got %d, want 1", parts[0].Sealed)
	}
	ix := catalog.Build(parts, authority{}, now)
	if got := refs(ix.Entries()); got != "bob:hr/pay@1" {
		t.Errorf("got %q", got)
	}
	wantProblem(t, ix, "not understood")
	if len(ix.Held()) != 0 {
		t.Errorf("held: got %v, want none: nothing is for mirrors", ix.Held())
	}
	if parts := l.parts(nil); parts[0].Sealed != 3 {
		t.Errorf("without keys: got %d, want 3", parts[0].Sealed)
	}
	if err := parts[0].Add([]signed.Record{{Index: 7}}, nil); err == nil {
		t.Error("a part that goes on elsewhere: got nil, want an error")
	}
}

func TestHeld(t *testing.T) {
	a, b := sealedShare("films/heat@1995"), sealedShare("hr/pay")
	l := newLogs(t)
	l.sealed("bob", "a", "old", &catalog.Hold{Torrent: signed.HashOf([]byte("old")), Size: 1})
	l.sealed("bob", "a", "heat", a.Hold())
	l.sealed("bob", "b", "pay", b.Hold())
	l.sealed("carol", "c", "hers", &catalog.Hold{Torrent: signed.HashOf([]byte("hers")), Size: 2})
	l.sealed("bob", "c", "dropped", &catalog.Hold{Torrent: signed.HashOf([]byte("dropped")), Size: 3})
	l.drop("bob", "c")
	l.sealed("bob", "d", "dropped by the admin", &catalog.Hold{Torrent: signed.HashOf([]byte("d")), Size: 4})
	l.drop("alice", "d")
	l.sealed("bob", "e", "not for mirrors", nil)
	l.sealed("nobody", "f", "of nobody", &catalog.Hold{Torrent: signed.HashOf([]byte("f")), Size: 5})
	held := func(ix *catalog.Index) string {
		var out []string
		for _, h := range ix.Held() {
			if h.Device != key(h.Account) || h.N <= now.UnixMilli() {
				t.Errorf("got %+v, want its device and time", h)
			}
			name := h.Torrent.String()[:4]
			for _, s := range []*catalog.Share{a, b} {
				if s.Torrent == h.Torrent {
					name = s.Ref()
				}
			}
			out = append(out, fmt.Sprintf("%s %d %s %d", h.Account, h.Index, name, h.Size))
		}
		return strings.Join(out, ", ")
	}
	hers := signed.HashOf([]byte("hers")).String()[:4]
	for _, c := range []struct {
		name    string
		keys    opener
		auth    authority
		entries string
		held    string
	}{
		{"a mirror", nil, authority{}, "", "bob 1 films/heat@1995 5000, bob 2 hr/pay 5000, carol 0 " + hers + " 2"},
		{"a member who reads one", opener{"all3heat": body(t, a)}, authority{}, "bob:films/heat@1995", "bob 2 hr/pay 5000, carol 0 " + hers + " 2"},
		{"who may not publish anything", nil, authority{denied: map[string]string{"bob": "*"}}, "", "carol 0 " + hers + " 2"},
	} {
		open := catalog.Opener(c.keys)
		if c.keys == nil {
			open = nil
		}
		ix := catalog.Build(l.parts(open), c.auth, now)
		if got := refs(ix.Entries()); got != c.entries {
			t.Errorf("%s: entries: got %q, want %q", c.name, got, c.entries)
		}
		if got := held(ix); got != c.held {
			t.Errorf("%s: held: got %q, want %q", c.name, got, c.held)
		}
		wantProblem(t, ix, "nobody vouches")
	}
}

// TestSealedReplaces: who is no longer meant does not go on to see what there was before.
func TestSealedReplaces(t *testing.T) {
	l := newLogs(t)
	l.sealed("bob", "s", "for all", nil)
	keys := opener{"all3for all": body(t, share("app@1"))}
	if got := refs(catalog.Build(l.parts(keys), authority{}, now).Entries()); got != "bob:app@1" {
		t.Fatalf("got %q", got)
	}
	l.sealed("bob", "s", "for few", nil)
	if got := refs(catalog.Build(l.parts(keys), authority{}, now).Entries()); got != "" {
		t.Errorf("got %q, want nothing: it was sealed to others anew", got)
	}
	l.sealed("carol", "s", "hers", nil)
	l.sealed("carol", "t", "hers too", nil)
	keys["all3hers"] = body(t, share("app@2"))
	if got := refs(catalog.Build(l.parts(keys), authority{}, now).Entries()); got != "carol:app@2" {
		t.Errorf("got %q, want hers: another account's share of that id takes no place", got)
	}
}

func TestSealedShareGolden(t *testing.T) {
	s := sealedShare("films/heat@1995")
	raw, err := (&catalog.Sealed{ID: "s", Audience: "all", Epoch: 1, Box: []byte(body(t, s)), Hold: s.Hold()}).Marshal(now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sealed", fmt.Appendf(nil, "%s\n%s\n", raw, body(t, s)))
	got, err := catalog.ReadSealed(raw)
	if err != nil || !reflect.DeepEqual(got.Hold, s.Hold()) {
		t.Fatalf("got %+v, %v", got, err)
	}
	opened, err := got.Open(opener{"all1" + body(t, s): body(t, s)})
	if err != nil || !reflect.DeepEqual(opened, s) {
		t.Errorf("got %+v, %v, want %+v", opened, err, s)
	}
	if _, err := got.Open(opener{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("of others: got %v, want it denied", err)
	}
	if share("x").Hold() != nil {
		t.Error("a share in clear: got a hold")
	}
}

func TestSealedRefuses(t *testing.T) {
	s := sealedShare("films/heat@1995")
	plain := share("films/heat@1995")
	seeds := share("films/heat@1995")
	seeds.WebSeeds = []string{"https://a.example/heat"}
	for _, c := range []struct {
		name string
		body string
		hold *catalog.Hold
		want string
	}{
		{"another torrent for mirrors", body(t, s), &catalog.Hold{Torrent: signed.Hash{1}, Size: 5000}, "another torrent"},
		{"another size for mirrors", body(t, s), &catalog.Hold{Torrent: s.Torrent, Size: 1}, "another torrent"},
		{"nothing for mirrors", body(t, s), nil, "another torrent"},
		{"content in clear for mirrors", body(t, plain), &catalog.Hold{Torrent: s.Torrent, Size: 10}, "another torrent"},
		{"web seeds", body(t, seeds), nil, "web seeds"},
		{"no body", "{}", nil, "name"},
	} {
		raw, err := (&catalog.Sealed{ID: "s", Audience: "all", Epoch: 1, Box: []byte("b"), Hold: c.hold}).Marshal(5)
		if err != nil {
			t.Fatal(err)
		}
		got, err := catalog.ReadSealed(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got.Open(opener{"all1b": c.body}); fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it refused with %q", c.name, err, c.want)
		}
		l := newLogs(t)
		l.add("bob", raw, nil)
		l.n += time.Minute.Milliseconds()
		p := catalog.NewPart(key("bob"))
		if err := p.Add([]signed.Record{record(t, raw)}, opener{"all1b": c.body}); err != nil {
			t.Fatal(err)
		}
		ix := catalog.Build([]*catalog.Part{p}, authority{}, now)
		if ix.Len() != 0 || len(ix.Held()) != 0 || p.Sealed != 0 {
			t.Errorf("%s: got %v and %v, want neither an entry nor something to hold", c.name, refs(ix.Entries()), ix.Held())
		}
		wantProblem(t, ix, c.want)
	}
	for _, c := range []struct {
		name   string
		change func(*catalog.Share)
		want   string
	}{
		{"an unknown form", func(s *catalog.Share) { s.Sealed = "zip" }, "unknown"},
		{"no size", func(s *catalog.Share) { s.SealedSize = 0 }, "sealed_size"},
		{"a size without a form", func(s *catalog.Share) { s.Sealed = "" }, "sealed_size"},
		{"two files in one", func(s *catalog.Share) { s.Sealed = seal.File }, "2 in one file"},
	} {
		s := sealedShare("x")
		c.change(s)
		if _, err := s.Body(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := sealedShare("x").Marshal(5); err == nil || !strings.Contains(err.Error(), "in clear") {
		t.Errorf("sealed content in clear words: got %v, want an error", err)
	}
	hash, zeros := strings.Repeat("01", 32), strings.Repeat("0", 64)
	for name, raw := range map[string]string{
		"a hold of nothing":       `{"aud":"all","box":"AA==","epoch":1,"hold":{"size":0,"torrent":"` + hash + `"},"id":"s","n":5,"op":"share"}`,
		"a hold of zeros":         `{"aud":"all","box":"AA==","epoch":1,"hold":{"size":1,"torrent":"` + zeros + `"},"id":"s","n":5,"op":"share"}`,
		"a hold without torrent":  `{"aud":"all","box":"AA==","epoch":1,"hold":{"size":1},"id":"s","n":5,"op":"share"}`,
		"a hold with a name":      `{"aud":"all","box":"AA==","epoch":1,"hold":{"name":"x","size":1,"torrent":"` + hash + `"},"id":"s","n":5,"op":"share"}`,
		"a hold that is no place": `{"aud":"all","box":"AA==","epoch":1,"hold":"x","id":"s","n":5,"op":"share"}`,
		"in clear":                `{"id":"s","n":5,"op":"share","open":` + body(t, share("x")) + `}`,
		"a drop":                  `{"id":"s","n":5,"op":"drop"}`,
		"no record":               `{`,
	} {
		if _, err := catalog.ReadSealed([]byte(raw)); fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func record(t *testing.T, raw []byte) signed.Record {
	t.Helper()
	r, err := signed.ParseRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedShareAgainstItsTorrent(t *testing.T) {
	s := sealedShare("x")
	good := catalog.Facts{Name: "0123.age", Size: 5000, Files: 1, V1: s.V1, Info: s.Info, Torrent: &s.Torrent}
	if err := s.CheckTorrent("bob", good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*catalog.Facts){
		"another info":    func(f *catalog.Facts) { f.Info = signed.Hash{} },
		"another torrent": func(f *catalog.Facts) { f.Torrent = new(signed.Hash) },
		"another size":    func(f *catalog.Facts) { f.Size = s.Size },
		"two files":       func(f *catalog.Facts) { f.Files = 2 },
	} {
		f := good
		change(&f)
		if err := s.CheckTorrent("bob", f); fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func FuzzSealed(f *testing.F) {
	s := sealedShare("films/heat@1995")
	for _, sealed := range []catalog.Sealed{{ID: "s", Audience: "all", Epoch: 1, Box: []byte("b"), Hold: s.Hold()}, {ID: "t", Audience: "x", Epoch: 2, Box: []byte("b")}} {
		raw, err := sealed.Marshal(5)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, []byte(body(f, s)))
	}
	f.Add([]byte(`{"aud":"all","box":"Yg==","epoch":1,"id":"s","n":5,"op":"share"}`), []byte(body(f, share("x"))))
	f.Fuzz(func(t *testing.T, raw, clear []byte) {
		got, err := catalog.ReadSealed(raw)
		if err != nil {
			return
		}
		if again, err := got.Marshal(record(t, raw).N); err != nil || string(again) != string(raw) {
			t.Fatalf("%q is a share, and encodes to %q, %v", raw, again, err)
		}
		share, err := got.Open(opener{fmt.Sprint(got.Audience, got.Epoch, string(got.Box)): string(clear)})
		if err != nil {
			return
		}
		if hold := share.Hold(); !reflect.DeepEqual(hold, got.Hold) || len(share.WebSeeds) > 0 {
			t.Errorf("shows mirrors %+v, and is %+v", got.Hold, share)
		}
		if again := body(t, share); again != string(clear) {
			t.Fatalf("%q is a share, and encodes to %q", clear, again)
		}
	})
}
