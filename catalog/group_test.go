package catalog_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var now = time.Unix(1_790_000_000, 0).UTC()

func secret(name string) signed.SigningKey {
	seed := sha256.Sum256([]byte(name))
	s, err := signed.SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(err)
	}
	return s
}

func key(name string) signed.Key { return secret(name).Public() }

// authority takes the device "alice" for the admin alice, "bob" for bob, and so on. denied paths and ranks are by
// account.
type authority struct {
	denied map[string]string
	rank   map[string]int
	names  map[signed.Key]string
}

func (a authority) who(k signed.Key) (string, error) {
	if a.names == nil {
		for _, n := range []string{"alice", "bob", "carol"} {
			if key(n) == k {
				return n, nil
			}
		}
	}
	if n := a.names[k]; n != "" {
		return n, nil
	}
	return "", errors.New("nobody vouches for it")
}

func (a authority) MayPublish(k signed.Key, _, _ int64, path string) (string, int, error) {
	who, err := a.who(k)
	if err == nil && a.denied[who] != "" && strings.HasPrefix(path, a.denied[who]) {
		err = fmt.Errorf("%s may not publish at %s", who, path)
	}
	return who, a.rank[who], err
}

func (a authority) MayShare(k signed.Key, _, _ int64) (string, error) {
	who, err := a.who(k)
	if err == nil && a.denied[who] == "*" {
		err = fmt.Errorf("%s may not publish", who)
	}
	return who, err
}

func (a authority) MayDrop(k signed.Key, _, _ int64) (string, bool, error) {
	who, err := a.who(k)
	return who, who == "alice", err
}

func share(ref string) *catalog.Share {
	name, version, _ := strings.Cut(ref, "@")
	sum := sha256.Sum256([]byte(ref))
	v1 := metainfo.Hash(sum[:20])
	return &catalog.Share{ID: "s", Name: name, Version: version, Content: "content of it", Time: now, Size: 10, Files: 2, V1: &v1,
		Info: signed.HashOf([]byte("info " + ref)), Torrent: signed.HashOf([]byte("torrent " + ref)),
		Sums: []signed.Hash{signed.HashOf([]byte("a")), signed.HashOf([]byte("b"))}}
}

// logs are the records of devices, each a millisecond after the one before.
type logs struct {
	t    testing.TB
	n    int64
	recs map[string][][]byte
}

func newLogs(t testing.TB) *logs {
	return &logs{t: t, n: now.UnixMilli(), recs: map[string][][]byte{}}
}

func (l *logs) share(dev, id, ref string, change ...func(*catalog.Share)) {
	l.t.Helper()
	s := share(ref)
	s.ID = id
	for _, c := range change {
		c(s)
	}
	l.n++
	raw, err := s.Marshal(l.n)
	l.add(dev, raw, err)
}

func (l *logs) drop(dev, id string) {
	l.t.Helper()
	l.n++
	raw, err := (&catalog.Drop{ID: id}).Marshal(l.n)
	l.add(dev, raw, err)
}

func (l *logs) add(dev string, raw []byte, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	l.recs[dev] = append(l.recs[dev], raw)
}

func (l *logs) parts(open catalog.Opener) (out []*catalog.Part) {
	l.t.Helper()
	for dev, recs := range l.recs {
		p := catalog.NewPart(key(dev))
		log := signed.ParseLog(key(dev), 0, 0, slices.Values(recs), now.Add(time.Hour))
		if log.Broken != nil {
			l.t.Fatal(log.Broken)
		}
		if err := p.Add(log.Records, open); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func (l *logs) index(a authority) *catalog.Index { return catalog.Build(l.parts(nil), a, now) }

func refs(list []*catalog.Entry) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Account+":"+e.Ref())
	}
	return strings.Join(out, " ")
}

func wantProblem(t *testing.T, ix *catalog.Index, words string) {
	t.Helper()
	list, _ := ix.Problems()
	if !slices.ContainsFunc(list, func(p catalog.Problem) bool { return strings.Contains(p.String(), words) }) {
		t.Errorf("problems: got %v, want one with %q", list, words)
	}
}

