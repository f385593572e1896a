package metafile

import (
	"bytes"
	"strconv"
)

// scanner reads bencode in any form that has only one possible reading: keys in any order and more than once, integers
// and lengths with leading zeros, integers of any size. Infohashes cover the bytes as they are, so requiring the canonical
// form would only keep people from torrents that others can fetch. It never recurses.
type scanner struct {
	b       []byte
	values  int
	nesting int64
}

// frame is an open list or dictionary.
type frame struct {
	dict    bool
	wantKey bool // the next value of the dictionary is a key
	start   int
}

// scan checks that b begins with one bencoded value, and returns the offset of its end.
func scan(b []byte) (end int, err error) {
	s := &scanner{b: b}
	return s.value(0)
}

// value checks the value at offset i and returns the offset of its end.
func (s *scanner) value(i int) (int, error) {
	var open []frame
	for {
		if i >= len(s.b) {
			return 0, refuse("bencode", "ends within a value")
		}
		if s.b[i] == 'e' {
			if len(open) == 0 {
				return 0, refuse("bencode", "unexpected end marker at byte %d", i)
			}
			top := open[len(open)-1]
			if top.dict && !top.wantKey {
				return 0, refuse("bencode", "key without a value at byte %d", i)
			}
			if s.nesting += int64(i - top.start); s.nesting > maxNesting {
				return 0, refuse("bencode", "too much data is nested too deeply")
			}
			open = open[:len(open)-1]
			i++
			if len(open) == 0 {
				return i, nil
			}
			open[len(open)-1].closed()
			continue
		}
		if s.values++; s.values > maxValues {
			return 0, refuse("bencode", "more than %d values", maxValues)
		}
		var top *frame
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		if top != nil && top.dict && top.wantKey {
			_, end, err := s.str(i)
			if err != nil {
				return 0, err
			}
			top.wantKey, i = false, end
			continue
		}
		var err error
		switch c := s.b[i]; {
		case c == 'd' || c == 'l':
			if len(open) == maxDepth {
				return 0, refuse("bencode", "nested deeper than %d", maxDepth)
			}
			open = append(open, frame{dict: c == 'd', wantKey: c == 'd', start: i})
			i++
			continue
		case c == 'i':
			i, err = s.integer(i)
		default:
			_, i, err = s.str(i)
		}
		if err != nil {
			return 0, err
		}
		if top == nil {
			return i, nil
		}
		top.closed()
	}
}

// closed records that a value of the frame has ended.
func (f *frame) closed() {
	if f.dict {
		f.wantKey = true
	}
}

func (s *scanner) integer(i int) (int, error) {
	n := bytes.IndexByte(s.b[i:], 'e')
	if n < 0 {
		return 0, refuse("bencode", "unterminated integer at byte %d", i)
	}
	text := s.b[i+1 : i+n]
	if digits := bytes.TrimPrefix(text, []byte("-")); len(digits) == 0 || len(bytes.Trim(digits, "0123456789")) > 0 {
		return 0, refuse("bencode", "%q is not an integer", clip(text))
	}
	return i + n + 1, nil
}

// str reads the string at offset i. The result is never nil.
func (s *scanner) str(i int) ([]byte, int, error) {
	n := bytes.IndexByte(s.b[i:min(len(s.b), i+maxLengthDigits)], ':')
	if n < 0 {
		return nil, 0, refuse("bencode", "neither a value nor an end at byte %d", i)
	}
	text := s.b[i : i+n]
	length, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return nil, 0, refuse("bencode", "%q is not a string length", text)
	}
	begin := i + n + 1
	if length > uint64(len(s.b)-begin) {
		return nil, 0, refuse("bencode", "string of %d bytes, but only %d are left", length, len(s.b)-begin)
	}
	end := begin + int(length)
	return s.b[begin:end:end], end, nil
}

// clip shortens b for a message.
func clip(b []byte) []byte {
	return b[:min(len(b), 60)]
}

// cursor walks bencode that scan has accepted, so it checks only types.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) kind() byte {
	switch k := c.b[c.i]; k {
	case 'd', 'l', 'i', 'e':
		return k
	default:
		return 's'
	}
}

func (c *cursor) str() []byte {
	s := scanner{b: c.b}
	v, end, _ := s.str(c.i)
	c.i = end
	return v
}

// integer reads an integer; ok is false if it does not fit into 64 bits.
func (c *cursor) integer() (v int64, ok bool) {
	n := bytes.IndexByte(c.b[c.i:], 'e')
	v, err := strconv.ParseInt(string(c.b[c.i+1:c.i+n]), 10, 64)
	c.i += n + 1
	return v, err == nil
}

// skip skips one value and returns its bytes.
func (c *cursor) skip() []byte {
	start, depth := c.i, 0
	for {
		switch c.kind() {
		case 'd', 'l':
			depth++
			c.i++
		case 'e':
			depth--
			c.i++
		case 'i':
			c.i += bytes.IndexByte(c.b[c.i:], 'e') + 1
		default:
			c.str()
		}
		if depth == 0 {
			return c.b[start:c.i]
		}
	}
}

// fields calls f for each key of the dictionary at the cursor; f must consume the value.
func (c *cursor) fields(f func(key string) error) error {
	c.i++
	for c.kind() != 'e' {
		if err := f(string(c.str())); err != nil {
			return err
		}
	}
	c.i++
	return nil
}

// list calls f for each element of the list at the cursor; f must consume it.
func (c *cursor) list(f func() error) error {
	c.i++
	for c.kind() != 'e' {
		if err := f(); err != nil {
			return err
		}
	}
	c.i++
	return nil
}

// dictFields calls f for each key of the value at the cursor if that is a dictionary. Otherwise it skips the value and
// returns false.
func (c *cursor) dictFields(f func(key string) error) (bool, error) {
	if c.kind() != 'd' {
		c.skip()
		return false, nil
	}
	return true, c.fields(f)
}

// text reads a string; another value is skipped and gives false. Some creators wrap a string in a list of one, which other
// clients accept too.
func (c *cursor) text() (string, bool) {
	switch c.kind() {
	case 's':
		return string(c.str()), true
	case 'l':
		if list, ok := c.texts(2); ok && len(list) == 1 {
			return list[0], true
		}
		return "", false
	}
	c.skip()
	return "", false
}

// texts reads the first n strings of a list of strings; another value is skipped and gives false.
func (c *cursor) texts(n int) ([]string, bool) {
	if c.kind() != 'l' {
		c.skip()
		return nil, false
	}
	inner := &cursor{b: c.skip(), i: 1}
	var out []string
	for inner.kind() != 'e' && len(out) < n {
		if inner.kind() != 's' {
			return nil, false
		}
		out = append(out, string(inner.str()))
	}
	return out, true
}
