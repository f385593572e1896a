package engine

import (
	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// A torrent of which not all is wanted is a partial seed once that is here (BEP 21): it asks nobody for anything, as its
// extension handshakes say and its announces, and gives what it has. Two such can make a whole.

// whole says that every piece is here.
func (t *Torrent) whole() bool { return t.complete() && t.spec.Rest == 0 }

// partial says that all that is wanted is here, and that this is not all.
func (t *Torrent) partial() bool { return t.complete() && t.spec.Rest > 0 }

// partOf finds the torrent of a handshake if not all of it is wanted.
func (e *Engine) partOf(hash [20]byte) *Torrent {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.byShort[hash]; t != nil && t.spec.Rest > 0 {
		return t
	}
	return nil
}

// uploadOnly adds to an extension handshake of ours that nothing is asked for.
func uploadOnly(m []byte) (instead []byte, edit bool) {
	const head = lengthBytes + 2 // the type, and the extension's number
	var d map[string]any
	if len(m) < head || m[head-1] != byte(pp.HandshakeExtendedID) || bencode.Unmarshal(m[head:], &d) != nil || d == nil {
		return nil, false
	}
	d["upload_only"] = 1
	b, err := bencode.Marshal(d)
	if err != nil {
		return nil, false
	}
	return extendedMessage(pp.HandshakeExtendedID, b), true
}
