package signed

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
)

// Fields reads a canonical object field by field. The first error is kept, and everything read after it is zero; Done
// returns it. Optional fields (the methods without Need) must not be present with their zero value: absence is its only
// encoding.
type Fields struct {
	names [][]byte
	raw   [][]byte
	used  int
	err   error
}

// ReadFields splits an object into its fields and checks that it is canonical to the last byte.
func ReadFields(b []byte) (*Fields, error) {
	f := &Fields{names: make([][]byte, 0, 16), raw: make([][]byte, 0, 16)}
	err := scanObject(b, func(key, raw []byte) error {
		f.names = append(f.names, key)
		f.raw = append(f.raw, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Done returns the first error, or an error that names a field that was not read.
func (f *Fields) Done() error {
	if f.err == nil && f.used < len(f.names) {
		for i, name := range f.names {
			if f.raw[i] != nil {
				return fmt.Errorf("unknown field %q", name)
			}
		}
	}
	return f.err
}

// Fail records err, which a caller found in the value of a field, as the first error.
func (f *Fields) Fail(name string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("field %q: %w", name, err)
	}
}

// take returns the value of a field and marks it as read; nil if it is missing.
func (f *Fields) take(name string) []byte {
	if f.err != nil {
		return nil
	}
	for i, n := range f.names {
		if string(n) == name && f.raw[i] != nil {
			raw := f.raw[i]
			f.raw[i] = nil
			f.used++
			return raw
		}
	}
	return nil
}

func (f *Fields) failf(name, format string, args ...any) { f.Fail(name, fmt.Errorf(format, args...)) }

func (f *Fields) need(name string) []byte {
	raw := f.take(name)
	if raw == nil {
		f.failf(name, "missing")
	}
	return raw
}

// Has reports whether a field is present and has not been read.
func (f *Fields) Has(name string) bool {
	for i, n := range f.names {
		if string(n) == name && f.raw[i] != nil {
			return true
		}
	}
	return false
}

// Text reads an optional string of at most limit bytes.
func (f *Fields) Text(name string, limit int) string {
	raw := f.take(name)
	if raw == nil {
		return ""
	}
	s := f.text(name, raw, limit)
	if s == "" {
		f.failf(name, "empty, but not left out")
	}
	return s
}

// NeedText reads a string of 1 to limit bytes.
func (f *Fields) NeedText(name string, limit int) string {
	raw := f.need(name)
	if raw == nil {
		return ""
	}
	s := f.text(name, raw, limit)
	if s == "" {
		f.failf(name, "empty")
	}
	return s
}

func (f *Fields) text(name string, raw []byte, limit int) string {
	if raw[0] != '"' {
		f.failf(name, "not a string")
		return ""
	}
	s, err := unquote(raw)
	if err != nil {
		f.Fail(name, err)
		return ""
	}
	if len(s) > limit {
		f.failf(name, "%d bytes, more than %d", len(s), limit)
		return ""
	}
	return s
}

// unquote decodes a string that the scanner has accepted.
func unquote(raw []byte) (string, error) {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err
		}
	}
	return string(inner), nil
}

// NeedInt reads an integer from lo to hi.
func (f *Fields) NeedInt(name string, lo, hi int64) int64 {
	raw := f.need(name)
	if raw == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f.failf(name, "not an integer")
		return 0
	}
	if n < lo || n > hi {
		f.failf(name, "%d is not from %d to %d", n, lo, hi)
		return 0
	}
	return n
}

// Int reads an optional integer from lo to hi other than zero.
func (f *Fields) Int(name string, lo, hi int64) int64 {
	if !f.Has(name) {
		return 0
	}
	n := f.NeedInt(name, lo, hi)
	if n == 0 {
		f.failf(name, "zero, but not left out")
	}
	return n
}

// Flag reads an optional field that can only be true.
func (f *Fields) Flag(name string) bool {
	raw := f.take(name)
	if raw != nil && string(raw) != "true" {
		f.failf(name, "not true, but not left out")
	}
	return raw != nil && f.err == nil
}

// NeedHash reads 64 hex digits.
func (f *Fields) NeedHash(name string) Hash {
	var h Hash
	f.hex(name, f.need(name), h[:])
	return h
}

