package netguard

import (
	"encoding/binary"
	"net/netip"
)

// special are ranges without public services, in addition to those that netip knows (IANA's special-purpose registries,
// RFC 6890).
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of this host"},
	{sharedByCarrier, "a carrier's shared address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a special-purpose address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a documentation address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmarking address"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a documentation address"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a documentation address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("100::/64"), "a discard address"},
	{netip.MustParsePrefix("2001::/32"), "a Teredo address"}, // hides an IPv4 address of the sender's choice
	{netip.MustParsePrefix("2001:db8::/32"), "a documentation address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a local NAT64 address"}, // RFC 8215
	{netip.MustParsePrefix("fec0::/10"), "a site-local address"},
}

// sharedByCarrier is the range of RFC 6598.
var sharedByCarrier = netip.MustParsePrefix("100.64.0.0/10")

// metadata are the addresses at which clouds hand out secrets to their machines. One of them is public, others may be
// in a network that is trusted.
var metadata = map[netip.Addr]string{
	netip.MustParseAddr("169.254.169.254"): "AWS, Azure, Google and most others",
	netip.MustParseAddr("169.254.169.253"): "AWS, its resolver",
	netip.MustParseAddr("169.254.170.2"):   "AWS, containers",
	netip.MustParseAddr("169.254.170.23"):  "AWS, pods",
	netip.MustParseAddr("fd00:ec2::254"):   "AWS",
	netip.MustParseAddr("fd00:ec2::23"):    "AWS, pods",
	netip.MustParseAddr("fd20:ce::254"):    "Google",
	netip.MustParseAddr("168.63.129.16"):   "Azure",
	netip.MustParseAddr("100.100.100.200"): "Alibaba",
}

// embedded are the IPv6 ranges that carry an IPv4 address, which is then judged; off is the offset of its first byte.
var embedded = []struct {
	prefix netip.Prefix
	off    int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4, RFC 3056
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible, RFC 4291
}

// notPublic returns a description of ip if it is not a public unicast address, else "".
func notPublic(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case !ip.IsValid():
		return "not an address"
	case metadata[ip] != "":
		return "a cloud's metadata address"
	case ip.IsUnspecified():
		return "an address of this host"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate():
		return "a private address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case ip.IsMulticast():
		return "a multicast address"
	}
	for _, s := range special {
		if s.prefix.Contains(ip) {
			return s.what
		}
	}
	for _, e := range embedded {
		if e.prefix.Contains(ip) {
			b := ip.As16()
			var v4 [4]byte
			binary.BigEndian.PutUint32(v4[:], binary.BigEndian.Uint32(b[e.off:]))
			if what := notPublic(netip.AddrFrom4(v4)); what != "" {
				return what + " inside IPv6"
			}
		}
	}
	return ""
}
