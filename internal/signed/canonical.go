package signed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Canonical checks that b is one JSON object in canonical form: RFC 8785 with integers of at most 53 bits only, without
// null, U+2028 and U+2029, and with keys of printable ASCII without escapes. Such an object has a single encoding, so a
// hash of its bytes is a hash of its meaning, and no two readers can disagree about a duplicate key.
func Canonical(b []byte) error {
	return scanObject(b, nil)
}

// scanObject checks that b is one canonical object, and calls visit, if not nil, for each field.
func scanObject(b []byte, visit func(key, raw []byte) error) error {
	s := scanner{b: b}
	if len(b) == 0 || b[0] != '{' {
		return s.bad("not an object")
	}
	if err := s.object(0, visit); err != nil {
		return err
	}
	if s.i != len(b) {
		return s.bad("something after the object")
	}
	return nil
}

// Marshal returns the canonical form of v, whose structs must declare their fields in the order of the keys.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	b := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if err := Canonical(b); err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	return b, nil
}

type scanner struct {
	b []byte
	i int
}

func (s *scanner) bad(what string) error {
	return fmt.Errorf("not canonical JSON: %s at byte %d", what, s.i)
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0 // not valid anywhere: outside a string it is no token, and strings refuse it
}

func (s *scanner) value(depth int) error {
	if depth > maxDepth {
		return s.bad("nested too deeply")
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth, nil)
	case c == '[':
		return s.array(depth)
	case c == '"':
		_, err := s.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't' && bytes.HasPrefix(s.b[s.i:], []byte("true")):
		s.i += 4
		return nil
	case c == 'f' && bytes.HasPrefix(s.b[s.i:], []byte("false")):
		s.i += 5
		return nil
	}
	return s.bad("no value")
}

// object reads an object; visit, if not nil, gets each key and the raw bytes of its value.
func (s *scanner) object(depth int, visit func(key, raw []byte) error) error {
	s.i++
	if s.peek() == '}' {
		s.i++
		return nil
	}
	var last []byte
	for first := true; ; first = false {
		key, err := s.key()
		if err != nil {
			return err
		}
		if !first && bytes.Compare(last, key) >= 0 {
			return s.bad(fmt.Sprintf("key %q does not sort after the one before it", key))
		}
		last = key
		if s.peek() != ':' {
			return s.bad("no colon")
		}
		s.i++
		start := s.i
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(key, s.b[start:s.i]); err != nil {
				return err
			}
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.bad("no comma or brace")
		}
	}
}

func (s *scanner) array(depth int) error {
	s.i++
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.bad("no comma or bracket")
		}
	}
}

func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.bad("no key")
	}
	start := s.i + 1
	for j := start; j < len(s.b); j++ {
		c := s.b[j]
		if c == '"' {
			s.i = j + 1
			return s.b[start:j], nil
		}
		if c < ' ' || c > '~' || c == '\\' {
			break
		}
	}
	return nil, s.bad("key with characters other than printable ASCII")
}

// text reads a string and reports whether it has escapes.
func (s *scanner) text() (escaped bool, err error) {
	s.i++
	for s.i < len(s.b) {
		c := s.b[s.i]
		switch {
		case c == '"':
			s.i++
			return escaped, nil
		case c == '\\':
			escaped = true
			if !s.escape() {
				return false, s.bad("non-canonical escape")
			}
		case c < ' ':
			return false, s.bad("control character")
		case c < utf8.RuneSelf:
			s.i++
		default:
			r, n := utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
				return false, s.bad("not UTF-8, or a line separator")
			}
			s.i += n
		}
	}
	return false, s.bad("unterminated string")
}

// escape accepts the escapes that RFC 8785 prescribes: short ones where JSON has them, else \u00xx in lower case.
func (s *scanner) escape() bool {
	rest := s.b[s.i+1:]
	if len(rest) == 0 {
		return false
	}
	if bytes.IndexByte([]byte(`"\bfnrt`), rest[0]) >= 0 {
		s.i += 2
		return true
	}
	if len(rest) < 5 || !bytes.HasPrefix(rest, []byte("u00")) {
		return false
	}
	hi, lo := rest[3], rest[4]
	if hi != '0' && hi != '1' || bytes.IndexByte([]byte("0123456789abcdef"), lo) < 0 {
		return false
	}
	if hi == '0' && bytes.IndexByte([]byte("89acd"), lo) >= 0 {
		return false // \b \t \n \f \r have short forms
	}
	s.i += 6
	return true
}

func (s *scanner) number() error {
	start := s.i
	if s.peek() == '-' {
		s.i++
	}
	digits := s.i
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.i++
	}
	d := s.b[digits:s.i]
	// 53 bits have at most 16 digits; JSON allows no leading zero, and RFC 8785 no negative zero.
	if len(d) == 0 || len(d) > 16 || d[0] == '0' && (len(d) > 1 || digits > start) {
		return s.bad("number that is not a plain integer")
	}
	n := int64(0)
	for _, c := range d {
		n = n*10 + int64(c-'0')
	}
	if n > maxSafe {
		return s.bad("number of more than 53 bits")
	}
	if c := s.peek(); c == '.' || c == 'e' || c == 'E' {
		return s.bad("number that is not a plain integer")
	}
	return nil
}
