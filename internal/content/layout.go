package content

import (
	"fmt"
	"io"
	"iter"
	"sort"
	"strings"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Padding is the file index of an extent of zeros (BEP 47).
const Padding = -1

// Extent is a run of a torrent's piece space that one file fills, or zeros.
type Extent struct {
	File   int   // index, or Padding
	Offset int64 // in the piece space, in bytes
	Length int64 // bytes, more than 0
}

func (e Extent) end() int64 { return e.Offset + e.Length }

// Layout says which file fills which part of the piece space. A look-up takes a
// binary search, never a walk over the files. It is read-only once made.
type Layout struct {
	PieceLength int64

	extents []Extent
	first   []int32 // per piece: the first extent that reaches into it
	end     int64   // of the last extent
}

// NewLayout makes a layout of extents in ascending order that do not overlap. There may be gaps between
// them (the piece space of a v2 torrent, where every file begins at a piece).
func NewLayout(pieceLength int64, extents []Extent) (*Layout, error) {
	if pieceLength <= 0 {
		return nil, fmt.Errorf("piece length %d", pieceLength)
	}
	l := &Layout{PieceLength: pieceLength, extents: extents}
	for i, e := range extents {
		if e.Length <= 0 || e.Offset < l.end {
			return nil, fmt.Errorf("extent %d of the piece space: %d bytes at %d, after %d", i, e.Length, e.Offset, l.end)
		}
		l.end = e.end()
	}
	l.first = make([]int32, l.Pieces())
	i := 0
	for p := range l.first {
		for extents[i].end() <= int64(p)*pieceLength {
			i++
		}
		l.first[p] = int32(i)
	}
	return l, nil
}

// LayoutOf is the layout of an info as the engine sees it: a v2 view where its meta version is 2, else
// the v1 list with its pads. Its files are matched to t's by path.
func LayoutOf(t *metafile.Torrent, info *metainfo.Info) (*Layout, error) {
	return layoutOf(t, info.PieceLength, info.UpvertedFilesIter())
}

// layoutV1 is the v1 piece space of t, whatever else it has.
func layoutV1(t *metafile.Torrent) (*Layout, error) {
	return layoutOf(t, t.Info.PieceLength, t.Info.UpvertedV1Files())
}

// layoutV2 is the v2 piece space of t: every file at the start of a piece.
func layoutV2(t *metafile.Torrent) (*Layout, error) {
	var extents []Extent
	var off int64
	for i, f := range t.Files {
		if f.Length > 0 {
			extents = append(extents, Extent{File: i, Offset: off, Length: f.Length})
		}
		off += (f.Length + t.PieceLength - 1) / t.PieceLength * t.PieceLength
	}
	return NewLayout(t.PieceLength, extents)
}

func layoutOf(t *metafile.Torrent, pieceLength int64, files iter.Seq[metainfo.FileInfo]) (*Layout, error) {
	index := make(map[string]int, len(t.Files))
	for i, f := range t.Files {
		index[strings.Join(f.Path, "/")] = i
	}
	var extents []Extent
	for fi := range files {
		if fi.Length == 0 {
			continue
		}
		e := Extent{File: Padding, Offset: fi.TorrentOffset, Length: fi.Length}
		path := strings.Join(fi.BestPath(), "/")
		if !t.Dir {
			// The tree of a single file names it, the v1 info does not.
			path = ""
		}
		// A pad without a mark is one if its name says so and t has no such file.
		i, ok := index[path]
		if pad := strings.Contains(fi.Attr, "p") || !ok && metafile.IsPad(&fi); !pad {
			if !ok || t.Files[i].Length != fi.Length {
				return nil, fmt.Errorf("info of %q names a file %q of %d bytes that the torrent does not have", t.Name, path, fi.Length)
			}
			e.File = i
		}
		extents = append(extents, e)
	}
	return NewLayout(pieceLength, extents)
}

// Pieces is the number of pieces.
func (l *Layout) Pieces() int {
	return int((l.end + l.PieceLength - 1) / l.PieceLength)
}

// Extents are the extents that reach into the bytes from off to end.
func (l *Layout) Extents(off, end int64) []Extent {
	end = min(end, l.end)
	if off < 0 || off >= end {
		return nil
	}
	from := l.extents[l.first[off/l.PieceLength]:]
	from = from[sort.Search(len(from), func(i int) bool { return from[i].end() > off }):]
	return from[:sort.Search(len(from), func(i int) bool { return from[i].Offset >= end })]
}

// PieceEnd is where the bytes of a piece end, in the piece space: before the piece length where the rest
// is a gap.
func (l *Layout) PieceEnd(piece int) int64 {
	start := int64(piece) * l.PieceLength
	extents := l.Extents(start, start+l.PieceLength)
	return min(extents[len(extents)-1].end(), start+l.PieceLength)
}

// ReadAt fills p with the bytes of the piece space at off: zeros for pads, read for each run of a file.
// It stops at a gap and at the end, with io.EOF.
func (l *Layout) ReadAt(p []byte, off int64, read func(file int, p []byte, off int64) error) (int, error) {
	n := 0
	for _, e := range l.Extents(off, off+int64(len(p))) {
		at := off + int64(n)
		if e.Offset > at {
			break
		}
		part := p[n:min(int64(len(p)), int64(n)+e.end()-at)]
		if e.File == Padding {
			clear(part)
		} else if err := read(e.File, part, at-e.Offset); err != nil {
			return n, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
