package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// golden compares with testdata, which is what another program would write. P2PSHARE_GOLDEN=write renews it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("P2PSHARE_GOLDEN") == "write" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s (%v)", name, got, want, err)
	}
}

func full() *catalog.Share {
	s := share("films/heat@1995")
	s.Read, s.Until, s.WebSeeds, s.Note = []string{"@crew", "bob"}, now.Add(time.Hour), []string{"https://a.example/heat"}, "two\nlines"
	return s
}

func TestShareGolden(t *testing.T) {
	var out bytes.Buffer
	for i, m := range []func(n int64) ([]byte, error){share("app").Marshal, full().Marshal,
		(&catalog.Sealed{ID: "s", Audience: "all", Epoch: 1, Box: []byte("box")}).Marshal,
		func(n int64) ([]byte, error) { return (&catalog.Drop{ID: "s"}).Marshal(n) }} {
		raw, err := m(now.UnixMilli() + int64(i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", raw)
	}
	golden(t, "records", out.Bytes())
	raw, err := full().Marshal(5)
	if err != nil {
		t.Fatal(err)
	}
	got, err := catalog.ReadShare(raw)
	if err != nil || !reflect.DeepEqual(got, full()) {
		t.Errorf("got %+v, %v, want %+v", got, err, full())
	}
}

// A share names an index of its chunks where there is one; without, its bytes are those of before there were any.
func TestShareChunks(t *testing.T) {
	s := full()
	h := signed.HashOf([]byte("index"))
	s.Chunks = &h
	raw, err := s.Marshal(5)
	if err != nil || !bytes.Contains(raw, []byte(`"open":{"chunks":"`+h.String()+`","content":`)) {
		t.Fatalf("got %s, %v", raw, err)
	}
	got, err := catalog.ReadShare(raw)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, %v, want %+v", got, err, s)
	}
	for _, bad := range []string{`"x"`, `5`, `""`, `"` + h.String()[:62] + `"`} {
		spoilt := bytes.Replace(raw, []byte(`"`+h.String()+`"`), []byte(bad), 1)
		if _, err := catalog.ReadShare(spoilt); fault.KindOf(err) != fault.Unverified {
			t.Errorf("chunks %s: got %v, want it refused", bad, err)
		}
	}
}

func TestShareRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*catalog.Share)
		want   string
	}{
		{"no id", func(s *catalog.Share) { s.ID = "" }, "id"},
		{"no name", func(s *catalog.Share) { s.Name = "" }, "name"},
		{"a name that leads out", func(s *catalog.Share) { s.Name = "../x" }, "means a folder"},
		{"a version that means others", func(s *catalog.Share) { s.Version = "latest" }, "other versions"},
		{"content that is no file name", func(s *catalog.Share) { s.Content = "a/b" }, "content"},
		{"content that turns the line", func(s *catalog.Share) { s.Content = "a\u202eb" }, "content"},
		{"no files", func(s *catalog.Share) { s.Files = 0 }, "files"},
		{"too many files", func(s *catalog.Share) { s.Files = 100_001 }, "files"},
		{"a negative size", func(s *catalog.Share) { s.Size = -1 }, "size"},
		{"sums for other files", func(s *catalog.Share) { s.Sums = s.Sums[:1] }, "1 sums for 2 files"},
		{"too many sums", func(s *catalog.Share) { s.Files, s.Sums = 10_001, slices.Repeat([]signed.Hash{{1}}, 10_001) }, "more than 10000"},
		{"a web seed on this disk", func(s *catalog.Share) { s.WebSeeds = []string{"file:///etc"} }, "webseeds"},
		{"a note with an escape sequence", func(s *catalog.Share) { s.Note = "a\x1b[2J" }, "does not print"},
		{"a long note", func(s *catalog.Share) { s.Note = strings.Repeat("x", 2001) }, "more than 2000"},
		{"no time", func(s *catalog.Share) { s.Time = time.Time{} }, "time"},
		{"a v1 infohash of zeros", func(s *catalog.Share) { s.V1 = new(metainfo.Hash) }, `"v1": it is all zeros`},
		{"an info of zeros", func(s *catalog.Share) { s.Info = signed.Hash{} }, `"info": it is all zeros`},
		{"an info that is zeros where it is cut", func(s *catalog.Share) { s.Info = signed.Hash{31: 1} }, `"info": it is all zeros`},
		{"a torrent of zeros", func(s *catalog.Share) { s.Torrent = signed.Hash{} }, `"torrent": it is all zeros`},
		{"an index of zeros", func(s *catalog.Share) { s.Chunks = new(signed.Hash) }, `"chunks": it is all zeros`},
		{"one sum beside the list", func(s *catalog.Share) { s.AllSums = &signed.Hash{1} }, "sha256 says it already"},
		{"one sum of zeros", func(s *catalog.Share) { s.Sums, s.AllSums = nil, new(signed.Hash) }, `"sums": it is all zeros`},
		{"a sum of zeros", func(s *catalog.Share) { s.Sums[1] = signed.Hash{} }, `"sha256": it is all zeros`},
	} {
		s := full()
		c.change(s)
		if raw, err := s.Marshal(5); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %s, %v, want an error with %q", c.name, raw, err, c.want)
		}
	}
	for name, raw := range map[string]string{
		"a drop":         `{"id":"s","n":5,"op":"drop"}`,
		"sealed":         `{"aud":"all","box":"AA==","epoch":1,"id":"s","n":5,"op":"share"}`,
		"both":           `{"aud":"all","box":"AA==","epoch":1,"id":"s","n":5,"op":"share","open":{}}`,
		"not canonical":  `{"n":5,"id":"s"}`,
		"open is a text": `{"id":"s","n":5,"op":"share","open":"x"}`,
	} {
		if _, err := catalog.ReadShare([]byte(raw)); fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func TestShareThatDisagreesWithItsTorrent(t *testing.T) {
	s := full()
	good := catalog.Facts{Name: s.Content, Size: s.Size, Files: s.Files, V1: s.V1, Info: s.Info, Torrent: &s.Torrent}
	if err := s.CheckTorrent("bob", good); err != nil {
		t.Error(err)
	}
	magnet := good
	magnet.Torrent = nil
	if err := s.CheckTorrent("bob", magnet); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name   string
		change func(*catalog.Facts)
		want   string
	}{
		{"another info of the same SHA-1", func(f *catalog.Facts) { f.Info = signed.Hash{} }, "its info"},
		{"another infohash", func(f *catalog.Facts) { f.V1 = new(metainfo.Hash) }, "its infohash"},
		{"v2 alone", func(f *catalog.Facts) { f.V1 = nil }, "its infohash"},
		{"another .torrent", func(f *catalog.Facts) { f.Torrent = new(signed.Hash) }, "the .torrent"},
		{"another name", func(f *catalog.Facts) { f.Name = "evil\x1b" }, `called "evil\x1b"`},
		{"another size", func(f *catalog.Facts) { f.Size++ }, "11 bytes"},
		{"other files", func(f *catalog.Facts) { f.Files++ }, "3 files"},
	} {
		f := good
		c.change(&f)
		err := s.CheckTorrent("bob", f)
		if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"bob"`) {
			t.Errorf("%s: got %v, want it refused with %q and the author", c.name, err, c.want)
		}
	}
}

func receipt(t testing.TB) *catalog.Receipt {
	t.Helper()
	l := newLogs(t)
	for i := range 5 {
		l.share("bob", fmt.Sprint(i), fmt.Sprintf("app@1.%d", i))
	}
	var tree signed.Tree
	var hashes []signed.Hash
	for _, r := range l.recs["bob"] {
		hashes = append(hashes, tree.Append(r))
	}
	head, err := signed.SignHead(signed.GroupID{7}, secret("bob"), tree.Size(), tree.Root(), now)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.index(authority{}).Resolve("app", "1.2")
	if err != nil {
		t.Fatal(err)
	}
	files := []catalog.ReceiptFile{{Path: "a", Size: 4, SHA256: signed.HashOf([]byte("a"))}, {Path: "b/c", Size: 6, SHA256: signed.HashOf([]byte("b"))}}
	r, err := catalog.NewReceipt("acme", e, head, l.recs["bob"][e.Index], hashes, files, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceipt(t *testing.T) {
	r := receipt(t)
	raw, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "receipt.json", raw)
	got, err := catalog.DecodeReceipt(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.Account != "bob" || got.Entry.Version != "1.2" || got.LogSize != 5 || got.Share().Ref() != "app@1.2" {
		t.Errorf("got %+v", got)
	}
	if d := got.Compare(r.Files); len(d) != 0 {
		t.Errorf("the same files: got %v", d)
	}
	d := got.Compare([]catalog.ReceiptFile{{Path: "a", Size: 4}, {Path: "z"}})
	want := []catalog.Difference{{Path: "a", Problem: "changed"}, {Path: "b/c", Problem: "missing"}, {Path: "z", Problem: "not in the receipt"}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %v, want %v", d, want)
	}
}

func TestReceiptRefuses(t *testing.T) {
	raw, err := receipt(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"another version of the format", `"version": 1,`, `"version": 2,`, "reads version 1"},
		{"an unknown field", `"version": 1,`, `"version": 1, "moon": 1,`, "moon"},
		{"another group", `"id": "07`, `"id": "08`, "belongs to the group"},
		{"another name", `"name": "app"`, `"name": "apq"`, "another torrent"},
		{"another version", `"version": "1.2"`, `"version": "1.3"`, "another torrent"},
		{"another infohash", `"infohash": "`, `"infohash": "0`, "another torrent"},
		{"another size of the log", `"log_size": 5`, `"log_size": 6`, "another log"},
		{"another record", `app\"`, `apq\"`, "not in the log"},
		{"another place", `"index": 2`, `"index": 3`, "not in the log"},
		{"another time of the head", `\n1790000000\n`, `\n1790000001\n`, "not signed by device"},
		{"another sum", `"sha256": "` + signed.HashOf([]byte("a")).String(), `"sha256": "` + signed.HashOf([]byte("x")).String(), "another SHA-256"},
		{"another size", `"size": 4`, `"size": 5`, "11 bytes"},
		{"a negative size", `"size": 4`, `"size": -4`, "-4 bytes"},
		{"not JSON", `{`, `[`, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !bytes.Contains(raw, []byte(c.old)) {
				t.Fatalf("%q is not in %s", c.old, raw)
			}
			_, err := catalog.DecodeReceipt(bytes.Replace(raw, []byte(c.old), []byte(c.new), 1))
			if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it refused with %q", err, c.want)
			}
		})
	}
	if _, err := catalog.DecodeReceipt(append(raw, "{}"...)); err == nil {
		t.Error("two receipts: got nil, want an error")
	}
	if _, err := catalog.DecodeReceipt(nil); err == nil {
		t.Error("nothing: got nil, want an error")
	}
}

