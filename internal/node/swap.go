package node

import (
	"context"
	"errors"
	"sync"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/fetcher"
)

// swap is a storage that can be exchanged for another of the same content while the torrent runs: a
// fetch ends in files that are then seeded read-only, and no connection need be lost over it.
type swap struct {
	mu     sync.RWMutex
	info   *metainfo.Info
	hash   metainfo.Hash
	opened []storage.TorrentImpl // the last is in use; the others are closed with the torrent
	first  *fetcher.Stage
}

func newSwap(first *fetcher.Stage) *swap { return &swap{first: first} }

// Kept is for engine.Stats: only the first storage is written to.
func (s *swap) Kept() int64 { return s.first.Kept() }

// OpenTorrent opens the first storage.
func (s *swap) OpenTorrent(ctx context.Context, info *metainfo.Info, hash metainfo.Hash) (storage.TorrentImpl, error) {
	impl, err := s.first.OpenTorrent(ctx, info, hash)
	if err != nil {
		return impl, err
	}
	s.mu.Lock()
	s.info, s.hash, s.opened = info, hash, append(s.opened, impl)
	s.mu.Unlock()
	return storage.TorrentImpl{
		Piece:     func(p metainfo.Piece) storage.PieceImpl { return s.current().Piece(p) },
		NewReader: func() storage.TorrentReader { return s.reader() },
		Close:     s.close,
	}, nil
}

// to puts another storage in place of the one in use. Pieces asked for from now on come from it; reads
// that are under way end on the old one, which stays open.
func (s *swap) to(ctx context.Context, impl storage.ClientImpl) error {
	s.mu.RLock()
	info, hash := s.info, s.hash
	s.mu.RUnlock()
	if info == nil {
		return errors.New("the torrent's storage is not open")
	}
	t, err := impl.OpenTorrent(ctx, info, hash)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.opened = append(s.opened, t)
	s.mu.Unlock()
	return nil
}

func (s *swap) current() storage.TorrentImpl {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.opened[len(s.opened)-1]
}

// reader reads across pieces. The engine's own stand-in for a storage without readers asks for the
// length of the piece on every block, which for a v2 info is a walk over all files.
func (s *swap) reader() storage.TorrentReader {
	if t := s.current(); t.NewReader != nil {
		return t.NewReader()
	}
	return pieceReader{s}
}

type pieceReader struct{ s *swap }

func (r pieceReader) Close() error { return nil }

func (r pieceReader) ReadAt(b []byte, off int64) (done int, err error) {
	t := r.s.current()
	for done < len(b) {
		i := off / r.s.info.PieceLength
		within := off - i*r.s.info.PieceLength
		part := b[done:min(len(b), done+int(r.s.info.PieceLength-within))]
		n, err := t.Piece(r.s.info.Piece(int(i))).ReadAt(part, within)
		done += n
		off += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s *swap) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, t := range s.opened {
		if t.Close != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}
