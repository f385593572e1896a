package signed

import (
	"bytes"
	"errors"
	"iter"
	"time"
)

// Record is one line of a device's log: a canonical object with a time and an operation. Records with unknown
// operations are kept, so that those of newer programs stay in place.
type Record struct {
	Index int64
	N     int64  // hybrid clock, in ms: increases from record to record
	Op    string // 1 to 32 of a-z and hyphen
	Raw   []byte
}

// Fields returns the fields of the record, except "n" and "op", to be read according to its operation.
func (r Record) Fields() *Fields {
	f, err := ReadFields(r.Raw)
	if err != nil {
		return &Fields{err: err} // cannot happen: ParseRecord has read it
	}
	f.take("n")
	f.take("op")
	return f
}

// Log is the readable part of a device's log. Broken says why it ends before its head does; the records before that
// count.
type Log struct {
	Device  Key
	Records []Record
	Broken  error // a *Refusal, or nil
}

// ParseRecord reads a single record.
func ParseRecord(raw []byte) (Record, error) {
	if len(raw) > MaxRecord {
		return Record{}, refuse("record", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxRecord)
	}
	// A single pass checks the form of all fields and picks out the two that every record has.
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
		return Record{}, refuse("record", ErrMalformed, "operation %q has characters other than a-z and hyphen", r.Op)
	}
	if f.err != nil {
		return Record{}, refuse("record", ErrMalformed, "%v", f.err)
	}
	return r, nil
}

// ParseLog reads records that were verified against a head, starting with number first, which follows a record
// with time last (0 if first is 0). It stops, and sets Broken, at the first line that is not a record, or whose
// time does not increase or is too far ahead of now. The records share the memory of lines.
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
			l.Broken = refuse("log", ErrOutOfOrder, "record %d of device %v has time %d, which is not after %d", i, device, r.N, last)
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

// Lines iterates over the records of a file or answer, each of which ends with a newline; canonical records contain
// none. Anything after the last newline is not a record.
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
