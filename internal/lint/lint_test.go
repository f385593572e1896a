package lint_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/lint"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// sound returns a torrent without findings; tests change one thing in it.
func sound() *metafile.Torrent {
	return &metafile.Torrent{
		Meta: &metainfo.MetaInfo{Announce: "http://t.example/announce"},
		Info: &metainfo.Info{}, Name: "file", Files: []metafile.File{{Length: 1 << 30}},
		PieceLength: 1 << 20, Pieces: 1024, Size: 1 << 30, V1: &metainfo.Hash{},
	}
}

func folder(t *metafile.Torrent, paths ...string) {
	t.Dir, t.V2, t.Files = true, nil, nil
	for _, p := range paths {
		t.Files = append(t.Files, metafile.File{Path: strings.Split(p, "/")})
	}
}

func pads(t *metafile.Torrent, attrs ...string) {
	for _, a := range attrs {
		f := metainfo.FileInfo{}
		f.Attr = a
		t.Info.Files = append(t.Info.Files, f)
	}
}

func TestTorrent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*metafile.Torrent)
		want   []string // "level: part of what", in order
	}{
		{"hybrid file", func(m *metafile.Torrent) { m.V2 = &[32]byte{} }, []string{"warning: hybrid of v1 and v2"}},
		{"sound v1 folder", func(m *metafile.Torrent) { folder(m, "a", "b/c"); pads(m, "", "x") }, nil},
		{"v2 only", func(m *metafile.Torrent) { m.V1, m.V2 = nil, &[32]byte{} }, []string{"error: v2 only"}},
		{"v2 folder with web seeds", func(m *metafile.Torrent) {
			folder(m, "a", "b")
			m.V1, m.V2 = nil, &[32]byte{}
			m.Meta.UrlList = []string{"https://w.example/"}
		}, []string{"error: v2 only"}},
		{"hybrid folder", func(m *metafile.Torrent) { folder(m, "a", "b"); m.V2 = &[32]byte{}; pads(m, "", "p", "") },
			[]string{"warning: hybrid of v1 and v2", "warning: 1 pads"}},
		{"v1 folder with pads", func(m *metafile.Torrent) { folder(m, "a", "b"); pads(m, "", "p", "") }, []string{"warning: has 1 pads"}},
		{"tail pad", func(m *metafile.Torrent) { folder(m, "a"); m.V2 = &[32]byte{}; pads(m, "", "p") },
			[]string{"warning: hybrid of v1 and v2", "warning: pads", "warning: ends in a pad"}},
		{"no bytes", func(m *metafile.Torrent) { m.Pieces, m.Size, m.Files = 0, 0, []metafile.File{{}} }, []string{"error: no bytes"}},
		{"names that are not valid everywhere", func(m *metafile.Torrent) { folder(m, "a:b", "c?/d", "e", "E"); pads(m) },
			[]string{`warning: "a:b" is not valid on every system: it contains ':', which names a drive or a stream on Windows (and 2 more)`}},
		{"large pieces", func(m *metafile.Torrent) { m.PieceLength = 32 << 20 }, []string{"warning: pieces are 32 MiB"}},
		{"16 MiB pieces", func(m *metafile.Torrent) { m.PieceLength = 16 << 20 }, nil},
		{"many pieces", func(m *metafile.Torrent) { m.Pieces = 200_000 }, []string{"warning: 200,000 pieces"}},
		{"few pieces", func(m *metafile.Torrent) { m.Pieces = 3 }, []string{"note: only 3 pieces"}},
		{"few pieces of a small file", func(m *metafile.Torrent) { m.Pieces, m.Size = 3, 3<<20 }, nil},
		{"odd piece length", func(m *metafile.Torrent) { m.PieceLength = 3 << 18 }, []string{"warning: not a power of two"}},
		{"tiny pieces", func(m *metafile.Torrent) { m.PieceLength = 1 << 10 }, []string{"warning: not a power of two"}},
		{"long path", func(m *metafile.Torrent) { folder(m, strings.Repeat("d", 100)+"/"+strings.Repeat("f", 100)) }, []string{"warning: longer than 200"}},
		{"decomposed name", func(m *metafile.Torrent) { folder(m, "e\u0301", "ok") }, []string{"warning: composed form"}},
		{"option-like name", func(m *metafile.Torrent) { m.Name = "-rf" }, []string{"warning: begins with a space or a hyphen"}},
		{"names that do not show as what they are", func(m *metafile.Torrent) {
			folder(m, "a\u202egpj.exe", "می\u200cخواهم", "👨\u200d👩\u200d👧")
			pads(m)
		},
			[]string{`warning: "file/a\u202egpj.exe" is not displayed as it is: it contains invisible characters, or some that reverse text or control a terminal`}},
		{"hidden files", func(m *metafile.Torrent) { folder(m, ".git", ".env", "a") }, []string{`note: "file/.git" begins with a dot (and 1 more)`}},
		{"torrent inside", func(m *metafile.Torrent) { folder(m, "a.torrent") }, []string{"note: .torrent file itself"}},
		{"no tracker", func(m *metafile.Torrent) { m.Meta.Announce = "" }, []string{"note: no tracker and no web seed"}},
		{"tracker in a tier", func(m *metafile.Torrent) { m.Meta.Announce = ""; m.Meta.AnnounceList = [][]string{{}, {"udp://t:1"}} }, nil},
		{"private without tracker", func(m *metafile.Torrent) { m.Meta.Announce = ""; m.Private = true }, []string{"error: private and names no tracker and no web seed"}},
		{"private with a web seed", func(m *metafile.Torrent) {
			m.Meta.Announce, m.Private, m.Meta.UrlList = "", true, []string{"http://w/f"}
		}, []string{"warning: private and names no tracker"}},
		{"private with nodes", func(m *metafile.Torrent) { m.Private = true; m.Meta.Nodes = []metainfo.Node{"a:1"} }, []string{"warning: DHT nodes"}},
		{"folder web seed without slash", func(m *metafile.Torrent) { folder(m, "a"); m.Meta.UrlList = []string{"http://w/x"} },
			[]string{"warning: does not end in a slash"}},
		{"folder web seed", func(m *metafile.Torrent) { folder(m, "a"); m.Meta.UrlList = []string{"http://w/x/"} }, nil},
		{"file web seed with slash", func(m *metafile.Torrent) { m.Meta.UrlList = []string{"http://w/x/"} }, []string{"note: ends in a slash"}},
		{"ftp web seed", func(m *metafile.Torrent) { m.Meta.UrlList = []string{"ftp://w/x"} }, []string{"warning: is ftp"}},
		{"odd", func(m *metafile.Torrent) { m.Notes = []string{"nodes: no list, and passed over"} }, []string{"warning: nodes: no list"}},
		{"unsupported tracker", func(m *metafile.Torrent) { m.Meta.Announce = "wss://t.example/" }, []string{"warning: wss://t.example/"}},
		{"pads without the attribute", func(m *metafile.Torrent) {
			folder(m, "a", "b")
			m.Info.Files = []metainfo.FileInfo{{Path: []string{"a"}}, {Path: []string{"_____padding_file_0_x"}}, {Path: []string{"b"}}}
		}, []string{"warning: has 1 pads"}},
		{"magnet's info", func(m *metafile.Torrent) { m.Meta = nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := sound()
			c.change(m)
			check(t, lint.Torrent(m), c.want)
		})
	}
}

