package content

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/anacrolix/torrent/merkle"
	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// PieceSums are the hashes of one piece.
type PieceSums struct {
	V1 [20]byte // SHA-1 of the piece, pads and all
	V2 [32]byte // root of the piece's hash tree (BEP 52): as long as the file, if that fits a piece
}

// Hashing reads content once, on all cores, and hashes its pieces.
type Hashing struct {
	Layout  *Layout
	Located Located // stamps, if there are any, must hold before and after the read
	V1, V2  bool    // which hashes; V2 needs a layout of files that begin at pieces
	Skip    []bool  // files not to be read, whose pieces get no sums; nil: none
	Workers int     // 0: all cores

	// Piece is given the sums of every piece that could be read. It is called from several goroutines,
	// once a piece.
	Piece func(piece int, sums PieceSums)
	// Broken is told of a file that could not be read, possibly more than once and from several
	// goroutines. It returns nil to go on without the pieces of that file, or the error to stop with.
	Broken func(file int, err error) error
	// Progress, if set, is told of bytes of files that were hashed or given up, but for those of Skip. It is called from several
	// goroutines.
	Progress func(n int64)
}

// Run hashes everything. It returns the first error of Broken, or ctx's.
func (h Hashing) Run(ctx context.Context) error {
	root, err := os.OpenRoot(h.Located.Root)
	if err != nil {
		return fmt.Errorf("open the folder of the content: %w", err)
	}
	defer root.Close()
	workers := h.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	jobs := h.jobs()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(workers, len(jobs)) {
		group.Go(panics.Caught(func() error {
			w := newHashWorker(&h, root)
			defer w.files.open.close()
			defer w.files.close()
			for {
				// Jobs are taken in order, so that all workers read close to each other.
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return w.files.release()
				}
				if h.idle(jobs[i]) {
					continue
				}
				if err := w.run(ctx, jobs[i]); err != nil {
					return err
				}
			}
		}))
	}
	return group.Wait()
}

// span is a run of pieces.
type span struct{ begin, end int }

func (h *Hashing) skips(file int) bool { return h.Skip != nil && h.Skip[file] }

// idle says that no file of a job is to be read.
func (h *Hashing) idle(job span) bool {
	idle := false
	for _, e := range h.Layout.Extents(int64(job.begin)*h.Layout.PieceLength, h.Layout.PieceEnd(job.end-1)) {
		if e.File == Padding {
			continue
		}
		if !h.skips(e.File) {
			return false
		}
		idle = true
	}
	return idle
}

// jobs cuts the pieces into runs of about jobSize bytes.
func (h *Hashing) jobs() []span {
	var jobs []span
	l := h.Layout
	var job span
	var size int64
	for p := range l.Pieces() {
		job.end = p + 1
		size += l.PieceEnd(p) - int64(p)*l.PieceLength
		if size >= jobSize || job.end-job.begin >= jobPieces || job.end == l.Pieces() {
			jobs = append(jobs, job)
			job, size = span{begin: p + 1}, 0
		}
	}
	return jobs
}

// hashWorker is what one goroutine needs to hash pieces.
type hashWorker struct {
	h      *Hashing
	files  *fileReader
	buf    []byte
	digest hash.Hash  // SHA-1 of the piece under way
	blocks [][32]byte // its leaf hashes (BEP 52)
	broken map[int]bool
}

func newHashWorker(h *Hashing, root *os.Root) *hashWorker {
	w := &hashWorker{h: h, buf: make([]byte, readSize), digest: sha1.New(), broken: map[int]bool{}}
	w.files = &fileReader{open: opener{root: root}, located: h.Located, index: -1, broken: func(file int, err error) error {
		w.broken[file] = true
		return h.Broken(file, err)
	}}
	return w
}

// run hashes the pieces of a job: many small ones a read, or one large one in several.
func (w *hashWorker) run(ctx context.Context, job span) error {
	l := w.h.Layout
	end := l.PieceEnd(job.end - 1)
	piece := job.begin
	for off := int64(job.begin) * l.PieceLength; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := w.buf[:min(int64(len(w.buf)), end-off)]
		if err := w.fill(chunk, off); err != nil {
			return err
		}
		chunkEnd := off + int64(len(chunk))
		for piece < job.end && int64(piece)*l.PieceLength < chunkEnd {
			start, pieceEnd := int64(piece)*l.PieceLength, l.PieceEnd(piece)
			from := max(start, off)
			w.feed(chunk[from-off:max(from, min(pieceEnd, chunkEnd))-off], from)
			if pieceEnd > chunkEnd {
				break
			}
			w.finish(piece)
			piece++
		}
		off = chunkEnd
	}
	return nil
}

