package grouplog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/grouplog"
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

func firstRoot(t testing.TB) *signed.SignedRoot {
	t.Helper()
	raw, err := signed.Root{Version: 1, Name: "films", Kind: signed.Public, Need: 1, Owners: []signed.Key{key("owner")},
		Admins: []signed.Admin{{Name: "alice", Key: key("alice")}}, Stale: 720, Time: now}.Sign(secret("owner"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := signed.ParseRoot(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, dir string) *grouplog.Store {
	t.Helper()
	s, err := grouplog.Open(dir, firstRoot(t).ID())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newStore(t testing.TB) (*grouplog.Store, string) {
	dir := filepath.Join(t.TempDir(), "group")
	s := open(t, dir)
	if _, err := s.AddRoot(firstRoot(t).Raw); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// recs are records from..to-1 of a log; another text gives another history.
func recs(from, to int, text string) (out [][]byte) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Appendf(nil, `{"n":%d,"op":"x","t":"%s%d"}`, now.UnixMilli()+int64(i), text, i))
	}
	return out
}

func head(t testing.TB, dev string, all [][]byte, at time.Time) signed.Head {
	t.Helper()
	var tree signed.Tree
	for _, r := range all {
		tree.Append(r)
	}
	h, err := signed.SignHead(firstRoot(t).ID(), secret(dev), tree.Size(), tree.Root(), at)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func extend(t testing.TB, s *grouplog.Store, dev string, from, to int) {
	t.Helper()
	log, err := s.Extend(head(t, dev, recs(0, to, "r"), now), recs(from, to, "r"), now)
	if err != nil || len(log.Records) != to-from || log.Broken != nil {
		t.Fatalf("extending %s from %d to %d: got %d records, %v, %v", dev, from, to, len(log.Records), log.Broken, err)
	}
}

func wantReason(t *testing.T, err error, want signed.Reason) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want a refusal that is %q", err, want)
	}
}

func wantSize(t *testing.T, s *grouplog.Store, dev string, want int64, whole bool) {
	t.Helper()
	h, ok := s.Head(key(dev))
	if h.Size != want || ok != whole {
		t.Errorf("head of %s: got %d, whole %v, want %d, %v", dev, h.Size, ok, want, whole)
	}
	if !whole {
		return
	}
	l, err := s.Log(key(dev), now)
	if err != nil || int64(len(l.Records)) != want {
		t.Errorf("log of %s: got %d records, %v, want %d", dev, len(l.Records), err, want)
	}
}

func TestExtend(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	extend(t, s, "dev", 3, 200)
	extend(t, s, "other", 0, 1)
	for _, s := range []*grouplog.Store{s, open(t, dir)} {
		wantSize(t, s, "dev", 200, true)
		wantSize(t, s, "other", 1, true)
		wantSize(t, s, "nobody", 0, true)
		if p := s.Problems(); len(p) > 0 {
			t.Errorf("problems: %v", p)
		}
		if n := len(s.Heads()); n != 2 {
			t.Errorf("heads: got %d, want 2", n)
		}
		if got := s.Last(key("dev")); got != now.UnixMilli()+199 {
			t.Errorf("last: got %d", got)
		}
	}
	// The same log signed later is a head without records, and signed earlier is nothing new.
	later := head(t, "dev", recs(0, 200, "r"), now.Add(time.Minute))
	if _, err := s.Extend(later, nil, now); err != nil {
		t.Error(err)
	}
	if h, _ := open(t, dir).Head(key("dev")); !h.Time.Equal(later.Time) {
		t.Errorf("heartbeat: got %v", h.Time)
	}
	if log, err := s.Extend(later, nil, now); err != nil || len(log.Records) != 0 {
		t.Errorf("the same again: %v", err)
	}
}

func TestExtendRefuses(t *testing.T) {
	foreign := signed.GroupID{9}
	for _, c := range []struct {
		name string
		head func(t *testing.T) signed.Head
		recs [][]byte
		want signed.Reason
	}{
		{"a rollback", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 4, "r"), now.Add(time.Minute)) }, recs(0, 4, "r"), signed.ErrOld},
		{"a head signed earlier", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 5, "r"), now.Add(-time.Minute)) }, nil, signed.ErrOld},
		{"another log of that size", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 5, "z"), now) }, nil, signed.ErrDisagrees},
		{"a longer log with another past", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 7, "z"), now) }, recs(5, 7, "z"), signed.ErrDisagrees},
		{"a record left out", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 7, "r"), now) }, recs(5, 6, "r"), signed.ErrGap},
		{"records from the start again", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 7, "r"), now) }, recs(0, 7, "r"), signed.ErrGap},
		{"records of another", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 7, "r"), now) }, recs(5, 7, "q"), signed.ErrDisagrees},
		{"a head of the future", func(t *testing.T) signed.Head { return head(t, "dev", recs(0, 7, "r"), now.Add(time.Hour)) }, recs(5, 7, "r"), signed.ErrFuture},
		{"a head of another group", func(t *testing.T) signed.Head {
			h, err := signed.SignHead(foreign, secret("dev"), 1, signed.Hash{}, now)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}, nil, signed.ErrWrongGroup},
		{"a head that was changed after it was opened", func(t *testing.T) signed.Head {
			h := head(t, "dev", recs(0, 7, "r"), now)
			h.Size = 6
			return h
		}, recs(5, 6, "r"), signed.ErrDisagrees},
		{"a record of two lines", func(t *testing.T) signed.Head {
			return head(t, "dev", append(recs(0, 5, "r"), []byte("a\nb")), now)
		}, [][]byte{[]byte("a\nb")}, signed.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := newStore(t)
			extend(t, s, "dev", 0, 5)
			before := snapshot(t, filepath.Join(dir, "logs"))
			_, err := s.Extend(c.head(t), c.recs, now)
			wantReason(t, err, c.want)
			if after := snapshot(t, filepath.Join(dir, "logs")); after != before {
				t.Error("the refused log has changed what is on disk")
			}
			wantSize(t, s, "dev", 5, true)
			if len(s.Forks()) > 0 {
				t.Errorf("convicted without the records: %v", s.Forks())
			}
		})
	}
	s, _ := newStore(t)
	big := make([][]byte, 66)
	for i := range big {
		big[i] = fmt.Appendf(nil, `{"n":%d,"op":"x","t":"%s"}`, now.UnixMilli()+int64(i), strings.Repeat("x", 1_000_000))
	}
	extend(t, s, "dev", 0, 1)
	_, err := s.Extend(head(t, "big", big, now), big, now)
	if err != nil {
		t.Errorf("66 records of 1 MB: %v", err)
	}
	big = append(big, big[0], big[0])
	_, err = s.Extend(head(t, "big", big, now), big[66:], now)
	wantReason(t, err, signed.ErrTooLarge)
}

