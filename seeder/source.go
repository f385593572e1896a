package seeder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Source is the storage of a torrent that is seeded from its published files. All pieces are complete from the
// start: their bytes were verified when the stamps were taken, and nothing is hashed again. After every read the
// file is compared with its stamp; if it changed, that read and every later one fails. Source never writes.
type Source struct {
	torrent  *metafile.Torrent
	located  content.Located
	onChange func(error)
	pool     *Pool
	have     []bool

	closed  atomic.Bool
	failure atomic.Pointer[error]
}

var _ storage.ClientImplCloser = (*Source)(nil)

// ErrReadOnly is returned by every attempt to write to a Source.
var ErrReadOnly = errors.New("published files are never written to")

var errClosed = errors.New("the storage is closed")

// NewSource makes a storage with a pool of its own; see Pool.NewSource.
func NewSource(t *metafile.Torrent, l content.Located, onChange func(error)) *Source {
	return NewPool(poolSize).NewSource(t, l, onChange)
}

// NewSource makes a storage for the content of t at l, whose stamps must be those of verified bytes.
// If the files change, onChange, which may be nil, is called once, from the goroutine that detected the change.
// Its error names the file, and every later read returns it.
func (p *Pool) NewSource(t *metafile.Torrent, l content.Located, onChange func(error)) *Source {
	return &Source{torrent: t, located: l, onChange: onChange, pool: p}
}

// Only limits the source to the pieces in have; nil means all. It must be called before OpenTorrent.
func (s *Source) Only(have []bool) { s.have = have }

// OpenTorrent implements storage.ClientImpl. info may be the torrent's v2 view or its v1 view.
func (s *Source) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	if err := s.located.Check(s.torrent); err != nil {
		return storage.TorrentImpl{}, err
	}
	if s.located.Stamps == nil {
		return storage.TorrentImpl{}, fmt.Errorf("seed %q: its files were never verified", s.torrent.Name)
	}
	layout, err := content.LayoutOf(s.torrent, info)
	if err != nil {
		return storage.TorrentImpl{}, fmt.Errorf("seed %q: %w", s.torrent.Name, err)
	}
	if s.have != nil && len(s.have) != layout.Pieces() {
		return storage.TorrentImpl{}, fmt.Errorf("seed %q: got a list of %d pieces, and the torrent has %d", s.torrent.Name, len(s.have), layout.Pieces())
	}
	v := &view{source: s, layout: layout}
	return storage.TorrentImpl{
		Piece: func(p metainfo.Piece) storage.PieceImpl { return v.piece(p.Index()) },
		// Without our own reader the engine asks for the piece's length on every block, which for a v2 info is a
		// walk over all files.
		NewReader: func() storage.TorrentReader { return v },
		// The files belong to the source, which may be opened again.
		Close: func() error { return nil },
	}, nil
}

// Check compares every file's path with its stamp, and reports files that were replaced, changed or removed, as
// a read would. It is cheap enough to be called every few seconds.
func (s *Source) Check(ctx context.Context) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.judge(s.located.Unchanged(ctx))
}

// Close closes the files. Later reads fail.
func (s *Source) Close() error {
	s.closed.Store(true)
	s.pool.drop(s)
	return nil
}

// err returns the reason why nothing can be read any more, or nil.
func (s *Source) err() error {
	if s.closed.Load() {
		return errClosed
	}
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// has says whether a piece is available.
func (s *Source) has(piece int) bool {
	return s.failure.Load() == nil && (s.have == nil || s.have[piece])
}

// read fills p from a file at off.
func (s *Source) read(file int, p []byte, off int64) error {
	if err := s.err(); err != nil {
		return err
	}
	h, err := s.pool.acquire(poolKey{s, file}, func() (*os.File, error) { return s.open(file) })
	if err != nil {
		return s.judge(err)
	}
	defer s.pool.release(h)
	if s.closed.Load() {
		// Close may have run before the file was in the pool.
		s.pool.drop(s)
		return errClosed
	}
	_, err = h.f.ReadAt(p, off)
	// Stat after the read, so that it shows any change made before the bytes were read.
	fi, statErr := h.f.Stat()
	switch {
	case statErr == nil && !content.StampOf(h.f, fi).Same(s.located.Stamps[file]):
		err = &content.ChangedError{Path: s.located.File(file), How: "changed on disk"}
	case statErr == nil && content.Unlinked(fi):
		err = &content.ChangedError{Path: s.located.File(file), How: "was removed or replaced"}
	case err != nil:
		err = fmt.Errorf("read %q: %w", s.located.File(file), plain(err))
	case statErr != nil:
		err = fmt.Errorf("check %q: %w", s.located.File(file), plain(statErr))
	}
	return s.judge(err)
}

// open opens a file and checks that it still has its stamp.
func (s *Source) open(file int) (*os.File, error) {
	at := s.located.File(file)
	root, err := os.OpenRoot(s.located.Root)
	if err != nil {
		return nil, fmt.Errorf("open the folder %q: %w", s.located.Root, plain(err))
	}
	defer root.Close()
	f, fi, err := content.OpenRegular(root, s.located.Paths[file])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &content.ChangedError{Path: at, How: "is gone", Gone: true}
	case errors.Is(err, content.ErrNotRegular):
		return nil, &content.ChangedError{Path: at, How: "is no longer a file"}
	case err != nil:
		return nil, fmt.Errorf("open %q: %w", at, plain(err))
	case !content.StampOf(f, fi).Same(s.located.Stamps[file]):
		closeRead(f)
		return nil, &content.ChangedError{Path: at, How: "changed on disk"}
	}
	return f, nil
}

