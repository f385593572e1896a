package engine

import (
	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
	utHolepunch "github.com/anacrolix/torrent/peer_protocol/ut-holepunch"
)

// offered lists the extensions (BEP 10) that peers are offered, each under its place in the list, counted from 1. Those
// before the number of built-in ones are the client's to answer.
//
// Hole punching (BEP 55) is of use to uTP alone, and would tell the addresses of a group's members to others.
func (e *Engine) offered() (names []pp.ExtensionName, builtin int) {
	names = []pp.ExtensionName{pp.ExtensionNameMetadata}
	if e.members != nil {
		return names, len(names)
	}
	names = append(names, pp.ExtensionNamePex)
	if e.settings.UTP {
		names = append(names, utHolepunch.ExtensionName)
	}
	builtin = len(names)
	return append(names, nearExtension), builtin
}

// offer is called before the extension handshake goes out.
func (e *Engine) offer(pc *torrent.PeerConn) {
	names, builtin := e.offered()
	pc.LocalLtepProtocolMap = &torrent.LocalLtepProtocolMap{Index: names, NumBuiltin: builtin}
}
