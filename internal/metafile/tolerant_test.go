package metafile_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// oddTorrent is a .torrent that other clients fetch, although it violates the BEPs.
type oddTorrent struct {
	about string
	b     []byte
}

// str encodes s as a bencoded string.
func str(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }

// oddInfos returns infos equivalent to v1File (40,000 bytes) in unusual forms.
func oddInfos() map[string]string {
	pieces := str(sha1s(3))
	entry := func(s string) string {
		return "d5:filesl" + s + "e4:name1:a12:piece lengthi16384e6:pieces" + pieces + "e"
	}
	whole := func(extra string) string {
		return "d6:lengthi40000e4:name1:a12:piece lengthi16384e6:pieces" + pieces + extra + "e"
	}
	return map[string]string{
		"keys out of order":             "d12:piece lengthi16384e6:pieces" + pieces + "4:name1:a6:lengthi40000ee",
		"keys of a file out of order":   entry("d4:pathl1:fe6:lengthi40000ee"),
		"key twice":                     "d6:lengthi40000e6:lengthi40000e4:name1:a4:name1:a12:piece lengthi16384e6:pieces" + pieces + "e",
		"key of a file twice":           entry("d6:lengthi40000e6:lengthi40000e4:pathl1:fee"),
		"key twice, the last counts":    "d6:lengthi5e6:lengthi40000e4:name1:b4:name1:a12:piece lengthi16384e6:pieces" + pieces + "e",
		"zeros before an integer":       "d6:lengthi0040000e4:name1:a12:piece lengthi016384e6:pieces" + pieces + "e",
		"zeros before a length":         "d06:lengthi40000e004:name01:a12:piece lengthi16384e6:pieces0" + pieces + "e",
		"minus zero":                    whole("4:zeroi-0e"),
		"integer beyond 64 bits":        whole("3:bigi" + strings.Repeat("9", 100) + "e"),
		"minus beyond 64 bits":          whole("3:bigi-99999999999999999999e"),
		"odd dictionary in a key":       whole("1:xd1:bi1e1:ai2e1:ai03eee"),
		"source is an integer":          whole("6:sourcei5e"),
		"source is a list":              whole("6:sourcel1:x1:ye"),
		"source is a dictionary":        whole("6:sourced1:xi1ee"),
		"attr is an integer":            whole("4:attri5e"),
		"attr of a file is an integer":  entry("d4:attri5e6:lengthi40000e4:pathl1:fee"),
		"name.utf-8 is an integer":      whole("10:name.utf-8i5e"),
		"path.utf-8 is an integer":      entry("d6:lengthi40000e4:pathl1:fe10:path.utf-8i5ee"),
		"path.utf-8 has an integer":     entry("d6:lengthi40000e4:pathl1:fe10:path.utf-8li5eee"),
		"symlink path without attr":     entry("d6:lengthi40000e4:pathl1:fe12:symlink pathi5ee"),
		"attr makes a link of it":       whole("4:attr1:l"),
		"attr makes a pad of it":        whole("4:attr5:hello4:pads1:p"),
		"attr of a file with bytes":     entry("d4:attr5:hello6:lengthi40000e4:pathl1:fe12:symlink pathl1:gee"),
		"attr of a link without target": entry("d4:attr1:l6:lengthi40000e4:pathl1:fee"),
		"name.utf-8 leads elsewhere":    whole("10:name.utf-84:../a"),
		"path.utf-8 leads elsewhere":    entry("d6:lengthi40000e4:pathl1:fe10:path.utf-8l2:..1:fee"),
		"path.utf-8 has a slash":        entry("d6:lengthi40000e4:pathl1:fe10:path.utf-8l3:f/gee"),
		"md5sum is an integer":          entry("d6:lengthi40000e6:md5sumi5e4:pathl1:fee"),
		"private is nothing":            whole("7:private0:"),
		"salt is an integer":            whole("4:salti5e"),
		"name of the wrong type":        "d6:lengthi40000e4:namei5e10:name.utf-81:a12:piece lengthi16384e6:pieces" + pieces + "e",
	}
}