// NeedKey reads an Ed25519 key.
func (f *Fields) NeedKey(name string) Key { return Key(f.NeedHash(name)) }

// Hash reads an optional hash; ok reports whether it is present.
func (f *Fields) Hash(name string) (h Hash, ok bool) {
	if !f.Has(name) {
		return h, false
	}
	h = f.NeedHash(name)
	return h, f.err == nil
}

// NeedHex reads exactly as many hex digits as fill to.
func (f *Fields) NeedHex(name string, to []byte) { f.hex(name, f.need(name), to) }

func (f *Fields) hex(name string, raw, to []byte) {
	if raw == nil {
		return
	}
	if raw[0] != '"' {
		f.failf(name, "not a string")
		return
	}
	f.Fail(name, parseHex(to, string(raw[1:len(raw)-1])))
}

// Bytes reads an optional string of base64 (RFC 4648, padded) of 1 to limit bytes.
func (f *Fields) Bytes(name string, limit int) []byte {
	if !f.Has(name) {
		return nil
	}
	s := f.NeedText(name, base64.StdEncoding.EncodedLen(limit))
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if f.err == nil && (err != nil || base64.StdEncoding.EncodeToString(b) != s) {
		f.failf(name, "not canonical base64")
	}
	if f.err != nil {
		return nil
	}
	return b
}

// NeedBytes reads base64 of 1 to limit bytes.
func (f *Fields) NeedBytes(name string, limit int) []byte {
	if !f.Has(name) {
		f.need(name)
		return nil
	}
	return f.Bytes(name, limit)
}

// Raw reads an optional object and returns its bytes.
func (f *Fields) Raw(name string) []byte {
	raw := f.take(name)
	if raw != nil && raw[0] != '{' {
		f.failf(name, "not an object")
		return nil
	}
	return raw
}

// Each calls visit with each element of an optional array of 1 to limit elements.
func (f *Fields) Each(name string, limit int, visit func(raw []byte) error) {
	raw := f.take(name)
	if raw == nil {
		return
	}
	if raw[0] != '[' {
		f.failf(name, "not an array")
		return
	}
	if len(raw) == 2 {
		f.failf(name, "empty, but not left out")
		return
	}
	s := scanner{b: raw, i: 1}
	for n := 1; s.i < len(raw); n++ {
		start := s.i
		if err := s.value(0); err != nil {
			f.Fail(name, err) // cannot happen: ReadFields has scanned it
			return
		}
		if n > limit {
			f.failf(name, "more than %d", limit)
			return
		}
		if err := visit(raw[start:s.i]); err != nil {
			f.Fail(name, err)
			return
		}
		s.i++ // the comma, or the closing bracket
	}
}

// Texts reads an optional list of at most most strings, each of 1 to limit bytes.
func (f *Fields) Texts(name string, most, limit int) []string {
	var out []string
	f.Each(name, most, func(raw []byte) error {
		if raw[0] != '"' {
			return fmt.Errorf("an element is not a string")
		}
		s, err := unquote(raw)
		if err == nil && (s == "" || len(s) > limit) {
			err = fmt.Errorf("an element of %d bytes is not from 1 to %d", len(s), limit)
		}
		out = append(out, s)
		return err
	})
	if f.err != nil {
		return nil
	}
	return out
}

// Sizes reads an optional object of 1 to most entries that maps keys to integers from lo to hi: how many records of
// each device count.
func (f *Fields) Sizes(name string, most int, lo, hi int64) map[Key]int64 {
	raw := f.Raw(name)
	if raw == nil {
		return nil
	}
	inner, err := ReadFields(raw)
	if err == nil && (len(inner.names) == 0 || len(inner.names) > most) {
		err = fmt.Errorf("%d keys are not from 1 to %d", len(inner.names), most)
	}
	if err != nil {
		f.Fail(name, err)
		return nil
	}
	out := make(map[Key]int64, len(inner.names))
	for i, k := range inner.names {
		key, err := ParseKey(string(k))
		if err != nil {
			f.Fail(name, err)
			return nil
		}
		n, err := strconv.ParseInt(string(inner.raw[i]), 10, 64)
		if err != nil || n < lo || n > hi {
			f.failf(name, "%.20s is not an integer from %d to %d", inner.raw[i], lo, hi)
			return nil
		}
		out[key] = n
	}
	return out
}