func FuzzReceipt(f *testing.F) {
	raw, err := receipt(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	good, err := catalog.DecodeReceipt(raw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(bytes.Replace(raw, []byte(`"version": "1.2"`), []byte(`"version": "1.3"`), 1))
	f.Add(bytes.Replace(raw, []byte(`"sha256": "`), []byte(`"SHA256": "`), 1))
	f.Add(bytes.Replace(raw, []byte(`{`), []byte(`{"infohash": "`+strings.Repeat("0", 40)+`",`), 1))
	f.Add(bytes.ReplaceAll(raw, []byte("\n"), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := catalog.DecodeReceipt(b)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if read, err := catalog.DecodeReceipt(again); err != nil || !reflect.DeepEqual(read, r) {
			t.Fatalf("%q is a receipt, and encodes to another: %v", b, err)
		}
		// Nobody else can sign for this device: whatever stands around it, it says the same of the same bytes.
		if r.Device == good.Device && (r.Group.ID != good.Group.ID || r.Entry != good.Entry || r.Infohash != good.Infohash ||
			r.InfoSHA256 != good.InfoSHA256 || !reflect.DeepEqual(r.Files, good.Files)) {
			t.Fatalf("%q passes for what the device signed", b)
		}
	})
}

func FuzzShare(f *testing.F) {
	raw, err := full().Marshal(5)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := catalog.ReadShare(b)
		if err != nil {
			return
		}
		r, err := signed.ParseRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.Marshal(r.N); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q is a share, and encodes to %q, %v", b, again, err)
		}
	})
}

