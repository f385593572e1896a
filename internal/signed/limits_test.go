package signed_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// recordOf returns a record of size bytes.
func recordOf(size int) []byte {
	const frame = `{"a":"","n":1,"op":"x"}`
	return []byte(strings.Replace(frame, `""`, `"`+strings.Repeat("y", size-len(frame))+`"`, 1))
}

// TestLimits: the largest allowed of everything is accepted, and one more is refused.
func TestLimits(t *testing.T) {
	_, gid := chain(t)
	read := func(size int) error {
		_, err := signed.ParseRecord(recordOf(size))
		return err
	}
	verify := func(size int) error {
		recs := [][]byte{bytes.Repeat([]byte("x"), size)}
		return new(signed.Tree).VerifyRecords(headOf(t, "dev", gid, recs, now), recs)
	}
	head := func(size int) error {
		_, err := signed.SignHead(gid, secret("dev"), int64(size), signed.Hash{1}, now)
		return err
	}
	ahead := func(ms int) error {
		h := headOf(t, "dev", gid, records(1), now)
		return h.Judge(now.Add(-time.Duration(ms) * time.Millisecond))
	}
	for _, c := range []struct {
		name string
		do   func(size int) error
		most int
		want signed.Reason
	}{
		{"a record", read, signed.MaxRecord, signed.ErrTooLarge},
		{"a record in VerifyRecords", verify, signed.MaxRecord, signed.ErrTooLarge},
		{"a head's size", head, signed.MaxRecords, signed.ErrMalformed},
		{"ms that a head is ahead", ahead, int(signed.MaxAhead.Milliseconds()), signed.ErrFuture},
	} {
		if err := c.do(c.most); err != nil {
			t.Errorf("%s of %d: %v", c.name, c.most, err)
		}
		wantReason(t, c.do(c.most+1), c.want, "")
	}
}

// TestRootVersionsEnd: a group cannot make new members read an unlimited number of roots.
func TestRootVersionsEnd(t *testing.T) {
	first, _ := chain(t)
	for _, c := range []struct {
		version int64
		ok      bool
	}{{signed.MaxRoots, true}, {signed.MaxRoots + 1, false}} {
		known := *first
		known.Version = c.version - 1
		raw, err := known.Successor(now).Sign(secret("owner1"), secret("owner2"))
		must(t, raw, err)
		next, err := known.Next(raw)
		if c.ok {
			if err != nil || next.Version != c.version {
				t.Errorf("version %d: %v", c.version, err)
			}
			continue
		}
		wantReason(t, err, signed.ErrTooLarge, fmt.Sprintf("version %d is beyond %d", c.version, signed.MaxRoots))
	}
}

// TestSkewBothWays: a clock that is behind is trusted as little as one that is ahead.
func TestSkewBothWays(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		ok    bool
	}{
		{0, true}, {signed.MaxAhead, true}, {-signed.MaxAhead, true},
		{signed.MaxAhead + time.Millisecond, false}, {-signed.MaxAhead - time.Millisecond, false}, {-24 * time.Hour, false},
	} {
		got, err := signed.Skew(now.Add(c.ahead), []time.Time{now})
		if got != c.ahead {
			t.Errorf("%v ahead: got %v", c.ahead, got)
		}
		if c.ok {
			if err != nil {
				t.Errorf("%v ahead: %v", c.ahead, err)
			}
			continue
		}
		wantReason(t, err, signed.ErrClockOff, "from those of the other members")
	}
}

func TestAgesEnd(t *testing.T) {
	for _, c := range []struct {
		ago  time.Duration
		want signed.Age
	}{
		{signed.FreshFor, signed.Fresh}, {signed.FreshFor + 1, signed.Aging},
		{720 * time.Hour, signed.Aging}, {720*time.Hour + 1, signed.Stale},
	} {
		if got := signed.AgeOf(now, now.Add(-c.ago), 720); got != c.want {
			t.Errorf("last heard of %v ago: got %v, want %v", c.ago, got, c.want)
		}
	}
}

// TestSignaturesOfOtherLengths: bytes of another length than a signature do not verify, and do not panic.
func TestSignaturesOfOtherLengths(t *testing.T) {
	s := secret("x")
	sig := s.Sign("hello", []byte("m"))
	for _, bad := range [][]byte{nil, {}, sig[:1], sig[:63], append(bytes.Clone(sig), 0), append(bytes.Clone(sig), sig...), make([]byte, 64), bytes.Repeat([]byte{0xff}, 64)} {
		if s.Public().Verify("hello", []byte("m"), bad) {
			t.Errorf("%d bytes verify", len(bad))
		}
	}
	// A key that is not a point of the curve verifies nothing.
	if (signed.Key(bytes.Repeat([]byte{0xff}, 32))).Verify("hello", []byte("m"), sig) {
		t.Error("a key that is not a point of the curve verifies")
	}
}