func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		fmt.Fprintf(&b, "%s %x\n", d.Name(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestForks(t *testing.T) {
	for _, c := range []struct {
		name           string
		held, theirs   int
		text           string
		wantForked     bool
		wantRefusal    signed.Reason
		theirsAreWrong bool
	}{
		{"a longer other history", 5, 8, "z", true, "", false},
		{"a shorter other history", 8, 5, "z", true, "", false},
		{"as long", 5, 5, "z", true, "", false},
		{"a longer one of the same", 5, 8, "r", false, "", false},
		{"a shorter one of the same", 8, 5, "r", false, "", false},
		{"records that are not the head's", 5, 8, "z", false, signed.ErrDisagrees, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := newStore(t)
			extend(t, s, "dev", 0, c.held)
			all := recs(0, c.theirs, c.text)
			h := head(t, "dev", all, now)
			if c.theirsAreWrong {
				all = recs(0, c.theirs, "q")
			}
			err := s.Dispute(h, all, now)
			switch {
			case c.wantForked:
				wantReason(t, err, signed.ErrForked)
				if !strings.Contains(err.Error(), key("dev").String()) || fault.HintOf(err) == "" {
					t.Errorf("%v does not name the device, or has no hint", err)
				}
			case c.wantRefusal != "":
				wantReason(t, err, c.wantRefusal)
			case err != nil:
				t.Errorf("one history: got %v", err)
			}
			for _, s := range []*grouplog.Store{s, open(t, dir)} {
				if got := len(s.Forks()); (got == 1) != c.wantForked {
					t.Fatalf("forks: got %d, want forked %v", got, c.wantForked)
				}
				wantSize(t, s, "dev", int64(c.held), true)
			}
			if !c.wantForked {
				return
			}
			// The device is frozen, here and wherever the evidence is told.
			_, err = open(t, dir).Extend(head(t, "dev", recs(0, 20, "r"), now), recs(c.held, 20, "r"), now)
			wantReason(t, err, signed.ErrForked)
			_, err = s.Offline(key("dev"))
			wantReason(t, err, signed.ErrForked)
			raw, err := s.Forks()[0].Marshal()
			if err != nil {
				t.Fatal(err)
			}
			other, _ := newStore(t)
			_, err = other.AddFork(raw)
			wantReason(t, err, signed.ErrGap)
			extend(t, other, "dev", 0, 2)
			if _, err := other.AddFork(raw); err != nil {
				t.Fatal(err)
			}
			_, err = other.Extend(head(t, "dev", recs(0, 3, "r"), now), recs(2, 3, "r"), now)
			wantReason(t, err, signed.ErrForked)
			if _, err := other.AddFork(bytes.Replace(raw, []byte("a"), []byte("b"), 1)); err == nil {
				t.Error("forged evidence is taken")
			}
		})
	}
}

func TestRoots(t *testing.T) {
	s, dir := newStore(t)
	r1 := firstRoot(t)
	sign := func(r signed.Root) []byte {
		raw, err := r.Sign(secret("owner"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	next := r1.Successor(now)
	r2, err := s.AddRoot(sign(next))
	if err != nil {
		t.Fatal(err)
	}
	r3, err := s.AddRoot(sign(r2.Successor(now)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.AddRoot(r2.Raw)
	wantReason(t, err, signed.ErrOld)
	other := r2.Successor(now.Add(time.Hour))
	_, err = s.AddRoot(sign(other))
	wantReason(t, err, signed.ErrForked)
	if list, err := filepath.Glob(filepath.Join(dir, "evidence", "root-3-*.note")); err != nil || len(list) != 1 {
		t.Errorf("evidence against the owners: got %v, %v", list, err)
	}
	if s.NextRoot() != 4 {
		t.Errorf("next root: got %d, want 4", s.NextRoot())
	}
	roots, err := open(t, dir).Roots()
	if err != nil || len(roots) != 3 || roots[2].Hash != r3.Hash {
		t.Fatalf("after opening again: got %v, %v", roots, err)
	}

	path := filepath.Join(dir, "roots", "2.note")
	if err := os.WriteFile(path, bytes.Replace(r2.Raw, []byte("films"), []byte("filmz"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	_, err = s.Roots()
	wantReason(t, err, signed.ErrGap)
	if p := s.Problems(); len(p) != 1 || p[0].Path != filepath.Join("roots", "2.note") {
		t.Errorf("problems: got %v", p)
	}
	if s.NextRoot() != 2 {
		t.Errorf("next root: got %d, want 2", s.NextRoot())
	}
	if _, err := s.AddRoot(r2.Raw); err != nil {
		t.Fatal(err)
	}
	if roots, err := s.Roots(); err != nil || len(roots) != 3 {
		t.Errorf("mended: got %d roots, %v", len(roots), err)
	}
	empty := open(t, t.TempDir())
	_, err = empty.Roots()
	wantReason(t, err, signed.ErrGap)
	_, err = empty.AddRoot(r2.Raw)
	wantReason(t, err, signed.ErrGap)
}

func TestLines(t *testing.T) {
	s, _ := newStore(t)
	extend(t, s, "dev", 0, 300)
	all := append(bytes.Join(recs(0, 300, "r"), []byte("\n")), '\n')
	for _, c := range []struct {
		from  int64
		limit int
		count int // of records; -1: all to the end
	}{{0, 1 << 20, -1}, {1, 1 << 20, -1}, {63, 1 << 20, -1}, {64, 1 << 20, -1}, {65, 1 << 20, -1}, {299, 1 << 20, -1}, {300, 1 << 20, 0}, {-1, 10, 0}, {10, 1, 1}, {10, 100, 2}} {
		got, err := s.Lines(key("dev"), c.from, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		if c.count != 0 {
			lines := bytes.SplitAfter(all, []byte("\n"))[c.from:]
			if c.count > 0 {
				lines = lines[:c.count]
			}
			want = bytes.Join(lines, nil)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("from %d, %d bytes: got %q, want %q", c.from, c.limit, got, want)
		}
	}
}

func TestAppend(t *testing.T) {
	s, dir := newStore(t)
	dev := secret("dev")
	c, err := s.Offline(dev.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Append(c, dev, now); err == nil {
		t.Error("an empty log is signed")
	}
	log, c, err := s.Append(c, dev, now.Add(time.Second), recs(0, 2, "r")...)
	if err != nil || len(log.Records) != 2 {
		t.Fatalf("got %v, %v", log, err)
	}
	stale := c
	if _, c, err = s.Append(c, dev, now.Add(time.Second), recs(2, 3, "r")...); err != nil {
		t.Fatal(err)
	}
	if _, c, err = s.Append(c, dev, now.Add(time.Hour)); err != nil {
		t.Fatalf("signing anew: %v", err)
	}
	wantSize(t, open(t, dir), "dev", 3, true)
	for _, x := range []struct {
		name string
		c    grouplog.Compared
		by   signed.SigningKey
		at   time.Time
		recs [][]byte
		want string
	}{
		{"not compared", grouplog.Compared{}, dev, now.Add(2 * time.Hour), recs(3, 4, "r"), "not compared"},
		{"compared for another", c, secret("eve"), now.Add(2 * time.Hour), recs(3, 4, "r"), "not compared"},
		{"compared long ago", stale, dev, now.Add(2 * time.Hour), recs(3, 4, "r"), "was compared at 2"},
		{"a time that stands", c, dev, now.Add(2 * time.Hour), recs(2, 3, "r"), "not after"},
		{"a time to come", c, dev, now.Add(2 * time.Hour), [][]byte{fmt.Appendf(nil, `{"n":%d,"op":"x"}`, now.Add(3*time.Hour).UnixMilli())}, "ahead of this clock"},
		{"no record", c, dev, now.Add(2 * time.Hour), [][]byte{[]byte("x")}, "not canonical"},
		{"a clock that went back", c, dev, now.Add(time.Minute), recs(3, 4, "r"), "this clock shows"},
		{"signing anew in the same second", c, dev, now.Add(time.Hour), nil, "this clock shows"},
	} {
		if _, _, err := s.Append(x.c, x.by, x.at, x.recs...); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want an error with %q", x.name, err, x.want)
		}
		wantSize(t, s, "dev", 3, true)
	}
}

// TestRestoredDiskDoesNotFork restores an old copy of the home, which then wants to append.
func TestRestoredDiskDoesNotFork(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	extend(t, s, "dev", 3, 6)
	theirs, _ := s.Head(key("dev"))

	r := open(t, old)
	if _, err := r.Compare(key("dev"), 0, nil); err == nil || fault.HintOf(err) == "" {
		t.Errorf("nobody asked: got %v", err)
	}
	_, err := r.Compare(key("dev"), 3, []signed.Head{theirs})
	var behind *grouplog.BehindError
	if !errors.As(err, &behind) || behind.Head.Size != 6 || behind.Held != 3 {
		t.Fatalf("got %v, want that it is behind", err)
	}
	lines, err := s.Lines(key("dev"), behind.Held, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Extend(behind.Head, slices.Collect(signed.Lines(lines)), now); err != nil {
		t.Fatal(err)
	}
	c, err := r.Compare(key("dev"), 3, []signed.Head{theirs})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Append(c, secret("dev"), now.Add(time.Second), recs(6, 7, "r")...); err != nil {
		t.Fatal(err)
	}
	mine, _ := r.Head(key("dev"))
	if _, err := s.Extend(mine, recs(6, 7, "r"), now.Add(time.Second)); err != nil {
		t.Errorf("the others take what it signed: %v", err)
	}

	// A home that went on from the copy without asking is found out, by itself too.
	alone := open(t, dir+"-none")
	extend(t, alone, "dev", 0, 3)
	if _, err := alone.Extend(head(t, "dev", append(recs(0, 3, "r"), recs(3, 7, "z")...), now), recs(3, 7, "z"), now); err != nil {
		t.Fatal(err)
	}
	_, err = alone.Compare(key("dev"), 1, []signed.Head{mine})
	wantReason(t, err, signed.ErrForked)
	if _, err = alone.Compare(key("dev"), 1, []signed.Head{head(t, "eve", recs(0, 1, "r"), now)}); err == nil {
		t.Error("another device's head is taken for the own")
	}
}
