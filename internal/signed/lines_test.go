package signed_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// endless repeats text for ever, and counts the bytes read.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	e.n += n
	return n, nil
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	text := "a\n\n" + long + "\nb\n"
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		var got []string
		for line, err := range signed.ReadLines(r) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if strings.Join(got, "|") != "a||"+long+"|b" {
			t.Errorf("%d lines", len(got))
		}
	}
	last := func(r io.Reader) (err error) {
		for _, e := range signed.ReadLines(r) {
			err = e
		}
		return err
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"no newline":  {strings.NewReader("a\nb"), signed.ErrMalformed},
		"a long line": {&endless{text: "x"}, signed.ErrTooLarge},
		"a long log":  {&endless{text: "xxxxxxxxx\n"}, signed.ErrTooLarge},
		"a bad disk":  {io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), broken},
	} {
		if err := last(c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if e, ok := c.r.(*endless); ok && e.n > signed.MaxLog+1<<20 {
			t.Errorf("%s: read %d bytes", name, e.n)
		}
	}
}

// FuzzReadLines: a stream is split into the same lines as bytes in memory.
func FuzzReadLines(f *testing.F) {
	f.Add([]byte("a\nb\n"))
	f.Add([]byte("\n\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, parts []byte
		for line := range signed.Lines(b) {
			whole = append(append(whole, line...), '\n')
		}
		for line, err := range signed.ReadLines(iotest.HalfReader(bytes.NewReader(b))) {
			if err != nil {
				break
			}
			parts = append(append(parts, line...), '\n')
		}
		if !bytes.Equal(whole, parts) {
			t.Fatalf("%q and %q", whole, parts)
		}
	})
}
