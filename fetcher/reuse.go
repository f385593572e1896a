package fetcher

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/content"
)

// Reuse says where bytes of a torrent may be on disk already.
type Reuse struct {
	Places []string // files and folders, absolute, the likeliest first; one that is not there is passed over
	Except []string // files and folders, absolute, that are passed over where they lie below a place

	Sums   [][32]byte   // SHA-256 of each file in the torrent's order; none: not known. A hint, as the chunks are
	Chunks *chunk.Index // of the torrent; nil: none

	Progress func(done, total int64) // bytes read, never falling, one call at a time; may be nil

	bounds bounds
}

// bounds are limits.go's, but for tests.
type bounds struct {
	sources int   // 0: maxSources
	scan    int64 // 0: by the torrent's size
	whole   int64 // 0: wholePiece
}

// Reuse takes from other files on disk what of the torrent is in them: the same file under any name, the same bytes at the
// same place of a file of that name, and, with chunks, the same bytes anywhere. Every piece is hashed as it was taken before
// it counts, so a file that changes meanwhile, or a hint that is wrong, costs time and nothing else. Files are copied by
// reference where the file system can, never linked. It returns how many bytes of wanted files it has proven.
//
// It comes after Resume and before the engine. What is proven stays if ctx ends. Errors are those of the staging folder, and
// of an index that is not this torrent's.
func (s *Stage) Reuse(ctx context.Context, o Reuse) (bytes int64, err error) {
	if o.Chunks != nil {
		if err := o.Chunks.Fits(s.t); err != nil {
			return 0, err
		}
	}
	r := &reuser{s: s, o: o, judge: newJudge(s.t, len(s.mem.state)), view: &view{s: s, layout: s.plan.layout}}
	before := r.todo()
	if len(before) == 0 {
		return 0, nil
	}
	defer r.close()
	if err := r.look(ctx); err != nil || len(r.sources) == 0 {
		return 0, err
	}
	err = r.run(ctx, before)
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range before {
		if m.state[i].complete {
			bytes += s.plan.wantedIn(i)
		}
	}
	return bytes, err
}

// reuser is one Reuse.
type reuser struct {
	s     *Stage
	o     Reuse
	judge *judge
	view  *view

	sources []source
	except  map[string]bool // Except, through symlinks
	roots   []*os.Root
	open    *handles // of sources
	listed  shelf

	near   [][]int32      // per file: sources that may have bytes of it at the same place, the likeliest first
	exact  []int32        // per file: the source that has all of it; -1: none is known
	cloned map[int32]bool // files that are copies by reference of what comes first for them
	misses [][]int32      // per file and source of near: pieces in a row that were not right

	chunks *found // what the chunks are about; nil without

	mu          sync.Mutex
	done, total int64 // of the progress
}

// todo is the pieces that are needed and not proven, but those that cannot be judged before peers are asked.
func (r *reuser) todo() []int {
	var list []int
	need := r.s.plan.needed()
	m := &r.s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, n := range need {
		if n && !m.state[i].complete && r.judge.knows(i) {
			list = append(list, i)
		}
	}
	return list
}

// run goes from what is cheap to what is not: copies by reference, the same place, any place.
func (r *reuser) run(ctx context.Context, todo []int) error {
	if err := r.match(ctx, todo); err != nil {
		return err
	}
	for _, i := range todo {
		r.total += r.view.pieceLength(i)
	}
	if r.o.Chunks != nil {
		_, bytes := r.order(todo)
		r.total += bytes
	}
	tried, err := r.clone(ctx, todo)
	if err != nil {
		return err
	}
	if err := r.assemble(ctx, r.todo(), func(i int, buf *pieceBuffer) (bool, error) {
		return r.fromNear(i, tried[i], buf)
	}); err != nil {
		return err
	}
	if todo = r.todo(); r.o.Chunks == nil || len(todo) == 0 {
		r.advance(r.total)
		return nil
	}
	if err := r.scan(ctx, todo); err != nil {
		return err
	}
	r.advance(r.total)
	return r.assemble(ctx, todo, func(i int, buf *pieceBuffer) (bool, error) {
		return r.take(i, buf, r.fromChunks)
	})
}

// advance tells that so many bytes more were read.
func (r *reuser) advance(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done = min(r.done+n, r.total); r.o.Progress != nil {
		r.o.Progress(r.done, r.total)
	}
}

// assemble has try look for pieces on several cores, as many as the memory for whole pieces allows.
func (r *reuser) assemble(ctx context.Context, todo []int, try func(piece int, buf *pieceBuffer) (bool, error)) error {
	length := min(r.s.t.PieceLength, cmp.Or(r.o.bounds.whole, wholePiece))
	workers := max(1, min(int64(runtime.GOMAXPROCS(0)), gatherLimit/length))
	return inTurn(ctx, int(workers), len(todo), func() func(context.Context, int) error {
		buf := &pieceBuffer{b: make([]byte, length)}
		return func(_ context.Context, k int) error {
			i := todo[k]
			right, err := try(i, buf)
			if err != nil {
				return diskError(fmt.Sprintf("write into %q", r.s.root.Name()), err)
			}
			if right {
				r.s.found(i)
			}
			r.advance(r.view.pieceLength(i))
			return nil
		}
	})
}

// files are the files that a piece has bytes of.
func (r *reuser) files(piece int) []content.Extent {
	start := int64(piece) * r.s.t.PieceLength
	return r.s.plan.layout.Extents(start, start+r.s.t.PieceLength)
}

func (r *reuser) close() {
	if r.open != nil {
		_ = r.open.close() // they were read from alone
	}
	for _, root := range r.roots {
		_ = root.Close()
	}
}
