package engine

import (
	"github.com/anacrolix/torrent/metainfo"
)

// extent is what messages about a torrent are judged by. It is there before the client knows of the torrent, so that no
// message reaches the client unjudged.
type extent struct {
	settled chan struct{} // closed when the rest is known

	refused     bool    // the client did not take the torrent
	lookup      *lookup // it is only asked for its metadata; nil: that is here
	pieces      int     // 0 in a look-up
	pieceLength int64   // bytes
	info        int     // bytes of metadata, 0 if it is not here
	layers      map[[32]byte]int
	tails       []tail // of a v2 torrent
	hashes      int    // messages that ask for all layers once
}

// expect prepares for a torrent that is about to be given to the client. Connections about it wait until it is settled.
func (e *Engine) expect(shorts [][20]byte) (x *extent, undo func()) {
	x = &extent{settled: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	before := map[[20]byte]*extent{}
	for _, h := range shorts {
		before[h] = e.extents[h]
		e.extents[h] = x
	}
	return x, func() {
		e.mu.Lock()
		for h, old := range before {
			if e.extents[h] != x {
				continue
			}
			if delete(e.extents, h); old != nil {
				e.extents[h] = old
			}
		}
		e.mu.Unlock()
		x.refused = true
		close(x.settled)
	}
}

// settle takes the info as the client runs it, nil if it is not known, and of how many bytes it is.
func (x *extent) settle(info *metainfo.Info, bytes int) {
	if info != nil {
		x.pieces, x.pieceLength, x.info = info.NumPieces(), info.PieceLength, bytes
		if info.HasV2() && !info.HasV1() {
			x.layers = map[[32]byte]int{}
			x.addLayers(info.FileTree)
			x.tails = tailsOf(info)
		}
	}
	close(x.settled)
}

// addLayers notes the files that have a layer of pieces (BEP 52): those of more than one.
func (x *extent) addLayers(tree metainfo.FileTree) {
	for name, sub := range tree.Dir {
		if name != metainfo.FileTreePropertiesKey {
			x.addLayers(sub)
		}
	}
	n := int((tree.File.Length + x.pieceLength - 1) / x.pieceLength)
	if !tree.IsDir() && n > 1 && len(tree.File.PiecesRoot) == 32 {
		x.layers[[32]byte([]byte(tree.File.PiecesRoot))] = n
		x.hashes += (n + hashesAtOnce - 1) / hashesAtOnce
	}
}

// extentOf finds the torrent of a handshake; nil if there is none, or if done is closed before it is settled.
func (e *Engine) extentOf(hash [20]byte, done <-chan struct{}) *extent {
	for {
		e.mu.Lock()
		x := e.extents[hash]
		e.mu.Unlock()
		if x == nil {
			return nil
		}
		select {
		case <-x.settled:
		case <-done:
			return nil
		}
		if !x.refused {
			return x
		}
	}
}

// ifSettled reports what is says of a torrent's extent without waiting: true while the extent is not settled, false for
// a torrent that is not here.
func (e *Engine) ifSettled(hash [20]byte, is func(*extent) bool) bool {
	e.mu.Lock()
	x := e.extents[hash]
	e.mu.Unlock()
	if x == nil {
		return false
	}
	select {
	case <-x.settled:
		return is(x)
	default:
		return true
	}
}

// looksUp reports whether the metadata of a torrent is, or may be, looked up.
func (e *Engine) looksUp(hash [20]byte) bool {
	return e.ifSettled(hash, func(x *extent) bool { return x.lookup != nil })
}

// mayBeV2 reports whether a torrent is, or may be, run as one of v2.
func (e *Engine) mayBeV2(hash [20]byte) bool {
	return e.ifSettled(hash, func(x *extent) bool { return x.layers != nil })
}
