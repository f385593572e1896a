package engine

import (
	"net/netip"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// readHandshake learns from a peer's extension handshake (BEP 10). It is called with the client's lock held, and before
// the client itself has looked at d.
func (e *Engine) readHandshake(pc *torrent.PeerConn, d *pp.ExtendedHandshakeMessage) {
	e.noteListenPort(pc, d)
	e.noteOffer(pc, d)
	if d.Reqq > nearRequests && near(e.addrOf(pc)) {
		d.Reqq = nearRequests
	}
}

// near says whether an address is on this machine or, as far as it tells, on a network next to it.
func near(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	a := at.Addr().Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}
