package engine

import (
	"io"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// The client calls a torrent's storage in goroutines of its own: a panic there would end the process.

// try is panics.Catch, and tells failed.
func try(failed func(*panics.Error), f func() error) error {
	err := panics.Catch(f)
	if bug := panics.In(err); bug != nil {
		failed(bug)
	}
	return err
}

// steady gives a storage that is impl, and whose panics are errors.
func steady(impl storage.TorrentImpl, failed func(*panics.Error)) storage.TorrentImpl {
	out := impl
	if impl.Piece != nil {
		out.Piece = func(p metainfo.Piece) storage.PieceImpl {
			s := steadyPiece{failed: failed}
			if err := try(failed, func() error { s.piece = impl.Piece(p); return nil }); err != nil {
				return lostPiece{err}
			}
			// The client asks for these by their types.
			to, writes := s.piece.(io.WriterTo)
			sums, hashes := s.piece.(storage.SelfHashing)
			switch {
			case writes && hashes:
				return steadyHasher{steadyWriter{s, to}, sums}
			case writes:
				return steadyWriter{s, to}
			}
			return s
		}
	}
	if impl.NewReader != nil {
		out.NewReader = func() storage.TorrentReader {
			s := steadyReader{failed: failed}
			if err := try(failed, func() error { s.reader = impl.NewReader(); return nil }); err != nil {
				return lostPiece{err}
			}
			return s
		}
	}
	if impl.Close != nil {
		out.Close = func() error { return try(failed, impl.Close) }
	}
	return out
}

type steadyPiece struct {
	piece  storage.PieceImpl
	failed func(*panics.Error)
}

func (s steadyPiece) ReadAt(b []byte, off int64) (n int, err error) {
	err = try(s.failed, func() (err error) { n, err = s.piece.ReadAt(b, off); return err })
	return n, err
}

func (s steadyPiece) WriteAt(b []byte, off int64) (n int, err error) {
	err = try(s.failed, func() (err error) { n, err = s.piece.WriteAt(b, off); return err })
	return n, err
}

func (s steadyPiece) MarkComplete() error    { return try(s.failed, s.piece.MarkComplete) }
func (s steadyPiece) MarkNotComplete() error { return try(s.failed, s.piece.MarkNotComplete) }

func (s steadyPiece) Completion() (c storage.Completion) {
	if err := try(s.failed, func() error { c = s.piece.Completion(); return nil }); err != nil {
		return storage.Completion{Err: err}
	}
	return c
}

type steadyWriter struct {
	steadyPiece
	to io.WriterTo
}

func (s steadyWriter) WriteTo(w io.Writer) (n int64, err error) {
	err = try(s.failed, func() (err error) { n, err = s.to.WriteTo(w); return err })
	return n, err
}

type steadyHasher struct {
	steadyWriter
	sums storage.SelfHashing
}

func (s steadyHasher) SelfHash() (sum metainfo.Hash, err error) {
	err = try(s.failed, func() (err error) { sum, err = s.sums.SelfHash(); return err })
	return sum, err
}

type steadyReader struct {
	reader storage.TorrentReader
	failed func(*panics.Error)
}

func (s steadyReader) ReadAt(b []byte, off int64) (n int, err error) {
	err = try(s.failed, func() (err error) { n, err = s.reader.ReadAt(b, off); return err })
	return n, err
}

func (s steadyReader) Close() error { return try(s.failed, s.reader.Close) }

// lostPiece is what cannot be opened.
type lostPiece struct{ err error }

func (l lostPiece) ReadAt([]byte, int64) (int, error)  { return 0, l.err }
func (l lostPiece) WriteAt([]byte, int64) (int, error) { return 0, l.err }
func (l lostPiece) MarkComplete() error                { return l.err }
func (l lostPiece) MarkNotComplete() error             { return l.err }
func (l lostPiece) Completion() storage.Completion     { return storage.Completion{Err: l.err} }
func (l lostPiece) Close() error                       { return nil }
