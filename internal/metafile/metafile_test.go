package metafile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
)

func TestReadFileOfOtherCreators(t *testing.T) {
	tests := []struct {
		file   string
		dir    bool
		v1, v2 bool
		size   int64
		pieces int
		files  string
	}{
		{"mktorrent-file", false, true, false, 300000, 5, ""},
		{"mktorrent-folder", true, true, false, 386384, 6, "a.bin sub/zero sub/ünï.txt z"},
		{"transmission-folder", true, true, false, 386384, 12, "a.bin sub/ünï.txt z"},
		{"libtorrent-hybrid-file", false, true, true, 300000, 19, ""},
		{"libtorrent-v2-file", false, false, true, 300000, 19, ""},
		{"libtorrent-v2-folder", true, false, true, 686384, 44, "a.bin link sub/zero sub/ünï.txt z"},
		{"libtorrent-hybrid-folder", true, true, true, 686384, 44, "a.bin link sub/zero sub/ünï.txt z"},
		{"libtorrent-v1-folder", true, true, false, 686384, 42, "a.bin link sub/zero sub/ünï.txt z"},
		{"libtorrent-v1-symlink", true, true, false, 386384, 24, "a.bin link>a.bin sub/zero sub/ünï.txt z"},
		{"libtorrent-hybrid-symlink", true, true, true, 386384, 25, "a.bin link>a.bin sub/zero sub/ünï.txt z"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			m, err := metafile.ReadFile(filepath.Join("testdata", tt.file+".torrent"))
			if err != nil {
				t.Fatal(err)
			}
			if m.Dir != tt.dir || (m.V1 != nil) != tt.v1 || (m.V2 != nil) != tt.v2 || m.Size != tt.size || m.Pieces != tt.pieces {
				t.Errorf("got dir %v v1 %v v2 %v size %d pieces %d, want %v %v %v %d %d",
					m.Dir, m.V1 != nil, m.V2 != nil, m.Size, m.Pieces, tt.dir, tt.v1, tt.v2, tt.size, tt.pieces)
			}
			var files []string
			for i, f := range m.Files {
				s := m.FilePath(i)
				if f.Symlink != nil {
					s += ">" + strings.Join(f.Symlink, "/")
				}
				files = append(files, s)
			}
			if got := strings.Join(files, " "); got != tt.files {
				t.Errorf("files: got %q, want %q", got, tt.files)
			}
			sameAsEngine(t, m)
			// The info alone, as for a magnet link, is the same torrent.
			alone, err := metafile.FromInfo(m.Meta.InfoBytes)
			if err != nil {
				t.Fatalf("FromInfo: %v", err)
			}
			if alone.Size != m.Size || len(alone.Files) != len(m.Files) {
				t.Errorf("FromInfo: got %d bytes in %d files, want %d in %d", alone.Size, len(alone.Files), m.Size, len(m.Files))
			}
		})
	}
}

