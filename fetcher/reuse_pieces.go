package fetcher

import (
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// pieceBuffer is the memory of one goroutine: a whole piece, or a part of one that is very large.
type pieceBuffer struct{ b []byte }

// run is bytes of a source.
type run struct {
	source int32
	at     int64
	length int64
}

// pick says where bytes of a file from off on may be; a run may be shorter than what is asked for. false: nowhere.
type pick func(file int, off, length int64) (run, bool)

// fromNear tries a piece from the same place of files that look like its own. tried says that the first are known to
// be wrong.
func (r *reuser) fromNear(piece int, tried bool, buf *pieceBuffer) (bool, error) {
	most := 0
	extents := r.files(piece)
	for _, e := range extents {
		if e.File == content.Padding {
			continue
		}
		n := len(r.near[e.File])
		if n == 0 {
			return false, nil
		}
		most = max(most, n)
	}
	first := 0
	if tried {
		first = 1
	}
	for k := first; k < most; k++ {
		if !r.worth(extents, k) {
			continue
		}
		right, err := r.take(piece, buf, func(file int, off, length int64) (run, bool) {
			near := r.near[file]
			return run{near[min(k, len(near)-1)], off, length}, true
		})
		if err != nil || right {
			r.count(extents, k, right)
			return right, err
		}
		r.count(extents, k, false)
	}
	return false, nil
}

// worth says whether the k-th sources of files may still have something: behind an insertion nothing is at its place.
func (r *reuser) worth(extents []content.Extent, k int) bool {
	for _, e := range extents {
		if e.File == content.Padding || k >= len(r.near[e.File]) {
			continue
		}
		if k == 0 && r.o.Chunks == nil {
			return true // the likeliest, and nothing else comes after it
		}
		if atomic.LoadInt32(&r.misses[e.File][k]) >= missesInARow {
			return false
		}
	}
	return true
}

func (r *reuser) count(extents []content.Extent, k int, right bool) {
	for _, e := range extents {
		if e.File == content.Padding || k >= len(r.near[e.File]) {
			continue
		}
		if right {
			atomic.StoreInt32(&r.misses[e.File][k], 0)
		} else {
			atomic.AddInt32(&r.misses[e.File][k], 1)
		}
	}
}

// take gathers a piece, and writes it if it is right. What is hashed is what is written: of a piece that fits the buffer the
// bytes in it, of a larger one those that pass by the second time.
func (r *reuser) take(piece int, buf *pieceBuffer, from pick) (bool, error) {
	length := r.view.pieceLength(piece)
	if length <= int64(len(buf.b)) {
		b := buf.b[:length]
		if !r.gather(piece, b, 0, from) {
			return false, nil
		}
		right, err := r.judge.right(piece, func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
		if err != nil || !right {
			return false, err
		}
		return true, r.s.writeOut(r.s.plan.layout, piece, b, 0)
	}
	whole := func(write bool) (bool, error) {
		there := true
		right, err := r.judge.right(piece, func(w io.Writer) error {
			for off := int64(0); off < length && there; off += int64(len(buf.b)) {
				b := buf.b[:min(int64(len(buf.b)), length-off)]
				if there = r.gather(piece, b, off, from); !there {
					break
				}
				if _, err := w.Write(b); err != nil {
					return err
				}
				if !write {
					continue
				}
				if err := r.s.writeOut(r.s.plan.layout, piece, b, off); err != nil {
					return err
				}
			}
			return nil
		})
		return right && there, err
	}
	if right, err := whole(false); err != nil || !right {
		return false, err
	}
	return whole(true)
}

// gather reads bytes of a piece from where they may be. false: they are not all there.
func (r *reuser) gather(piece int, b []byte, off int64, from pick) bool {
	start := int64(piece)*r.s.t.PieceLength + off
	end := start + int64(len(b))
	for _, e := range r.s.plan.layout.Extents(start, end) {
		lo, hi := max(e.Offset, start), min(e.Offset+e.Length, end)
		part := b[lo-start : hi-start]
		if e.File == content.Padding {
			clear(part)
			continue
		}
		for at := lo - e.Offset; len(part) > 0; {
			next, ok := from(e.File, at, int64(len(part)))
			if !ok || !r.read(next, part[:next.length]) {
				return false
			}
			at += next.length
			part = part[next.length:]
		}
	}
	return true
}

func (r *reuser) read(from run, b []byte) bool {
	if from.at+int64(len(b)) > r.sources[from.source].size {
		return false
	}
	h, err := r.open.get(int(from.source), false)
	if err != nil {
		return false // gone, or another thing by now
	}
	defer r.open.put(h)
	_, err = h.ReadAt(b, from.at)
	return err == nil
}

// inTurn does n things in order on several goroutines, each with what begin gives it.
func inTurn(ctx context.Context, workers, n int, begin func() func(ctx context.Context, k int) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(workers, n) {
		group.Go(panics.Caught(func() error {
			do := begin()
			for {
				k := int(next.Add(1)) - 1
				if k >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(ctx, k); err != nil {
					return err
				}
			}
		}))
	}
	return group.Wait()
}
