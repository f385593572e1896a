package catalog_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
)

const (
	v1hex    = "0123456789abcdef0123456789abcdef01234567"
	v1base32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
	v2hex    = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func TestParseRefForms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no-suffix")
	if err := os.WriteFile(file, []byte("d"), 0o600); err != nil {
		t.Fatal(err)
	}
	type want struct {
		kind   catalog.Kind
		v1, v2 string
		path   string
		url    string
	}
	for _, c := range []struct {
		name, in string
		want     want
	}{
		{"hex magnet", "magnet:?xt=urn:btih:" + v1hex, want{kind: catalog.Magnet, v1: v1hex}},
		{"upper case magnet", "MAGNET:?XT=URN:BTIH:" + strings.ToUpper(v1hex), want{kind: catalog.Magnet, v1: v1hex}},
		{"base32 magnet", "magnet:?xt=urn:btih:" + v1base32, want{kind: catalog.Magnet, v1: v1hex}},
		{"lower base32 magnet", "magnet:?xt=urn:btih:" + strings.ToLower(v1base32), want{kind: catalog.Magnet, v1: v1hex}},
		{"v2 magnet", "magnet:?xt=urn:btmh:1220" + v2hex, want{kind: catalog.Magnet, v2: v2hex}},
		{"hybrid magnet", "magnet:?xt=urn:btih:" + v1hex + "&xt=urn:btmh:1220" + v2hex, want{kind: catalog.Magnet, v1: v1hex, v2: v2hex}},
		{"numbered topics", "magnet:?xt.1=urn:btih:" + v1hex + "&xt.2=urn:btmh:1220" + v2hex, want{kind: catalog.Magnet, v1: v1hex, v2: v2hex}},
		{"same topic twice", "magnet:?xt=urn:btih:" + v1hex + "&xt=urn:btih:" + v1base32, want{kind: catalog.Magnet, v1: v1hex}},
		{"topic of another network", "magnet:?xt=urn:ed2k:31d6cfe0&xt=urn:btih:" + v1hex, want{kind: catalog.Magnet, v1: v1hex}},
		{"with invisible characters of a page around it", "\ufeff magnet:?xt=urn:btih:" + v1hex + "\u200b\u00a0", want{kind: catalog.Magnet, v1: v1hex}},
		{"without its question mark", "magnet:xt=urn:btih:" + v1hex, want{kind: catalog.Magnet, v1: v1hex}},
		{"padded base32", "magnet:?xt=urn:btih:" + v1base32 + "====", want{kind: catalog.Magnet, v1: v1hex}},
		{"from a page's source", "magnet:?dn=x&amp;xt=urn:btih:" + v1hex, want{kind: catalog.Magnet, v1: v1hex}},
		{"escaped topic", "magnet:?xt=urn%3Abtih%3A" + v1hex, want{kind: catalog.Magnet, v1: v1hex}},
		{"bare v1", v1hex, want{kind: catalog.Infohash, v1: v1hex}},
		{"bare upper with space", " " + strings.ToUpper(v1hex) + "\n", want{kind: catalog.Infohash, v1: v1hex}},
		{"bare base32", v1base32, want{kind: catalog.Infohash, v1: v1hex}},
		{"bare v2", v2hex, want{kind: catalog.Infohash, v2: v2hex}},
		{"bare multihash", "1220" + v2hex, want{kind: catalog.Infohash, v2: v2hex}},
		{"torrent that may not exist", "some/where.TORRENT", want{kind: catalog.File, path: "some/where.TORRENT"}},
		{"existing file of any name", file, want{kind: catalog.File, path: file}},
		{"file URL", "file:///tmp/a%20b.torrent", want{kind: catalog.File, path: filepath.FromSlash("/tmp/a b.torrent")}},
		{"https", "HTTPS://example.org/a.torrent?x=1#frag", want{kind: catalog.URL, url: "https://example.org/a.torrent?x=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := catalog.ParseRef(c.in)
			if err != nil {
				t.Fatalf("ParseRef(%q): %v", c.in, err)
			}
			got := want{kind: r.Kind, path: r.Path, url: r.URL}
			if r.V1 != nil {
				got.v1 = r.V1.HexString()
			}
			if r.V2 != nil {
				got.v2 = hex.EncodeToString(r.V2[:])
			}
			if got != c.want {
				t.Errorf("ParseRef(%q): got %+v, want %+v", c.in, got, c.want)
			}
		})
	}
}

