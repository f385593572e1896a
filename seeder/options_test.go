//go:build unix

package seeder_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/internal/needs"
	"github.com/p2pshare/p2pshare/seeder"
)

func TestBuildFormat(t *testing.T) {
	dir := write(t, "release", 20, file{path: "a", size: 100_000}, file{path: "b", size: 100})
	one := filepath.Join(dir, "a")
	tests := []struct {
		path         string
		format, want seeder.Format
		v1, v2       bool
	}{
		{dir, "", seeder.V1, true, false},
		{dir, seeder.Auto, seeder.V1, true, false},
		{dir, seeder.V1, seeder.V1, true, false},
		{dir, seeder.Hybrid, seeder.Hybrid, true, true},
		{dir, seeder.V2, seeder.V2, false, true},
		{one, "", seeder.V1, true, false},
		{one, seeder.Auto, seeder.V1, true, false},
		{one, seeder.Hybrid, seeder.Hybrid, true, true},
		{one, seeder.V1, seeder.V1, true, false},
		{one, seeder.V2, seeder.V2, false, true},
	}
	for _, test := range tests {
		t.Run(filepath.Base(test.path)+" "+string(test.format), func(t *testing.T) {
			b := build(t, seeder.Options{Path: test.path, Format: test.format})
			if b.Format != test.want || (b.Torrent.V1 != nil) != test.v1 || (b.Torrent.V2 != nil) != test.v2 {
				t.Errorf("got %s with infohashes %v and %v, want %s", b.Format, b.Torrent.V1, b.Torrent.V2, test.want)
			}
			if b.Torrent.Dir != (test.path == dir) || b.Torrent.Name != filepath.Base(test.path) {
				t.Errorf("got %q, folder %v", b.Torrent.Name, b.Torrent.Dir)
			}
		})
	}
}

