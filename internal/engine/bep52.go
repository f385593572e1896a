package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"sync"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// What libtorrent (2.0 and 2.1, so qBittorrent and Deluge) asks of a v2 torrent, and the client (v1.62.0) does not know:
//
//   - It takes each file to be filled up with zeros to a whole piece, and asks for the block with a file's end in it as
//     for any other. The client closes the connection. So such a request is cut down before the client sees it, and the
//     answer is filled up.
//   - It asks for a magnet's piece layers with proofs (BEP 52), which the client refuses. So hashes are answered here.

// tail is a piece that is shorter than the others, for it ends a file.
type tail struct {
	piece  int
	length int64 // bytes
}

// tailsOf lists them in the order of the pieces.
func tailsOf(info *metainfo.Info) (out []tail) {
	for f := range info.UpvertedFilesIter() {
		if over := f.Length % info.PieceLength; over != 0 {
			out = append(out, tail{int((f.TorrentOffset + f.Length) / info.PieceLength), over})
		}
	}
	return out
}

// lengthOf is how many bytes of a v2 torrent's piece are a file's.
func (x *extent) lengthOf(piece int) int64 {
	i, short := slices.BinarySearchFunc(x.tails, piece, func(t tail, p int) int { return t.piece - p })
	if short {
		return x.tails[i].length
	}
	return x.pieceLength
}

// block is where a block begins.
type block struct{ piece, begin uint32 }

// padded are the requests under way that reach beyond the end of a file, with the bytes that they are for.
type padded struct {
	mu    sync.Mutex
	asked map[block]uint32
}

var errPadded = errors.New("the peer asks for more ends of files at a time than it may have under way")

// cut makes a request one for bytes of the file alone, and notes what it was for. It gives nil for a request of
// nothing but padding, which is answered.
func (w *wire) cut(x *extent, m []byte) ([]byte, error) {
	body := m[lengthBytes:]
	at := block{binary.BigEndian.Uint32(body[1:]), binary.BigEndian.Uint32(body[5:])}
	n := binary.BigEndian.Uint32(body[9:])
	over := int64(at.begin) + int64(n) - x.lengthOf(int(at.piece))
	if over <= 0 {
		return m, nil
	}
	request := pp.MessageType(body[0]) == pp.Request
	if over >= int64(n) {
		if request {
			w.say(appendBlock(nil, at, nil, int(n)))
		}
		return nil, nil
	}
	binary.BigEndian.PutUint32(body[9:], n-uint32(over))
	p := &w.padded
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case request && len(p.asked) >= maxPadded:
		return nil, errPadded
	case request && p.asked == nil:
		p.asked = map[block]uint32{}
	}
	if request {
		p.asked[at] = n
	} else if !w.fast.Load() {
		delete(p.asked, at) // otherwise it is answered all the same, if only by a refusal
	}
	return m, nil
}

// fill gives an answer to what cut has cut down the length that was asked for. edit is false for any other message.
func (w *wire) fill(m []byte) (instead []byte, edit bool) {
	body := m[lengthBytes:]
	p := &w.padded
	switch kind := kindOf(m); {
	case kind == pp.Choke && !w.fast.Load():
		p.mu.Lock()
		clear(p.asked) // nothing of it is answered any more
		p.mu.Unlock()
		return nil, false
	case kind == pp.Piece && len(body) >= pieceHead || kind == pp.Reject && len(body) == requestBody:
	default:
		return nil, false
	}
	at := block{binary.BigEndian.Uint32(body[1:]), binary.BigEndian.Uint32(body[5:])}
	p.mu.Lock()
	n, ok := p.asked[at]
	delete(p.asked, at)
	p.mu.Unlock()
	switch {
	case !ok:
		return nil, false
	case kindOf(m) == pp.Piece:
		return appendBlock(nil, at, body[pieceHead:], int(n)), true
	}
	return binary.BigEndian.AppendUint32(slices.Clone(m[:lengthBytes+9]), n), true
}

// appendBlock is a message of n bytes of a piece: data, and zeros after it.
func appendBlock(b []byte, at block, data []byte, n int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(pieceHead+n))
	b = append(b, byte(pp.Piece))
	b = binary.BigEndian.AppendUint32(b, at.piece)
	b = binary.BigEndian.AppendUint32(b, at.begin)
	return append(append(b, data...), make([]byte, max(n-len(data), 0))...)
}

