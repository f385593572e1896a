package engine

import (
	"maps"
	"slices"
)

// AddPeers tells every torrent that is here now of addresses; see Torrent.AddPeers.
func (e *Engine) AddPeers(addrs ...string) {
	for _, t := range e.all() {
		t.AddPeers(addrs...)
	}
}

// Complete are the infohashes, in the 20 bytes of handshakes, of torrents of which every piece is here.
func (e *Engine) Complete() (out [][20]byte) {
	for _, t := range e.all() {
		if t.t.Info() != nil && t.t.BytesMissing() == 0 {
			out = append(out, t.t.InfoHash())
		}
	}
	return out
}

func (e *Engine) all() []*Torrent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.torrents))
}
