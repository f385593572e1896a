package metafile_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// TestNamesOfEveryKind checks that every safe name is accepted for a torrent, a file and a folder, in each version.
func TestNamesOfEveryKind(t *testing.T) {
	for _, name := range []string{
		"می\u200cخواهم.mp3", "👨\u200d👩\u200d👧.jpg", "Chapter 1: x.txt", "Who?.txt", "Vol. 1.", "a ", "aux.c", "con", "a\nb", "a\x1b[1m", "a\u202eb",
		"e\u0301", "\u00e9", strings.Repeat("x", 300), "A", "a",
	} {
		for kind, info := range map[string]dict{
			"v1 file": with(v1File(), "name", name), "v1 folder": v1Folder("q", name, "d/"+name+"/y"), "v2": with(v2Folder(), "file tree", dict{name: leaf(1, "a")}),
		} {
			m, err := metafile.FromInfo(encode(t, info))
			if err != nil {
				t.Errorf("%q as %s: %v", name, kind, err)
				continue
			}
			if kind == "v1 folder" && (m.Files[1].Path[0] != name || m.Files[2].Path[1] != name) || kind == "v1 file" && m.Name != name {
				t.Errorf("%q as %s: got %q and %v", name, kind, m.Name, m.Files)
			}
		}
	}
	for _, pair := range [][2]string{{"readme", "README"}, {"e\u0301", "\u00e9"}, {"a", "A/b"}, {"❤", "❤\ufe0f"}} {
		if m, err := metafile.FromInfo(encode(t, v1Folder(pair[:]...))); err != nil || len(m.Files) != 2 {
			t.Errorf("%q: got %v, want both", pair, err)
		}
	}
}

// TestEncodings checks that names in other encodings are decoded by the best available evidence.
func TestEncodings(t *testing.T) {
	in := func(e encoding.Encoding, s string) string {
		out, err := e.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	file := func(f dict) dict {
		f["length"] = 10
		return with(v1Folder(), "files", []any{f}, "pieces", sha1s(1))
	}
	for _, c := range []struct {
		about    string
		info     dict
		declared string // encoding, outside the info
		want     string
		guess    string // in the note; empty: none
	}{
		{"UTF-8", v1Folder("café"), "", "café", ""},
		{"UTF-8, declared otherwise", v1Folder("café"), "GBK", "café", ""},
		{"path.utf-8", file(dict{"path": path("caf\xe9"), "path.utf-8": path("café")}), "", "café", ""},
		{"path.utf-8 over the declared encoding", file(dict{"path": path("caf\xe9"), "path.utf-8": path("café")}), "windows-1251", "café", ""},
		{"path.utf-8 alone", file(dict{"path.utf-8": path("café")}), "", "café", ""},
		{"path.utf-8 that is not UTF-8", file(dict{"path": path("cafe"), "path.utf-8": path("caf\xe9")}), "", "cafe", ""},
		{"declared", v1Folder(in(japanese.ShiftJIS, "表")), "Shift_JIS", "表", ""},
		{"declared by another name", v1Folder(in(simplifiedchinese.GBK, "电影")), "GB2312", "电影", ""},
		{"declared in lower case", v1Folder(in(charmap.Windows1251, "фильм")), " cp1251 ", "фильм", ""},
		{"declared wrongly", v1Folder("caf\xe9"), "Shift_JIS", "café", "windows-1252"},
		{"declared as UTF-8", v1Folder("caf\xe9"), "UTF-8", "café", "windows-1252"},
		{"declared as an unknown encoding", v1Folder("caf\xe9"), "klingon", "café", "windows-1252"},
		{"western", v1Folder("caf\xe9.txt"), "", "café.txt", "windows-1252"},
		{"western, two together", v1Folder(in(charmap.Windows1252, "année créée")), "", "année créée", "windows-1252"},
		{"Russian", v1Folder(in(charmap.Windows1251, "Война и мир.avi")), "", "Война и мир.avi", "windows-1251"},
		{"Japanese", v1Folder(in(japanese.ShiftJIS, "となりのトトロ.avi")), "", "となりのトトロ.avi", "Shift_JIS"},
		{"Japanese, EUC", v1Folder(in(japanese.EUCJP, "となりのトトロ.avi")), "", "となりのトトロ.avi", "EUC-JP"},
		{"Korean", v1Folder(in(korean.EUCKR, "올드보이.avi")), "", "올드보이.avi", "EUC-KR"},
		{"Chinese", v1Folder(in(simplifiedchinese.GBK, "霸王别姬电影.avi")), "", "霸王别姬电影.avi", "GB18030"},
		{"declared Big5", v1Folder(in(traditionalchinese.Big5, "霸王別姬")), "Big5", "霸王別姬", ""},
		{"valid in no encoding", v1Folder("a\xff\x81b"), "", "", "read as"},
	} {
		m, err := metafile.Decode(encode(t, dict{"info": c.info, "encoding": c.declared}))
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
			continue
		}
		if got := m.FilePath(0); got != c.want && c.want != "" {
			t.Errorf("%s: got %q, want %q", c.about, got, c.want)
		}
		noted := slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, "are read as") && strings.Contains(n, c.guess) })
		if noted != (c.guess != "") {
			t.Errorf("%s: got the notes %q, want a guess of %q noted", c.about, m.Notes, c.guess)
		}
	}
	name := with(v1File(), "name", "caf\xe9", "name.utf-8", "café")
	for _, info := range []dict{name, with(v1File(), "name", "caf\xe9"), with(v1File(), "name", "café", "name.utf-8", "caf\xe9")} {
		if m, err := metafile.FromInfo(encode(t, info)); err != nil || m.Name != "café" {
			t.Errorf("the torrent's name: got %v, %v, want café", m, err)
		}
	}
	// In version 2 name is UTF-8 itself, and is what the tree of a single file has.
	single := with(v2Folder(), "name", "a", "name.utf-8", "b", "file tree", dict{"a": leaf(10, "a")})
	for _, info := range []dict{single, with(single, "length", 10, "pieces", sha1s(1))} {
		if m, err := metafile.FromInfo(encode(t, info)); err != nil || m.Name != "a" || m.Dir {
			t.Errorf("version 2 with another name.utf-8: got %+v, %v, want the file a", m, err)
		}
	}
}
