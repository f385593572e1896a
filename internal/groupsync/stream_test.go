package groupsync

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// counted counts what is read.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// endless gives a text for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

func readObject(r io.Reader) (root int64, list []string, err error) {
	err = object{1000, map[string]any{"root": &root}, map[string]func(string) error{"list": func(s string) error {
		if list = append(list, s); len(list) > 100 {
			return errTooMany
		}
		return nil
	}}}.read(r)
	return root, list, err
}

func TestObject(t *testing.T) {
	for _, text := range []string{`{"root":3,"list":["a","b\n"]}`, ` { "list" : [ "a" , "b\n" ] , "root" : 3 } ` + "\n"} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			root, list, err := readObject(r)
			if err != nil || root != 3 || strings.Join(list, "|") != "a|b\n" {
				t.Errorf("%s: got %d, %q, %v", text, root, list, err)
			}
		}
	}
	for _, text := range []string{
		``, `{`, `[]`, `"list"`, `{"list":["a"`, `{"list":"a"}`, `{"list":{}}`, `{"list":[1]}`, `{"list":[["a"]]}`, `{"list":[null]}`, `{"list":null}`,
		`{"other":1}`, `{"root":"3"}`, `{"root":1e999}`, `{"root":3.5}`, `{"root":{}}`, `{"list":[],"list":[]}`, `{"root":1,"root":2}`, `{"root":3} {}`, `{"root":3}x`,
	} {
		if root, list, err := readObject(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got %d, %q, want it refused", text, root, list)
		}
	}
}

// TestObjectsWithoutEnd: whatever does not end, little of it is read, and less is kept.
func TestObjectsWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct{ begin, more string }{
		"blanks":              {"", " "},
		"blanks in between":   {`{"list":[`, " "},
		"a text":              {`{"list":["`, "a"},
		"escapes":             {`{"list":["`, `\u0061`},
		"texts":               {`{"list":["a"`, `,"a"`},
		"empty texts":         {`{"list":[""`, `,""`},
		"a number":            {`{"root":`, "1"},
		"a fraction":          {`{"root":1.`, "1"},
		"depth":               {`{"root":`, "["},
		"depth of objects":    {`{"root":`, `{"a":`},
		"depth of a list":     {`{"list":`, "["},
		"a key":               {`{"`, "a"},
		"keys":                {`{"root":1`, `,"root":1`},
		"objects":             {`{}`, `{}`},
		"blanks at the end":   {`{}`, " "},
		"a list in the value": {`{"root":[1`, ",1"},
	} {
		r := &counted{r: io.MultiReader(strings.NewReader(c.begin), endless(c.more))}
		_, _, err := readObject(r)
		if err == nil || r.n > 16<<10 {
			t.Errorf("%s: %d bytes were read, %v", name, r.n, err)
		}
	}
}

// FuzzObject: what is read as it comes is what encoding/json reads of the whole, and nothing else is taken.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"root":3,"list":["a","b"]}`, `{"list":[]}`, `{"root":1e3}`, `{"LIST":["a"]}`, `{"root":null}`, `{"list":["\ud800"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, list, err := readObject(bytes.NewReader(b))
		again, list2, err2 := readObject(iotest.HalfReader(bytes.NewReader(b)))
		if (err == nil) != (err2 == nil) || err == nil && (root != again || strings.Join(list, "\n") != strings.Join(list2, "\n")) {
			t.Fatalf("%q read in parts: %v and %v", b, err, err2)
		}
		if errors.Is(err, errTooLong) && len(b) < 1000 {
			t.Fatalf("%q is too long", b)
		}
		if err != nil {
			return
		}
		var whole struct {
			Root int64    `json:"root"`
			List []string `json:"list"`
		}
		if err := json.Unmarshal(b, &whole); err != nil || whole.Root != root || strings.Join(whole.List, "\n") != strings.Join(list, "\n") {
			t.Fatalf("%q: got %d %q, encoding/json says %d %q, %v", b, root, list, whole.Root, whole.List, err)
		}
	})
}
