package fetcher

import (
	"bytes"
	"crypto/sha1"
	"io"

	"github.com/anacrolix/torrent/merkle"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// judge knows what the pieces of a torrent are to be.
type judge struct {
	t     *metafile.Torrent
	roots [][]byte // version 2 alone: per piece its hash, nil where it is not known (a magnet)
	small []bool   // version 2 alone: per piece, whether it is a whole file
}

func newJudge(t *metafile.Torrent, pieces int) *judge {
	j := &judge{t: t}
	if t.V1 != nil {
		return j
	}
	j.roots, j.small = make([][]byte, pieces), make([]bool, pieces)
	for i := range t.Files {
		f := &t.Files[i]
		begin, end := t.PieceRange(f)
		if begin == end {
			continue
		}
		if f.Length <= t.PieceLength {
			j.roots[begin], j.small[begin] = f.Root[:], true
			continue
		}
		layer := t.Meta.PieceLayers[string(f.Root[:])]
		for k := 0; k < end-begin && len(layer) >= 32*(k+1); k++ {
			j.roots[begin+k] = []byte(layer[32*k : 32*(k+1)])
		}
	}
	return j
}

// knows reports whether a piece can be judged.
func (j *judge) knows(piece int) bool { return j.roots == nil || j.roots[piece] != nil }

// right reports whether the bytes that read writes are the piece's.
func (j *judge) right(piece int, read func(io.Writer) error) (bool, error) {
	if j.roots == nil {
		h := sha1.New()
		if err := read(h); err != nil {
			return false, err
		}
		return bytes.Equal(h.Sum(nil), j.t.Info.Pieces[20*piece:20*piece+20]), nil
	}
	h := merkle.NewHash()
	if err := read(h); err != nil {
		return false, err
	}
	var sum []byte
	if j.small[piece] {
		sum = h.Sum(nil)
	} else {
		// A piece of a longer file is as deep a tree as any other (BEP 52).
		sum = h.SumMinLength(nil, int(j.t.PieceLength))
	}
	return bytes.Equal(sum, j.roots[piece]), nil
}
