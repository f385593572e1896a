package engine

import (
	"time"

	"github.com/anacrolix/torrent"
)

// nudge has the client look again at whom it asks for what, when a fetch has come to rest or is about to end.
//
// The client v1.62.0 takes a block from a peer that does not send it for one that does, but only when something else makes it
// look at the second: a message from it, or a piece that becomes wanted. One that has sent all it was asked for says nothing
// more. So a peer that claims everything and sends nothing keeps the last blocks for ever, and at the end of a fetch
// those with a free line stand by while the last pieces come from slow ones.
type nudge struct {
	t     *Torrent
	tick  *time.Ticker
	last  int64     // bytes of use that had come
	since time.Time // when they had
}

func newNudge(t *Torrent) *nudge {
	return &nudge{t: t, tick: time.NewTicker(nudgeEvery), since: time.Now()}
}

// look is for each tick: it asks anew for the last of the missing pieces, or for some if no byte of use came for a while.
func (n *nudge) look(missing map[int]struct{}) {
	s := n.t.t.Stats()
	if now := s.BytesReadUsefulData.Int64(); now != n.last {
		n.last, n.since = now, time.Now()
	}
	tail := len(missing) <= nudgedPieces && len(n.t.t.PeerConns()) > 1
	if !tail {
		if time.Since(n.since) < nudgeRest {
			return
		}
		n.since = time.Now()
	}
	asked := 0
	for i := range missing { // in no order, and so not the same ones each time
		if asked++; asked > nudgedPieces {
			return
		}
		p := n.t.t.Piece(i)
		lot := p.State().Priority
		if lot == torrent.PiecePriorityNone || p.State().Complete {
			continue // it is no longer wanted, or being told as complete
		}
		p.SetPriority(torrent.PiecePriorityNone)
		p.SetPriority(lot)
	}
}

func (n *nudge) stop() { n.tick.Stop() }
