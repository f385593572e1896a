package signed_test

import (
	"bytes"
	"errors"
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
		{"empty", nil, gid, signed.ErrMalformed, "four lines"},
		{"cut", h.Raw[:len(h.Raw)-7], gid, signed.ErrMalformed, ""},
		{"3 KiB", append(bytes.Clone(h.Raw), bytes.Repeat([]byte("x"), 3<<10)...), gid, signed.ErrTooLarge, "more than 2048"},
		{"of another group", h.Raw, signed.GroupID{9}, signed.ErrWrongGroup, "belongs to the group"},
		{"another device's signature", slices.Concat(text(h.Raw), sig(other.Raw)), gid, signed.ErrUnsigned, "not signed by device"},
		{"a larger size", replace(h.Raw, "\n5\n", "\n6\n"), gid, signed.ErrUnsigned, "not signed by device"},
		{"a later time", replace(h.Raw, "1790000000", "1790000009"), gid, signed.ErrUnsigned, "not signed by device"},
		{"no time", replace(h.Raw, "\n1790000000", ""), gid, signed.ErrMalformed, "four lines"},
		{"another origin", replace(h.Raw, "v1/log", "v2/log"), gid, signed.ErrMalformed, "its origin"},
		{"no device", replace(h.Raw, key("dev").String(), "dev"), gid, signed.ErrMalformed, "its origin"},
		{"a second signature", append(bytes.Clone(h.Raw), "— stranger AAAAAAAA\n"...), gid, signed.ErrNotCanonical, "canonical form"},
		{"a duplicate signature", slices.Concat(h.Raw, sig(h.Raw)[2:]), gid, signed.ErrNotCanonical, "canonical form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signed.OpenHead(c.raw, c.gid)
			wantReason(t, err, c.want, c.words)
		})
	}
	wantReason(t, h.Judge(now.Add(-11*time.Minute)), signed.ErrFuture, "11m0s ahead")
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

func TestTreeMatchesTlog(t *testing.T) {
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
		{"one is missing", recs[4:9], signed.ErrGap, "9 records"},
		{"one too many", append(slices.Clone(recs[4:]), recs[0]), signed.ErrGap, "11 records"},
		{"a flipped byte", changed, signed.ErrDisagrees, "not the ones that the head"},
		{"two in the other order", swapped, signed.ErrDisagrees, "not the ones that the head"},
		{"replayed from the start", slices.Concat(recs[:2], recs[4:8]), signed.ErrDisagrees, "not the ones that the head"},
		{"a record that is too large", long, signed.ErrTooLarge, "record 9"},
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
				t.Errorf("the tree has changed to size %d", tree.Size())
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
		wantReason(t, signed.CheckRecord(head, int64(i), recs[(i+1)%9], p), signed.ErrDisagrees, "not in the log")
		wantReason(t, signed.CheckRecord(head, 9, recs[i], p), signed.ErrDisagrees, "no record 9 in a log of 9")
	}
}

// hashesOf returns the leaf hashes of a log.
func hashesOf(recs [][]byte) (out []signed.Hash) {
	for _, r := range recs {
		out = append(out, signed.RecordHash(r))
	}
	return out
}

// forkOf returns the proof against dev, which signed both logs.
func forkOf(t testing.TB, gid signed.GroupID, a, b [][]byte) (signed.Fork, error) {
	t.Helper()
	return signed.NewFork(headOf(t, "dev", gid, a, now), headOf(t, "dev", gid, b, now), hashesOf(a), hashesOf(b))
}

// differing returns two logs of m and n records that have exactly the first c in common.
func differing(m, n, c int) (a, b [][]byte) {
	a, b = records(m), records(n)
	for i := c; i < n; i++ {
		b[i] = replace(b[i], "xxx", "xyx")
	}
	return a, b
}

// TestForkOfAnySize makes the proofs for all pairs of small logs: what the logs have in common follows from the proof
// alone.
func TestForkOfAnySize(t *testing.T) {
	_, gid := chain(t)
	for m := 1; m <= 9; m++ {
		for n := m; n <= 9; n++ {
			for c := range m {
				a, b := differing(m, n, c)
				f, err := forkOf(t, gid, a, b)
				if err != nil {
					t.Fatalf("%d and %d records, %d in common: %v", m, n, c, err)
				}
				back, err := forkOf(t, gid, b, a)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := f.Marshal()
				if same, serr := back.Marshal(); err != nil || serr != nil || !bytes.Equal(raw, same) {
					t.Fatalf("%d and %d records: the same fork has two encodings", m, n)
				}
				got, err := signed.OpenFork(raw, gid)
				if err != nil {
					t.Fatalf("%d and %d records, %d in common: %v", m, n, c, err)
				}
				var tree signed.Tree
				for _, r := range a[:c] {
					tree.Append(r)
				}
				if got.Device != key("dev") || got.Size != int64(c) || got.Root != tree.Root() {
					t.Fatalf("%d and %d records, %d in common: got %d with tree %v", m, n, c, got.Size, got.Root)
				}
			}
		}
	}
}

