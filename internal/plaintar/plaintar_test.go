package plaintar_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/plaintar"
)

// raw makes a header block, valid or not.
func raw(name string, kind byte, size int64, body string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 0))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum(b)
	for len(body)%512 != 0 {
		body += "\x00"
	}
	return append(b, body...)
}

func sum(b []byte) {
	copy(b[148:156], "        ")
	n := 0
	for _, c := range b[:512] {
		n += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", n))
}

func pax(records ...string) []byte {
	body := ""
	for _, r := range records {
		n := len(r) + 2
		for len(fmt.Sprintf("%d %s\n", n, r)) != n {
			n++
		}
		body += fmt.Sprintf("%d %s\n", n, r)
	}
	return raw("PaxHeaders/x", 'x', int64(len(body)), body)
}

// oldSparse makes a sparse file of the old GNU format: 1 TiB from one byte.
func oldSparse() []byte {
	b := raw("hole", 'S', 1, "x")
	copy(b[257:], "ustar  \x00")
	copy(b[386:], fmt.Sprintf("%011o\x00%011o\x00", int64(1<<32), 1)) // the position of its byte
	copy(b[483:], fmt.Sprintf("%011o\x00", int64(1<<32+1)))
	sum(b)
	return b
}

func all(b []byte, l plaintar.Limits) (names []string, n int64, err error) {
	r := plaintar.NewReader(bytes.NewReader(b), l)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, n, nil
		}
		if err != nil {
			return names, n, err
		}
		names = append(names, h.Name)
		m, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		if n += m; err != nil {
			return names, n, err
		}
	}
}

func TestRegularFiles(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	long := strings.Repeat("long/", 150) + "é"
	for _, name := range []string{"a", long} {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: 3, Mode: 0o644, Format: tar.FormatPAX}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "abc"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	names, n, err := all(b.Bytes(), plaintar.Limits{Files: 2, Bytes: 6})
	if err != nil || n != 6 || len(names) != 2 || names[1] != long {
		t.Fatalf("%q, %d bytes, %v", names, n, err)
	}
	for _, l := range []plaintar.Limits{{Files: 1, Bytes: 6}, {Files: 2, Bytes: 5}} {
		if _, _, err := all(b.Bytes(), l); fault.KindOf(err) != fault.Unverified {
			t.Errorf("within %+v: %v", l, err)
		}
	}
}

// TestRefused: everything that expands a few bytes into many, or is not a regular file.
func TestRefused(t *testing.T) {
	end := make([]byte, 1024)
	sparse01 := pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=hole", "GNU.sparse.size=1073741824", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,1")
	for name, b := range map[string][]byte{
		"PAX sparse 0.0": append(pax("GNU.sparse.size=1073741824", "GNU.sparse.numblocks=1", "GNU.sparse.offset=0", "GNU.sparse.numbytes=1"), raw("f", '0', 1, "x")...),
		"PAX sparse 0.1": append(sparse01, raw("f", '0', 1, "x")...),
		"PAX sparse 1.0": append(pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=hole", "GNU.sparse.realsize=1073741824"),
			raw("f", '0', 513, "1\n0\n1\n"+strings.Repeat("\x00", 506)+"x")...),
		"old GNU sparse":         oldSparse(),
		"hard link":              raw("f", '1', 0, ""),
		"symbolic link":          raw("f", '2', 0, ""),
		"character device":       raw("f", '3', 0, ""),
		"block device":           raw("f", '4', 0, ""),
		"folder":                 raw("f/", '5', 0, ""),
		"pipe":                   raw("f", '6', 0, ""),
		"contiguous file":        raw("f", '7', 1, "x"),
		"global header":          append(raw("g", 'g', 13, "13 path=abcd\n"), raw("f", '0', 1, "x")...),
		"extended attribute":     append(pax("SCHILY.xattr.user.a=b"), raw("f", '0', 1, "x")...),
		"owner":                  append(pax("uname=root"), raw("f", '0', 1, "x")...),
		"header that never ends": append(bytes.Repeat(pax("path=f"), 100), raw("f", '0', 1, "x")...),
		"header of 1 MiB":        append(pax("path="+strings.Repeat("a", 1<<20-100)), raw("f", '0', 1, "x")...),
		"long name of 100 KiB":   append(raw("././@LongLink", 'L', 100<<10, strings.Repeat("a", 100<<10)), raw("f", '0', 1, "x")...),
		"sizes that overflow":    append(pax("size=9223372036854775807"), raw("f", '0', 1, "x")...),
		"negative size":          append(pax("size=-1"), raw("f", '0', 1, "x")...),
		"shorter than stated":    raw("f", '0', 6000, "x"),
		"checksum":               bytes.Replace(raw("f", '0', 1, "x"), []byte("f"), []byte("g"), 1),
	} {
		_, n, err := all(append(b, end...), plaintar.Limits{Files: 10, Bytes: 1 << 40})
		if fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if n > 2048 {
			t.Errorf("%s yielded %d bytes", name, n)
		}
	}
}

// TestSource: an error of the disk is not reported as the tar's fault.
func TestSource(t *testing.T) {
	broken := errors.New("the disk is broken")
	r := plaintar.NewReader(io.MultiReader(bytes.NewReader(raw("f", '0', 600, "x")), errReader{broken}), plaintar.Limits{Files: 1, Bytes: 1000})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// FuzzReader: no input yields more bytes than it has.
func FuzzReader(f *testing.F) {
	end := make([]byte, 1024)
	f.Add(append(raw("f", '0', 3, "abc"), end...))
	f.Add(append(append(pax("path=é", "size=3"), raw("f", '0', 3, "abc")...), end...))
	f.Add(append(append(pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.size=1000", "GNU.sparse.map=0,1"), raw("f", '0', 1, "x")...), end...))
	f.Add(append(oldSparse(), end...))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, n, _ := all(b, plaintar.Limits{Files: 10, Bytes: 1 << 20})
		if n > int64(len(b)) || len(names) > 10 {
			t.Fatalf("%d bytes yielded %d bytes in %d files", len(b), n, len(names))
		}
	})
}
