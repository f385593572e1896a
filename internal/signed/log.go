package signed

import (
	"bytes"
	"errors"
	"iter"
	"time"
)

// Record is one line of a device's log: a canonical object with a time and an operation. Unknown operations are
// records too, so that a later program's stay where they are.
type Record struct {
	Index int64
	N     int64  // hybrid clock, in ms: rises from record to record
	Op    string // 1 to 32 of a-z and hyphen
	Raw   []byte
}

// Fields is the record to be read by who knows its operation: "n" and "op" are read already.
func (r Record) Fields() *Fields {
	f, err := ReadFields(r.Raw)
	if err != nil {
		return &Fields{err: err} // a Record was read once, so this cannot be
	}
	f.take("n")
	f.take("op")
	return f
}

// Log is what can be read of a device's log. Broken tells why it ends before its head does; what stands before
// that counts.
type Log struct {
	Device  Key
	Records []Record
	Broken  error // a *Refusal, or nil
}

// ParseRecord reads a record by itself.
func ParseRecord(raw []byte) (Record, error) {
	if len(raw) > MaxRecord {
		return Record{}, refuse("record", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxRecord)
	}
	// The two fields that every record has are picked out in the pass that checks the form of all.
	f := Fields{names: make([][]byte, 0, 2), raw: make([][]byte, 0, 2)}
	err := scanObject(raw, func(key, value []byte) error {
		if string(key) == "n" || string(key) == "op" {
			f.names, f.raw = append(f.names, key), append(f.raw, value)
		}
		return nil
	})
	if err != nil {
		return Record{}, refuse("record", ErrNotCanonical, "%v", err)
	}
	r := Record{N: f.NeedInt("n", 1, maxSafe), Op: f.NeedText("op", 32), Raw: raw}
	if f.err == nil && bytes.ContainsFunc([]byte(r.Op), func(c rune) bool { return (c < 'a' || c > 'z') && c != '-' }) {
		return Record{}, refuse("record", ErrMalformed, "operation %q is not of a-z and hyphens", r.Op)
	}
	if f.err != nil {
		return Record{}, refuse("record", ErrMalformed, "%v", f.err)
	}
	return r, nil
}

// ParseLog reads records that were verified against a head, from the one with the number first, after a record
// with the time last (0 where first is 0). It stops, and says why in Broken, at the first that is no record, whose
// time does not rise or lies too far ahead of now. The records keep the memory of lines.
func ParseLog(device Key, first, last int64, lines iter.Seq[[]byte], now time.Time) Log {
	l := Log{Device: device}
	limit := now.Add(MaxAhead).UnixMilli()
	for raw := range lines {
		i := first + int64(len(l.Records))
		r, err := ParseRecord(raw)
		switch {
		case err != nil:
			var why *Refusal
			if !errors.As(err, &why) {
				why = &Refusal{Reason: ErrMalformed, Detail: err.Error()}
			}
			l.Broken = refuse("log", why.Reason, "record %d of device %v: %s", i, device, why.Detail)
		case r.N <= last:
			l.Broken = refuse("log", ErrOutOfOrder, "record %d of device %v is of the time %d, not after %d", i, device, r.N, last)
		case r.N > limit:
			l.Broken = refuse("log", ErrFuture, "record %d of device %v is %v ahead of this clock", i, device,
				time.UnixMilli(r.N).Sub(now).Round(time.Second))
		}
		if l.Broken != nil {
			return l
		}
		r.Index, last = i, r.N
		l.Records = append(l.Records, r)
	}
	return l
}

// Lines are the records of a file or answer in which each ends with a newline, which canonical records never
// hold. What follows the last newline is not a record.
func Lines(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.IndexByte(b, '\n')
			if i < 0 || !yield(b[:i:i]) {
				return
			}
			b = b[i+1:]
		}
	}
}
