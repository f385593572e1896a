package grouplog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// history is a log of dev with n records, of which from the one with the number at on are its own.
func history(text string, at, n int) [][]byte { return append(recs(0, at, "r"), recs(at, n, text)...) }

// give brings what one member has of dev to another, as members do.
func give(t *testing.T, from, to *grouplog.Store) {
	t.Helper()
	for _, f := range from.Forks() {
		raw, err := f.Marshal()
		if err == nil {
			_, err = to.AddFork(raw)
		}
		if err != nil && !errors.Is(err, signed.ErrGap) {
			t.Fatal(err)
		}
	}
	h, _ := from.Head(key("dev"))
	if _, lacks, frozen := to.Lacks(h); frozen && !lacks {
		return
	}
	lines, err := from.Lines(key("dev"), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Collect(signed.Lines(lines))
	rest := all
	if held, _ := to.Head(key("dev")); held.Size < h.Size {
		rest = all[held.Size:]
	}
	_, err = to.Extend(h, rest, now)
	if errors.Is(err, signed.ErrDisagrees) || errors.Is(err, signed.ErrOld) {
		err = to.Dispute(h, all, now)
	}
	if err != nil && !errors.Is(err, signed.ErrForked) {
		t.Fatal(err)
	}
}

// TestForksEndTheSame has members who hold different histories of a device meet in any order, one of whom is started anew
// on the way: all end with what the histories have in common, and have it.
func TestForksEndTheSame(t *testing.T) {
	for _, c := range []struct {
		name string
		logs [][][]byte
		want int64
	}{
		{"two halves", [][][]byte{history("a", 6, 9), history("b", 6, 8)}, 6},
		{"two halves, and who has heard of none", [][][]byte{history("a", 6, 9), history("b", 6, 8), history("", 2, 2)}, 6},
		{"three histories", [][][]byte{history("a", 6, 9), history("b", 6, 8), history("c", 3, 12)}, 3},
		{"three that part at one record", [][][]byte{history("a", 4, 5), history("b", 4, 9), history("c", 4, 4+1)}, 4},
		{"two and two, that part earlier", [][][]byte{
			history("a", 2, 9), append(history("a", 2, 6), recs(6, 8, "b")...), history("c", 2, 9), append(history("c", 2, 7), recs(7, 9, "d")...),
		}, 2},
		{"nothing in common", [][][]byte{history("a", 0, 3), history("b", 0, 5), history("", 4, 4)}, 0},
		{"one record each", [][][]byte{history("a", 0, 1), history("b", 0, 1)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2) {
				r := rand.New(rand.NewPCG(seed, 1))
				var all []*grouplog.Store
				var dirs []string
				for _, l := range c.logs {
					s, dir := newStore(t)
					if _, err := s.Extend(head(t, "dev", l, now), l, now); err != nil {
						t.Fatal(err)
					}
					all, dirs = append(all, s), append(dirs, dir)
				}
				// Pairs by chance, then everybody with everybody as often as news may need to go around.
				for range 3 {
					a, b := r.IntN(len(all)), r.IntN(len(all))
					give(t, all[a], all[b])
					all[a] = open(t, dirs[a])
				}
				for range len(all) {
					for _, a := range r.Perm(len(all)) {
						for _, b := range r.Perm(len(all)) {
							if a != b {
								give(t, all[a], all[b])
							}
						}
					}
				}
				for i, s := range all {
					for _, s := range []*grouplog.Store{s, open(t, dirs[i])} {
						if got := s.Forks(); len(got) != 1 || got[0].Size != c.want || s.Common(key("dev")) != c.want {
							t.Fatalf("seed %d, member %d: got %d forks, %d records in common, want %d", seed, i, len(got), s.Common(key("dev")), c.want)
						}
						if s.ForkSum() == "" || s.ForkSum() != all[0].ForkSum() {
							t.Errorf("seed %d, member %d: it does not know what the first does", seed, i)
						}
						lines, err := s.Lines(key("dev"), 0, 1<<20)
						got := slices.Collect(signed.Lines(lines))
						want := recs(0, int(c.want), "r")
						if err != nil || int64(len(got)) < c.want || !slices.EqualFunc(got[:c.want], want, bytes.Equal) {
							t.Errorf("seed %d, member %d: has %q, want to begin with %q", seed, i, got, want)
						}
						if list, err := os.ReadDir(filepath.Join(dirs[i], "evidence")); err != nil || len(list) != 1 {
							t.Errorf("seed %d, member %d: %d pieces of evidence on disk, %v", seed, i, len(list), err)
						}
					}
				}
			}
		})
	}
}

