package signed_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/p2pshare/p2pshare/internal/signed"
)

func TestHeadGolden(t *testing.T) {
	_, gid := chain(t)
	h := headOf(t, "dev", gid, records(5), now)
	golden(t, "head.note", h.Raw)
	got, err := signed.OpenHead(h.Raw, gid)
	if err != nil {
		t.Fatal(err)
	}
	if got.Group != gid || got.Device != key("dev") || got.Size != 5 || got.Root != h.Root || !got.Time.Equal(now) {
		t.Errorf("got %+v", got)
	}
}

func TestHeadRefuses(t *testing.T) {
	_, gid := chain(t)
	h := headOf(t, "dev", gid, records(5), now)
	other := headOf(t, "eve", gid, records(5), now)
	sig := func(raw []byte) []byte { return raw[bytes.Index(raw, []byte("\n\n")):] }
	text := func(raw []byte) []byte { return raw[:bytes.Index(raw, []byte("\n\n"))] }
	for _, c := range []struct {
		name  string
		raw   []byte
		gid   signed.GroupID
		want  signed.Reason
		words string
	}{
		{"nothing", nil, gid, signed.Malformed, "four lines"},
		{"cut", h.Raw[:len(h.Raw)-7], gid, signed.Malformed, ""},
		{"3 KiB", append(bytes.Clone(h.Raw), bytes.Repeat([]byte("x"), 3<<10)...), gid, signed.TooLarge, "more than 2048"},
		{"of another group", h.Raw, signed.GroupID{9}, signed.WrongGroup, "belongs to the group"},
		{"another device's signature", slices.Concat(text(h.Raw), sig(other.Raw)), gid, signed.Unsigned, "has not signed"},
		{"a larger size", replace(h.Raw, "\n5\n", "\n6\n"), gid, signed.Unsigned, "has not signed"},
		{"a later time", replace(h.Raw, "1790000000", "1790000009"), gid, signed.Unsigned, "has not signed"},
		{"no time", replace(h.Raw, "\n1790000000", ""), gid, signed.Malformed, "four lines"},
		{"another origin", replace(h.Raw, "v1/log", "v2/log"), gid, signed.Malformed, "its origin"},
		{"no device", replace(h.Raw, key("dev").String(), "dev"), gid, signed.Malformed, "its origin"},
		{"a second signature", append(bytes.Clone(h.Raw), "— stranger AAAAAAAA\n"...), gid, signed.NotCanonical, "not written as heads"},
		{"the signature twice", slices.Concat(h.Raw, sig(h.Raw)[2:]), gid, signed.NotCanonical, "not written as heads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signed.OpenHead(c.raw, c.gid)
			wantReason(t, err, c.want, c.words)
		})
	}
	wantReason(t, h.Judge(now.Add(-11*time.Minute)), signed.Future, "11m0s ahead")
	if err := h.Judge(now.Add(-9 * time.Minute)); err != nil {
		t.Error(err)
	}
}

