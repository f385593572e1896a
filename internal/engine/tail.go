package engine

import "github.com/anacrolix/torrent"

// The client looks for blocks to ask a peer for when that peer sends or says something. At the end of a fetch the blocks
// that are left have been asked of slow peers, the others have fallen silent, and nobody looks again once stealGrace is
// over: seeders with a free line stood by while the last pieces trickled in.

// hurry lets peers that have little to do be asked for what is missing, in the tail of a fetch. A piece that becomes
// wanted is the client's only public way to have it look.
func (t *Torrent) hurry(missing map[int]struct{}) {
	if len(missing) > tailPieces || len(t.t.PeerConns()) < 2 {
		return
	}
	for i := range missing {
		p := t.t.Piece(i)
		if s := p.State(); s.Complete || s.Priority == torrent.PiecePriorityNone {
			continue
		}
		p.SetPriority(torrent.PiecePriorityNone)
		p.SetPriority(torrent.PiecePriorityNow)
	}
}
