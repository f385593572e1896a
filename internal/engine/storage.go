package engine

import (
	"context"
	"crypto/sha1"
	"errors"
	"io"
	"sync/atomic"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// The client parses the info itself, and the one place where its own copy can be reached before it is
// used is the opening of a storage. Two things need it there.

// prepared opens a storage on an info that v1.62.0 can work with.
//
// A hybrid is run as the v1 torrent that it also is. As a v2 torrent it has short pieces at the ends of
// files, and the client closes the connection of every peer that asks for the pads, as libtorrent and all
// v1 clients do: they never finish. It would also walk the file tree for every block (46 % slower with 50
// files, 20 times with 2,000). Nothing is lost in strength: the client checks a hybrid by SHA-1 either way.
//
// For a v2 info with an empty file the client panics as soon as it looks at the length of a piece ("2 !=
// 1" in mustGetOnlyFile): an empty file begins where the next one does, and it takes both for the piece's.
// Files without bytes have no pieces, so the client does not miss them.
type prepared struct {
	storage.ClientImpl
	opened *atomic.Pointer[opened]
	failed func(*panics.Error) // is told of panics in it
}

// opened is a storage in use, and the info as it was opened with.
type opened struct {
	info *metainfo.Info
	impl storage.TorrentImpl
}

// piece is for whole pieces: the client's own way to its storage reads hashes that it is receiving.
func (o *opened) piece(i int) (from storage.PieceImpl, length int64) {
	p := o.info.Piece(i)
	return o.impl.Piece(p), p.Length()
}

func (p prepared) OpenTorrent(ctx context.Context, info *metainfo.Info, hash metainfo.Hash) (storage.TorrentImpl, error) {
	switch {
	case info.HasV2() && info.HasV1():
		info.MetaVersion, info.FileTree = 0, metainfo.FileTree{}
	case info.HasV2():
		dropEmptyFiles(&info.FileTree)
	}
	var impl storage.TorrentImpl
	err := try(p.failed, func() (err error) {
		impl, err = p.ClientImpl.OpenTorrent(ctx, info, hash)
		return err
	})
	impl = steady(impl, p.failed)
	if err == nil && impl.Piece != nil {
		p.opened.Store(&opened{info, impl})
	}
	return impl, err
}

// dropEmptyFiles removes files of no bytes from below a tree, and the folders that this leaves empty.
func dropEmptyFiles(tree *metainfo.FileTree) {
	for name, sub := range tree.Dir {
		if name == metainfo.FileTreePropertiesKey {
			continue
		}
		if sub.IsDir() {
			dropEmptyFiles(&sub)
		}
		if !sub.IsDir() && sub.File.Length == 0 {
			delete(tree.Dir, name)
		} else {
			tree.Dir[name] = sub
		}
	}
}

// withoutPieces says whether an info is of empty files alone.
func (s Spec) withoutPieces() bool {
	info := s.Judged
	if info == nil {
		info = new(metainfo.Info)
		if bencode.Unmarshal(s.Info, info) != nil {
			return false
		}
	}
	return info.PieceLength > 0 && info.NumPieces() == 0
}

// byteless is for a torrent of empty files, of which only the info can be asked for. The client neither dials nor accepts
// anyone for a torrent of which it has no piece, so it is shown one of a zero byte, which is here. Nobody who has the info
// asks for that.
type byteless struct{}

func (byteless) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	sum := sha1.Sum([]byte{0})
	info.MetaVersion, info.FileTree = 0, metainfo.FileTree{}
	info.Pieces, info.Files, info.Length = sum[:], nil, 1
	return storage.TorrentImpl{Piece: func(metainfo.Piece) storage.PieceImpl { return zeroByte{} }}, nil
}

type zeroByte struct{ noPiece }

func (zeroByte) ReadAt(b []byte, off int64) (int, error) {
	if off != 0 || len(b) == 0 {
		return 0, io.EOF
	}
	b[0] = 0
	return 1, nil
}

func (zeroByte) MarkComplete() error            { return nil }
func (zeroByte) Completion() storage.Completion { return storage.Completion{Ok: true, Complete: true} }

// emptied is for a torrent that is only asked for its metadata: the client is left with no pieces at all,
// so that nothing a peer sends can reach what the info says before the info has been judged.
type emptied struct{}

func (emptied) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	info.MetaVersion, info.FileTree = 0, metainfo.FileTree{}
	info.Pieces, info.Files, info.Length = nil, nil, 0
	return storage.TorrentImpl{Piece: func(metainfo.Piece) storage.PieceImpl { return noPiece{} }}, nil
}

var errNoPiece = errors.New("a look-up has no pieces")

type noPiece struct{}

func (noPiece) ReadAt([]byte, int64) (int, error)  { return 0, errNoPiece }
func (noPiece) WriteAt([]byte, int64) (int, error) { return 0, errNoPiece }
func (noPiece) MarkComplete() error                { return errNoPiece }
func (noPiece) MarkNotComplete() error             { return nil }
func (noPiece) Completion() storage.Completion     { return storage.Completion{Ok: true} }
