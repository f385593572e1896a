package content_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/p2pshare/p2pshare/internal/content"
)

var formats = []string{"v1", "hybrid", "v2"}

// Every read of every view gives what a plain concatenation gives.
func TestLayoutReadAt(t *testing.T) {
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			files := sample()
			m := torrentOf(t, format, files)
			views := map[string]int64{"as it is": m.Info.MetaVersion}
			if format == "hybrid" {
				views["v1 view"] = 0
			}
			for name, version := range views {
				info := *m.Info
				info.MetaVersion = version
				l, err := content.LayoutOf(m, &info)
				if err != nil {
					t.Fatal(err)
				}
				if l.Pieces() != m.Pieces || l.Pieces() != info.NumPieces() {
					t.Errorf("%s: got %d pieces, want %d, the engine says %d", name, l.Pieces(), m.Pieces, info.NumPieces())
				}
				for p := range l.Pieces() {
					if got, want := l.PieceEnd(p)-int64(p)*l.PieceLength, info.Piece(p).Length(); got != want {
						t.Errorf("%s: piece %d: got %d bytes, the engine says %d", name, p, got, want)
					}
				}
				testReads(t, l, files)
			}
		})
	}
}

func testReads(t *testing.T, l *content.Layout, files []file) {
	t.Helper()
	want := space(t, l, files)
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		piece := random.IntN(l.Pieces())
		start, end := int64(piece)*l.PieceLength, l.PieceEnd(piece)
		off := start + random.Int64N(end-start)
		p := bytes.Repeat([]byte{0xee}, 1+random.IntN(int(end-off)))
		n, err := l.ReadAt(p, off, func(file int, p []byte, off int64) error {
			if copy(p, files[file].data[off:]) != len(p) {
				t.Fatalf("read of %d bytes at %d of file %d, which has %d", len(p), off, file, len(files[file].data))
			}
			return nil
		})
		if n != len(p) || err != nil {
			t.Fatalf("read %d at %d: got %d, %v", len(p), off, n, err)
		}
		if !bytes.Equal(p, want[off:off+int64(n)]) {
			t.Fatalf("read %d at %d: wrong bytes", len(p), off)
		}
	}
}

func TestLayoutReadAtEnds(t *testing.T) {
	l, err := content.NewLayout(16, []content.Extent{{File: 0, Offset: 0, Length: 10}, {File: 1, Offset: 16, Length: 4}})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	tests := []struct {
		name   string
		off, n int64
		read   int
		err    error
	}{
		{"up to a gap", 4, 6, 6, nil},
		{"into a gap", 4, 8, 6, io.EOF},
		{"in a gap", 12, 2, 0, io.EOF},
		{"over a gap", 8, 12, 2, io.EOF},
		{"past the end", 18, 8, 2, io.EOF},
		{"beyond the end", 20, 1, 0, io.EOF},
		{"far beyond the end", 1 << 40, 1, 0, io.EOF},
		{"before the start", -1, 1, 0, io.EOF},
		{"a file that fails", 0, 5, 0, broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n, err := l.ReadAt(make([]byte, test.n), test.off, func(int, []byte, int64) error {
				if test.err == broken {
					return broken
				}
				return nil
			})
			if n != test.read || !errors.Is(err, test.err) {
				t.Errorf("got %d, %v, want %d, %v", n, err, test.read, test.err)
			}
		})
	}
}

func TestNewLayoutRefuses(t *testing.T) {
	tests := []struct {
		name        string
		pieceLength int64
		extents     []content.Extent
	}{
		{"no piece length", 0, nil},
		{"an empty extent", 16, []content.Extent{{Length: 0}}},
		{"extents that overlap", 16, []content.Extent{{Length: 10}, {Offset: 9, Length: 1}}},
		{"extents out of order", 16, []content.Extent{{Offset: 20, Length: 10}, {Offset: 0, Length: 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := content.NewLayout(test.pieceLength, test.extents); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestLayoutOfRefusesAnotherInfo(t *testing.T) {
	m := torrentOf(t, "v1", sample())
	other := torrentOf(t, "v1", []file{{"a/small", data(101, 1)}})
	if _, err := content.LayoutOf(m, other.Info); err == nil {
		t.Error("got no error for the info of another torrent")
	}
}
