package metafile

import (
	"bytes"
	"strconv"
)

// scanner reads strict bencode: integers and lengths in their one canonical form, within 64 bits,
// and strings that end within the bytes. It never recurses.
type scanner struct {
	b       []byte
	values  int
	nesting int64
	top     map[string]bool // keys of the outermost dictionary, if they may be out of order
}

// frame is a list or dictionary that is open.
type frame struct {
	dict    bool
	wantKey bool   // the next value of the dictionary is a key
	lastKey []byte // nil before the first
	start   int
}

// scan checks that b is one value of strict bencode and nothing after it. Keys of dictionaries must
// be in order and unique; with looseTop those of the outermost need only be unique, since nothing is
// hashed over them and some creators write them as they come.
func scan(b []byte, looseTop bool) error {
	s := &scanner{b: b}
	if looseTop {
		s.top = make(map[string]bool)
	}
	end, err := s.value(0)
	if err != nil {
		return err
	}
	if end != len(b) {
		return refuse("bencode", "%d bytes after the end", len(b)-end)
	}
	return nil
}

// value checks the value that begins at i and returns where it ends.
func (s *scanner) value(i int) (int, error) {
	var open []frame
	for {
		if i >= len(s.b) {
			return 0, refuse("bencode", "ends within a value")
		}
		if s.b[i] == 'e' {
			if len(open) == 0 {
				return 0, refuse("bencode", "unexpected end mark at byte %d", i)
			}
			top := open[len(open)-1]
			if top.dict && !top.wantKey {
				return 0, refuse("bencode", "key without a value at byte %d", i)
			}
			if s.nesting += int64(i - top.start); s.nesting > maxNesting {
				return 0, refuse("bencode", "too much of it is nested too deep")
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
			key, end, err := s.str(i)
			if err != nil {
				return 0, err
			}
			if s.top != nil && len(open) == 1 {
				if s.top[string(key)] {
					return 0, refuse("bencode", "key %q stands twice", clip(key))
				}
				s.top[string(key)] = true
			} else if top.lastKey != nil && bytes.Compare(top.lastKey, key) >= 0 {
				return 0, refuse("bencode", "key %q is not after key %q", clip(key), clip(top.lastKey))
			}
			top.lastKey, top.wantKey, i = key, false, end
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

// closed notes that a value of the frame has ended.
func (f *frame) closed() {
	if f.dict {
		f.wantKey = true
	}
}

func (s *scanner) integer(i int) (int, error) {
	// 20 digits and a sign hold every 64-bit integer.
	n := bytes.IndexByte(s.b[i:min(len(s.b), i+23)], 'e')
	if n < 0 {
		return 0, refuse("bencode", "integer without an end at byte %d", i)
	}
	text := string(s.b[i+1 : i+n])
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != text {
		return 0, refuse("bencode", "%q is no 64-bit integer", text)
	}
	return i + n + 1, nil
}

// str reads the string at i. The result is not nil.
func (s *scanner) str(i int) ([]byte, int, error) {
	n := bytes.IndexByte(s.b[i:min(len(s.b), i+12)], ':')
	if n < 0 {
		return nil, 0, refuse("bencode", "neither a value nor an end at byte %d", i)
	}
	text := string(s.b[i : i+n])
	length, err := strconv.ParseUint(text, 10, 31)
	if err != nil || strconv.FormatUint(length, 10) != text {
		return nil, 0, refuse("bencode", "%q is no string length", text)
	}
	begin := i + n + 1
	if length > uint64(len(s.b)-begin) {
		return nil, 0, refuse("bencode", "string of %d bytes, and %d are left", length, len(s.b)-begin)
	}
	end := begin + int(length)
	return s.b[begin:end:end], end, nil
}

// clip bounds what a message repeats.
func clip(b []byte) []byte {
	return b[:min(len(b), 60)]
}

// cursor walks bencode that scan has accepted, so it checks types and nothing else.
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

func (c *cursor) integer() int64 {
	n := bytes.IndexByte(c.b[c.i:], 'e')
	v, _ := strconv.ParseInt(string(c.b[c.i+1:c.i+n]), 10, 64)
	c.i += n + 1
	return v
}

// skip passes over one value and returns its bytes.
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
			c.integer()
		default:
			c.str()
		}
		if depth == 0 {
			return c.b[start:c.i]
		}
	}
}

// fields calls f for each key of the dictionary at the cursor; f must take the value.
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

// list calls f for each element of the list at the cursor; f must take it.
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