// fill reads the bytes at off. Gaps, and what cannot be read, are left as they are.
func (w *hashWorker) fill(p []byte, off int64) error {
	end := off + int64(len(p))
	var n int64
	for _, e := range w.h.Layout.Extents(off, end) {
		from, to := max(e.Offset, off), min(e.end(), end)
		part := p[from-off : to-off]
		if e.File == Padding {
			clear(part)
			continue
		}
		if w.h.skips(e.File) {
			continue
		}
		n += int64(len(part))
		if w.broken[e.File] {
			continue
		}
		if err := w.files.read(e.File, part, from-e.Offset); err != nil {
			return err
		}
	}
	if w.h.Progress != nil {
		w.h.Progress(n)
	}
	return nil
}

// feed hashes bytes of the piece under way, in one pass for both hashes: the second finds each block in
// the nearest cache.
func (w *hashWorker) feed(data []byte, off int64) {
	if !w.h.V2 {
		w.digest.Write(data)
		return
	}
	// Pads are no part of a v2 tree.
	end := off
	for _, e := range w.h.Layout.Extents(off, off+int64(len(data))) {
		if e.File != Padding {
			end = e.end()
		}
	}
	for len(data) > 0 {
		block := data[:min(len(data), merkle.BlockSize)]
		if w.h.V1 {
			w.digest.Write(block)
		}
		if off < end {
			w.blocks = append(w.blocks, sha256.Sum256(block[:min(int64(len(block)), end-off)]))
		}
		data = data[len(block):]
		off += int64(len(block))
	}
}

// finish hands over the sums of a piece, if all of its bytes were read, and begins the next.
func (w *hashWorker) finish(piece int) {
	l := w.h.Layout
	start := int64(piece) * l.PieceLength
	extents := l.Extents(start, start+l.PieceLength)
	whole := true
	for _, e := range extents {
		if e.File != Padding && (w.broken[e.File] || w.h.skips(e.File)) {
			whole = false
		}
	}
	if whole {
		var sums PieceSums
		if w.h.V1 {
			w.digest.Sum(sums.V1[:0])
		}
		if w.h.V2 {
			if extents[0].Length > l.PieceLength {
				// A piece of a longer file is as deep a tree as any other, zeros for what is missing.
				for int64(len(w.blocks)) < l.PieceLength/merkle.BlockSize {
					w.blocks = append(w.blocks, [32]byte{})
				}
			}
			sums.V2 = merkle.RootWithPadHash(w.blocks, [32]byte{})
		}
		w.h.Piece(piece, sums)
	}
	w.digest.Reset()
	w.blocks = w.blocks[:0]
}

// fileReader reads files one after the other, and holds one open.
type fileReader struct {
	open    opener
	located Located
	broken  func(file int, err error) error

	f     *os.File
	index int   // of f, -1: none
	stamp Stamp // of f, before the first read
}

// read fills p from file at off. What goes wrong with the file is broken's to judge.
func (r *fileReader) read(file int, p []byte, off int64) error {
	if r.index != file {
		if err := r.release(); err != nil {
			return err
		}
		f, fi, err := r.openFile(file)
		if err != nil {
			return r.broken(file, fmt.Errorf("open %q: %w", r.located.File(file), underlying(err)))
		}
		r.f, r.index, r.stamp = f, file, StampOf(f, fi)
		if r.located.Stamps != nil && !r.stamp.Same(r.located.Stamps[file]) {
			r.close()
			return r.broken(file, &ChangedError{Path: r.located.File(file), How: "changed while it was being read"})
		}
	}
	_, err := r.f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = &ChangedError{Path: r.located.File(file), How: "became shorter while it was being read"}
	} else if err != nil {
		err = fmt.Errorf("read %q: %w", r.located.File(file), underlying(err))
	}
	if err != nil {
		r.close()
		return r.broken(file, err)
	}
	return nil
}

// openFile spares the look before the open where a stamp says that the file is regular.
func (r *fileReader) openFile(file int) (*os.File, fs.FileInfo, error) {
	if r.located.Stamps == nil {
		return OpenRegular(r.open.root, r.located.Paths[file])
	}
	return r.open.open(r.located.Paths[file])
}

// release closes the file and makes sure that it is the one that was opened.
func (r *fileReader) release() error {
	if r.index < 0 {
		return nil
	}
	file := r.index
	fi, err := r.f.Stat()
	if err != nil {
		r.close()
		return r.broken(file, fmt.Errorf("look at %q: %w", r.located.File(file), underlying(err)))
	}
	now := StampOf(r.f, fi)
	r.close()
	if !now.Same(r.stamp) {
		return r.broken(file, &ChangedError{Path: r.located.File(file), How: "changed while it was being read"})
	}
	return nil
}

func (r *fileReader) close() {
	if r.index >= 0 {
		// Nothing was written, so closing has nothing to say.
		_ = r.f.Close()
		r.index = -1
	}
}

// underlying is err without the path that os puts before it: messages here name the whole path.
func underlying(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
