package groupsync

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errTooLong is a value, or what stands between two, that takes more than it may.
var errTooLong = errors.New("longer than it may be")

// gauge lets a decoder read as much as the next value may take.
type gauge struct {
	r    io.Reader
	left int64
}

func (g *gauge) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errTooLong
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	return n, err
}

// object reads a JSON object as it comes, with no more of it in memory than one value of at most longest bytes. Other fields
// than those that are wanted, a field that is there twice, and anything behind the object are refused.
type object struct {
	longest int64
	values  map[string]any                // pointers to what single values are put into
	lists   map[string]func(string) error // called for each text of a list, in order
}

func (o object) read(r io.Reader) error {
	g := &gauge{r: r}
	dec := json.NewDecoder(g)
	next := func() (json.Token, error) {
		g.left = o.longest
		return dec.Token()
	}
	if t, err := next(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("no object"), err)
	}
	seen := map[string]bool{}
	for {
		t, err := next()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			break // the only other token there is the end
		}
		if seen[name] {
			return fmt.Errorf("%.50q is there twice", name)
		}
		seen[name] = true
		if err := o.field(name, dec, g); err != nil {
			return err
		}
	}
	if _, err := next(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("something follows the object"), err)
	}
	return nil
}

func (o object) field(name string, dec *json.Decoder, g *gauge) error {
	g.left = o.longest
	if v, ok := o.values[name]; ok {
		return dec.Decode(v)
	}
	each, ok := o.lists[name]
	if !ok {
		return fmt.Errorf("the field %.50q is unknown", name)
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(fmt.Errorf("%q is no list", name), err)
	}
	for {
		g.left = o.longest
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case string:
			if err := each(t); err != nil {
				return err
			}
		case json.Delim:
			if t == ']' {
				return nil
			}
			return fmt.Errorf("%q holds other than texts", name)
		default:
			return fmt.Errorf("%q holds other than texts", name)
		}
	}
}