// sameAsEngine checks that we read the files as the engine does.
func sameAsEngine(t *testing.T, m *metafile.Torrent) {
	t.Helper()
	var want, got []string
	for fi := range m.Info.UpvertedFilesIter() {
		if m.V2 == nil && metafile.IsPad(&fi) || strings.Contains(fi.Attr, "p") {
			continue
		}
		want = append(want, fmt.Sprint(fi.TorrentOffset, fi.Length))
	}
	for _, f := range m.Files {
		got = append(got, fmt.Sprint(f.Offset, f.Length))
		if begin, end := m.PieceRange(&f); begin > end || end > m.Pieces {
			t.Errorf("PieceRange(%q): got %d, %d of %d", f.Path, begin, end, m.Pieces)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("offsets and lengths: got %q, the engine has %q", got, want)
	}
	if n := m.Info.NumPieces(); n != m.Pieces {
		t.Errorf("pieces: got %d, the engine has %d", m.Pieces, n)
	}
}

// TestHybridOfAnEmptyFile checks that without bytes and pieces it is still a hybrid, with both infohashes.
func TestHybridOfAnEmptyFile(t *testing.T) {
	for about, info := range map[string]dict{
		"file":   with(v2Folder(), "file tree", dict{"folder": leaf(0, "")}, "pieces", "", "length", 0),
		"folder": with(v2Folder(), "file tree", dict{"a": leaf(0, "")}, "pieces", "", "files", []any{dict{"path": path("a"), "length": 0}}),
	} {
		m, err := metafile.FromInfo(encode(t, info))
		if err != nil || m.V1 == nil || m.V2 == nil || m.Pieces != 0 || len(m.Files) != 1 {
			t.Errorf("%s: got %+v, %v, want both infohashes, one file and no piece", about, m, err)
		}
	}
}

func TestAccepts(t *testing.T) {
	for _, tt := range []struct {
		about string
		info  dict
	}{
		{"v1 file", v1File()},
		{"v1 folder", v1Folder("a", "b/c")},
		{"v1 odd piece length", with(v1File(), "piece length", 50000, "pieces", sha1s(1))},
		{"v1 with version 1", with(v1File(), "meta version", 1)},
		{"v1 empty file", with(v1File(), "length", 0, "pieces", "")},
		{"v1 name.utf-8", with(v1File(), "name", "\xff\xfe", "name.utf-8", "ä")},
		{"v1 path.utf-8", with(v1Folder("a"), "files", []any{dict{"path": []any{"\xff"}, "path.utf-8": path("ä"), "length": 10}})},
		{"v1 with a pad", with(v1Folder(), "pieces", sha1s(2), "files", hybridFiles())},
		{"v1 pad with an unsafe name", with(v1Folder(), "pieces", sha1s(1), "files", []any{
			dict{"path": path("a"), "length": 1}, dict{"path": path("../x"), "length": 1, "attr": "p"}})},
		{"folders that differ in case", v1Folder("A/x", "a/y")},
		{"v2", v2Folder()},
		{"hybrid", hybridFolder()},
		{"v1 empty files", with(v1Folder(), "pieces", "", "files", []any{dict{"path": path("a"), "length": 0}, dict{"path": path("b/c"), "length": 0}})},
		{"v1 only pads", with(v1Folder(), "pieces", sha1s(1), "files", []any{dict{"path": path(".pad/4"), "length": 4, "attr": "p"}})},
		{"v2 empty files", with(v2Folder(), "file tree", dict{"a": leaf(0, ""), "b": dict{"c": leaf(0, "")}})},
		{"v2 empty file", with(v2Folder(), "file tree", dict{"folder": leaf(0, "")})},
		{"v2 empty file with no pieces", with(v2Folder(), "file tree", dict{"folder": leaf(0, "")}, "pieces", "")},
		{"hybrid of empty files", with(v2Folder(), "file tree", dict{"a": leaf(0, "")}, "pieces", "", "files", []any{dict{"path": path("a"), "length": 0}})},
		{"hybrid of an empty file", with(v2Folder(), "file tree", dict{"folder": leaf(0, "")}, "pieces", "", "length", 0)},
		{"unknown keys", with(v1File(), "x-cross-seed", deepList(3))},
	} {
		t.Run(tt.about, func(t *testing.T) {
			m, err := metafile.FromInfo(encode(t, tt.info))
			if err != nil {
				t.Fatalf("got %v, want nil", err)
			}
			sameAsEngine(t, m)
		})
	}
}

func TestRefusesInfo(t *testing.T) {
	link := func(target ...any) dict {
		return with(v1Folder(), "pieces", sha1s(1), "files", []any{
			dict{"path": path("a"), "length": 10}, dict{"path": path("l"), "length": 0, "attr": "l", "symlink path": target}})
	}
	many := make([]string, metafile.MaxFiles+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	tests := []struct {
		about string
		info  dict
		want  string
	}{
		{"name ..", with(v1File(), "name", ".."), "name"},
		{"no name", with(v1File(), "name", nil), "name"},
		{"name with slash", with(v1File(), "name", "a/b"), "name"},
		{"name.utf-8 unsafe", with(v1File(), "name", "..", "name.utf-8", "../a"), "name"},
		{"path ..", v1Folder("a/../b"), "means a folder"},
		{"absolute", v1Folder("/etc/passwd"), "empty"},
		{"backslash", v1Folder(`..\x`), "separates"},
		{"no path", with(v1Folder("a"), "files", []any{dict{"length": 10}}), "empty"},
		{"deep path", v1Folder(strings.Repeat("a/", names.MaxDepth) + "b"), "deep"},
		{"same path", v1Folder("a", "a"), "two files are called"},
		{"file is a folder", v1Folder("a", "a/b"), "both a file and a folder"},
		{"NUL", v1Folder("a\x00b"), "NUL"},
		{"backslash in another encoding", v1Folder("\xe9\\x"), "separates"},
		{"same in two encodings", with(v1Folder(), "files", []any{
			dict{"path": path("caf\xe9"), "length": 1}, dict{"path": path("x"), "path.utf-8": path("café"), "length": 1}}, "pieces", sha1s(1)), "two files are called"},
		{"not UTF-8 in a tree", with(v2Folder(), "file tree", dict{"caf\xe9": leaf(1, "a")}), "UTF-8"},
		{"folder is a file", v1Folder("a/b", "a"), "both a file and a folder"},
		{"100,001 files", v1Folder(many...), "more than 100000"},
		{"piece length 0", with(v1File(), "piece length", 0), "piece length"},
		{"piece length negative", with(v1File(), "piece length", -kib16), "piece length"},
		{"piece length huge", with(v1File(), "piece length", 1<<40, "pieces", sha1s(1)), "piece length"},
		{"piece length tiny", with(v1File(), "piece length", 1, "pieces", sha1s(40000)), "piece length"},
		{"piece length missing", with(v1File(), "piece length", nil), "piece length"},
		{"v2 piece length not a power of two", with(v2Folder(), "piece length", 50000), "power of two"},
		{"v2 piece length small", with(v2Folder(), "piece length", 8192), "power of two"},
		{"negative size", with(v1File(), "length", -1), "length"},
		{"huge size", with(v1File(), "length", int64(1)<<62), "TiB"},
		{"sizes overflow", with(v1Folder(), "files", []any{
			dict{"path": path("a"), "length": int64(1) << 50}, dict{"path": path("b"), "length": int64(math.MaxInt64)}}), "TiB"},
		{"negative in list", with(v1Folder(), "files", []any{dict{"path": path("a"), "length": -5}}), "length"},
		{"negative pad", with(v1Folder(), "pieces", "", "files", []any{
			dict{"path": path("a"), "length": 5}, dict{"path": path("p"), "length": -5, "attr": "p"}}), "length"},
		{"too few hashes", with(v1File(), "pieces", sha1s(2)), "hashes"},
		{"too many hashes", with(v1File(), "pieces", sha1s(4)), "hashes"},
		{"broken hash", with(v1File(), "pieces", sha1s(3)[1:]), "whole number"},
		{"no pieces", with(v1File(), "pieces", nil), "no pieces"},
		{"length and files", with(v1Folder("a"), "length", 10), "both a length"},
		{"neither", with(v1File(), "length", nil), "neither"},
		{"no files", with(v1Folder(), "files", []any{}), "empty"},
		{"files of wrong type", with(v1Folder(), "files", "x"), "not a list"},
		{"file of wrong type", with(v1Folder(), "files", []any{"x"}), "not a dictionary"},
		{"length of wrong type", with(v1File(), "length", "x"), "length"},
		{"link of no length and no target", with(v1Folder(), "pieces", "", "files", []any{dict{"path": path("l"), "attr": "l"}}), "no 64-bit length"},
		{"symlink out", link("..", "x"), "means a folder"},
		{"symlink absolute", link("", "etc"), "empty"},
		{"unknown version", with(v1File(), "meta version", 3), "meta version"},
		{"tree without version", with(v1File(), "file tree", dict{"a": leaf(1, "a")}), "file tree"},
		{"version without tree", with(v2Folder(), "file tree", nil), "file tree"},
		{"empty tree", with(v2Folder(), "file tree", dict{}), "empty"},
		{"tree of wrong type", with(v2Folder(), "file tree", "x"), "not a dictionary"},
		{"tree with unsafe name", with(v2Folder(), "file tree", dict{"..": leaf(1, "a")}), "means a folder"},
		{"tree entry of wrong type", with(v2Folder(), "file tree", dict{"a": 1}), "not a dictionary"},
		{"tree is a file", with(v2Folder(), "file tree", leaf(1, "a")), "no file"},
		{"empty folder", with(v2Folder(), "file tree", dict{"a": dict{}}), "holds no file"},
		{"file and folder", with(v2Folder(), "file tree", dict{"a": with(leaf(1, "a"), "b", leaf(1, "b"))}), "both a file and a folder"},
		{"short root", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": 1, "pieces root": "x"}}}), "pieces root"},
		{"root of zeros", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": 1, "pieces root": string(make([]byte, 32))}}}), "all zeros"},
		{"no root", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": 1}}}), "pieces root"},
		{"root of nothing", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": 0, "pieces root": root("a")}}}), "pieces root"},
		{"negative in tree", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": -1}}}), "length"},
		{"no length in tree", with(v2Folder(), "file tree", dict{"a": dict{"": dict{}}}), "length"},
		{"length in tree of wrong type", with(v2Folder(), "file tree", dict{"a": dict{"": dict{"length": "1"}}}), "length"},
		{"huge in tree", with(v2Folder(), "file tree", dict{"a": leaf(1<<62, "a")}), "TiB"},
		{"too many v2 pieces", with(v2Folder(), "file tree", dict{"a": leaf(1<<40, "a")}), "pieces"},
		{"hybrid count", with(hybridFolder(), "files", hybridFiles()[:3]), "hybrid"},
		{"hybrid path", with(hybridFolder(), "files", replaced(0, dict{"path": path("x"), "length": 10})), "hybrid"},
		{"hybrid length", with(hybridFolder(), "files", replaced(0, dict{"path": path("a"), "length": 9})), "hybrid"},
		{"hybrid without pad", with(hybridFolder(), "pieces", sha1s(2), "files", slices.Delete(hybridFiles(), 1, 2)), "hybrid"},
		{"hybrid order", with(hybridFolder(), "files", []any{hybridFiles()[2], hybridFiles()[0], hybridFiles()[3]}), "hybrid"},
		{"hybrid file and folder", with(v2Folder(), "length", 10, "pieces", sha1s(1), "file tree", dict{"x": leaf(10, "a")}), "hybrid"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			wantRefusal(t, encode(t, tt.info), tt.want)
		})
	}
}

func replaced(i int, file dict) []any {
	files := hybridFiles()
	files[i] = file
	return files
}

func wantRefusal(t *testing.T, info []byte, want string) {
	t.Helper()
	_, err := metafile.FromInfo(info)
	var e *metafile.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *metafile.Error", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("message: got %q, want it to say %q", err, want)
	}
	if k := fault.KindOf(err); k != fault.Unverified {
		t.Errorf("kind: got %d, want Unverified", k)
	}
	if fault.HintOf(err) == "" {
		t.Errorf("no hint with %q", err)
	}
}

func TestRefusesBencode(t *testing.T) {
	good := string(encode(t, v1File()))
	tests := []struct{ about, info, want string }{
		{"empty", "", "not a dictionary"},
		{"a list", "le", "not a dictionary"},
		{"cut short", good[:len(good)-1], "ends within"},
		{"bytes after", good + "x", "after its end"},
		{"deep lists", "d1:a" + deepList(100000) + "e", "deeper than 64"},
		{"deep dictionaries", "d" + strings.Repeat("1:ad", 100000), "deeper than 64"},
		{"long string", "d1:a999999999:xe", "are left"},
		{"string length overflow", "d1:a99999999999999999999:xe", "string length"},
		{"string length of many digits", "d" + strings.Repeat("0", 50) + "1:a1:xe", "neither a value"},
		{"string length with sign", "d+1:a1:xe", "string length"},
		{"empty integer", "d1:aiee", "not an integer"},
		{"minus alone", "d1:ai-ee", "not an integer"},
		{"integer with plus", "d1:ai+1ee", "not an integer"},
		{"fraction", "d1:ai1.5ee", "not an integer"},
		{"integer without end", "d1:ai1", "unterminated"},
		{"key is not a string", "di1ei1ee", "neither a value"},
		{"key without value", "d1:ae", "without a value"},
		{"garbage", "d1:a?e", "neither a value"},
		{"16 MiB and more", "d1:a" + fmt.Sprint(17<<20) + ":" + strings.Repeat("x", 17<<20) + "e", "16 MiB"},
		{"many values", "d1:al" + strings.Repeat("i1e", 5<<20) + "ee", "values"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) { wantRefusal(t, []byte(tt.info), tt.want) })
	}
}

func TestDecode(t *testing.T) {
	info, layer, fileRoot := layered()
	outer := dict{"info": info, "piece layers": dict{fileRoot: layer}, "announce": "http://t.example/a", "url-list": "http://w.example/"}
	tests := []struct {
		about string
		b     []byte
		kind  fault.Kind
		want  string // empty: accepted
	}{
		{"whole", encode(t, outer), 0, ""},
		{"without trackers", encode(t, with(outer, "announce", nil)), 0, ""},
		{"unknown schemes", encode(t, with(outer, "announce", "gopher://x", "url-list", []any{"file:///etc"})), 0, ""},
		{"outer keys out of order", []byte("d4:info" + string(encode(t, v1File())) + "8:announce1:xe"), 0, ""},
		{"info twice, the same", []byte("d4:info" + string(encode(t, v1File())) + "4:info" + string(encode(t, v1File())) + "e"), 0, ""},
		{"two infos", []byte("d4:info" + string(encode(t, v1File())) + "4:info" + string(encode(t, v1Folder("a"))) + "e"), fault.Unverified, "two info"},
		{"text", []byte("hello"), fault.Unverified, "not a torrent"},
		{"nothing", nil, fault.Unverified, "not a torrent"},
		{"no info", []byte("de"), fault.Unverified, "no info"},
		{"info is a string", []byte("d4:info1:xe"), fault.Unverified, "not a dictionary"},
		{"layer missing", encode(t, with(outer, "piece layers", nil)), fault.Unverified, "missing"},
		{"layer too short", encode(t, with(outer, "piece layers", dict{fileRoot: layer[:32]})), fault.Unverified, "32 bytes, want 64"},
		{"layer wrong", encode(t, with(outer, "piece layers", dict{fileRoot: layer[:63] + "x"})), fault.Unverified, "root"},
		{"64 MiB and more", make([]byte, 65<<20), fault.Unverified, "64 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			_, err := metafile.Decode(tt.b)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error that says %q", err, tt.want)
			}
			if k := fault.KindOf(err); k != tt.kind {
				t.Errorf("kind: got %d, want %d", k, tt.kind)
			}
		})
	}
}

func TestReadFileMissing(t *testing.T) {
	_, err := metafile.ReadFile(filepath.Join(t.TempDir(), "none"))
	if k := fault.KindOf(err); k != fault.NotFound {
		t.Errorf("kind: got %d (%v), want NotFound", k, err)
	}
	if _, err := metafile.ReadFile(t.TempDir()); err == nil {
		t.Error("a folder: got nil, want an error")
	}
}

func TestMagnet(t *testing.T) {
	m, err := metafile.FromInfo(encode(t, with(hybridFolder(), "name", "a b&c")))
	if err != nil {
		t.Fatal(err)
	}
	got := m.Magnet([]string{"http://t/a?x=1&y"}, []string{"http://w/"}, []string{"[::1]:80"})
	want := "magnet:?xt=urn:btih:" + m.V1.HexString() + "&xt=urn:btmh:1220" + fmt.Sprintf("%x", *m.V2) +
		"&dn=a%20b%26c&tr=http%3A%2F%2Ft%2Fa%3Fx%3D1%26y&ws=http%3A%2F%2Fw%2F&x.pe=%5B%3A%3A1%5D%3A80"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	parsed, err := metainfo.ParseMagnetV2Uri(got)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.InfoHash.Value != *m.V1 || parsed.V2InfoHash.Value != *m.V2 || parsed.DisplayName != "a b&c" || parsed.Params.Get("x.pe") != "[::1]:80" {
		t.Errorf("the engine parses it as %+v", parsed)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.torrent")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, info := range []dict{v1File(), v1Folder("a", "b/c"), v2Folder(), hybridFolder()} {
		f.Add(encode(f, dict{"info": info}))
	}
	f.Add([]byte("d4:infod" + strings.Repeat("1:ad", 500)))
	for _, c := range oddTorrents(f) {
		f.Add(c.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := metafile.Decode(b)
		if err != nil {
			if m != nil {
				t.Error("both a torrent and an error")
			}
			return
		}
		sameAsEngine(t, m)
		for i, file := range m.Files {
			if m.Dir && names.CheckPath(file.Path) != nil {
				t.Errorf("accepts path %q", file.Path)
			}
			if !m.Dir && (i > 0 || len(file.Path) > 0) {
				t.Errorf("not a folder, but file %d is %q", i, file.Path)
			}
		}
		// The torrent that is kept reads the same.
		kept, err := bencode.Marshal(m.Meta)
		if err != nil {
			t.Fatal(err)
		}
		again, err := metafile.Decode(kept)
		if err != nil {
			t.Fatalf("the kept torrent is refused: %v", err)
		}
		if !bytes.Equal(again.Meta.InfoBytes, m.Meta.InfoBytes) || !reflect.DeepEqual(again.Info, m.Info) || !reflect.DeepEqual(again.Files, m.Files) {
			t.Errorf("the kept torrent differs: got %+v, want %+v", again, m)
		}
	})
}