// pieceLayer is the hashes of a file's pieces, and what proves them to who has only the file's root.
type pieceLayer struct {
	hashes string   // 32 bytes a piece
	pad    [32]byte // of a piece of zeros

	once sync.Once
	tops [][32]byte // of each topPieces pieces, for the proof of each request goes through all of the tree
}

const (
	topLevel  = 9
	topPieces = 1 << topLevel
)

// levels is how far the root is above the pieces.
func (l *pieceLayer) levels() int { return bits.Len(uint(len(l.hashes)/32 - 1)) }

// node is the hash of the i-th of each 1<<level pieces.
func (l *pieceLayer) node(level, i int) [32]byte {
	if level == topLevel && i < len(l.tops) {
		return l.tops[i]
	}
	if level == 0 {
		if 32*i < len(l.hashes) {
			return [32]byte([]byte(l.hashes[32*i : 32*i+32]))
		}
		return l.pad
	}
	left := l.node(level-1, 2*i)
	right := left
	if i<<level < len(l.hashes)/32 { // otherwise all of it is padding
		right = l.node(level-1, 2*i+1)
	}
	return sha256.Sum256(append(left[:], right[:]...))
}

// proven is what answers a request for n hashes from an index on: the hashes, and those of the ancestors' siblings,
// up to so many levels above the pieces, that with them make the root (BEP 52). nil: there is no such part of the tree.
func (l *pieceLayer) proven(index, n, proofs int) (out []byte) {
	for i := range n {
		h := l.node(0, index+i)
		out = append(out, h[:]...)
	}
	level := bits.Len(uint(n - 1))
	if proofs < level {
		return out
	}
	if n != 1<<level || index%n != 0 || proofs >= l.levels() {
		return nil
	}
	l.once.Do(func() {
		if l.levels() <= topLevel {
			return
		}
		tops := make([][32]byte, (len(l.hashes)/32+topPieces-1)/topPieces)
		for i := range tops {
			tops[i] = l.node(topLevel, i)
		}
		l.tops = tops
	})
	for ; level <= proofs; level++ {
		h := l.node(level, index>>level^1)
		out = append(out, h[:]...)
	}
	return out
}

// layer finds the hashes of a file's pieces; nil if not all of them are known.
func (t *Torrent) layer(root [32]byte) *pieceLayer {
	l := &t.layers
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.of[root]; found != nil {
		return found
	}
	hashes := t.spec.PieceLayers[string(root[:])]
	if hashes == "" && t.complete() {
		if l.learned == nil {
			l.learned = t.t.Metainfo().PieceLayers
		}
		hashes = l.learned[string(root[:])]
	}
	if hashes == "" {
		return nil
	}
	if l.of == nil {
		l.of = map[[32]byte]*pieceLayer{}
	}
	l.of[root] = &pieceLayer{hashes: hashes, pad: metainfo.HashForPiecePad(t.pieceLength)}
	return l.of[root]
}

// layers are those that were asked for.
type layers struct {
	mu      sync.Mutex
	of      map[[32]byte]*pieceLayer
	learned map[string]string // from peers
}

// PieceLayers are the hashes of the pieces of a v2 torrent that peers gave, by the files' roots; of complete files alone.
func (t *Torrent) PieceLayers() map[string]string { return t.t.Metainfo().PieceLayers }

// answerHashes answers a hash request of a file in the torrent, and says whether it did. One without proofs of a layer that
// is not known whole is the client's.
func (w *wire) answerHashes(x *extent, m []byte) bool {
	body := m[lengthBytes:]
	num := func(k int) int { return int(binary.BigEndian.Uint32(body[33+4*k:])) }
	base, index, n, proofs := num(0), num(1), num(2), num(3)
	w.e.mu.Lock()
	t := w.e.byShort[[20]byte(w.in.handshake[hashBegin:hashEnd])]
	w.e.mu.Unlock()
	var l *pieceLayer
	if t != nil {
		l = t.layer([32]byte(body[1:33]))
	}
	var hashes []byte
	switch {
	case 16<<10<<base != x.pieceLength: // of blocks, which nobody keeps
	case l == nil && proofs == 0:
		return false
	case l != nil:
		hashes = l.proven(index, n, proofs)
	}
	kind := pp.Hashes
	if hashes == nil {
		kind = pp.HashReject
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(hashBody+len(hashes)))
	b = append(append(b, byte(kind)), body[1:hashBody]...)
	w.say(append(b, hashes...))
	return true
}
