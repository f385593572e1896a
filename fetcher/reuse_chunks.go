package fetcher

import (
	"context"
	"io"
	"math"
	"sort"

	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/content"
)

// found is where chunks are.
type found struct {
	begin [][]int64           // per file that is looked for: where each chunk begins
	at    map[chunk.Sum]place // what is looked for
	left  int                 // of at: how many are nowhere yet
}

// place is a place in a source; source is -1 if there is none.
type place struct {
	source int32
	at     int64
}

// order lists the sources to be searched for chunks, those that look like a file that is wanted first, and how many
// bytes of them are read.
func (r *reuser) order(todo []int) (order []int32, bytes int64) {
	seen := make([]bool, len(r.sources))
	put := func(i int32) {
		if !seen[i] {
			seen[i] = true
			order = append(order, i)
			bytes += r.sources[i].size
		}
	}
	last := -1
	for _, i := range todo {
		for _, e := range r.files(i) {
			if e.File == content.Padding || e.File <= last {
				continue
			}
			last = e.File
			if x := r.exact[e.File]; x >= 0 {
				put(x)
			}
			for _, k := range r.alike(e.File) {
				put(k)
			}
		}
	}
	for i := range r.sources {
		put(int32(i))
	}
	return order, min(bytes, r.scanLimit())
}

// scanLimit bounds what is read in search of a torrent: a large folder has to have it in what is looked at first.
func (r *reuser) scanLimit() int64 {
	if r.o.bounds.scan > 0 {
		return r.o.bounds.scan
	}
	return min(r.s.t.Size, math.MaxInt64/scanShare-leastScan)*scanShare + leastScan
}

// scan cuts sources into chunks until all that are wanted are found, or the limit is reached.
func (r *reuser) scan(ctx context.Context, todo []int) error {
	order, _ := r.order(todo)
	cutter, err := chunk.NewCutter(r.o.Chunks.Average, 0)
	if err != nil {
		return err
	}
	r.chunks = r.seek(todo)
	limit := r.scanLimit()
	for _, i := range order {
		if limit <= 0 || r.chunks.left == 0 {
			return nil
		}
		n := min(r.sources[i].size, limit)
		limit -= n
		if err := r.scanOne(ctx, cutter, i, n); err != nil {
			return err
		}
	}
	return nil
}

// scanOne cuts one source, a window after the other, so that what is in memory is bounded.
func (r *reuser) scanOne(ctx context.Context, cutter *chunk.Cutter, i int32, size int64) error {
	h, err := r.open.get(int(i), false)
	if err != nil {
		return nil // gone, or another thing by now
	}
	defer r.open.put(h)
	for off := int64(0); off < size && r.chunks.left > 0; {
		n := min(size-off, scanWindow)
		chunks, err := cutter.File(ctx, io.NewSectionReader(h, off, n), n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return nil // it changed, or cannot be read: what was found in it counts once it is hashed
		}
		if off+n < size && len(chunks) > 1 {
			chunks = chunks[:len(chunks)-1] // cut off by the window, and the first of the next
		}
		before := off
		for _, c := range chunks {
			if p, wanted := r.chunks.at[c.Sum]; wanted && p.source < 0 {
				r.chunks.at[c.Sum] = place{i, off}
				r.chunks.left--
			}
			off += int64(c.Length)
		}
		r.advance(off - before)
	}
	return nil
}

// seek lists the chunks that have bytes of pieces.
func (r *reuser) seek(todo []int) *found {
	x := &found{begin: make([][]int64, len(r.s.t.Files)), at: map[chunk.Sum]place{}}
	for _, i := range todo {
		start := int64(i) * r.s.t.PieceLength
		end := start + r.s.t.PieceLength
		for _, e := range r.files(i) {
			if e.File == content.Padding || r.exact[e.File] >= 0 {
				continue
			}
			chunks := r.o.Chunks.Files[e.File].Chunks
			if x.begin[e.File] == nil {
				x.begin[e.File] = make([]int64, len(chunks))
				var at int64
				for k, c := range chunks {
					x.begin[e.File][k] = at
					at += int64(c.Length)
				}
			}
			lo, hi := max(e.Offset, start)-e.Offset, min(e.Offset+e.Length, end)-e.Offset
			for k := x.chunkAt(e.File, lo); k < len(chunks) && x.begin[e.File][k] < hi; k++ {
				x.at[chunks[k].Sum] = place{source: -1}
			}
		}
	}
	x.left = len(x.at)
	return x
}

// chunkAt is the chunk of a file that has the byte at off.
func (x *found) chunkAt(file int, off int64) int {
	begin := x.begin[file]
	return sort.Search(len(begin), func(k int) bool { return begin[k] > off }) - 1
}

// fromChunks picks where a chunk was found.
func (r *reuser) fromChunks(file int, off, length int64) (run, bool) {
	if x := r.exact[file]; x >= 0 {
		return run{x, off, length}, true
	}
	k := r.chunks.chunkAt(file, off)
	c := r.o.Chunks.Files[file].Chunks[k]
	p := r.chunks.at[c.Sum]
	if p.source < 0 {
		return run{}, false
	}
	in := off - r.chunks.begin[file][k]
	return run{p.source, p.at + in, min(length, int64(c.Length)-in)}, true
}