// TestBuildPieceLength uses sparse files: only the choice matters, and zeros hash fast enough.
func TestBuildPieceLength(t *testing.T) {
	sparse := func(t *testing.T, size int64, files int) string {
		dir := filepath.Join(t.TempDir(), "release")
		for i := range files {
			at := filepath.Join(dir, "f"+strings.Repeat("x", i))
			mkfile(t, at, "")
			if err := os.Truncate(at, size/int64(files)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, c := range []struct{ size, given, want int64 }{{1000, 0, 64 << 10}, {129 << 20, 0, 64 << 10}, {1 << 30, 0, 128 << 10}, {1 << 30, 1 << 20, 1 << 20}} {
		b := build(t, seeder.Options{Path: sparse(t, c.size, 1), Format: seeder.V1, PieceLength: c.given, Fine: true})
		if b.Torrent.PieceLength != c.want {
			t.Errorf("fine pieces for %d bytes, %d given: got %d, want %d", c.size, c.given, b.Torrent.PieceLength, c.want)
		}
	}
	tests := []struct {
		name   string
		size   int64
		files  int
		format seeder.Format
		given  int64
		want   int64
	}{
		{"tiny", 1000, 1, seeder.V1, 0, 64 << 10},
		{"at the first step", 128 << 20, 1, seeder.V1, 0, 64 << 10},
		{"over the first step", 129 << 20, 1, seeder.V1, 0, 128 << 10},
		{"1 GiB", 1 << 30, 2, seeder.V1, 0, 512 << 10},
		{"1 GiB, hybrid of few files", 1 << 30, 2, seeder.Hybrid, 0, 512 << 10},
		{"hybrid of many files", 100 << 20, 100, seeder.Hybrid, 0, 64 << 10},
		{"hybrid of many small files", 10 << 20, 100, seeder.Hybrid, 0, 16 << 10},
		{"v1 of many small files", 10 << 20, 100, seeder.V1, 0, 64 << 10},
		{"given", 1 << 20, 1, seeder.V1, 16 << 10, 16 << 10},
		{"the largest given", 1 << 20, 1, seeder.V1, 64 << 20, 64 << 20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := build(t, seeder.Options{Path: sparse(t, test.size, test.files), Format: test.format, PieceLength: test.given})
			if b.Torrent.PieceLength != test.want {
				t.Errorf("got pieces of %d, want %d", b.Torrent.PieceLength, test.want)
			}
		})
	}
}

func TestBuildWritesOptions(t *testing.T) {
	dir := write(t, "release", 21, file{path: "a", size: 100, exec: true}, file{path: "b", size: 100})
	decode := func(b *seeder.Built) (meta, info map[string]any) {
		if err := bencode.Unmarshal(b.Bytes, &meta); err != nil {
			t.Fatal(err)
		}
		return meta, meta["info"].(map[string]any)
	}
	keys := func(m map[string]any) (list []string) {
		for k := range m {
			list = append(list, k)
		}
		slices.Sort(list)
		return list
	}

	meta, info := decode(build(t, seeder.Options{Path: dir}))
	if got := keys(meta); !slices.Equal(got, []string{"created by", "info"}) {
		t.Errorf("keys of a plain torrent: got %q", got)
	}
	if got := keys(info); !slices.Equal(got, []string{"files", "name", "piece length", "pieces"}) {
		t.Errorf("keys of a plain info: got %q", got)
	}

	b := build(t, seeder.Options{
		Path: dir, Name: "other", Private: true, Comment: "hello", WebSeeds: []string{"http://w/1", "http://w/2"},
		Trackers: [][]string{{}, {"http://a/announce", "http://b/announce"}, {"udp://c:1"}},
	})
	m := b.Torrent
	if !m.Private || m.Name != "other" || m.Meta.Comment != "hello" || m.Meta.CreatedBy != "p2pshare" || m.Meta.CreationDate != 0 {
		t.Errorf("got private %v, name %q, comment %q, by %q, date %d", m.Private, m.Name, m.Meta.Comment, m.Meta.CreatedBy, m.Meta.CreationDate)
	}
	if !slices.Equal(m.Meta.UrlList, []string{"http://w/1", "http://w/2"}) {
		t.Errorf("web seeds: got %q", m.Meta.UrlList)
	}
	if m.Meta.Announce != "http://a/announce" || len(m.Meta.AnnounceList) != 2 ||
		!slices.Equal(m.Meta.AnnounceList[0], []string{"http://a/announce", "http://b/announce"}) || !slices.Equal(m.Meta.AnnounceList[1], []string{"udp://c:1"}) {
		t.Errorf("trackers: got %q and %q", m.Meta.Announce, m.Meta.AnnounceList)
	}
	if !m.Files[0].Exec || m.Files[1].Exec {
		t.Errorf("executable: got %v, %v, want the first only", m.Files[0].Exec, m.Files[1].Exec)
	}

	meta, _ = decode(build(t, seeder.Options{Path: dir, Trackers: [][]string{{"http://a/announce"}}}))
	if got := keys(meta); !slices.Equal(got, []string{"announce", "created by", "info"}) {
		t.Errorf("keys with one tracker: got %q", got)
	}
}

// Keys outside the info do not change the infohash.
func TestBuildInfohashIsOfTheInfo(t *testing.T) {
	dir := write(t, "release", 22, file{path: "a", size: 100})
	plain := build(t, seeder.Options{Path: dir}).Torrent
	more := build(t, seeder.Options{Path: dir, Comment: "c", Trackers: [][]string{{"http://a/"}}, WebSeeds: []string{"http://w/"}}).Torrent
	private := build(t, seeder.Options{Path: dir, Private: true}).Torrent
	if *plain.V1 != *more.V1 {
		t.Errorf("infohash with trackers: got %v, want %v", more.V1, plain.V1)
	}
	if *plain.V1 == *private.V1 {
		t.Errorf("infohash of a private torrent: got that of the public one, %v", plain.V1)
	}
}

func TestBuildProgress(t *testing.T) {
	dir := write(t, "release", 23, trees()["random 1"]...)
	for _, sums := range []bool{false, true} {
		var last, total int64
		b := build(t, seeder.Options{Path: dir, Format: seeder.Hybrid, Sums: sums, Progress: func(done, of int64) {
			if done < last || done > of {
				t.Errorf("got %d of %d after %d", done, of, last)
			}
			last, total = done, of
		}})
		want := b.Torrent.Size // however often each byte is read
		if last != want || total != want {
			t.Errorf("sums %v: ended at %d of %d, want %d", sums, last, total, want)
		}
	}
}

func TestSums(t *testing.T) {
	check := needs.Program(t, "sha256sum", "coreutils")
	dir := write(t, "release", 24, append(trees()["random 2"], file{path: "日本/ファイル", size: 1000}, file{path: "with space", size: 10})...)
	for _, at := range []string{dir, filepath.Join(dir, "with space")} {
		b := build(t, seeder.Options{Path: at, Sums: true})
		var list bytes.Buffer
		if err := seeder.WriteSums(&list, b.Sums); err != nil {
			t.Fatal(err)
		}
		if len(b.Sums) != len(b.Torrent.Files) {
			t.Errorf("got %d sums of %d files", len(b.Sums), len(b.Torrent.Files))
		}
		cmd := exec.Command(check, "--check", "--strict", "--quiet")
		cmd.Dir, cmd.Stdin = dir, &list
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sha256sum --check: %v\n%s", err, out)
		}
	}
	if b := build(t, seeder.Options{Path: dir}); b.Sums != nil {
		t.Errorf("got %d sums without asking for them", len(b.Sums))
	}
}

// Names that need escaping are refused by Build, but WriteSums accepts them.
func TestWriteSumsEscapes(t *testing.T) {
	names := []string{"plain", `back\slash`, "line\nfeed", "carriage\rreturn", " space", "*star"}
	dir := t.TempDir()
	var sums []seeder.Sum
	args := []string{"--text"}
	for _, name := range names {
		mkfile(t, filepath.Join(dir, name), name)
		sums = append(sums, seeder.Sum{Path: name, SHA256: sha256.Sum256([]byte(name))})
		args = append(args, name)
	}
	var got bytes.Buffer
	if err := seeder.WriteSums(&got, sums); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(needs.Program(t, "sha256sum", "coreutils"), args...)
	cmd.Dir = dir
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant what sha256sum writes:\n%s", got.String(), want)
	}
}

func TestWriteSumsReportsFailure(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := seeder.WriteSums(full, []seeder.Sum{{Path: "x"}}); err == nil {
		t.Error("got no error from a full disk")
	}
}

func FuzzIgnoreFile(f *testing.F) {
	for _, seed := range []string{"*.tmp\n!keep", "[", "/**/", "**", "!", "a/**/b/**", "\\", "\xff\n[^]a]", "a//b", "# c\r\n \\ "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := filepath.Join(t.TempDir(), "release")
		mkfile(t, filepath.Join(dir, "a", "b", "c"), "x")
		mkfile(t, filepath.Join(dir, "keep.tmp"), "y")
		mkfile(t, filepath.Join(dir, seeder.IgnoreFile), text)
		b, err := seeder.Build(t.Context(), seeder.Options{Path: dir, Workers: 1})
		if err != nil {
			return
		}
		for _, p := range paths(b.Torrent) {
			if strings.HasSuffix(p, seeder.IgnoreFile) {
				t.Errorf("%q was published", p)
			}
		}
	})
}
