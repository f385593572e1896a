package engine

import (
	"time"

	"github.com/anacrolix/torrent"
)

// nudge finds out when a fetch has come to rest, and has the client look again at whom it asks for what.
//
// The client v1.62.0 takes a block from a peer that does not send it for one that does, but only when something else makes it
// look at the second: a message from it, or a piece that becomes wanted. One that has sent all it was asked for says nothing
// more, so that a peer that claims everything and sends nothing keeps the last blocks for ever.
type nudge struct {
	t    *Torrent
	tick *time.Ticker
	last int64 // bytes of use that had come
}

func newNudge(t *Torrent) *nudge { return &nudge{t: t, tick: time.NewTicker(nudgeEvery)} }

// look is for each tick: it asks anew for some of the missing pieces if no byte of use came since the last.
func (n *nudge) look(missing map[int]struct{}) {
	s := n.t.t.Stats()
	now := s.BytesReadUsefulData.Int64()
	still := now == n.last
	if n.last = now; !still {
		return
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
