package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// agreeOnFiles holds the files against the SHA-256s that were signed of them, before they are in their place: the pieces of
// a v1 torrent, and of a hybrid, are verified by SHA-1, of which two contents can be made that are the same. open opens a wanted file
// that has bytes by its place in the torrent.
func (f *fetch) agreeOnFiles(ctx context.Context, open func(int) (io.ReadCloser, error)) error {
	e := f.r.Entry
	if e == nil || e.Sums == "" {
		return nil
	}
	want := f.n.signedSums(e, len(f.meta.Files))
	if want == nil && f.plan.Part() {
		return nil // one hash of all the files says nothing of a part
	}
	got, err := f.fileSums(ctx, open)
	if err != nil {
		return err
	}
	for i, sum := range got {
		if want != nil && f.plan.Want()[i] && sum != want[i] {
			return f.otherFile(fmt.Sprintf("%q has the SHA-256 %v, and %v was signed", f.meta.FilePath(i), sum, want[i]))
		}
	}
	if want == nil && catalog.SumOfSums(got).String() != e.Sums {
		return f.otherFile("a file has another SHA-256 than was signed")
	}
	if !f.plan.Part() {
		f.sums = got
	}
	return nil
}

func (f *fetch) otherFile(what string) error {
	return fault.Hint(fault.New(fault.Unverified, "%q is what its torrent says, and not what %q signed: %s", f.name(), f.r.Entry.Account, what),
		"somebody has made two contents with the same SHA-1: do not use what was fetched, and tell who publishes it")
}

// signedSums are the SHA-256s of a signed entry's files, if a group of this home lists them.
func (n *Node) signedSums(e *SignedEntry, files int) []signed.Hash {
	s := n.groups.Load()
	if s == nil {
		return nil
	}
	for _, m := range s.list() {
		ix, err := m.Index()
		if err != nil {
			continue
		}
		for _, entry := range ix.Entries() {
			if entry.Torrent.String() != e.Torrent || entry.Sealed != "" {
				continue
			}
			full, _, err := m.Share(entry)
			if err == nil && len(full.Sums) == files && catalog.SumOfSums(full.Sums).String() == e.Sums {
				return full.Sums
			}
		}
	}
	return nil
}

// fileSums reads every wanted file, several at a time, and gives their SHA-256s in the torrent's order.
func (f *fetch) fileSums(ctx context.Context, open func(int) (io.ReadCloser, error)) ([]signed.Hash, error) {
	var (
		sums  = make([]signed.Hash, len(f.meta.Files))
		next  atomic.Int64
		total = f.plan.WantedBytes()
		h     = &hashing{on: f.on, phase: "checking", name: f.name()}
		mu    sync.Mutex
		done  int64
	)
	progress := func(n int64) {
		mu.Lock()
		done += n
		at := done
		mu.Unlock()
		h.progress(at, total)
	}
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(sums)) {
		group.Go(panics.Caught(func() error {
			buf := make([]byte, 256<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sums) {
					return nil
				}
				switch {
				case !f.plan.Want()[i]:
					continue
				case f.meta.Files[i].Length == 0: // a symlink too
					sums[i] = signed.HashOf(nil)
					continue
				}
				sum, err := sumOf(ctx, func() (io.ReadCloser, error) { return open(i) }, buf, progress)
				if err != nil {
					return fmt.Errorf("reading %q: %w", f.meta.FilePath(i), err)
				}
				sums[i] = sum
			}
		}))
	}
	return sums, group.Wait()
}

func sumOf(ctx context.Context, open func() (io.ReadCloser, error), buf []byte, progress func(int64)) (sum signed.Hash, err error) {
	r, err := open()
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		progress(int64(n))
		if err == io.EOF {
			return signed.Hash(h.Sum(nil)), nil
		}
		if err != nil {
			return sum, err
		}
	}
}

// openAt opens a file of content that is in its place.
func openAt(at *located, i int) (io.ReadCloser, error) {
	root, err := os.OpenRoot(at.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, _, err := content.OpenRegular(root, filepath.FromSlash(at.Paths[i]))
	return f, err
}
