package seeder

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Sum is the SHA-256 of a file.
type Sum struct {
	Path   string // slash-separated: below the torrent's folder, or the name of the single file
	SHA256 [32]byte
}

// WriteSums writes sums in the format of `sha256sum --check`. For a folder the file belongs inside it (cd
// release && sha256sum -c), for a single file next to it. Names with a backslash, line feed or carriage return
// are escaped as sha256sum does, on a line that starts with a backslash.
func WriteSums(w io.Writer, sums []Sum) error {
	b := bufio.NewWriter(w)
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	for _, s := range sums {
		name, mark := escape.Replace(s.Path), ""
		if name != s.Path {
			mark = `\`
		}
		fmt.Fprintf(b, "%s%x  %s\n", mark, s.SHA256, name)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write the sums: %w", err)
	}
	return nil
}

// fileSums reads every file from start to end, several in parallel. It runs at the same time as the hashing of
// the pieces, in the same order, so that mostly only one of the two reads from the disk.
func (p *plan) fileSums(ctx context.Context, workers int, progress func(int64)) ([]Sum, error) {
	root, err := os.OpenRoot(p.tree.root)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", p.tree.root, plain(err))
	}
	defer root.Close()
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	sums := make([]Sum, len(p.entries))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(workers, len(sums)) {
		group.Go(panics.Caught(func() error {
			buf := make([]byte, sumRead)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sums) {
					return nil
				}
				e := p.entries[i]
				sum, err := fileSum(ctx, root, e, buf, progress)
				if err != nil {
					return hashError(fmt.Errorf("hash %q: %w", path.Join(p.tree.root, e.disk), err))
				}
				name := path.Join(e.path...)
				if !p.tree.dir {
					name = p.name
				}
				sums[i] = Sum{Path: name, SHA256: sum}
			}
		}))
	}
	return sums, group.Wait()
}

func fileSum(ctx context.Context, root *os.Root, e entry, buf []byte, progress func(int64)) (sum [32]byte, err error) {
	f, fi, err := content.OpenRegular(root, e.disk)
	if err != nil {
		return sum, plain(err)
	}
	defer f.Close()
	h := sha256.New()
	for read := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		read += int64(n)
		progress(int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, plain(err)
		}
		if read > e.stamp.Size {
			return sum, errors.New("it grew while it was being read")
		}
	}
	after, err := f.Stat()
	if err != nil {
		return sum, plain(err)
	}
	if !content.StampOf(f, fi).Same(e.stamp) || !content.StampOf(f, after).Same(e.stamp) {
		return sum, errors.New("it changed while it was being read")
	}
	h.Sum(sum[:0])
	return sum, nil
}