func TestResolve(t *testing.T) {
	l := newLogs(t)
	for i, v := range []string{"1.2.0", "1.10.0", "2.0.0-rc.1", "1.9", "0.3.1", "0.3.7", "0.4.0", "v1.10.1", "2.0.0-rc.2"} {
		l.share("bob", fmt.Sprint(i), "app@"+v)
	}
	for i, v := range []string{"zeta", "1.0.0", "alpha"} {
		l.share("bob", fmt.Sprint(20+i), "dated@"+v)
	}
	l.share("bob", "30", "tools/plain")
	l.share("bob", "31", "Öl/App@1")
	ix := l.index(authority{})
	for _, c := range []struct{ name, version, want string }{
		{"app", "", "v1.10.1"},
		{"app", "latest", "2.0.0-rc.2"},
		{"app", "stable", "v1.10.1"},
		{"app", "1.x", "v1.10.1"},
		{"app", "1.*", "v1.10.1"},
		{"app", "1.9.x", "1.9"},
		{"app", "0.x", "0.4.0"},
		{"app", "^1.2", "v1.10.1"},
		{"app", "^0.3.1", "0.3.7"},
		{"app", "~1.2.0", "1.2.0"},
		{"app", "~1.10", "v1.10.1"},
		{"app", "x", "v1.10.1"},
		{"app", "1.9", "1.9"},
		{"app", "1.10.1", "v1.10.1"},
		{"app", "2.0.0-rc.1", "2.0.0-rc.1"},
		{"APP", "1.9", "1.9"},
		{"app", "2.x", ""},
		{"app", "^3", ""},
		{"app", "1.9.9", ""},
		{"app", "nightly", ""},
		{"nothing", "", ""},
		{"app", "LATEST", "2.0.0-rc.2"},
		{"app", "V1.9.0", "1.9"},
		{"app", "01.9", "1.9"},
		{"app", "2.0.0-RC.1", "2.0.0-rc.1"},
		{"ＡＰＰ", "1.9", "1.9"},
		{"dated", "", "1.0.0"}, // what parses stands before what does not, newer or not
		{"dated", "Alpha", "alpha"},
		{"dated", "alpha", "alpha"},
		{"dated", "stable", "1.0.0"},
		{"tools/plain", "latest", ""},
		{"o\u0308l/app", "1", "1"},
	} {
		e, err := ix.Resolve(c.name, c.version)
		if c.want == "" && c.name != "tools/plain" {
			if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
				t.Errorf("%s@%s: got %v, %v, want not found, with a hint", c.name, c.version, e, err)
			}
			continue
		}
		if err != nil || e.Version != c.want {
			t.Errorf("%s@%s: got %v, %v, want %q", c.name, c.version, e, err, c.want)
		}
	}
	if _, err := ix.Resolve("app", "7.x"); !strings.Contains(fault.HintOf(err), "app@2.0.0-rc.2") || !strings.Contains(fault.HintOf(err), "4 more") {
		t.Errorf("hint: got %q", fault.HintOf(err))
	}
}

// TestLatest: whoever's version parses as none, or is newer or spelled otherwise, does not become latest or stable over one
// that is higher.
func TestLatest(t *testing.T) {
	for _, v := range []string{"1.z", "1.", "1..2", "1.2-rc1", "1._", "1.0.0-rc_1+x", "1.99999999999999999999", "1.999999999999999999999999999999.0",
		"01.9", "v1.9.9", "V1", "1.9.9.9.9", "1.0.0-zz", "1.2.3+9999", "0000000002", "v2.0.0-zz", "2.0.0-9", "2.0", "2.00.0", "nightly", "z", "9-9-9", "9_9"} {
		l := newLogs(t)
		l.share("alice", "a", "app@2.0.0")
		l.share("alice", "b", "app@2.0.0-rc.1")
		l.share("bob", "c", "app@"+v)
		ix := l.index(authority{rank: map[string]int{"bob": 1}})
		for _, want := range []string{"", "latest", "stable", "x", "2.x", "^2", "2.0.0"} {
			if e, err := ix.Resolve("app", want); err != nil || e.Account != "alice" || e.Version != "2.0.0" {
				t.Errorf("beside app@%s of another, app@%s: got %v, %v, want alice's 2.0.0", v, want, e, err)
			}
		}
	}
	// A range of a longer number is the number's.
	l := newLogs(t)
	for i, v := range []string{"18446744073709551616.0", "18446744073709551617.1", "2024.01.05", "2024.1.10"} {
		l.share("bob", fmt.Sprint(i), "app@"+v)
	}
	ix := l.index(authority{})
	for want, v := range map[string]string{"": "18446744073709551617.1", "18446744073709551616.x": "18446744073709551616.0", "2024.x": "2024.1.10", "2024.1.5": "2024.01.05"} {
		if e, err := ix.Resolve("app", want); err != nil || e.Version != v {
			t.Errorf("app@%s: got %v, %v, want %s", want, e, err, v)
		}
	}
	// A name alone means the highest that is no pre-release, then what has no version, then the highest.
	for _, c := range []struct{ versions, usual, latest string }{
		{"1.4.3 1.5.0-rc.1", "1.4.3", "1.5.0-rc.1"},
		{"1.4.3 1.5.0-rc.1 nightly 2026-11-29", "1.4.3", "1.5.0-rc.1"},
		{"nightly 0.1", "0.1", "0.1"},
		{"nightly -", "", "nightly"},
		{"1.0.0-rc.1 -", "", "1.0.0-rc.1"},
		{"1.0.0-rc.1 1.0.0-beta nightly", "1.0.0-rc.1", "1.0.0-rc.1"},
		{"nightly", "nightly", "nightly"},
	} {
		l = newLogs(t)
		for i, v := range slices.Backward(strings.Fields(c.versions)) {
			l.share("bob", fmt.Sprint(i), strings.TrimSuffix("app@"+v, "@-"))
		}
		ix = l.index(authority{})
		for want, v := range map[string]string{"": c.usual, "latest": c.latest} {
			if e, err := ix.Resolve("app", want); err != nil || e.Version != v {
				t.Errorf("of %s, app@%s: got %v, %v, want %q", c.versions, want, e, err, v)
			}
		}
	}
	// Without one that parses, it is the newest; none of them is stable.
	l = newLogs(t)
	l.share("alice", "a", "app@nightly")
	l.share("bob", "b", "app@weekly")
	ix = l.index(authority{})
	if e, err := ix.Resolve("app", ""); err != nil || e.Version != "weekly" {
		t.Errorf("latest of what does not parse: got %v, %v", e, err)
	}
	if e, err := ix.Resolve("app", "stable"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("stable of what does not parse: got %v, %v", e, err)
	}
}

