package fetcher

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/content"
)

// view is the pieces as one info lays them out: with the pads of version 1, or without.
type view struct {
	s      *Stage
	layout *content.Layout
	pieces []piece
}

// piece is one piece for the engine.
type piece struct {
	v     *view
	index int
}

// fresh is a piece that was never wrong. The engine has its hash made here, and then does not compare each block
// with who sent it, which costs as much as a third of the hash and which nobody needs but to find out who was wrong.
type fresh struct{ *piece }

var (
	_ storage.ClientImpl  = (*Stage)(nil)
	_ storage.SelfHashing = fresh{}
	_ storage.PieceImpl   = (*piece)(nil)
	_ io.WriterTo         = (*piece)(nil)
)

// OpenTorrent gives the engine the storage. info may be a v1 view of a hybrid. Closing the storage
// leaves the Stage open.
func (s *Stage) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	layout, err := content.LayoutOf(s.t, info)
	if err != nil {
		return storage.TorrentImpl{}, err
	}
	if layout.Pieces() != len(s.mem.state) || layout.PieceLength != s.t.PieceLength {
		return storage.TorrentImpl{}, fmt.Errorf("storage of %q: opened with %d pieces, planned with %d", s.t.Name, layout.Pieces(), len(s.mem.state))
	}
	v := &view{s: s, layout: layout, pieces: make([]piece, layout.Pieces())}
	for i := range v.pieces {
		v.pieces[i] = piece{v, i}
	}
	return storage.TorrentImpl{
		Piece: v.piece,
		Close: func() error { return nil },
	}, nil
}

func (v *view) piece(p metainfo.Piece) storage.PieceImpl {
	i := p.Index()
	if v.s.suspect[i].Load() {
		return &v.pieces[i]
	}
	return fresh{&v.pieces[i]}
}

func (v *view) pieceLength(i int) int64 {
	return v.layout.PieceEnd(i) - int64(i)*v.layout.PieceLength
}

// WriteAt takes a block. It is not on disk when WriteAt returns.
func (p *piece) WriteAt(b []byte, off int64) (int, error) {
	s := p.v.s
	for {
		g, done, err := s.gatherFor(p.v, p.index)
		switch {
		case err != nil:
			return 0, err
		case done:
			return len(b), nil
		case g == nil:
			err := s.writeOut(p.v.layout, p.index, b, off)
			if err != nil {
				s.mem.written(p.index, 0)
				s.fail(err)
				return 0, err
			}
			s.mem.written(p.index, len(b))
			return len(b), nil
		case s.put(g, b, off):
			return len(b), nil
		}
	}
}

// ReadAt reads from memory what is still there.
func (p *piece) ReadAt(b []byte, off int64) (int, error) {
	s := p.v.s
	for {
		g, full := s.mem.hold(p.index)
		if g == nil {
			return s.readIn(p.v.layout, p.index, b, off)
		}
		if full {
			n := copy(b, g.buf[min(off, int64(len(g.buf))):])
			s.mem.drop(g)
			if n < len(b) {
				return n, io.EOF
			}
			return n, nil
		}
		n, err := s.readIn(p.v.layout, p.index, b, off)
		evicted := g.overlay(b[:n], off)
		s.mem.drop(g)
		if !evicted {
			return n, err
		}
	}
}

// overlay puts over b, read from disk, what has come since. It reports whether that is on disk now.
func (g *gather) overlay(b []byte, off int64) (evicted bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, sp := range g.spans {
		from, to := max(sp.begin, off), min(sp.end, off+int64(len(b)))
		if from < to {
			copy(b[from-off:to-off], g.buf[from:to])
		}
	}
	return g.evicted
}

var readBuffers = sync.Pool{New: func() any { return new([readChunk]byte) }}

// SelfHash is the piece's SHA-1.
func (p fresh) SelfHash() (sum metainfo.Hash, err error) {
	h := sha1.New()
	_, err = p.WriteTo(h)
	h.Sum(sum[:0])
	return sum, err
}

// WriteTo writes the piece to w, which hashes it: from memory, if it is there.
func (p *piece) WriteTo(w io.Writer) (int64, error) {
	s := p.v.s
	if g, full := s.mem.hold(p.index); g != nil {
		if full {
			n, err := s.hashOut(g, w)
			s.mem.drop(g)
			return n, err
		}
		s.mem.drop(g)
	}
	buf := readBuffers.Get().(*[readChunk]byte)
	defer readBuffers.Put(buf)
	length := p.v.pieceLength(p.index)
	for off := int64(0); off < length; {
		n, err := p.ReadAt(buf[:min(int64(len(buf)), length-off)], off)
		if err != nil {
			return off, err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return off, err
		}
		off += int64(n)
	}
	return length, nil
}

// MarkComplete notes that the engine found the piece right.
func (p *piece) MarkComplete() error { return p.v.s.markComplete(p.index) }

// MarkNotComplete notes that the engine found it wrong.
func (p *piece) MarkNotComplete() error {
	p.v.s.markNotComplete(p.index)
	return nil
}

// Completion is always known, so that the engine never hashes on its own account.
func (p *piece) Completion() storage.Completion {
	m := &p.v.s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	return storage.Completion{Ok: true, Complete: m.state[p.index].complete}
}

// writeOut writes bytes of a piece to the files they belong to. Pads are nowhere on disk.
func (s *Stage) writeOut(l *content.Layout, piece int, b []byte, off int64) error {
	start := int64(piece)*l.PieceLength + off
	end := start + int64(len(b))
	for _, e := range l.Extents(start, end) {
		if e.File == content.Padding {
			continue
		}
		from, to := max(e.Offset, start), min(e.Offset+e.Length, end)
		slot, at := s.slotOf(piece, e.File), from-e.Offset
		if slot == partsSlot {
			at = from
		}
		h, err := s.files.get(slot, true)
		if err == nil {
			err = s.marks.change(slot, h.File, func() error {
				_, err := h.WriteAt(b[from-start:to-start], at)
				return err
			})
			s.files.put(h)
		}
		if err != nil {
			return diskError(fmt.Sprintf("write %q", s.slotName(slot)), err)
		}
		// The note that a piece is saved comes after this, and a checkpoint takes both at once.
		s.mem.mu.Lock()
		s.mem.dirty[slot] = struct{}{}
		s.mem.mu.Unlock()
	}
	return nil
}

// readIn reads bytes of a piece from disk. It stops at the end of the piece, with io.EOF.
func (s *Stage) readIn(l *content.Layout, piece int, b []byte, off int64) (int, error) {
	start := int64(piece)*l.PieceLength + off
	var short error
	if rest := l.PieceEnd(piece) - start; int64(len(b)) > rest {
		b, short = b[:max(rest, 0)], io.EOF
	}
	n, err := l.ReadAt(b, start, func(file int, p []byte, at int64) error {
		slot := s.slotOf(piece, file)
		if slot == partsSlot {
			for _, e := range l.Extents(start, start+int64(len(b))) {
				if e.File == file {
					at += e.Offset
					break
				}
			}
		}
		h, err := s.files.get(slot, false)
		if err != nil {
			return err
		}
		defer s.files.put(h)
		_, err = h.ReadAt(p, at)
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = io.ErrUnexpectedEOF // nothing of that file has come yet
	}
	if err == nil {
		err = short
	}
	return n, err
}

func (s *Stage) slotName(slot int) string {
	if slot == partsSlot {
		return partsName
	}
	return s.dataPath(slot)
}