func fork(t *testing.T, a, b [][]byte) []byte {
	t.Helper()
	hashes := func(recs [][]byte) (out []signed.Hash) {
		for _, r := range recs {
			out = append(out, signed.RecordHash(r))
		}
		return out
	}
	f, err := signed.NewFork(head(t, "dev", a, now), head(t, "dev", b, now), hashes(a), hashes(b))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestFrozenLog has what is taken of a frozen device, and what is not.
func TestFrozenLog(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	add := func(raw []byte, want bool) {
		t.Helper()
		if news, err := s.AddFork(raw); err != nil || news != want {
			t.Fatalf("evidence: got news %v, %v, want %v", news, err, want)
		}
	}
	add(fork(t, history("a", 6, 9), history("b", 6, 8)), true)
	sum := s.ForkSum()
	add(fork(t, history("a", 6, 9), history("b", 6, 8)), false)
	add(fork(t, history("a", 7, 9), history("b", 7, 8)), false) // it leaves more
	add(fork(t, history("c", 6, 8), history("b", 6, 8)), false) // it leaves as much
	if s.ForkSum() != sum {
		t.Error("the same conclusion has another sum")
	}

	// Of the log what leads to the six records in common is taken, from anybody who has them.
	lacks := func(recs [][]byte, wantFrom int64, want bool) {
		t.Helper()
		if from, got, frozen := s.Lacks(head(t, "dev", recs, now)); got != want || got && from != wantFrom || !frozen {
			t.Errorf("%d records: got %v from %d, frozen %v, want %v from %d", len(recs), got, from, frozen, want, wantFrom)
		}
	}
	lacks(history("a", 6, 9), 3, true)
	lacks(history("r", 5, 5), 3, true)
	lacks(history("r", 3, 3), 0, false)
	lacks(history("r", 2, 2), 0, false)
	lacks(history("x", 2, 3), 0, true) // it parts earlier
	wrong := history("y", 4, 9)
	_, err := s.Extend(head(t, "dev", wrong, now), wrong[3:], now)
	wantReason(t, err, signed.ErrDisagrees) // it does not lead there
	wantSize(t, s, "dev", 3, true)
	if err := s.Dispute(head(t, "dev", wrong, now), wrong, now); err != nil {
		t.Errorf("it agrees with what is held: %v", err)
	}
	if _, err := s.Extend(head(t, "dev", history("r", 5, 5), now), recs(3, 5, "r"), now); err != nil {
		t.Error(err)
	}
	b := history("b", 6, 8)
	if _, err := s.Extend(head(t, "dev", b, now), b[5:], now); err != nil {
		t.Error(err)
	}
	wantSize(t, s, "dev", 8, true)
	// Now nothing more is, whatever it signs.
	for name, more := range map[string][][]byte{"on": history("b", 6, 20), "the other half": history("a", 6, 9), "a third": history("x", 2, 40)} {
		lacks(more, 0, false)
		if _, err := s.Extend(head(t, "dev", more, now), more[8:], now); !errors.Is(err, signed.ErrForked) {
			t.Errorf("%s: got %v, want Forked", name, err)
		}
	}
	if _, err := s.Offline(key("dev")); !errors.Is(err, signed.ErrForked) {
		t.Errorf("its own machine signs on: %v", err)
	}

	// Damaged records come back from who has the other half: it was another head, and has the same beginning.
	path := filepath.Join(dir, "logs", key("dev").String()+".rec")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	wantSize(t, s, "dev", 8, false)
	lacks(history("a", 6, 9), 0, true)
	a := history("a", 6, 9)
	bad := history("y", 5, 9)
	if _, err := s.Extend(head(t, "dev", bad, now), bad, now); !errors.Is(err, signed.ErrDisagrees) {
		t.Errorf("a beginning that does not count: got %v", err)
	}
	if _, err := s.Extend(head(t, "dev", a, now), a, now); err != nil {
		t.Fatal(err)
	}
	wantSize(t, open(t, dir), "dev", 9, true)
	lacks(b, 0, false)
}

// TestManyProofs has a device forked again and again, each time a record earlier, in a long log: of each proof a part of the
// log is read, one is kept, and evidence that is none changes nothing.
func TestManyProofs(t *testing.T) {
	s, dir := newStore(t)
	var all [][]byte
	for i := range 60 {
		all = append(all, fmt.Appendf(nil, `{"n":%d,"op":"x","t":"%0100000d"}`, now.UnixMilli()+int64(i), i))
	}
	if _, err := s.Extend(head(t, "dev", all, now), all, now); err != nil {
		t.Fatal(err)
	}
	for c := 59; c >= 0; c -= 3 {
		twin := append(slices.Clone(all[:c]), recs(c, 60, "z")...)
		if news, err := s.AddFork(fork(t, all, twin)); err != nil || !news {
			t.Fatalf("%d records in common: got %v, %v", c, news, err)
		}
		if _, lacks, _ := s.Lacks(head(t, "dev", twin, now)); lacks || s.Common(key("dev")) != int64(c) {
			t.Fatalf("%d records in common: counts %d, lacks something: %v", c, s.Common(key("dev")), lacks)
		}
		if _, err := s.AddFork(bytes.Replace(fork(t, all, twin), []byte(`"size":`), []byte(`"size":1`), 1)); err == nil {
			t.Fatal("a changed proof is taken")
		}
	}
	s = open(t, dir)
	if list, err := os.ReadDir(filepath.Join(dir, "evidence")); err != nil || len(list) != 1 || s.Common(key("dev")) != 2 {
		t.Errorf("%d files, %v, and %d records count", len(list), err, s.Common(key("dev")))
	}
}
