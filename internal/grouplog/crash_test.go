package grouplog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestKilledAtEveryStep ends the process at each step of an append, and of the first one of a log: what is opened
// then is the log before or after, and takes the same append again.
func TestKilledAtEveryStep(t *testing.T) {
	killed := errors.New("killed")
	for _, from := range []int{0, 5} {
		steps := 0
		for at := 0; at <= steps; at++ {
			t.Run(fmt.Sprintf("from %d, step %d", from, at), func(t *testing.T) {
				s, dir := newStore(t)
				extend(t, s, "other", 0, 4)
				if from > 0 {
					extend(t, s, "dev", 0, from)
				}
				n := 0
				s.SetStep(func(string) error {
					if n++; n > at {
						return killed
					}
					return nil
				})
				h := head(t, "dev", recs(0, 9, "r"), now)
				_, err := s.Extend(h, recs(from, 9, "r"), now)
				if err != nil && !errors.Is(err, killed) {
					t.Fatal(err)
				}
				if err != nil {
					steps = at + 1
				}
				s = open(t, dir)
				if p := s.Problems(); len(p) > 0 {
					t.Errorf("problems: %v", p)
				}
				got, whole := s.Head(key("dev"))
				if !whole || got.Size != int64(from) && got.Size != 9 || err == nil && got.Size != 9 {
					t.Fatalf("got %d records, whole %v, after %v", got.Size, whole, err)
				}
				wantSize(t, s, "dev", got.Size, true)
				wantSize(t, s, "other", 4, true)
				if got.Size != 9 {
					extend(t, s, "dev", from, 9)
				}
				wantSize(t, open(t, dir), "dev", 9, true)
			})
		}
		if steps < 5 {
			t.Errorf("from %d: %d steps, want 5 at least", from, steps)
		}
	}
}

// TestTornAndFlipped cuts a file at many lengths, and flips a bit in every byte: what was signed is never read
// otherwise, the damage is told, the other log stands, and a peer mends it.
func TestTornAndFlipped(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	extend(t, s, "other", 0, 2)
	for _, ext := range []string{".rec", ".head"} {
		name := filepath.Join("logs", key("dev").String()+ext)
		good, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range good {
			cut := good[:i]
			flipped := append([]byte(nil), good...)
			flipped[i] ^= 0x04
			cases := map[string][]byte{"flipped": flipped}
			if i%8 == 0 {
				cases["cut"] = cut
			}
			for what, bad := range cases {
				damaged := filepath.Join(t.TempDir(), "d")
				if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(damaged, name), bad, 0o600); err != nil {
					t.Fatal(err)
				}
				s := open(t, damaged)
				p := s.Problems()
				if len(p) != 1 || p[0].Path != name || *p[0].Device != key("dev") {
					t.Fatalf("%s at %d of %s: problems %v", what, i, ext, p)
				}
				wantSize(t, s, "other", 2, true)
				if l, err := s.Log(key("dev"), now); err != nil || len(l.Records) > 0 {
					t.Fatalf("%s at %d of %s: got %d records, %v", what, i, ext, len(l.Records), err)
				}
				if ext == ".rec" {
					wantSize(t, s, "dev", 3, false)
					if i == 0 {
						mend(t, s, damaged)
					}
				}
			}
		}
	}
}

// mend brings back a damaged log, which takes nothing that was not there before.
func mend(t *testing.T, s *grouplog.Store, dir string) {
	t.Helper()
	if _, err := s.Offline(key("dev")); !errors.Is(err, signed.ErrGap) {
		t.Errorf("appending to a damaged log: got %v", err)
	}
	_, err := s.Extend(head(t, "dev", recs(0, 2, "r"), now.Add(time.Minute)), recs(0, 2, "r"), now)
	wantReason(t, err, signed.ErrOld)
	_, err = s.Extend(head(t, "dev", recs(0, 4, "z"), now), recs(0, 4, "z"), now)
	wantReason(t, err, signed.ErrDisagrees)
	if got, whole := open(t, dir).Head(key("dev")); got.Size != 3 || whole {
		t.Errorf("opened again: got %d, whole %v", got.Size, whole)
	}
	extend(t, s, "dev", 0, 3)
	extend(t, s, "dev", 3, 5)
	wantSize(t, open(t, dir), "dev", 5, true)
}

// TestWhatAWriteLeftBehind is an append that failed and went on: its bytes are not taken for records.
func TestWhatAWriteLeftBehind(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	full := errors.New("no space left")
	s.SetStep(func(step string) error { return full })
	if _, err := s.Extend(head(t, "dev", recs(0, 9, "r"), now), recs(3, 9, "r"), now); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	s.SetStep(nil)
	wantSize(t, s, "dev", 3, true)
	extend(t, s, "dev", 3, 4)
	wantSize(t, open(t, dir), "dev", 4, true)
	tmp := filepath.Join(dir, "logs", ".x.head.1.tmp")
	if err := os.WriteFile(tmp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if p := open(t, dir).Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	if _, err := os.Stat(tmp); err == nil {
		t.Error("the temporary file is still there")
	}
	if err := os.WriteFile(filepath.Join(dir, "evidence", key("dev").String()+".json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if p := s.Problems(); len(p) != 1 || len(s.Forks()) != 0 {
		t.Errorf("damaged evidence: got %v, forks %v", p, s.Forks())
	}
}

// TestMixedFiles puts the files of one device in the place of another's.
func TestMixedFiles(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	extend(t, s, "other", 0, 2)
	logs := filepath.Join(dir, "logs")
	for _, ext := range []string{".rec", ".head"} {
		b, err := os.ReadFile(filepath.Join(logs, key("other").String()+ext))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(logs, key("dev").String()+ext), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	p := s.Problems()
	if len(p) != 1 || !errors.Is(p[0].Err, signed.ErrWrongDevice) || p[0].String() == "" {
		t.Fatalf("problems: got %v, want the other device's head", p)
	}
	wantSize(t, s, "dev", 0, true)
	wantSize(t, s, "other", 2, true)
	if kept, err := os.ReadDir(filepath.Join(dir, "damaged")); err != nil || len(kept) != 2 {
		t.Errorf("set aside: got %v, %v, want both files", kept, err)
	}
	if _, err := grouplog.Open(filepath.Join(logs, key("other").String()+".rec"), firstRoot(t).ID()); err == nil {
		t.Error("a file in place of the folder: got nil, want an error")
	}
}