func TestForkOrder(t *testing.T) {
	root := func(b byte) signed.Hash { return signed.Hash{b} }
	for _, c := range []struct {
		a, b signed.Fork
		want bool
	}{
		{signed.Fork{Size: 3, Root: root(9)}, signed.Fork{Size: 4, Root: root(1)}, true},
		{signed.Fork{Size: 4, Root: root(1)}, signed.Fork{Size: 3, Root: root(9)}, false},
		{signed.Fork{Size: 3, Root: root(1)}, signed.Fork{Size: 3, Root: root(2)}, true},
		{signed.Fork{Size: 3, Root: root(1)}, signed.Fork{Size: 3, Root: root(1)}, false},
	} {
		if got := c.a.Before(c.b); got != c.want {
			t.Errorf("%d %v before %d %v: got %v", c.a.Size, c.a.Root, c.b.Size, c.b.Root, got)
		}
	}
}

// TestNoFork: what is not a fork cannot be turned into a proof of one.
func TestNoFork(t *testing.T) {
	_, gid := chain(t)
	a, b := differing(8, 8, 3)
	head := func(recs [][]byte) signed.Head { return headOf(t, "dev", gid, recs, now) }
	for _, c := range []struct {
		name       string
		one, other signed.Head
		hs, others []signed.Hash
		want       signed.Reason
	}{
		{"one history at two sizes", head(a[:3]), head(b), hashesOf(a[:3]), hashesOf(b), signed.ErrDisagrees},
		{"the same head twice", head(a), head(a), hashesOf(a), hashesOf(a), signed.ErrDisagrees},
		{"one log signed twice", head(a), headOf(t, "dev", gid, a, now.Add(time.Hour)), hashesOf(a), hashesOf(a), signed.ErrDisagrees},
		{"records of another log", head(a), head(a[:5]), hashesOf(a), hashesOf(b[:5]), signed.ErrDisagrees},
		{"no records", head(a), head(b), nil, nil, signed.ErrGap},
		{"too few records", head(a), head(b), hashesOf(a), hashesOf(b[:7]), signed.ErrGap},
		{"another device's head", head(a), headOf(t, "eve", gid, b, now), hashesOf(a), hashesOf(b), signed.ErrWrongDevice},
	} {
		_, err := signed.NewFork(c.one, c.other, c.hs, c.others)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestFalseEvidence alters a valid proof in every way that would convict a device of something it did not sign.
func TestFalseEvidence(t *testing.T) {
	_, gid := chain(t)
	a, b := differing(8, 7, 3)
	f, err := forkOf(t, gid, a, b)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.Marshal()
	golden(t, "fork.json", must(t, raw, err))
	if len(raw) > signed.MaxFork/2 {
		t.Errorf("evidence of %d bytes", len(raw))
	}
	path := func(recs [][]byte, i int64) []signed.Hash {
		p, err := signed.ProveRecord(hashesOf(recs), i)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := a, b // in the order of the evidence
	if f.Heads[0].Size == 7 {
		first, second = b, a
	}
	for _, c := range []struct {
		name string
		edit func(f *signed.Fork)
		want signed.Reason
	}{
		{"the next record, which differs too", func(f *signed.Fork) {
			f.Size = 4
			f.Records, f.Proofs = [2]signed.Hash{signed.RecordHash(first[4]), signed.RecordHash(second[4])}, [2][]signed.Hash{path(first, 4), path(second, 4)}
		}, signed.ErrDisagrees},
		{"a record that both have", func(f *signed.Fork) {
			f.Size = 2
			f.Records, f.Proofs = [2]signed.Hash{signed.RecordHash(a[2]), signed.RecordHash(b[2])}, [2][]signed.Hash{path(first, 2), path(second, 2)}
		}, signed.ErrNotCanonical},
		{"a record that is in neither", func(f *signed.Fork) { f.Records[0] = signed.Hash{} }, signed.ErrDisagrees},
		{"another index", func(f *signed.Fork) { f.Size = 5 }, signed.ErrDisagrees},
		{"the first index", func(f *signed.Fork) { f.Size = 0 }, signed.ErrDisagrees},
		{"an index beyond the smaller log", func(f *signed.Fork) { f.Size = 7 }, signed.ErrDisagrees},
		{"the same head twice", func(f *signed.Fork) { f.Heads[1] = f.Heads[0] }, signed.ErrDisagrees},
		{"the head of another device", func(f *signed.Fork) { f.Heads[1] = headOf(t, "eve", gid, second, now) }, signed.ErrWrongDevice},
		{"the proofs swapped", func(f *signed.Fork) { f.Proofs[0], f.Proofs[1] = f.Proofs[1], f.Proofs[0] }, signed.ErrDisagrees},
		{"the order swapped", func(f *signed.Fork) {
			f.Records[0], f.Records[1] = f.Records[1], f.Records[0]
			f.Heads[0], f.Heads[1] = f.Heads[1], f.Heads[0]
			f.Proofs[0], f.Proofs[1] = f.Proofs[1], f.Proofs[0]
		}, signed.ErrNotCanonical},
		{"no proof", func(f *signed.Fork) { f.Proofs[0] = nil }, signed.ErrDisagrees},
		{"a longer proof", func(f *signed.Fork) { f.Proofs[1] = append(slices.Clone(f.Proofs[1]), signed.Hash{}) }, signed.ErrDisagrees},
		{"a proof that is too long", func(f *signed.Fork) { f.Proofs[1] = make([]signed.Hash, 21) }, signed.ErrMalformed},
	} {
		bad := f
		bad.Proofs = [2][]signed.Hash{slices.Clone(f.Proofs[0]), slices.Clone(f.Proofs[1])}
		c.edit(&bad)
		in, err := bad.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.OpenFork(in, gid); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for name, bad := range map[string][]byte{
		"a flipped digit":   replace(raw, f.Records[0].String()[:8], "00000000"),
		"cut short":         raw[:len(raw)-1],
		"too large":         append(bytes.Clone(raw), bytes.Repeat([]byte(" "), 9<<10)...),
		"not version 1":     replace(raw, `"v":1`, `"v":2`),
		"another field":     replace(raw, `"v":1`, `"v":1,"w":1`),
		"one head":          replace(raw, `"heads":["`, `"heads":["`+strings.Repeat("x", 10)+`","`),
		"a size below zero": replace(raw, `"size":3`, `"size":-1`),
		"an empty list":     replace(raw, `"size":3`, `"proof":[],"size":3`),
	} {
		if _, err := signed.OpenFork(bad, gid); err == nil {
			t.Errorf("%s: accepted as proof", name)
		}
	}
	if _, err := signed.OpenFork(raw, signed.GroupID{1}); !errors.Is(err, signed.ErrWrongGroup) {
		t.Errorf("in another group: got %v", err)
	}
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
		{"text after the last newline", []byte(line(ms, "hello") + "\n" + line(ms+1, "sh")), 1, "", ""},
		{"the time stays the same", join(line(ms, "hello"), line(ms, "share"), line(ms+5, "drop")), 1, signed.ErrOutOfOrder, "record 1"},
		{"the time decreases", join(line(ms, "hello"), line(ms-1, "share")), 1, signed.ErrOutOfOrder, "not after"},
		{"just within the limit", join(line(ms+600_000, "hello")), 1, "", ""},
		{"in the future", join(line(ms, "hello"), line(ms+600_001, "share"), line(ms+600_002, "share")), 1, signed.ErrFuture, "10m0s ahead"},
		{"not canonical", join(line(ms, "hello"), `{"op":"share","n":9}`), 1, signed.ErrNotCanonical, "record 1"},
		{"a duplicate key", join(`{"n":1,"n":2,"op":"hello"}`), 0, signed.ErrNotCanonical, "record 0"},
		{"no time", join(`{"op":"hello"}`), 0, signed.ErrMalformed, `"n": missing`},
		{"no operation", join(`{"n":1}`), 0, signed.ErrMalformed, `"op": missing`},
		{"an operation in capitals", join(`{"n":1,"op":"Hello"}`), 0, signed.ErrMalformed, "a-z"},
		{"not UTF-8", join("{\"a\":\"\xff\",\"n\":1,\"op\":\"hello\"}"), 0, signed.ErrNotCanonical, "UTF-8"},
		{"too large", join(`{"a":"` + strings.Repeat("x", signed.MaxRecord) + `","n":1,"op":"hello"}`), 0, signed.ErrTooLarge, "more than"},
		{"an empty line", join(line(ms, "hello"), ""), 1, signed.ErrNotCanonical, "record 1"},
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
		t.Errorf("a continued log: got %+v", more)
	}
	more = signed.ParseLog(key("dev"), 7, ms, signed.Lines(join(line(ms, "share"))), now)
	wantReason(t, more.Broken, signed.ErrOutOfOrder, "record 7")
}

func FuzzHead(f *testing.F) {
	_, gid := chain(f)
	f.Add(headOf(f, "dev", gid, records(3), now).Raw)
	f.Add([]byte("p2pshare/v1/log/a/b\n1\nAA==\n1\n\n— x AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := signed.OpenHead(b, gid)
		if err == nil && !bytes.Equal(h.Raw, b) {
			t.Fatalf("%q is a head, but kept as %q", b, h.Raw)
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

// BenchmarkVerify is the whole cost of a peer's log before its records are read: one signature, and a hash per record.
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
	for _, c := range [][3]int{{8, 7, 3}, {1, 1, 0}, {1, 5, 0}, {9, 9, 8}, {6, 8, 4}} {
		a, b := differing(c[0], c[1], c[2])
		fork, err := forkOf(f, gid, a, b)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := fork.Marshal()
		f.Add(must(f, raw, err))
		f.Add(replace(raw, `"size":`, `"size":1`))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := signed.OpenFork(in, gid)
		if err != nil {
			return
		}
		if got.Size >= min(got.Heads[0].Size, got.Heads[1].Size) || got.Records[0] == got.Records[1] {
			t.Fatalf("%q is accepted, but proves nothing", in)
		}
		if again, err := got.Marshal(); err != nil || !bytes.Equal(again, in) {
			t.Fatalf("%q is a proof, but encodes to %q, %v", in, again, err)
		}
	})
}