func TestCheckNameAndVersion(t *testing.T) {
	for _, s := range []string{"app", "films/heat", "Öl", "a.b-c_d/1", "x y"} {
		if err := catalog.CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "/a", "a/", "a//b", "a/../b", ".", "a@1", "a*", "-a", "a/-b", "con", "a\x1bb", "a\u202eb", "a:b",
		strings.Repeat("x", 201), "1/2/3/4/5/6/7/8/9", "a\\b", "a＠1", "a／b", "app\ufe0f", "a\u200db", "a\u00adb", "\u3164", "a\u2026", "app ", "app.", "a/ ", "..",
		"a%2f..", "a/．．/b", "＊"} {
		if err := catalog.CheckName(s); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: got %v, want a usage error", s, err)
		}
	}
	for _, s := range []string{"1", "1.2.3", "v1.2.3-rc.1+b", "2026-11-22", "nightly", "x86", "1.x86"} {
		if err := catalog.CheckVersion(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "latest", "stable", "1.x", "1.2.x", "x", "^1", "~1.2", "*", ".1", "-1", "a b", "a/b", "é", strings.Repeat("1", 65),
		"Latest", "STABLE", "1.X", "1.2.X", "X"} {
		if err := catalog.CheckVersion(s); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: got %v, want a usage error", s, err)
		}
	}
}

