package fetcher

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"runtime"

	"github.com/anacrolix/torrent/merkle"
)

// identity is what names the bytes of a file: its SHA-256, or its root (BEP 52).
type identity struct {
	root bool
	sum  [32]byte
}

// identityOf is what is known of a file.
func (r *reuser) identityOf(file int) (identity, bool) {
	f := &r.s.t.Files[file]
	switch {
	case len(r.o.Sums) == len(r.s.t.Files):
		return identity{false, r.o.Sums[file]}, true
	case f.Root != nil:
		return identity{true, *f.Root}, true
	}
	return identity{}, false
}

// identify finds files that have another name by what names their bytes, among those of their size. Where the file at
// the same place has the size too, the pieces tell soon enough.
func (r *reuser) identify(ctx context.Context, wanted []bool) error {
	type job struct {
		source int32
		root   bool
	}
	var jobs []job
	planned := map[job]bool{}
	budget := r.scanLimit()
	asks := func(i int) (identity, bool) {
		if !wanted[i] || r.exact[i] >= 0 || len(r.near[i]) > 0 && r.samePlace(i, r.near[i][0]) {
			return identity{}, false
		}
		return r.identityOf(i)
	}
	for i, f := range r.s.t.Files {
		id, ok := asks(i)
		if !ok {
			continue
		}
		same := r.listed.bySize[f.Length]
		for _, k := range same[:min(len(same), maxAlike)] {
			j := job{k, id.root}
			if planned[j] || budget < f.Length {
				continue
			}
			planned[j] = true
			budget -= f.Length
			jobs = append(jobs, j)
		}
	}
	sums := make([][32]byte, len(jobs))
	good := make([]bool, len(jobs))
	err := inTurn(ctx, runtime.GOMAXPROCS(0), len(jobs), func() func(context.Context, int) error {
		buf := make([]byte, readChunk)
		return func(ctx context.Context, k int) error {
			var err error
			sums[k], err = r.sumOf(ctx, jobs[k].source, jobs[k].root, buf)
			good[k] = err == nil
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	by := map[identity]int32{}
	for k, j := range jobs {
		if good[k] {
			by[identity{j.root, sums[k]}] = j.source
		}
	}
	for i := range r.s.t.Files {
		if id, ok := asks(i); ok {
			if src, there := by[id]; there {
				r.exact[i] = src
			}
		}
	}
	return nil
}

func (r *reuser) sumOf(ctx context.Context, i int32, root bool, buf []byte) (sum [32]byte, err error) {
	f, err := r.open.get(int(i), false)
	if err != nil {
		return sum, err
	}
	defer r.open.put(f)
	var h hash.Hash = sha256.New()
	if root {
		h = merkle.NewHash()
	}
	for off, size := int64(0), r.sources[i].size; off < size; {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err != nil {
			if err == io.EOF {
				err = errShort
			}
			return sum, err
		}
		h.Write(buf[:n])
		off += int64(n)
	}
	return [32]byte(h.Sum(nil)), nil
}
