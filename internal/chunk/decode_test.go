package chunk_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/fault"
)

const magic = "p2pshare chunks\n"

// raw encodes an index independently of Encode.
func raw(version, average, files uint32, body ...any) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), version)
	b = append(b, bytes.Repeat([]byte{9}, 32)...)
	for _, n := range []uint32{average, files} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, x := range body {
		switch x := x.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(x))
		case []byte:
			b = append(b, x...)
		}
	}
	return b
}

var sum = bytes.Repeat([]byte{7}, 16)

func TestDecode(t *testing.T) {
	b := raw(1, average, 3, 20000, 15000, sum, 5000, sum, 0, 1, 1, sum)
	x, err := chunk.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	s := chunk.Sum(sum)
	want := []chunk.File{{Length: 20000, Chunks: []chunk.Chunk{{15000, s}, {5000, s}}}, {}, {Length: 1, Chunks: []chunk.Chunk{{1, s}}}}
	if x.Info != [32]byte(bytes.Repeat([]byte{9}, 32)) || x.Average != average || !slices.EqualFunc(x.Files, want, func(a, b chunk.File) bool {
		return a.Length == b.Length && slices.Equal(a.Chunks, b.Chunks)
	}) {
		t.Errorf("got %+v, want %+v", x, want)
	}
	if got := x.Encode(); !bytes.Equal(got, b) {
		t.Errorf("encoded again: got %x, want %x", got, b)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":                 {nil, "not a chunk index"},
		"another file":            {bytes.Repeat([]byte("x"), 100), "not a chunk index"},
		"another version":         {raw(2, average, 0), "version 2"},
		"no average":              {raw(1, 0, 0), "chunks of 0"},
		"an odd average":          {raw(1, average+1, 0), "chunks of"},
		"too large an average":    {raw(1, 1<<31, 0), "chunks of"},
		"many files":              {raw(1, average, 100_001), "100001 files"},
		"more files than bytes":   {raw(1, average, 90_000), "90000 files"},
		"no file":                 {raw(1, average, 1), "cut off"},
		"cut in a chunk":          {raw(1, average, 1, 20000, 15000, sum[:9]), "cut off"},
		"cut between chunks":      {raw(1, average, 1, 20000, 15000, sum), "cut off"},
		"a chunk over the end":    {raw(1, average, 1, 20000, 20001, sum), "want at most 20000"},
		"too large a chunk":       {raw(1, average, 1, 100000, 65537, sum), "want at most 65536"},
		"a chunk of nothing":      {raw(1, average, 1, 20000, 0, sum), "a chunk of 0"},
		"a small chunk":           {raw(1, average, 1, 20000, 4095, sum, 15905, sum), "a chunk of 4095"},
		"a huge length":           {raw(1, average, 1, 1<<50+1), "want at most"},
		"not the shortest form":   {raw(1, average, 1, []byte{0x80, 0}), "malformed"},
		"a number without an end": {raw(1, average, 1, bytes.Repeat([]byte{0xff}, 11)), "malformed"},
		"bytes after it":          {raw(1, average, 1, 0, 0), "after the end"},
		"too large":               {append(raw(1, average, 0), make([]byte, chunk.MaxBytes)...), "larger than"},
		"many chunks":             {many(), "more than"},
	} {
		_, err := chunk.Decode(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// many returns an index with more chunks than allowed.
func many() []byte {
	const n = 1<<20 + 1
	b := raw(1, average, 1, n*4096)
	one := append(binary.AppendUvarint(nil, 4096), sum...)
	return append(b, bytes.Repeat(one, n)...)
}

func FuzzDecode(f *testing.F) {
	f.Add(raw(1, average, 3, 20000, 15000, sum, 5000, sum, 0, 1, 1, sum))
	f.Add(raw(1, average, 1, 20000, 15000, sum[:9]))
	f.Add(raw(1, average, 2, []byte{0x80, 0}))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := chunk.Decode(b)
		if err != nil {
			return
		}
		if got := x.Encode(); !bytes.Equal(got, b) {
			t.Errorf("got %x, want %x", got, b)
		}
		for _, f := range x.Files {
			var n int64
			for _, c := range f.Chunks {
				n += int64(c.Length)
			}
			if n != f.Length {
				t.Errorf("chunks of %d bytes in a file of %d", n, f.Length)
			}
		}
	})
}

func BenchmarkCut(b *testing.B) {
	data := noise(1, 128<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		cut(b, data, 0)
	}
}