func TestWhoseNameItIs(t *testing.T) {
	for _, c := range []struct {
		name string
		a    authority
		do   func(l *logs)
		want string // entries
		also string // of the first
		prob string
	}{
		{"a later share of the same account stands", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("bob", "b", "app@1")
		}, "bob:app@1", "", ""},
		{"of two accounts of one rank the first", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "b", "app@1")
		}, "bob:app@1", "carol:app@1", ""},
		{"of two accounts the one of the lower rank", authority{rank: map[string]int{"bob": 1000, "carol": 3}}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "b", "app@1")
		}, "carol:app@1", "bob:app@1", ""},
		{"another case is the same name", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "b", "App@1")
		}, "bob:app@1", "carol:App@1", ""},
		{"another width is the same name", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "b", "ａｐｐ@1")
		}, "bob:app@1", "carol:ａｐｐ@1", ""},
		{"another spelling is the same version", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1.2")
			l.share("carol", "b", "app@v1.02.0")
		}, "bob:app@1.2", "carol:app@v1.02.0", ""},
		{"another case is the same version", authority{}, func(l *logs) {
			l.share("bob", "a", "app@nightly")
			l.share("carol", "b", "app@Nightly")
		}, "bob:app@nightly", "carol:app@Nightly", ""},
		{"one who may not publish there", authority{denied: map[string]string{"bob": "app"}}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "b", "app@1")
		}, "carol:app@1", "", "may not publish at app/1"},
		{"a stranger", authority{}, func(l *logs) { l.share("eve", "a", "app@1") }, "", "", "nobody vouches"},
		{"the author drops", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("bob", "b", "app@2")
			l.drop("bob", "a")
		}, "bob:app@2", "", ""},
		{"an admin drops", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.drop("alice", "a")
		}, "", "", ""},
		{"another drops", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.drop("carol", "a")
		}, "bob:app@1", "", ""},
		{"a stranger drops", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.drop("eve", "a")
		}, "bob:app@1", "", "nobody vouches"},
		{"shared again after a drop", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.drop("bob", "a")
			l.share("bob", "a", "app@2")
		}, "bob:app@2", "", ""},
		{"the same id again is a change", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("bob", "a", "app@2")
		}, "bob:app@2", "", ""},
		{"another's id is another's", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.share("carol", "a", "tool@1")
			l.drop("carol", "a")
		}, "bob:app@1", "", ""},
		{"an end that has come", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1", func(s *catalog.Share) { s.Until = now })
			l.share("bob", "b", "app@2", func(s *catalog.Share) { s.Until = now.Add(time.Second) })
		}, "bob:app@2", "", ""},
		{"a record that is not understood", authority{}, func(l *logs) {
			l.share("bob", "a", "app@1")
			l.n++
			l.add("bob", fmt.Appendf(nil, `{"id":"b","moon":1,"n":%d,"op":"drop"}`, l.n), nil)
		}, "bob:app@1", "", "not understood"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLogs(t)
			c.do(l)
			ix := l.index(c.a)
			if got := refs(ix.Entries()); got != c.want {
				t.Errorf("entries: got %q, want %q", got, c.want)
			}
			if c.also != "" {
				if got := refs(ix.Entries()[0].Also); got != c.also {
					t.Errorf("also: got %q, want %q", got, c.also)
				}
			}
			if c.prob != "" {
				wantProblem(t, ix, c.prob)
			}
			if ix.Len() != len(ix.Entries()) {
				t.Errorf("Len: got %d, want %d", ix.Len(), len(ix.Entries()))
			}
		})
	}
	l := newLogs(t)
	for range 3 {
		l.share("bob", fmt.Sprint(l.n), "app@1")
	}
	if e, err := l.index(authority{}).Resolve("app", ""); err != nil || e.Replaces != 2 || !e.Published().Equal(time.UnixMilli(l.n)) {
		t.Errorf("got %+v, %v, want it to replace 2", e, err)
	}
}

func TestSearch(t *testing.T) {
	l := newLogs(t)
	l.share("bob", "a", "films/Heat@1995", func(s *catalog.Share) { s.Note = "Director's CUT" })
	l.share("bob", "b", "films/ran@1985")
	l.share("carol", "c", "tools/heater@1.0.0")
	ix := l.index(authority{})
	for _, c := range []struct{ words, want string }{
		{"heat", "bob:films/Heat@1995 carol:tools/heater@1.0.0"},
		{"HEAT films", "bob:films/Heat@1995"},
		{"cut", "bob:films/Heat@1995"},
		{"carol", "carol:tools/heater@1.0.0"},
		{"1985", "bob:films/ran@1985"},
		{"content", "bob:films/Heat@1995 bob:films/ran@1985 carol:tools/heater@1.0.0"},
		{"", "bob:films/Heat@1995 bob:films/ran@1985 carol:tools/heater@1.0.0"},
		{"heat ran", ""},
	} {
		if got := refs(ix.Search(c.words)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.words, got, c.want)
		}
	}
	if n := ix.Names(); len(n) != 3 || n[0].Name != "films/Heat" {
		t.Errorf("names: got %+v", n)
	}
}