func oddTorrents(t testing.TB) (list []oddTorrent) {
	info := string(encode(t, v1File()))
	for about, b := range oddInfos() {
		list = append(list, oddTorrent{about, []byte("d4:info" + b + "e")})
	}
	for _, tail := range []string{"\n", "\r\n", strings.Repeat("\x00", 16), "<!-- 0.01s -->", "took 3 ms", "e", "d4:info" + info + "e", "\xff\xfe", "i"} {
		list = append(list, oddTorrent{fmt.Sprintf("%q after it", tail[:min(len(tail), 9)]), []byte("d4:info" + info + "e" + tail)})
	}
	for _, key := range []string{"announce", "announce-list", "comment", "created by", "creation date", "encoding", "httpseeds", "nodes", "publisher", "url-list", "piece layers"} {
		for _, v := range []string{"i5e", "le", "de", "0:", "li1ee", "lli1eee", "d1:ai1ee", "ll1:a1:bel1:cee", "i99999999999999999999e", "l0:li1e1:xee", "l" + str("http://t.example/") + "i1ed1:ai1eee"} {
			list = append(list, oddTorrent{key + " is " + v, []byte("d" + str(key) + v + "4:info" + info + "e")})
		}
		long := str(strings.Repeat("x", 1<<20))
		list = append(list, oddTorrent{key + " of a MiB", []byte("d4:info" + info + str(key) + long + "e")})
	}
	slices.SortFunc(list, func(a, b oddTorrent) int { return strings.Compare(a.about, b.about) })
	return list
}

// TestTakesOddTorrents checks that an odd value never makes a torrent invalid, and that its infohash covers the original
// bytes, also after the torrent was kept.
func TestTakesOddTorrents(t *testing.T) {
	for _, c := range oddTorrents(t) {
		t.Run(c.about, func(t *testing.T) {
			m, err := metafile.Decode(c.b)
			if err != nil {
				t.Fatalf("got %v, want nil", err)
			}
			if m.Name != "a" || m.Size != 40000 || m.Pieces != 3 || m.Private || len(m.Files) != 1 {
				t.Errorf("got %q, %d bytes, %d pieces, %d files, private %v, want a of 40,000 bytes in 3", m.Name, m.Size, m.Pieces, len(m.Files), m.Private)
			}
			sameAsEngine(t, m)
			if want := sha1.Sum(m.Meta.InfoBytes); *m.V1 != want || !bytes.Contains(c.b, m.Meta.InfoBytes) {
				t.Errorf("infohash: got %v, want that of the original bytes, %x", m.V1, want)
			}
			kept, err := bencode.Marshal(m.Meta)
			if err != nil {
				t.Fatal(err)
			}
			again, err := metafile.Decode(kept)
			if err != nil {
				t.Fatalf("the kept torrent: got %v", err)
			}
			if *again.V1 != *m.V1 || len(again.Notes) > 0 {
				t.Errorf("the kept torrent: got %v and notes %q, want %v and none", again.V1, again.Notes, m.V1)
			}
			alone, err := metafile.FromInfo(m.Meta.InfoBytes)
			if err != nil || *alone.V1 != *m.V1 {
				t.Errorf("from peers: got %v, want the same torrent", err)
			}
		})
	}
}