func TestHeadCompare(t *testing.T) {
	_, gid := chain(t)
	recs := records(6)
	known := headOf(t, "dev", gid, recs[:5], now)
	for _, c := range []struct {
		name string
		recs [][]byte
		at   time.Time
		want signed.Relation
	}{
		{"the same", recs[:5], now, signed.Same},
		{"signed later", recs[:5], now.Add(time.Hour), signed.Later},
		{"signed earlier", recs[:5], now.Add(-time.Hour), signed.Earlier},
		{"larger", recs, now.Add(-time.Hour), signed.Later},
		{"smaller and later", recs[:4], now.Add(time.Hour), signed.Earlier},
		{"another log of that size", recs[1:], now, signed.Conflict},
	} {
		if got := headOf(t, "dev", gid, c.recs, c.at).Compare(known); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTreeIsTheOneOfTlog(t *testing.T) {
	recs := records(70)
	var tree signed.Tree
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, r := range recs {
		more, err := tlog.StoredHashes(int64(i), r, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		tree.Append(r)
		want, err := tlog.TreeHash(int64(i+1), reader)
		if err != nil || tree.Root() != signed.Hash(want) {
			t.Fatalf("tree of %d: got %v, want %v (%v)", i+1, tree.Root(), want, err)
		}
	}
}

func TestVerifyRecords(t *testing.T) {
	_, gid := chain(t)
	recs := records(10)
	head := headOf(t, "dev", gid, recs, now)
	start := func() *signed.Tree {
		var tree signed.Tree
		for _, r := range recs[:4] {
			tree.Append(r)
		}
		return &tree
	}
	changed := slices.Clone(recs[4:])
	changed[2] = replace(changed[2], "xxx", "xyx")
	swapped := slices.Clone(recs[4:])
	swapped[0], swapped[1] = swapped[1], swapped[0]
	long := slices.Clone(recs[4:])
	long[5] = bytes.Repeat([]byte("x"), signed.MaxRecord+1)
	for _, c := range []struct {
		name  string
		recs  [][]byte
		want  signed.Reason
		words string
	}{
		{"all", recs[4:], "", ""},
		{"one is missing", recs[4:9], signed.Gap, "9 records"},
		{"one too many", append(slices.Clone(recs[4:]), recs[0]), signed.Gap, "11 records"},
		{"a flipped byte", changed, signed.Disagrees, "not those the head"},
		{"two in the other order", swapped, signed.Disagrees, "not those the head"},
		{"replayed from the start", slices.Concat(recs[:2], recs[4:8]), signed.Disagrees, "not those the head"},
		{"too large a record", long, signed.TooLarge, "record 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := start()
			before := tree.Root()
			err := tree.VerifyRecords(head, c.recs)
			if c.want == "" {
				if err != nil || tree.Root() != head.Root || tree.Size() != 10 {
					t.Errorf("got %v, size %d", err, tree.Size())
				}
				return
			}
			wantReason(t, err, c.want, c.words)
			if tree.Root() != before || tree.Size() != 4 {
				t.Errorf("the tree has grown to %d", tree.Size())
			}
		})
	}
}

func TestRecordProof(t *testing.T) {
	_, gid := chain(t)
	recs := records(9)
	head := headOf(t, "dev", gid, recs, now)
	var hashes []signed.Hash
	for _, r := range recs {
		hashes = append(hashes, signed.RecordHash(r))
	}
	for i := range recs {
		p, err := signed.ProveRecord(hashes, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := signed.CheckRecord(head, int64(i), recs[i], p); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		wantReason(t, signed.CheckRecord(head, int64(i), recs[(i+1)%9], p), signed.Disagrees, "not in the log")
		wantReason(t, signed.CheckRecord(head, 9, recs[i], p), signed.Disagrees, "record 9 of a log of 9")
	}
}

func TestFork(t *testing.T) {
	_, gid := chain(t)
	a, b := records(8), records(8)
	b[3] = replace(b[3], "xxx", "xyx")
	hashes := func(recs [][]byte) (out []signed.Hash) {
		for _, r := range recs {
			out = append(out, signed.RecordHash(r))
		}
		return out
	}
	head := func(recs [][]byte) signed.Head { return headOf(t, "dev", gid, recs, now) }
	for _, c := range []struct {
		name         string
		small, large signed.Head
		hashes       []signed.Hash
		want         signed.Reason
	}{
		{"two logs of one size", head(a), head(b), nil, ""},
		{"a larger log with another past", head(a[:5]), head(b), hashes(b), ""},
		{"one history of two sizes", head(a[:3]), head(b), hashes(b), signed.Disagrees},
		{"one head twice", head(a), head(a), nil, signed.Disagrees},
		{"hashes of another log", head(a[:5]), head(b), hashes(a), signed.Disagrees},
		{"no hashes", head(a[:5]), head(b), nil, signed.Gap},
		{"another device's head", head(a), headOf(t, "eve", gid, b, now), nil, signed.WrongDevice},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := signed.NewFork(c.small, c.large, c.hashes)
			if c.want != "" {
				wantReason(t, err, c.want, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw, err := f.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := signed.OpenFork(raw, gid)
			if err != nil || got.Small.Device != key("dev") {
				t.Fatalf("got %+v, %v", got, err)
			}
			for name, bad := range map[string][]byte{
				"a flipped digit":  replace(raw, f.Instead.String()[:8], "00000000"),
				"a cut":            raw[:len(raw)-1],
				"of another group": raw,
				"too large":        append(bytes.Clone(raw), bytes.Repeat([]byte(" "), 9<<10)...),
				"not version 1":    replace(raw, `"v":1`, `"v":2`),
			} {
				g := gid
				if name == "of another group" {
					g = signed.GroupID{1}
				}
				if _, err := signed.OpenFork(bad, g); err == nil {
					t.Errorf("%s: taken as evidence", name)
				}
			}
		})
	}
	f, err := signed.NewFork(head(a[:5]), head(b), hashes(b))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.Marshal()
	golden(t, "fork.json", must(t, raw, err))
}

func TestParseLog(t *testing.T) {
	ms := now.UnixMilli()
	join := func(lines ...string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }
	line := func(n int64, op string) string {
		return strings.NewReplacer("N", signedInt(n), "OP", op).Replace(`{"n":N,"op":"OP"}`)
	}
	for _, c := range []struct {
		name  string
		in    []byte
		count int
		want  signed.Reason
		words string
	}{
		{"three", join(line(ms, "hello"), line(ms+1, "share"), line(ms+5, "drop")), 3, "", ""},
		{"an operation of a later program", join(line(ms, "hello"), line(ms+1, "teleport")), 2, "", ""},
		{"what follows the last newline", []byte(line(ms, "hello") + "\n" + line(ms+1, "sh")), 1, "", ""},
		{"the time stands", join(line(ms, "hello"), line(ms, "share"), line(ms+5, "drop")), 1, signed.OutOfOrder, "record 1"},
		{"the time falls", join(line(ms, "hello"), line(ms-1, "share")), 1, signed.OutOfOrder, "not after"},
		{"just not in the future", join(line(ms+600_000, "hello")), 1, "", ""},
		{"in the future", join(line(ms, "hello"), line(ms+600_001, "share"), line(ms+600_002, "share")), 1, signed.Future, "10m0s ahead"},
		{"not canonical", join(line(ms, "hello"), `{"op":"share","n":9}`), 1, signed.NotCanonical, "record 1"},
		{"a key twice", join(`{"n":1,"n":2,"op":"hello"}`), 0, signed.NotCanonical, "record 0"},
		{"no time", join(`{"op":"hello"}`), 0, signed.Malformed, `"n": missing`},
		{"no operation", join(`{"n":1}`), 0, signed.Malformed, `"op": missing`},
		{"an operation in capitals", join(`{"n":1,"op":"Hello"}`), 0, signed.Malformed, "a-z"},
		{"not UTF-8", join("{\"a\":\"\xff\",\"n\":1,\"op\":\"hello\"}"), 0, signed.NotCanonical, "UTF-8"},
		{"too large", join(`{"a":"` + strings.Repeat("x", signed.MaxRecord) + `","n":1,"op":"hello"}`), 0, signed.TooLarge, "more than"},
		{"an empty line", join(line(ms, "hello"), ""), 1, signed.NotCanonical, "record 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := signed.ParseLog(key("dev"), 0, 0, signed.Lines(c.in), now)
			if len(l.Records) != c.count {
				t.Errorf("got %d records, want %d", len(l.Records), c.count)
			}
			if c.want == "" {
				if l.Broken != nil {
					t.Errorf("broken: %v", l.Broken)
				}
				return
			}
			wantReason(t, l.Broken, c.want, c.words)
			if !strings.Contains(l.Broken.Error(), key("dev").String()) {
				t.Errorf("%v does not name the device", l.Broken)
			}
		})
	}
	more := signed.ParseLog(key("dev"), 7, ms, signed.Lines(join(line(ms+1, "share"), line(ms+2, "share"))), now)
	if more.Broken != nil || more.Records[1].Index != 8 {
		t.Errorf("a log that goes on: got %+v", more)
	}
	more = signed.ParseLog(key("dev"), 7, ms, signed.Lines(join(line(ms, "share"))), now)
	wantReason(t, more.Broken, signed.OutOfOrder, "record 7")
}

func FuzzHead(f *testing.F) {
	_, gid := chain(f)
	f.Add(headOf(f, "dev", gid, records(3), now).Raw)
	f.Add([]byte("p2pshare/v1/log/a/b\n1\nAA==\n1\n\n— x AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := signed.OpenHead(b, gid)
		if err == nil && !bytes.Equal(h.Raw, b) {
			t.Fatalf("%q is a head, and kept as %q", b, h.Raw)
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{`{"n":1,"op":"share"}`, `{"a":[1,{"b":"\u001f\n"}],"n":1,"op":"x"}`, `{"n":-0,"op":""}`, `{"a":{"a":{"a":{}}},"n":1,"op":"a"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := signed.ParseRecord(b)
		if err != nil {
			return
		}
		checkAgainstJSON(t, b)
	})
}

// BenchmarkVerify is the whole of what a peer's log costs before its records are read: one signature, a hash each.
func BenchmarkVerify(b *testing.B) {
	_, gid := chain(b)
	recs := records(10_000)
	head := headOf(b, "dev", gid, recs, now)
	b.ResetTimer()
	for range b.N {
		h, err := signed.OpenHead(head.Raw, gid)
		if err != nil {
			b.Fatal(err)
		}
		var t signed.Tree
		if err := t.VerifyRecords(h, recs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyAndParse reads the records too: canonical form, time, operation.
func BenchmarkVerifyAndParse(b *testing.B) {
	_, gid := chain(b)
	recs := records(10_000)
	head := headOf(b, "dev", gid, recs, now)
	b.ResetTimer()
	for range b.N {
		var t signed.Tree
		if err := t.VerifyRecords(head, recs); err != nil {
			b.Fatal(err)
		}
		if l := signed.ParseLog(head.Device, 0, 0, slices.Values(recs), now); l.Broken != nil {
			b.Fatal(l.Broken)
		}
	}
}

func FuzzFork(f *testing.F) {
	_, gid := chain(f)
	a, b := records(8), records(8)
	b[3] = replace(b[3], "xxx", "xyx")
	var hashes []signed.Hash
	for _, r := range b {
		hashes = append(hashes, signed.RecordHash(r))
	}
	fork, err := signed.NewFork(headOf(f, "dev", gid, a[:5], now), headOf(f, "dev", gid, b, now), hashes)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := fork.Marshal()
	f.Add(must(f, raw, err))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := signed.OpenFork(in, gid)
		if err != nil {
			return
		}
		if again, err := got.Marshal(); err != nil || !bytes.Equal(again, in) {
			t.Fatalf("%q is evidence, and encodes to %q, %v", in, again, err)
		}
	})
}