func TestParseNamed(t *testing.T) {
	link := signed.Link{Group: signed.GroupID{1, 2}, Kind: signed.Public, Hints: []string{"10.0.0.1:6881"}}
	for _, c := range []struct{ in, group, name, version string }{
		{"acme/app", "acme", "app", ""},
		{"acme/app@1.4.2", "acme", "app", "1.4.2"},
		{"acme/app@latest", "acme", "app", "latest"},
		{"acme/app@^1.x1", "", "", ""},
		{"acme/tools/app@1.x", "acme", "tools/app", "1.x"},
		{link.String() + "/app@1.4", "", "app", "1.4"},
	} {
		r, err := catalog.ParseRef(c.in, catalog.Named)
		if c.name == "" {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("%q: got %+v, %v, want a usage error", c.in, r, err)
			}
			continue
		}
		if err != nil || r.Kind != catalog.Named || r.Group != c.group || r.Name != c.name || r.Version != c.version || (c.group == "") != (r.Link != nil) {
			t.Errorf("%q: got %+v, %v", c.in, r, err)
		}
		if r.Link != nil && r.Link.String() != link.String() {
			t.Errorf("%q: link %v", c.in, r.Link)
		}
		if _, err := catalog.ParseRef(c.in); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q for who cannot resolve names: got %v", c.in, err)
		}
	}
	for _, c := range []struct{ name, in, want string }{
		{"link alone", link.String(), "names nothing in it"},
		{"link with a typo", "p2pshare:" + strings.Repeat("a", 39) + "/app", "mistyped"},
		{"no name", "acme/", "one entry of a group"},
		{"no version", "acme/app@", "asks for no version"},
		{"a group in capitals", "Acme/app", "no file here"},
		{"a path", "./app/x", "no file here"},
	} {
		if _, err := catalog.ParseRef(c.in, catalog.Named); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" && c.name != "no name" {
			t.Errorf("%s: got %v, want a usage error with %q", c.name, err, c.want)
		}
	}
	if catalog.Named.String() != "name" {
		t.Errorf("got %q", catalog.Named)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"app@1.4.2", "films/heat@^1.x", "a@latest", "x@~0.0", "é@*"} {
		f.Add(s)
	}
	l := newLogs(f)
	l.share("bob", "a", "app@1.4.2")
	ix := l.index(authority{})
	f.Fuzz(func(t *testing.T, s string) {
		name, version, err := catalog.SplitName(s)
		if err != nil {
			return
		}
		if e, err := ix.Resolve(name, version); (err == nil) == (e == nil) {
			t.Fatalf("%q: %v, %v", s, e, err)
		}
		if version != "" && catalog.CheckVersion(version) == nil {
			if _, err := (&catalog.Share{ID: "x", Name: name, Version: version, Content: "c", Time: now, Files: 1, Info: signed.Hash{1}, Torrent: signed.Hash{1}}).Marshal(1); err != nil {
				t.Fatalf("%q can be asked for, and not shared: %v", s, err)
			}
		}
	})
}

// What was taken back is told of by whom, when and why, until it is published again.
func TestTakenBack(t *testing.T) {
	l := newLogs(t)
	l.share("bob", "a", "app@1.4.4")
	l.share("bob", "b", "app@1.4.3")
	l.share("bob", "c", "gone@1")
	l.share("bob", "d", "again@1")
	l.n++
	raw, err := (&catalog.Drop{ID: "a", Note: "crashes on start"}).Marshal(l.n)
	l.add("bob", raw, err)
	l.drop("bob", "c")
	l.drop("bob", "d")
	l.drop("bob", "none")
	l.share("bob", "d", "again@v1.0")
	ix := l.index(authority{})
	day := time.UnixMilli(l.n).UTC().Format(time.DateOnly)
	for _, c := range []struct{ name, version, text, hint string }{
		{"app", "1.4.4", "app@1.4.4 was taken back by bob on " + day + ": crashes on start", "there is app@1.4.3"},
		{"APP", "v1.4.4", "app@1.4.4 was taken back by bob on " + day + ": crashes on start", "there is app@1.4.3"},
		{"app", "1.4.5", `"app" has no version "1.4.5"`, "there is app@1.4.3"},
		{"gone", "", "gone@1 was taken back by bob on " + day, "nothing else is called so"},
		{"gone", "2", "gone@1 was taken back by bob on " + day, "nothing else is called so"},
		{"never", "", `nothing here is called "never"`, "--search"},
	} {
		_, err := ix.Resolve(c.name, c.version)
		if fault.KindOf(err) != fault.NotFound || err.Error() != c.text || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s@%s: got %v, %q, want %q, %q", c.name, c.version, err, fault.HintOf(err), c.text, c.hint)
		}
	}
	if _, err := ix.Resolve("again", "1"); err != nil {
		t.Error(err)
	}
	if len(ix.Taken()) != 2 || ix.TakenBack("again", "1") != nil {
		t.Errorf("taken back: %v", ix.Taken())
	}
}

func TestDropNote(t *testing.T) {
	for _, d := range []catalog.Drop{
		{ID: "a", Note: strings.Repeat("n", 2001)}, {ID: "a", Note: "a\x1b[2J"}, {ID: "a", Note: "n", Audience: "all", Epoch: 1, Box: []byte("b")},
		{ID: "a", Box: []byte("b")}, {ID: "a", Audience: "all", Epoch: 1, Box: make([]byte, 5000)},
	} {
		if _, err := d.Marshal(1); err == nil {
			t.Errorf("%.60v was made", d)
		}
	}
	for _, note := range []string{"", strings.Repeat("n", 2001), "\x00"} {
		if _, err := catalog.NoteBody(note); err == nil {
			t.Errorf("a note of %.10q was made", note)
		}
	}
}
