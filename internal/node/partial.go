package node

import (
	"context"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// partly is the storage of a partial seed: pieces that lie in the files that were wanted are read there, where every change is
// noticed, and those that reach into other files from the stage that fetched them.
type partly struct {
	files, stage storage.ClientImpl
	in           []bool // per piece: it lies in the files
}

// OpenTorrent opens both.
func (p partly) OpenTorrent(ctx context.Context, info *metainfo.Info, hash metainfo.Hash) (storage.TorrentImpl, error) {
	files, err := p.files.OpenTorrent(ctx, info, hash)
	if err != nil {
		return storage.TorrentImpl{}, err
	}
	stage, err := p.stage.OpenTorrent(ctx, info, hash)
	if err != nil {
		return storage.TorrentImpl{}, err
	}
	return storage.TorrentImpl{
		Piece: func(piece metainfo.Piece) storage.PieceImpl {
			if p.in[piece.Index()] {
				return files.Piece(piece)
			}
			return stage.Piece(piece)
		},
		Close: func() error { return nil }, // neither has anything to close
	}, nil
}

// piecesIn says of each piece whether all its bytes are of files that were wanted: those that have a stamp.
func piecesIn(m *metafile.Torrent, at located) []bool {
	in := make([]bool, m.Pieces)
	for i := range in {
		in[i] = true
	}
	for i := range m.Files {
		if at.Stamps[i] != (content.Stamp{}) {
			continue
		}
		begin, end := m.PieceRange(&m.Files[i])
		for k := begin; k < end; k++ {
			in[k] = false
		}
	}
	return in
}