func TestMagnet(t *testing.T) {
	const v1, v2 = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567", "magnet:?xt=urn:btmh:122000112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"sound", v1 + "&dn=a&tr=http://t.example/", nil},
		{"bare", v1, []string{"warning: no tracker and no peer", "note: no name"}},
		{"v2 only", v2 + "&dn=a&tr=http://t.example/", []string{"error: only a v2 infohash"}},
		{"peer", v1 + "&dn=a&x.pe=a:1", []string{"note: names peers"}},
		{"selection", v1 + "&dn=a&tr=http://t.example/&so=1", []string{"note: selects files"}},
		{"unsupported tracker", v1 + "&dn=a&tr=http://t.example/&tr=wss://x/", []string{"warning: ignored"}},
		{"infohash", "0123456789abcdef0123456789abcdef01234567", []string{"warning: no tracker", "note: no name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, err := catalog.ParseRef(c.in)
			if err != nil {
				t.Fatal(err)
			}
			check(t, lint.Magnet(ref), c.want)
		})
	}
}

func TestRefused(t *testing.T) {
	f := lint.Refused(errors.New("two files called x"))
	if f.Level != lint.Error || !strings.Contains(f.What, "two files called x") || f.Fix == "" {
		t.Errorf("got %+v, want an error that repeats the reason and says what to do", f)
	}
}

func check(t *testing.T, got []lint.Finding, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d findings %+v, want %d: %q", len(got), got, len(want), want)
	}
	for i, f := range got {
		level, what, _ := strings.Cut(want[i], ": ")
		if string(f.Level) != level || !strings.Contains(f.What, what) {
			t.Errorf("finding %d: got %s: %s, want %s", i, f.Level, f.What, want[i])
		}
		if f.Who == "" {
			t.Errorf("finding %d, %q, names no clients", i, f.What)
		}
	}
}
