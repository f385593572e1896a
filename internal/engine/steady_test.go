package engine

import (
	"errors"
	"io"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// TestAPanicInStorageIsItsError: the client calls storages in goroutines of its own.
func TestAPanicInStorageIsItsError(t *testing.T) {
	told := 0
	failed := func(*panics.Error) { told++ }
	s := steady(storage.TorrentImpl{
		Piece:     func(metainfo.Piece) storage.PieceImpl { return faultyPiece{} },
		NewReader: func() storage.TorrentReader { return faultyPiece{} },
		Close:     func() error { panic("close") },
	}, failed)
	none := steady(storage.TorrentImpl{
		Piece:     func(metainfo.Piece) storage.PieceImpl { panic("piece") },
		NewReader: func() storage.TorrentReader { panic("reader") },
	}, failed)
	p, lost := s.Piece(metainfo.Piece{}), none.Piece(metainfo.Piece{})
	calls := map[string]func() error{
		"ReadAt":             func() error { _, err := p.ReadAt(nil, 0); return err },
		"WriteAt":            func() error { _, err := p.WriteAt(nil, 0); return err },
		"MarkComplete":       p.MarkComplete,
		"MarkNotComplete":    p.MarkNotComplete,
		"Completion":         func() error { return p.Completion().Err },
		"WriteTo":            func() error { _, err := p.(io.WriterTo).WriteTo(nil); return err },
		"SelfHash":           func() error { _, err := p.(storage.SelfHashing).SelfHash(); return err },
		"a reader's ReadAt":  func() error { _, err := s.NewReader().ReadAt(nil, 0); return err },
		"a reader's Close":   func() error { return s.NewReader().Close() },
		"Close":              s.Close,
		"a piece not opened": func() error { return lost.Completion().Err },
		"a reader likewise":  func() error { _, err := none.NewReader().ReadAt(nil, 0); return err },
	}
	told = 0
	for name, call := range calls {
		if err := call(); panics.In(err) == nil {
			t.Errorf("%s: got %v, want the panic", name, err)
		}
	}
	if told != len(calls)-1 { // the piece that was not opened was told of before
		t.Errorf("%d panics were told, want %d", told, len(calls)-1)
	}
}

// TestStorageIsPassedOn: what the client finds out of a piece by its type is as without the layer.
func TestStorageIsPassedOn(t *testing.T) {
	s := steady(storage.TorrentImpl{Piece: func(metainfo.Piece) storage.PieceImpl { return noPiece{} }}, func(*panics.Error) { t.Error("a panic") })
	p := s.Piece(metainfo.Piece{})
	_, writes := p.(io.WriterTo)
	_, hashes := p.(storage.SelfHashing)
	if writes || hashes || s.NewReader != nil || s.Close != nil {
		t.Error("it has what the storage has not")
	}
	if _, err := p.ReadAt(nil, 0); !errors.Is(err, errNoPiece) {
		t.Errorf("got %v, want the storage's own error", err)
	}
}

type faultyPiece struct{}

func (faultyPiece) ReadAt([]byte, int64) (int, error)  { panic("ReadAt") }
func (faultyPiece) WriteAt([]byte, int64) (int, error) { panic("WriteAt") }
func (faultyPiece) MarkComplete() error                { panic("MarkComplete") }
func (faultyPiece) MarkNotComplete() error             { panic("MarkNotComplete") }
func (faultyPiece) Completion() storage.Completion     { panic("Completion") }
func (faultyPiece) WriteTo(io.Writer) (int64, error)   { panic("WriteTo") }
func (faultyPiece) SelfHash() (metainfo.Hash, error)   { panic("SelfHash") }
func (faultyPiece) Close() error                       { panic("Close") }
