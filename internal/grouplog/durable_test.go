package grouplog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestRecordsAreOnDiskBeforeTheirHead: a head speaks of records that a power cut leaves there, or it is not written.
func TestRecordsAreOnDiskBeforeTheirHead(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	rec, headFile := filepath.Join(dir, "logs", key("dev").String()+".rec"), filepath.Join(dir, "logs", key("dev").String()+".head")
	before, err := os.ReadFile(headFile)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	s.SetStep(func(step string) error { steps = append(steps, step); return nil })
	failing := errors.New("the disk fails")
	var fails error
	s.SetSync(func(f *os.File) error {
		steps = append(steps, "sync")
		got, err := os.ReadFile(rec)
		if want := append(bytes.Join(recs(0, 9, "r"), []byte("\n")), '\n'); err != nil || f.Name() != rec || !bytes.Equal(got, want) {
			t.Errorf("%s is synced with %q, %v, want all records", f.Name(), got, err)
		}
		if now, err := os.ReadFile(headFile); err != nil || !bytes.Equal(now, before) {
			t.Errorf("the head is there before its records: %v", err)
		}
		return fails
	})
	h := head(t, "dev", recs(0, 9, "r"), now)
	fails = failing
	if _, err := s.Extend(h, recs(3, 9, "r"), now); !errors.Is(err, failing) {
		t.Errorf("records that are not on disk: got %v", err)
	}
	if after, err := os.ReadFile(headFile); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the head of records that are not on disk was written: %v", err)
	}
	wantSize(t, s, "dev", 3, true)
	fails, steps = nil, nil
	if _, err := s.Extend(h, recs(3, 9, "r"), now); err != nil {
		t.Fatal(err)
	}
	if want := []string{"in the records", "in the records", "sync", "after the records", "before the head", "after the head"}; !slices.Equal(steps, want) {
		t.Errorf("got the steps %q, want %q", steps, want)
	}
	wantSize(t, open(t, dir), "dev", 9, true)
}

// TestOnlySignedRecordsStay: what a write that failed, or a process that was killed, left behind the records goes from the
// file with the next write, and when it is opened.
func TestOnlySignedRecordsStay(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	rec := filepath.Join(dir, "logs", key("dev").String()+".rec")
	wantFile := func(what string, s *grouplog.Store, records int) {
		t.Helper()
		want := append(bytes.Join(recs(0, records, "r"), []byte("\n")), '\n')
		if got, err := os.ReadFile(rec); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the file holds %q, %v, want %d records", what, got, err, records)
		}
		if got := s.Bytes(key("dev")); got != int64(len(want)) {
			t.Errorf("%s: %d bytes are signed, want %d", what, got, len(want))
		}
	}
	full := errors.New("no space left")
	s.SetStep(func(step string) error {
		if step == "before the head" {
			return full
		}
		return nil
	})
	if _, err := s.Extend(head(t, "dev", recs(0, 9, "r"), now), recs(3, 9, "r"), now); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	s.SetStep(nil)
	extend(t, s, "dev", 3, 4) // shorter than what was left
	wantFile("after the next write", s, 4)
	f, err := os.OpenFile(rec, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(bytes.Join(recs(4, 7, "r"), []byte("\n")), "\n{\"n\""...)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := open(t, dir)
	wantFile("opened", again, 4)
	if p := again.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	extend(t, again, "dev", 4, 6)
	wantFile("after another write", again, 6)
}

// TestLogsOfManyDevices: one log more than a group has is not kept, and those that are there grow.
func TestLogsOfManyDevices(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 1)
	s.Fill(grouplog.MaxDevices - 1)
	extend(t, s, "last", 0, 1)
	_, err := s.Extend(head(t, "more", recs(0, 1, "r"), now), recs(0, 1, "r"), now)
	wantReason(t, err, signed.ErrTooLarge)
	if list, err := filepath.Glob(filepath.Join(dir, "logs", key("more").String()+"*")); err != nil || len(list) > 0 {
		t.Errorf("on disk: %v, %v", list, err)
	}
	extend(t, s, "dev", 1, 3)
	wantSize(t, open(t, dir), "dev", 3, true)
	if grouplog.MaxDevices > 10_000 {
		t.Errorf("%d logs, each of two files, are more than a folder should hold", grouplog.MaxDevices)
	}
}

// TestAppendNeedsAComparison: nothing is signed by who has not asked the others, or has asked for another device or a log that
// is another now.
func TestAppendNeedsAComparison(t *testing.T) {
	s, dir := newStore(t)
	extend(t, s, "dev", 0, 3)
	extend(t, s, "other", 0, 3)
	mine, _ := s.Head(key("dev"))
	good, err := s.Compare(key("dev"), 1, []signed.Head{mine})
	if err != nil {
		t.Fatal(err)
	}
	others, err := s.Offline(key("other"))
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	for name, c := range map[string]grouplog.Compared{"none": {}, "of another device": others} {
		if _, _, err := s.Append(c, secret("dev"), now.Add(time.Second), recs(3, 4, "r")...); err == nil {
			t.Errorf("with a comparison %s: it was signed", name)
		}
		if snapshot(t, dir) != before {
			t.Errorf("with a comparison %s: something was written", name)
		}
	}
	_, next, err := s.Append(good, secret("dev"), now.Add(time.Second), recs(3, 4, "r")...)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Append(good, secret("dev"), now.Add(2*time.Second), recs(4, 5, "r")...); err == nil {
		t.Error("one comparison served twice")
	}
	if _, _, err := s.Append(next, secret("dev"), now.Add(2*time.Second), recs(4, 5, "r")...); err != nil {
		t.Errorf("with the one that the append gave: %v", err)
	}
	wantSize(t, open(t, dir), "dev", 5, true)
	// Nobody asked is no comparison, nor are fewer than have answered.
	for asked, heads := range map[int][]signed.Head{0: nil, -1: nil, 1: {mine, mine}} {
		if _, err := s.Compare(key("dev"), asked, heads); err == nil {
			t.Errorf("%d asked, of whom %d answered: it is compared", asked, len(heads))
		}
	}
}