// judge ends the source on any error that is not temporary: unreadable files are as unavailable as changed ones.
func (s *Source) judge(err error) error {
	var changed *content.ChangedError
	switch {
	case err == nil:
		return nil
	case temporary(err):
		return err
	case errors.As(err, &changed):
		err = fault.Hint(fault.New(fault.Unverified, "%w since it was published", changed),
			"publish it again, or restore the original file")
	case errors.Is(err, fs.ErrNotExist):
		err = fault.Hint(fault.New(fault.NotFound, "published content is missing: %w", err), "put it back, or publish it again")
	default:
		err = fault.Hint(err, "make it readable again, then publish it again")
	}
	if s.failure.CompareAndSwap(nil, &err) {
		s.pool.drop(s)
		if s.onChange != nil {
			s.onChange(err)
		}
		return err
	}
	return *s.failure.Load()
}

// temporary recognizes errors that say nothing about the files: the caller gave up, or the system is short of
// a resource.
func temporary(err error) bool {
	for _, e := range []error{
		context.Canceled, context.DeadlineExceeded, errClosed,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// view shows a source in the piece space of one info.
type view struct {
	source *Source
	layout *content.Layout
}

// ReadAt implements storage.TorrentReader.
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	return v.layout.ReadAt(p, off, v.source.read)
}

// Close implements storage.TorrentReader. The engine makes a reader for every block.
func (v *view) Close() error { return nil }

func (v *view) piece(i int) storage.PieceImpl {
	return &piece{view: v, index: i, start: int64(i) * v.layout.PieceLength, end: v.layout.PieceEnd(i)}
}

// piece implements storage.PieceImpl and io.WriterTo.
type piece struct {
	view       *view
	index      int
	start, end int64 // in the piece space
}

// ReadAt reads from the piece.
func (p *piece) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, os.ErrInvalid
	}
	short := false
	if rest := p.end - p.start - off; rest <= 0 {
		return 0, io.EOF
	} else if int64(len(b)) > rest {
		b, short = b[:rest], true
	}
	n, err := p.view.ReadAt(b, p.start+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// WriteTo writes the whole piece to w, in large reads.
func (p *piece) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, min(p.end-p.start, sumRead))
	var done int64
	for at := p.start; at < p.end; {
		b := buf[:min(int64(len(buf)), p.end-at)]
		if _, err := p.view.ReadAt(b, at); err != nil {
			return done, err
		}
		n, err := w.Write(b)
		done += int64(n)
		if err != nil {
			return done, err
		}
		at += int64(len(b))
	}
	return done, nil
}

// WriteAt always fails.
func (p *piece) WriteAt([]byte, int64) (int, error) { return 0, ErrReadOnly }

// MarkComplete does nothing for an available piece, and fails for others.
func (p *piece) MarkComplete() error {
	if !p.view.source.has(p.index) {
		return ErrReadOnly
	}
	return nil
}

// MarkNotComplete always fails: the stamps decide whether bytes are wrong.
func (p *piece) MarkNotComplete() error { return ErrReadOnly }

// Completion implements storage.PieceImpl.
func (p *piece) Completion() storage.Completion {
	return storage.Completion{Ok: true, Complete: p.view.source.has(p.index)}
}