// FileSums is one hash of all files, listed or not.
func TestFileSums(t *testing.T) {
	listed := full()
	want := catalog.SumOfSums(listed.Sums)
	for _, c := range []struct {
		name   string
		change func(*catalog.Share)
		want   *signed.Hash
	}{
		{"listed", func(*catalog.Share) {}, &want},
		{"one for all", func(s *catalog.Share) { s.Sums, s.AllSums = nil, &want }, &want},
		{"none", func(s *catalog.Share) { s.Sums = nil }, nil},
		{"of what is sealed", func(s *catalog.Share) { s.Sealed, s.SealedSize, s.WebSeeds = "tar", 5000, nil }, nil},
		{"of the age file", func(s *catalog.Share) {
			s.Sealed, s.SealedSize, s.WebSeeds, s.AllSums = "tar", 5000, nil, &signed.Hash{0: 7}
		}, &signed.Hash{0: 7}},
	} {
		s := full()
		c.change(s)
		b, err := s.Body()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		back, err := catalog.ReadBody(b)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := back.FileSums(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		if hold := back.Hold(); s.Sealed != "" && c.want != nil && (hold == nil || hold.Sums != *c.want) {
			t.Errorf("%s: mirrors are told %v, want %v", c.name, hold, c.want)
		}
	}
}
