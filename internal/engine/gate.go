package engine

import (
	"errors"
	"net"
	"net/netip"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"

	"github.com/anacrolix/dht/v2/krpc"

	"github.com/p2pshare/p2pshare/internal/netguard"
)

// Every address that somebody names passes netguard on its way into a book, by who named it, and the dialers connect to what a
// book has. So neither a tracker nor a node, a peer, a packet or a link points us at the services of this machine or of its
// network. What the client hears of by itself (PEX, hole punching) it dials by itself, and the dialers judge that too.
//
// An address in a private network that a link names is dialled with care: the handshake of BitTorrent begins with words that some
// services pass over, and holds 20 bytes of the link's choice, which some take for a command. It goes there only after the other
// side has answered an obfuscated one, which is random to who does not know the infohash.

// sourceLink is where addresses of a reference come from, for the book.
const sourceLink torrent.PeerSource = "K"

// named books the address of a peer that somebody at from named, if it may be dialled.
func (t *Torrent) named(peer netip.AddrPort, from netip.Addr, source torrent.PeerSource) {
	if err := netguard.JudgePeer(peer, from); err != nil {
		t.e.settings.Log.Debug("a peer is not asked", "why", err)
		return
	}
	t.book.add(peer.String(), source)
}

// linked books the addresses that a reference names, IP:PORT.
func (t *Torrent) linked(addrs []string, private bool) {
	for _, a := range addrs {
		peer, err := netip.ParseAddrPort(a)
		if err != nil {
			continue
		}
		careful, err := netguard.JudgeLinked(peer)
		switch {
		case err != nil:
			t.e.settings.Log.Info("a peer of the link is not asked", "why", err)
		case careful && !private:
			t.book.addCareful(a)
		default:
			t.book.add(a, sourceLink)
		}
	}
}

// mayDial says whether a peer may be dialled, and if so whether with care.
func (e *Engine) mayDial(addr string) (careful bool, err error) {
	found := false
	for _, t := range e.all() {
		known, c := t.book.has(addr)
		if known && !c {
			return false, nil
		}
		found = found || known
	}
	if found {
		return true, nil
	}
	peer, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false, err
	}
	return false, netguard.JudgePeer(peer, netip.Addr{})
}

// errPlainly is a peer that does not answer an obfuscated handshake, where a plain one is not tried.
var errPlainly = errors.New("the peer does not answer an encrypted handshake, and a link named it: no other is sent to it")

// judgePEX takes out of a peer's message (BEP 11) what is not to be dialled, before the client sees it. The client's lock is held.
func (e *Engine) judgePEX(pc *torrent.PeerConn, m *pp.Message) {
	if m.Type != pp.Extended || m.ExtendedID == pp.HandshakeExtendedID || m.Keepalive {
		return
	}
	if name, _, err := pc.LocalLtepProtocolMap.LookupId(m.ExtendedID); err != nil || name != pp.ExtensionNamePex {
		return
	}
	e.mu.Lock()
	t := e.byTorrent[pc.Torrent()]
	e.mu.Unlock()
	t.judgePEX(pc, m)
}

// judgePEX is the engine's for a message that is PEX. t may be nil: a torrent that was closed.
func (t *Torrent) judgePEX(pc *torrent.PeerConn, m *pp.Message) {
	var z *zones
	from := ipOf(pc.RemoteAddr.String())
	if t != nil {
		z = &t.e.zones
		from = ipOf(z.full(pc.RemoteAddr.String()))
	}
	m.ExtendedPayload = judgedPEX(m.ExtendedPayload, func(peer netip.AddrPort) bool {
		if t == nil || netguard.JudgePeer(peer, from) != nil {
			return false
		}
		at := netip.AddrPortFrom(z.from(peer.Addr(), from), peer.Port()).String()
		z.hide(at)
		t.book.tell(at)
		return true
	})
}

// judgedPEX is a PEX message with those of its addresses that may be dialled. One that does not decode is left for the client to
// refuse.
func judgedPEX(payload []byte, may func(netip.AddrPort) bool) []byte {
	var msg pp.PexMsg
	if err := bencode.Unmarshal(payload, &msg); err != nil {
		return payload
	}
	added, flags := judgedAddrs(msg.Added, msg.AddedFlags, may)
	msg.Added, msg.AddedFlags = added, flags
	added, flags = judgedAddrs(msg.Added6, msg.Added6Flags, may)
	msg.Added6, msg.Added6Flags = added, flags
	msg.Dropped, msg.Dropped6 = msg.Dropped[:min(len(msg.Dropped), maxPEX)], msg.Dropped6[:min(len(msg.Dropped6), maxPEX)]
	b, err := bencode.Marshal(msg)
	if err != nil {
		return nil
	}
	return b
}

func judgedAddrs(addrs []krpc.NodeAddr, flags []pp.PexPeerFlags, may func(netip.AddrPort) bool) (out []krpc.NodeAddr, of []pp.PexPeerFlags) {
	for i, a := range addrs[:min(len(addrs), maxPEX)] {
		peer, ok := peerAddr(a.IP, a.Port)
		if !ok || !may(peer) {
			continue
		}
		out = append(out, a)
		if len(of) == len(out)-1 && i < len(flags) {
			of = append(of, flags[i])
		}
	}
	return out, of
}

// peerAddr makes one address of what a node or peer told us; not ok for what cannot be one.
func peerAddr(ip net.IP, port int) (netip.AddrPort, bool) {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || port <= 0 || port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), true
}

// ipOf is the address in IP:PORT; the zero one if there is none.
func ipOf(addr string) netip.Addr {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
