package engine

import (
	"net"
	"net/netip"
	"sync"
)

// The client takes an address with a zone (fe80::1%eth0, RFC 4007) for no address at all, and drops who has one. So it sees
// link-local addresses without their zones, and zones remembers which they have: for the dialler, and wherever an address leads back to
// the user.

// maxZones bounds the addresses that are remembered; they are those of machines on this network.
const maxZones = 4096

type zones struct {
	mu sync.Mutex
	of map[netip.Addr]string // the zone in which an address was met last
}

// hide gives the address that the client is to see, and remembers the zone of one that has one. What is no IP:PORT stays as it is.
func (z *zones) hide(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || at.Addr().Zone() == "" {
		return addr
	}
	plain := at.Addr().WithZone("")
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.of == nil || len(z.of) >= maxZones {
		z.of = map[netip.Addr]string{}
	}
	z.of[plain] = at.Addr().Zone()
	return netip.AddrPortFrom(plain, at.Port()).String()
}

// full gives an address that the client has seen with the zone that it was met in.
func (z *zones) full(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsLinkLocalUnicast() || !at.Addr().Is6() || at.Addr().Zone() != "" {
		return addr
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	return netip.AddrPortFrom(at.Addr().WithZone(z.of[at.Addr()]), at.Port()).String()
}

// shown is the remote address of a connection as the client is to see it.
func (z *zones) shown(at net.Addr) net.Addr {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || tcp.Zone == "" {
		return at
	}
	z.hide(tcp.String())
	return &net.TCPAddr{IP: tcp.IP, Port: tcp.Port}
}

// from gives an address that a peer has named the zone that the peer is in: a link-local address is of the network on which it was
// heard.
func (z *zones) from(named, peer netip.Addr) netip.Addr {
	if named.Is6() && named.IsLinkLocalUnicast() && named.Zone() == "" {
		return named.WithZone(peer.Zone())
	}
	return named
}
