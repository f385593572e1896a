package netguard

import (
	"net/netip"
	"testing"
)

func TestNotPublic(t *testing.T) {
	for _, c := range []struct{ ip, want string }{
		{"127.0.0.1", "a loopback address"},
		{"127.8.8.8", "a loopback address"},
		{"::1", "a loopback address"},
		{"::ffff:127.0.0.1", "a loopback address"},
		{"0.0.0.0", "an address of this host"},
		{"0.1.2.3", "an address of this host"},
		{"::", "an address of this host"},
		{"10.1.2.3", "a private address"},
		{"172.16.0.1", "a private address"},
		{"172.31.255.255", "a private address"},
		{"192.168.1.1", "a private address"},
		{"::ffff:192.168.1.1", "a private address"},
		{"fd00::1", "a private address"},
		{"fc00::1", "a private address"},
		{"169.254.169.254", "a cloud's metadata address"},
		{"::ffff:169.254.169.254", "a cloud's metadata address"},
		{"fd00:ec2::254", "a cloud's metadata address"},
		{"168.63.129.16", "a cloud's metadata address"},
		{"64:ff9b::a9fe:a9fe", "a cloud's metadata address inside IPv6"},
		{"169.254.1.1", "a link-local address"},
		{"fe80::1", "a link-local address"},
		{"fe80::1%eth0", "a link-local address"},
		{"224.0.0.251", "a multicast address"},
		{"239.192.152.143", "a multicast address"},
		{"ff02::1", "a multicast address"},
		{"100.64.0.1", "a carrier's shared address"},
		{"100.127.255.255", "a carrier's shared address"},
		{"192.0.0.170", "a special-purpose address"},
		{"198.18.0.1", "a benchmarking address"},
		{"203.0.113.7", "a documentation address"},
		{"255.255.255.255", "a reserved address"},
		{"240.0.0.1", "a reserved address"},
		{"64:ff9b::7f00:1", "a loopback address inside IPv6"},
		{"64:ff9b::a00:1", "a private address inside IPv6"},
		{"64:ff9b::808:808", ""},
		{"64:ff9b:1::1", "a local NAT64 address"},
		{"2002:7f00:1::1", "a loopback address inside IPv6"},
		{"2002:c0a8:101::1", "a private address inside IPv6"},
		{"2002:808:808::1", ""},
		{"::10.0.0.1", "a private address inside IPv6"},
		{"2001:0:53aa:64c::1", "a Teredo address"},
		{"2001:db8::1", "a documentation address"},
		{"fec0::1", "a site-local address"},
		{"8.8.8.8", ""},
		{"172.32.0.1", ""},
		{"100.128.0.1", ""},
		{"169.253.0.1", ""},
		{"2606:4700:4700::1111", ""},
		{"::ffff:1.1.1.1", ""},
	} {
		if got := notPublic(netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("notPublic(%s): got %q, want %q", c.ip, got, c.want)
		}
	}
	if got := notPublic(netip.Addr{}); got == "" {
		t.Error("notPublic of an invalid address: got nothing, want a refusal")
	}
}
