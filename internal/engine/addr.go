package engine

import (
	"net"
	"net/netip"
)

// peerAddr makes one address of what a tracker or DHT node told us; not ok for what cannot be one.
func peerAddr(ip net.IP, port int) (netip.AddrPort, bool) {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || port <= 0 || port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), true
}

// plausible says whether a peer that a stranger at from told us of is worth a connection. Strangers
// must not point us at services of our own machine, so loopback is taken only from loopback.
func plausible(a netip.AddrPort, from net.IP) bool {
	ip := a.Addr()
	if ip.IsLoopback() {
		return from.IsLoopback()
	}
	return !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
