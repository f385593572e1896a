package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sort"
	"sync/atomic"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // registers the algorithm
	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// algorithm is the FastCDC variant of version 1 of the index.
const algorithm = "fastcdc-v1.0.0"

// AverageFor returns the average chunk size for content of size bytes: the smallest that does not give too many chunks.
func AverageFor(size int64) int {
	n := int64(leastAverage)
	for n < mostAverage && size/n > aimedChunks {
		n *= 2
	}
	return int(n)
}

// Cutter cuts files into chunks of an average size.
type Cutter struct {
	average int
	workers int
	segment int64
}

// NewCutter makes a Cutter that uses the given number of cores; 0: all.
func NewCutter(average, workers int) (*Cutter, error) {
	if !validAverage(int64(average)) {
		return nil, fmt.Errorf("chunks of %d bytes: want a power of two from %d to %d", average, leastAverage, mostAverage)
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &Cutter{average, workers, max(segment, int64(4*mostShare*average))}, nil
}

// File cuts the first size bytes of r. It returns io.ErrUnexpectedEOF if r is shorter, and other read errors as they are.
func (c *Cutter) File(ctx context.Context, r io.ReaderAt, size int64) ([]Chunk, error) {
	parts := make([][]placed, (size+c.segment-1)/c.segment)
	var next atomic.Int64
	group, running := errgroup.WithContext(ctx)
	for range min(c.workers, len(parts)) {
		group.Go(panics.Caught(func() error {
			buf := make([]byte, buffered*mostShare*c.average)
			for {
				i := next.Add(1) - 1
				if i >= int64(len(parts)) {
					return nil
				}
				var err error
				if parts[i], err = c.run(running, r, size, i*c.segment, (i+1)*c.segment, buf); err != nil {
					return err
				}
			}
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.join(ctx, r, size, parts)
}

// placed is a chunk and its offset in the file.
type placed struct {
	at int64
	Chunk
}

// join merges parts that were cut from arbitrary starting points into the result of cutting from the beginning. Each cut
// depends only on the one before it, so two sequences of cuts are identical from the first cut that they share.
func (c *Cutter) join(ctx context.Context, r io.ReaderAt, size int64, parts [][]placed) ([]Chunk, error) {
	var out []Chunk
	pos := int64(0)
	var buf []byte
	for i, part := range parts {
		for end := min(int64(i+1)*c.segment, size); pos < end; {
			k := sort.Search(len(part), func(k int) bool { return part[k].at >= pos })
			if k < len(part) && part[k].at == pos {
				for _, p := range part[k:] {
					out = append(out, p.Chunk)
					pos += int64(p.Length)
				}
				break
			}
			if buf == nil {
				buf = make([]byte, mostShare*c.average)
			}
			one, err := c.run(ctx, r, size, pos, pos+1, buf)
			if err != nil {
				return nil, err
			}
			out = append(out, one[0].Chunk)
			pos += int64(one[0].Length)
		}
		parts[i] = nil
	}
	return out, nil
}

// run cuts from begin until a chunk ends at or after end, or at size.
func (c *Cutter) run(ctx context.Context, r io.ReaderAt, size, begin, end int64, buf []byte) ([]placed, error) {
	from := &exactReader{r: io.NewSectionReader(r, begin, size-begin), left: size - begin}
	cut, err := chunkers.NewChunkerBuffer(algorithm, from, &chunkers.ChunkerOpts{
		MinSize: c.average / leastShare, NormalSize: c.average, MaxSize: mostShare * c.average,
	}, buf)
	if err != nil {
		return nil, fmt.Errorf("cut into chunks: %w", err)
	}
	out := make([]placed, 0, (end-begin)/int64(c.average)+1)
	for pos := begin; pos < min(end, size); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := cut.Next()
		if from.err != nil { // the library treats an error like the end of the file
			return nil, from.err
		}
		if err != nil && !errors.Is(err, io.EOF) || len(b) == 0 {
			return nil, fmt.Errorf("cut into chunks: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		out = append(out, placed{pos, Chunk{int32(len(b)), SumOf(b)}})
		pos += int64(len(b))
	}
	return out, nil
}

// exactReader expects the given number of bytes, and remembers an error.
type exactReader struct {
	r    io.Reader
	left int64
	err  error
}

func (w *exactReader) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	w.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && w.left > 0:
		w.err = io.ErrUnexpectedEOF
	case err != nil && !errors.Is(err, io.EOF):
		w.err = err
	}
	return n, err
}