func TestParseRefMagnetParameters(t *testing.T) {
	r, err := catalog.ParseRef("magnet:?xt=urn:btih:" + v1hex + "&dn=My+Release%201" +
		"&tr=udp%3A%2F%2Ft.example%3A1337%2Fannounce&tr.1=https://t2.example/a,b&tr=https://t2.example/a,b" +
		"&ws=http%3A%2F%2Fmirror.example%2F&x.pe=10.0.0.1:6881&x.pe=[2001:db8::1]:51413&x.pe=host.example:1" +
		"&so=6,0,2,4-6&xl=100&kt=word&as=http%3A%2F%2Fx.example%2Fy.iso&as=http://mirror.example/&as=https://x.example/Y.Torrent?a=b")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"name", r.DisplayName, "My Release 1"},
		{"trackers", r.Trackers, []string{"udp://t.example:1337/announce", "https://t2.example/a,b"}},
		{"web seeds", r.WebSeeds, []string{"http://mirror.example/", "http://x.example/y.iso"}},
		{"peers", r.Peers, []string{"10.0.0.1:6881", "[2001:db8::1]:51413", "host.example:1"}},
		{"selection", r.Select, []int{0, 2, 4, 5, 6}},
		{"ignored", r.Ignored, []string(nil)},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}

// What only helps never costs the link, however a site's template or a mail program left it.
func TestParseRefRepairsMagnets(t *testing.T) {
	type want struct {
		name              string
		trackers, seeds   []string
		selected, ignored int
	}
	const tr, ws = "http://t.example/a", "http://w.example/"
	topic := "xt=urn:btih:" + v1hex
	for _, c := range []struct {
		about, link string
		want        want
	}{
		{"stray percent", topic + "&dn=100%+legit", want{name: "100% legit"}},
		{"percent at the end", topic + "&dn=100%", want{name: "100%"}},
		{"no escape", topic + "&dn=%zz%4", want{name: "%zz%4"}},
		{"stray percent in a tracker", topic + "&tr=http://t.example/100%/a", want{trackers: []string{"http://t.example/100%25/a"}}},
		{"stray percent in an unknown key", topic + "&x.y=%&dn=a", want{name: "a"}},
		{"two names", topic + "&dn=one&dn=two", want{name: "one", ignored: 1}},
		{"one name twice", topic + "&dn=one&dn=one", want{name: "one"}},
		{"first name empty", topic + "&dn=&dn=two", want{name: "two"}},
		{"first name too long", topic + "&dn=" + strings.Repeat("n", 300) + "&dn=two", want{name: "two", ignored: 1}},
		{"empty selection", topic + "&so=", want{}},
		{"selection of commas", topic + "&so=,,", want{}},
		{"comma at the end", topic + "&so=1,2,", want{selected: 2}},
		{"blanks in a selection", topic + "&so=1,+3-4", want{selected: 3}},
		{"empty selection before one", topic + "&so=&so=1", want{selected: 1}},
		{"empty values", topic + "&tr=&ws=&x.pe=&as=&dn", want{}},
		{"line break before a parameter", topic + "\n&dn=x\n", want{name: "x"}},
		{"line breaks of Windows", topic + "\r\n&dn=x\r\n&tr=" + tr + "\r\n", want{name: "x", trackers: []string{tr}}},
		{"line breaks for ampersands", topic + "\ndn=x\ntr.1=" + tr + "\n  ws=" + ws, want{name: "x", trackers: []string{tr}, seeds: []string{ws}}},
		{"line break in a value", "xt=urn:btih:" + v1hex[:20] + "\n" + v1hex[20:] + "&tr=http://t.exa\r\n  mple/a", want{trackers: []string{tr}}},
		{"blanks around keys and values", " " + topic + " & dn = x & tr = " + tr + " ", want{name: "x", trackers: []string{tr}}},
		{"escaped white space", topic + "&tr=%20" + tr + "%0A&ws=%0d%0a" + ws + "%09", want{trackers: []string{tr}, seeds: []string{ws}}},
		{"tabs", topic + "\t&dn=\tx\t", want{name: "x"}},
		{"blank in a path", topic + "&ws=" + ws + "a%20b/", want{seeds: []string{ws + "a%20b/"}}},
		{"backslashes", topic + `&as=http:\\w.example\`, want{seeds: []string{ws}}},
		{"the same tracker after repair", topic + "&tr=" + tr + "&tr=" + tr + "%0A", want{trackers: []string{tr}}},
		{"lists of PHP", topic + "&tr[]=" + tr + "&ws%5B%5D=" + ws, want{trackers: []string{tr}, seeds: []string{ws}}},
		{"a slash behind the hash", topic + "/&dn=x", want{name: "x"}},
		{"a fragment behind the hash", topic + "#top", want{}},
		{"a semicolon behind the hash", topic + ";dn=x", want{}},
		{"a number sign in a name", topic + "&dn=C# in a day", want{name: "C# in a day"}},
		{"empty parameters", "&&" + topic + "&&&=&=x&", want{}},
	} {
		t.Run(c.about, func(t *testing.T) {
			r, err := catalog.ParseRef("magnet:?" + c.link)
			if err != nil {
				t.Fatalf("got %v, want it taken", err)
			}
			if r.V1 == nil || r.V1.HexString() != v1hex {
				t.Errorf("infohash: got %v, want %s", r.V1, v1hex)
			}
			got := want{r.DisplayName, r.Trackers, r.WebSeeds, len(r.Select), len(r.Ignored)}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v (%q), want %+v", got, r.Ignored, c.want)
			}
		})
	}
	r, err := catalog.ParseRef("http://w.example/100%/a b.torrent")
	if err != nil || r.URL != "http://w.example/100%25/a%20b.torrent" {
		t.Errorf("address of a .torrent: got %q and %v, want it repaired", r.URL, err)
	}
}

func TestParseRefPassesOverDebris(t *testing.T) {
	for _, c := range []struct{ name, param, want string }{
		{"tracker of unknown scheme", "tr=wss://t.example/", "not of udp, http, https"},
		{"tracker without host", "tr=http:///announce", "names no host"},
		{"udp tracker without port", "tr=udp://t.example", "has no port"},
		{"tracker with port 0", "tr=udp://t.example:0", "1 to 65535"},
		{"web seed in the file system", "ws=file:///etc/passwd", "not of http, https"},
		{"web seed with a control character", "ws=http://a%01b/", "is no URL"},
		{"web seed with a blank in its host", "ws=http://a%20b/", "is no URL"},
		{"acceptable source in the file system", "as=file:///etc/passwd", "not of http, https"},
		{"acceptable source without host", "as=http:///y.iso", "names no host"},
		{"acceptable source of another network", "as=ed2k://x/y", "not of http, https"},
		{"peer without port", "x.pe=10.0.0.1", "not HOST:PORT"},
		{"peer with port 70000", "x.pe=10.0.0.1:70000", "1 to 65535"},
		{"peer without host", "x.pe=:6881", "not HOST:PORT"},
		{"long name", "dn=" + strings.Repeat("n", 300), "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := catalog.ParseRef("magnet:?xt=urn:btih:" + v1hex + "&" + c.param)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(r.Trackers) + len(r.WebSeeds) + len(r.Peers) + len(r.DisplayName); n != 0 {
				t.Errorf("%s was kept: %+v", c.param, r)
			}
			if len(r.Ignored) != 1 || !strings.Contains(r.Ignored[0], c.want) {
				t.Errorf("ignored: got %q, want one with %q", r.Ignored, c.want)
			}
		})
	}
}

func TestParseRefBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("magnet:?xt=urn:btih:" + v1hex)
	for i := range 300 {
		fmt.Fprintf(&b, "&tr=http://t%d.example/&ws=http://w%d.example/&x.pe=10.0.0.1:%d", i, i, i+1)
	}
	r, err := catalog.ParseRef(b.String())
	if err != nil {
		t.Fatal(err)
	}
	got := []int{len(r.Trackers), len(r.WebSeeds), len(r.Peers), len(r.Ignored)}
	if want := []int{100, 100, 200, 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("trackers, web seeds, peers, notes: got %v, want %v", got, want)
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "  ", "empty"},
		{"too long", "magnet:?xt=" + strings.Repeat("x", 1<<17), "bytes long"},
		{"magnet alone", "magnet:", "no parameters"},
		{"magnet without topic", "magnet:?dn=x", "no BitTorrent content"},
		{"magnet of another network", "magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C", "no BitTorrent content"},
		{"a fragment that is not behind a hash", "magnet:?xt=urn:btih:" + v1hex[:30] + "#" + v1hex[30:], "of 30 characters"},
		{"39 digits", "magnet:?xt=urn:btih:" + v1hex[:39], "of 39 characters"},
		{"40 characters not hex", "magnet:?xt=urn:btih:" + v1hex[:39] + "g", "of 40 characters"},
		{"btmh without multihash", "magnet:?xt=urn:btmh:" + v2hex, "1220 and 64 hex digits"},
		{"btmh of another hash", "magnet:?xt=urn:btmh:1320" + v2hex, "1220 and 64 hex digits"},
		{"two contents", "magnet:?xt=urn:btih:" + v1hex + "&xt=urn:btih:" + strings.Repeat("1", 40), "two different contents"},
		{"two v2 contents", "magnet:?xt=urn:btmh:1220" + v2hex + "&xt=urn:btmh:1220" + strings.Repeat("1", 64), "two different contents"},
		{"zeros", "magnet:?xt=urn:btih:" + strings.Repeat("0", 40), "all zeros"},
		{"zeros in base32", "magnet:?xt=urn:btih:" + strings.Repeat("A", 32), "all zeros"},
		{"zeros in lower base32", "magnet:?xt=urn:btih:" + strings.Repeat("a", 32), "all zeros"},
		{"v2 zeros", "magnet:?xt=urn:btmh:1220" + strings.Repeat("0", 64), "all zeros"},
		{"v2 zeros where peers cut it", "magnet:?xt=urn:btmh:1220" + strings.Repeat("0", 40) + v2hex[40:], "all zeros"},
		{"zeros beside another hash", "magnet:?xt=urn:btih:" + v1hex + "&xt=urn:btmh:1220" + strings.Repeat("0", 64), "all zeros"},
		{"another hash beside zeros", "magnet:?xt.1=urn:btih:" + strings.Repeat("0", 40) + "&xt.2=urn:btmh:1220" + v2hex, "all zeros"},
		{"zero digits", strings.Repeat("0", 40), "all zeros"},
		{"zero digits in base32", strings.Repeat("A", 32), "all zeros"},
		{"v2 zero digits", strings.Repeat("0", 64), "all zeros"},
		{"zero multihash", "1220" + strings.Repeat("0", 64), "all zeros"},
		{"btmh of sha1", "magnet:?xt=urn:btmh:1114" + v1hex, "1220 and 64 hex digits"},
		{"btmh of sha2-512", "magnet:?xt=urn:btmh:1340" + v2hex + v2hex, "1220 and 64 hex digits"},
		{"btmh of another length", "magnet:?xt=urn:btmh:1214" + v1hex, "1220 and 64 hex digits"},
		{"btmh of nothing", "magnet:?xt=urn:btmh:", "1220 and 64 hex digits"},
		{"btih of nothing", "magnet:?xt=urn:btih:", "of 0 characters"},
		{"v2 digits as btih", "magnet:?xt=urn:btih:" + v2hex, "of 64 characters"},
		{"two selections", "magnet:?xt=urn:btih:" + v1hex + "&so=1&so=2", "twice"},
		{"negative selection", "magnet:?xt=urn:btih:" + v1hex + "&so=-1", "no file index"},
		{"backward range", "magnet:?xt=urn:btih:" + v1hex + "&so=5-2", "backwards"},
		{"huge range", "magnet:?xt=urn:btih:" + v1hex + "&so=0-99999999999", "beyond"},
		{"many wide ranges", "magnet:?xt=urn:btih:" + v1hex + "&so=" + strings.Repeat("0-99999,", 8000) + "1", "more than"},
		{"39 bare digits", v1hex[:39], "has 39 hex digits"},
		{"41 bare digits", v1hex + "0", "has 41 hex digits"},
		{"63 bare digits", v2hex[:63], "has 63 hex digits"},
		{"group name", "builds/app@1.2", "is no file here"},
		{"group link", "p2pshare:join/abc", "a link of a group"},
		{"another scheme", "ftp://x/y", "begins with ftp://"},
		{"another scheme, in capitals", "SFTP://x/y.torrent.gz", "begins with SFTP://"},
		{"a word", "hello", "neither a reference nor a file"},
		{"a folder", t.TempDir(), "is a folder"},
		{"URL without host", "http:///a.torrent", "names no host"},
		{"malformed URL", "http://[::1/a.torrent", "no web address"},
		{"file on another machine", "file://server/a.torrent", "another machine"},
		{"file URL without path", "file://", "names no file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := catalog.ParseRef(c.in)
			if err == nil {
				t.Fatalf("ParseRef(%.60q): got %+v, want an error", c.in, r)
			}
			if k := fault.KindOf(err); k != fault.Usage {
				t.Errorf("kind: got %v, want %v", k, fault.Usage)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			if !strings.Contains(fault.HintOf(err), "magnet link") {
				t.Errorf("hint: got %q, want the accepted forms", fault.HintOf(err))
			}
		})
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{
		v1hex, v1base32, v2hex, "1220" + v2hex, "a.torrent", "https://example.org/a.torrent", "file:///a", "a/b@1", "p2pshare:x",
		"magnet:?xt=urn:btih:" + v1hex + "&dn=a&tr=udp://t:1/&ws=http://w/&x.pe=[::1]:1&so=0,2-4",
		"magnet:?xt=urn:btih:" + v1hex + "\n&dn=100%+x&dn=y\r\nso=,1\ntr=+http:\\\\t/ \n", "http://w/100%/a.torrent",
		"magnet:?xt=urn:btih:" + v1hex + "&as=http%3A%2F%2Fw%2Fa.iso&as.1=https://w/a.torrent&as=%00",
		"magnet:?xt=urn:btmh:1220" + v2hex + "&tr.1=http://a&so=1-", "magnet:?xt=urn:btih:%41",
		strings.Repeat("0", 40), strings.Repeat("A", 32), "magnet:?xt=urn:btih:" + strings.Repeat("0", 40) + "&xt=urn:btmh:1220" + v2hex,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := catalog.ParseRef(s)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("ParseRef(%q): kind of %v is not usage", s, err)
			}
			return
		}
		switch r.Kind {
		case catalog.Magnet, catalog.Infohash:
			if r.V1 == nil && r.V2 == nil {
				t.Fatalf("ParseRef(%q): no hash", s)
			}
			if r.V1 != nil && r.V1.IsZero() || r.V2 != nil && [20]byte(r.V2[:20]) == [20]byte{} {
				t.Fatalf("ParseRef(%q): a hash of zeros", s)
			}
		case catalog.File:
			if r.Path == "" {
				t.Fatalf("ParseRef(%q): no path", s)
			}
		case catalog.URL:
			if err := catalog.CheckWebSeed(r.URL); err != nil && !strings.Contains(err.Error(), "port") {
				t.Fatalf("ParseRef(%q): %v", s, err)
			}
		default:
			t.Fatalf("ParseRef(%q): kind %v", s, r.Kind)
		}
		for i, x := range r.Select {
			if x < 0 || i > 0 && x <= r.Select[i-1] {
				t.Fatalf("ParseRef(%q): selection %v", s, r.Select)
			}
		}
		for _, p := range r.Peers {
			if err := catalog.CheckAddr(p); err != nil {
				t.Fatalf("ParseRef(%q): %v", s, err)
			}
		}
	})
}

// TestBareRefs: what is copied along with a reference goes, and nothing of the reference.
func TestBareRefs(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	for _, link := range []string{hash, "magnet:?xt=urn:btih:" + hash, "https://example.org/a.torrent"} {
		for _, around := range [][2]string{
			{"", ""}, {" ", "\n"}, {`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"}, {"»", "«"}, {"<", ">"}, {"‹", "›"},
			{"<“", "”>"}, {" \u00a0“", "” "}, {`'"`, `"'`},
		} {
			text := around[0] + link + around[1]
			got, err := catalog.ParseRef(text)
			want, werr := catalog.ParseRef(link)
			if err != nil || werr != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
			}
		}
	}
	for _, text := range []string{`"`, "“", "<>", `""`, "‘’"} {
		if _, err := catalog.ParseRef(text); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: got %v, want it refused", text, err)
		}
	}
}

// TestNamesThatAreNone: all of a group, or nothing of it, is no name, and the hint says what does that.
func TestNamesThatAreNone(t *testing.T) {
	for _, text := range []string{"office/", "office/*", "office/hr/*", "office/@1.2", "office/app?"} {
		_, err := catalog.ParseRef(text, catalog.Named)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "group follow office") {
			t.Errorf("%q: got %v (%s), want group follow named", text, err, fault.HintOf(err))
		}
	}
	if got, err := catalog.ParseRef("office/hr/pay@1.x", catalog.Named); err != nil || got.Name != "hr/pay" {
		t.Errorf("got %+v, %v, want a name", got, err)
	}
}
