package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Options of Make.
type Options struct {
	Workers  int                     // 0: all cores
	Progress func(done, total int64) // bytes, never decreasing, calls do not overlap; may be nil
}

// Make cuts the content of t at l, which must have stamps. If a file does not match its stamp before or after, the error
// names it.
func Make(ctx context.Context, t *metafile.Torrent, l content.Located, o Options) (*Index, error) {
	if err := l.Check(t); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(l.Root)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the content: %w", err)
	}
	defer root.Close()
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	m := maker{t: t, l: l, root: root, o: o, x: &Index{Info: t.InfoSHA256(), Average: AverageFor(t.Size), Files: make([]File, len(t.Files))}}
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	return m.x, l.Unchanged(ctx)
}

// maker is the state of one Make.
type maker struct {
	t    *metafile.Torrent
	l    content.Located
	root *os.Root
	o    Options
	x    *Index

	mu   sync.Mutex
	done int64
}

// run cuts large files one after the other on all cores, and the others in parallel.
func (m *maker) run(ctx context.Context) error {
	all, err := NewCutter(m.x.Average, m.o.Workers)
	if err != nil {
		return err
	}
	one, err := NewCutter(m.x.Average, 1)
	if err != nil {
		return err
	}
	var small []int
	for i, f := range m.t.Files {
		if f.Length <= 2*segment {
			small = append(small, i)
		} else if err := m.file(ctx, all, i); err != nil {
			return err
		}
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(m.o.Workers, len(small)) {
		group.Go(panics.Caught(func() error {
			for {
				k := int(next.Add(1)) - 1
				if k >= len(small) {
					return nil
				}
				if err := m.file(ctx, one, small[k]); err != nil {
					return err
				}
			}
		}))
	}
	return group.Wait()
}

func (m *maker) file(ctx context.Context, c *Cutter, i int) error {
	length := m.t.Files[i].Length
	m.x.Files[i].Length = length
	if length == 0 {
		return ctx.Err()
	}
	f, fi, err := content.OpenRegular(m.root, m.l.Paths[i])
	if err != nil {
		return fmt.Errorf("open %q: %w", m.l.File(i), err)
	}
	defer f.Close()
	if fi.Size() != length {
		return &content.ChangedError{Path: m.l.File(i), How: "changed while it was being read"}
	}
	chunks, err := c.File(ctx, f, length)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &content.ChangedError{Path: m.l.File(i), How: "became shorter while it was being read"}
	}
	if err != nil {
		return fmt.Errorf("cut %q: %w", m.l.File(i), err)
	}
	m.x.Files[i].Chunks = chunks
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += length
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.t.Size)
	}
	return nil
}