// TestRefusesOddInfos checks that fields which say which bytes belong where are never guessed, and that no message exposes
// the decoder.
func TestRefusesOddInfos(t *testing.T) {
	pieces := str(sha1s(3))
	for _, c := range []struct{ about, info, want string }{
		{"length beyond 64 bits", "d6:lengthi99999999999999999999e4:name1:a12:piece lengthi16384e6:pieces" + pieces + "e", "length: not a 64-bit integer"},
		{"length is text", "d6:length5:400004:name1:a12:piece lengthi16384e6:pieces" + pieces + "e", "length: not a 64-bit integer"},
		{"piece length is text", "d6:lengthi40000e4:name1:a12:piece length5:163846:pieces" + pieces + "e", "piece length: not a 64-bit integer"},
		{"pieces are a list", "d6:lengthi40000e4:name1:a12:piece lengthi16384e6:piecesl" + pieces + "ee", "pieces: not a string"},
		{"name is an integer", "d6:lengthi40000e4:namei1e12:piece lengthi16384e6:pieces" + pieces + "e", "name"},
		{"meta version is text", "d6:lengthi40000e12:meta version1:24:name1:a12:piece lengthi16384e6:pieces" + pieces + "e", "meta version"},
		{"file without a length", "d5:filesld4:pathl1:feee4:name1:a12:piece lengthi16384e6:pieces0:e", "entry 0 has no 64-bit length"},
		{"length of a file is text", "d5:filesld6:length1:14:pathl1:feee4:name1:a12:piece lengthi16384e6:pieces0:e", "entry 0 has no 64-bit length"},
		{"path is text", "d5:filesld6:lengthi0e4:path1:fee4:name1:a12:piece lengthi16384e6:pieces0:e", "file 0"},
		{"path has an integer", "d5:filesld6:lengthi0e4:pathli1eeee4:name1:a12:piece lengthi16384e6:pieces0:e", "file 0"},
	} {
		t.Run(c.about, func(t *testing.T) {
			wantRefusal(t, []byte(c.info), c.want)
			_, err := metafile.Decode([]byte("d4:info" + c.info + "e"))
			for _, inside := range []string{"bencode", "unmarshal", "parsing", "reflect", "metainfo", "trailing"} {
				if strings.Contains(err.Error(), inside) {
					t.Errorf("got %q, which exposes the decoder", err)
				}
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	const a, b = "http://t.example/a", "udp://t.example:1/b"
	info := v1File()
	many := func(n int) (l []any) {
		for i := range n {
			l = append(l, fmt.Sprintf("http://t.example/%d", i))
		}
		return l
	}
	long := "http://t.example/" + strings.Repeat("x", 2049-len("http://t.example/"))
	for _, c := range []struct {
		about string
		outer dict
		tiers string // the first tracker of each tier in use
		seeds string
		notes int
	}{
		{"as in BEP 12", dict{"announce": a, "announce-list": []any{[]any{a}, []any{b}}}, a + " " + b, "", 0},
		{"flat list", dict{"announce": a, "announce-list": []any{a, b}}, a + " " + b, "", 0},
		{"list and other things", dict{"announce": a, "announce-list": []any{[]any{a, 5}, b, 7, dict{"x": a}}}, a + " " + b, "", 1},
		{"list is text", dict{"announce": a, "announce-list": b}, b, "", 0},
		{"list is a dictionary", dict{"announce": a, "announce-list": dict{"a": b}}, a, "", 1},
		{"list of nothing", dict{"announce": a, "announce-list": []any{[]any{}, []any{""}}}, a, "", 0},
		{"list of integers", dict{"announce": a, "announce-list": []any{[]any{1}}}, a, "", 1},
		{"announce is a list", dict{"announce": []any{a, b}}, a + " " + b, "", 0},
		{"announce is a list of one", dict{"announce": []any{a}}, a, "", 0},
		{"announce is an integer", dict{"announce": 5}, "", "", 1},
		{"announce is an integer, and a list", dict{"announce": 5, "announce-list": []any{[]any{b}}}, b, "", 1},
		{"blanks around", dict{"announce": " " + a + "\r\n", "url-list": "\n" + a + " "}, a, a, 0},
		{"line breaks within", dict{"announce": "http://t.ex\nample/a"}, a, "", 0},
		{"two in one", dict{"announce": a + "\n" + b}, a + " " + b, "", 0},
		{"twice", dict{"announce-list": []any{[]any{a, a}, []any{a}, []any{b}}}, a + " " + b, "", 0},
		{"too long", dict{"announce": long}, "", "", 1},
		{"too long among others", dict{"announce-list": []any{[]any{long, a}, []any{long}, []any{b}}}, a + " " + b, "", 1},
		{"exactly the longest", dict{"announce": long[:2048]}, long[:2048], "", 0},
		{"url-list is text", dict{"url-list": a}, "", a, 0},
		{"url-list is empty", dict{"url-list": ""}, "", "", 0},
		{"url-list and other things", dict{"url-list": []any{a, 5, "", dict{}, []any{"https://w.example/"}}}, "", a + " https://w.example/", 1},
		{"url-list is a dictionary", dict{"url-list": dict{"a": a}}, "", "", 1},
	} {
		t.Run(c.about, func(t *testing.T) {
			m, err := metafile.Decode(encode(t, with(c.outer, "info", info)))
			if err != nil {
				t.Fatal(err)
			}
			var tiers []string
			for _, tier := range m.Meta.UpvertedAnnounceList() {
				tiers = append(tiers, tier[0])
			}
			if got := strings.Join(tiers, " "); got != c.tiers {
				t.Errorf("trackers: got %q, want %q", got, c.tiers)
			}
			if got := strings.Join(m.Meta.UrlList, " "); got != c.seeds {
				t.Errorf("web seeds: got %q, want %q", got, c.seeds)
			}
			if len(m.Notes) != c.notes {
				t.Errorf("notes: got %q, want %d", m.Notes, c.notes)
			}
		})
	}
	for _, c := range []struct {
		about string
		outer dict
	}{
		{"a tier", dict{"announce-list": []any{many(250)}}},
		{"tiers", dict{"announce-list": many(250)}},
		{"announce", dict{"announce": many(250)}},
		{"web seeds", dict{"url-list": many(5000)}},
	} {
		t.Run("many "+c.about, func(t *testing.T) {
			m, err := metafile.Decode(encode(t, with(c.outer, "info", info)))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(m.Meta.UpvertedAnnounceList().DistinctValues()) + len(m.Meta.UrlList); n != 200 || len(m.Notes) != 1 {
				t.Errorf("got %d addresses and notes %q, want the first 200 and a note", n, m.Notes)
			}
		})
	}
}

func TestNodes(t *testing.T) {
	m, err := metafile.Decode(encode(t, dict{"info": v1File(), "nodes": []any{
		[]any{"a.example", 1}, "b.example:2", 5, []any{"c.example"}, []any{4, "d.example"}, []any{"e.example", 5, 6}, dict{}, []any{"::1", 7}}}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(m.Meta.Nodes), "[a.example:1 b.example:2 [::1]:7]"; got != want || len(m.Notes) != 1 {
		t.Errorf("got %s and notes %q, want %s and one note", got, m.Notes, want)
	}
}

// TestPrivate checks that the private flag counts in whatever form it is written.
func TestPrivate(t *testing.T) {
	for v, want := range map[string]bool{"i1e": true, "i01e": true, "i10e": true, "i-1e": true, "i99999999999999999999e": true, "1:1": true, "4:true": true,
		"li1ee": true, "de": true, "i0e": false, "i-0e": false, "i000e": false, "1:0": false, "0:": false} {
		info := "d6:lengthi40000e4:name1:a12:piece lengthi16384e6:pieces" + str(sha1s(3)) + "7:private" + v + "e"
		m, err := metafile.FromInfo([]byte(info))
		if err != nil {
			t.Fatalf("private %s: %v", v, err)
		}
		if m.Private != want {
			t.Errorf("private %s: got %v, want %v", v, m.Private, want)
		}
	}
}

func TestPads(t *testing.T) {
	file := func(p string, length int) dict { return dict{"path": path(p), "length": length} }
	for _, c := range []struct {
		about string
		pad   dict
		is    bool
	}{
		{"from BitComet", file("_____padding_file_0_if you see this file, please update____", 6384), true},
		{"from BitComet, in a folder", file("d/_____padding_file_12_x", 6384), true},
		{"from BEP 47", with(file(".pad/6384", 6384), "attr", "p"), true},
		{"from BEP 47, by name", file(".pad/6384", 6384), true},
		{"by name and number", file(".pad/0", 6384), true},
		{"from old libtorrent", file(".____padding_file/0", 6384), true},
		{"with another attribute", with(file(".pad/6384", 6384), "attr", "h"), true},
		{"only in path.utf-8", dict{"path": path("x"), "path.utf-8": path(".pad/1"), "length": 6384}, true},
		{"a name in .pad", file(".pad/readme", 6384), false},
		{"a folder in .pad", file(".pad/1/2", 6384), false},
		{"a file of that name elsewhere", file("x/.pad/1", 6384), false},
		{"a name like BitComet's", file("padding_file_0", 6384), false},
		{"a file called .pad", file(".pad", 6384), false},
	} {
		t.Run(c.about, func(t *testing.T) {
			info := with(v1Folder(), "pieces", sha1s(3), "files", []any{file("a", 10000), c.pad, file("b", 20000)})
			m, err := metafile.FromInfo(encode(t, info))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(m.Files) == 2; got != c.is {
				t.Fatalf("a pad: got %v, want %v", got, c.is)
			}
			if b := m.Files[len(m.Files)-1]; b.Offset != 16384 {
				t.Errorf("b begins at %d, want 16384", b.Offset)
			}
			sameAsEngine(t, m)
		})
	}
	// The tree of a hybrid says which entries are files.
	info := with(v2Folder(), "pieces", sha1s(1), "file tree", dict{"_____padding_file_0_x": leaf(10, "a")}, "files", []any{file("_____padding_file_0_x", 10)})
	m, err := metafile.FromInfo(encode(t, info))
	if err != nil || len(m.Files) != 1 {
		t.Errorf("a hybrid's file with a pad's name: got %v, want it taken", err)
	}
}

func TestSymlinks(t *testing.T) {
	link := func(p, to string) dict {
		return dict{"path": path(p), "length": 0, "attr": "l", "symlink path": path(to)}
	}
	for _, c := range []struct {
		about string
		links []any
		notes int
	}{
		{"to a file", []any{link("l", "V/A/F")}, 0},
		{"to a folder", []any{link("l", "V/A")}, 0},
		{"through a link", []any{link("V/Current", "V/A"), link("F", "V/Current/F")}, 0},
		{"through a link that comes later", []any{link("F", "V/Current/F"), link("V/Current", "V/A")}, 0},
		{"through two", []any{link("C", "V/Current"), link("V/Current", "V/A"), link("F", "C/F")}, 0},
		{"to a link", []any{link("k", "l"), link("l", "V/A/F")}, 0},
		{"to nothing", []any{link("l", "none")}, 1},
		{"to nothing in a folder", []any{link("l", "V/A/none")}, 1},
		{"through a file", []any{link("l", "V/A/F/x")}, 1},
		{"through a link to nothing", []any{link("l", "none"), link("k", "l/x")}, 2},
		{"to itself", []any{link("l", "l")}, 1},
		{"in a loop", []any{link("k", "l"), link("l", "k"), link("m", "k/x")}, 3},
		{"into its own folder", []any{link("V/A/here", "V/A")}, 0},
		{"that grows", []any{link("l", "l/l/l")}, 1},
		{"without a length", []any{dict{"path": path("l"), "attr": "l", "symlink path": path("V/A/F")}}, 0},
	} {
		t.Run(c.about, func(t *testing.T) {
			files := append([]any{dict{"path": path("V/A/F"), "length": 10}}, c.links...)
			m, err := metafile.FromInfo(encode(t, with(v1Folder(), "pieces", sha1s(1), "files", files)))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Notes) != c.notes || len(m.Files) != len(files) {
				t.Errorf("got %d files and notes %q, want %d and %d", len(m.Files), m.Notes, len(files), c.notes)
			}
		})
	}
	for _, to := range []string{"..", "../x", "V/../../x", "/etc", ".", "", "V//A", `..\x`} {
		files := []any{dict{"path": path("V/A/F"), "length": 10}, link("l", to)}
		wantRefusal(t, encode(t, with(v1Folder(), "pieces", sha1s(1), "files", files)), "symlink target")
	}
	// Nothing lies below a link. A folder whose name differs from the link only in case is something else: on systems where
	// the two names are the same, the second gets another name.
	files := []any{link("l", "V"), dict{"path": path("l/x"), "length": 10}}
	wantRefusal(t, encode(t, with(v1Folder(), "pieces", sha1s(1), "files", files)), "both a file and a folder")
}

// TestSymlinksOfAWeb checks that resolving symlinks is bounded, whatever they look like.
func TestSymlinksOfAWeb(t *testing.T) {
	var files []any
	for i := range 20000 {
		files = append(files, dict{"path": path(fmt.Sprint(i)), "length": 0, "attr": "l", "symlink path": path(fmt.Sprintf("%d/%d/%d", (i+1)%20000, (i+2)%20000, (i+3)%20000))})
	}
	m, err := metafile.FromInfo(encode(t, with(v1Folder(), "pieces", "", "files", files)))
	if err != nil || len(m.Notes) > 20 {
		t.Errorf("got %v and %d notes, want it taken and 20 at most", err, len(m.Notes))
	}
}

func TestTreeOfAnotherOrder(t *testing.T) {
	info := string(encode(t, v2Folder()))
	a, b := string(encode(t, dict{"a": leaf(10, "a")})), string(encode(t, dict{"b": dict{"c": leaf(kib16, "c")}}))
	in, out := a[1:len(a)-1]+b[1:len(b)-1], b[1:len(b)-1]+a[1:len(a)-1]
	if !strings.Contains(info, in) {
		t.Fatal("the test does not recognize the encoding of the tree")
	}
	wantRefusal(t, []byte(strings.Replace(info, in, out, 1)), "is not after")
	wantRefusal(t, []byte(strings.Replace(info, in, in[:len(a)-2]+in, 1)), "is not after")
}

// numbers returns the offsets and lengths of the files of an info.
func numbers(info metainfo.Info) (out [][2]int64) {
	for f := range info.UpvertedFilesIter() {
		out = append(out, [2]int64{f.TorrentOffset, f.Length})
	}
	return out
}

// TestReadsAsTheEngineDoes checks that infos the engine's own decoder accepts are read the same, because requests are made of
// its numbers.
func TestReadsAsTheEngineDoes(t *testing.T) {
	for _, c := range append(oddTorrents(t), oddTorrent{"hybrid", encode(t, dict{"info": hybridFolder()})}, oddTorrent{"v2", encode(t, dict{"info": v2Folder()})}) {
		m, err := metafile.Decode(c.b)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := m.Meta.UnmarshalInfo()
		if err != nil {
			continue // the engine cannot read it
		}
		if !slices.Equal(theirs.Pieces, m.Info.Pieces) || theirs.Length != m.Info.Length || theirs.PieceLength != m.Info.PieceLength ||
			!reflect.DeepEqual(numbers(theirs), numbers(*m.Info)) {
			t.Errorf("%s: got %+v, the engine reads %+v", c.about, m.Info, theirs)
		}
	}
}
