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

// Source is the storage of a torrent that is seeded from where it lies. Its pieces are complete from the
// start, for their bytes were verified when the stamps were taken, and nothing is hashed again. Every read
// is followed by a look at the file: should it be another than the stamp says, the read fails, and so does
// every later one. It only ever reads.
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

// ErrReadOnly is returned for every attempt to write to a Source.
var ErrReadOnly = errors.New("published files are never written to")

var errClosed = errors.New("the storage is closed")

// NewSource makes a storage with a pool of its own; see Pool.NewSource.
func NewSource(t *metafile.Torrent, l content.Located, onChange func(error)) *Source {
	return NewPool(poolSize).NewSource(t, l, onChange)
}

// NewSource makes a storage for the content of t at l, whose stamps must be those of verified bytes.
// onChange, which may be nil, is called at most once, when the files are no longer what they were, from the
// goroutine that found out; the error names the file and is what every read returns from then on.
func (p *Pool) NewSource(t *metafile.Torrent, l content.Located, onChange func(error)) *Source {
	return &Source{torrent: t, located: l, onChange: onChange, pool: p}
}

// Only limits the source to the pieces that are there; nil: all. It must be called before OpenTorrent.
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
		return storage.TorrentImpl{}, fmt.Errorf("seed %q: %d pieces are said to be there or not, and it has %d", s.torrent.Name, len(s.have), layout.Pieces())
	}
	v := &view{source: s, layout: layout}
	return storage.TorrentImpl{
		Piece: func(p metainfo.Piece) storage.PieceImpl { return v.piece(p.Index()) },
		// Without a reader of ours the engine asks for the length of the piece on every block, which for a
		// v2 info is a walk over all files.
		NewReader: func() storage.TorrentReader { return v },
		// The files belong to the source, which may be opened again.
		Close: func() error { return nil },
	}, nil
}

// Check looks at every file by its path, and reports what was replaced, changed or removed as a read would.
// It is cheap enough to be called every few seconds.
func (s *Source) Check(ctx context.Context) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.judge(s.located.Unchanged(ctx))
}

// Close closes the files. Reads fail from then on.
func (s *Source) Close() error {
	s.closed.Store(true)
	s.pool.drop(s)
	return nil
}

// err is why nothing can be read any more; nil if it can.
func (s *Source) err() error {
	if s.closed.Load() {
		return errClosed
	}
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// has says whether a piece can be had.
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
		// Close may have come before the pool knew of the file.
		s.pool.drop(s)
		return errClosed
	}
	_, err = h.f.ReadAt(p, off)
	// The look comes after the read: what changed before the bytes were read shows.
	fi, statErr := h.f.Stat()
	switch {
	case statErr == nil && !content.StampOf(h.f, fi).Same(s.located.Stamps[file]):
		err = &content.ChangedError{Path: s.located.File(file), How: "changed on disk"}
	case statErr == nil && content.Unlinked(fi):
		err = &content.ChangedError{Path: s.located.File(file), How: "was removed or replaced"}
	case err != nil:
		err = fmt.Errorf("read %q: %w", s.located.File(file), plain(err))
	case statErr != nil:
		err = fmt.Errorf("look at %q: %w", s.located.File(file), plain(statErr))
	}
	return s.judge(err)
}

// open opens a file that is still the one its stamp says.
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
		return nil, &content.ChangedError{Path: at, How: "is no file any more"}
	case err != nil:
		return nil, fmt.Errorf("open %q: %w", at, plain(err))
	case !content.StampOf(f, fi).Same(s.located.Stamps[file]):
		closeRead(f)
		return nil, &content.ChangedError{Path: at, How: "changed on disk"}
	}
	return f, nil
}

// judge ends the source for any error but a passing one: what cannot be read is no more available than what
// has changed.
func (s *Source) judge(err error) error {
	var changed *content.ChangedError
	switch {
	case err == nil:
		return nil
	case passes(err):
		return err
	case errors.As(err, &changed):
		err = fault.Hint(fault.New(fault.Unverified, "%w since it was published", changed),
			"publish it again, or put back the file that was published")
	case errors.Is(err, fs.ErrNotExist):
		err = fault.Hint(fault.New(fault.NotFound, "%w, where what was published lay", err), "put it back, or publish it again")
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

// passes tells errors that say nothing about the files: the caller gave up, or the system is short of
// something.
func passes(err error) bool {
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

// view is a source in the piece space of one info.
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

// WriteAt refuses.
func (p *piece) WriteAt([]byte, int64) (int, error) { return 0, ErrReadOnly }

// MarkComplete is nothing new for a piece that is there, and refused for one that is not.
func (p *piece) MarkComplete() error {
	if !p.view.source.has(p.index) {
		return ErrReadOnly
	}
	return nil
}

// MarkNotComplete refuses: that bytes are wrong shows in their stamp.
func (p *piece) MarkNotComplete() error { return ErrReadOnly }

// Completion implements storage.PieceImpl.
func (p *piece) Completion() storage.Completion {
	return storage.Completion{Ok: true, Complete: p.view.source.has(p.index)}
}
