package netguard

import (
	"net/netip"
	"slices"
	"testing"
)

// Sources in each of the zones. TestJudgePeer says what each may name.
const (
	farAway  = "8.8.8.8"
	inOffice = "10.9.8.7"
	onLink   = "169.254.7.7"
	onHost   = "127.0.0.1"
	nowhere  = ""
)

// TestJudgePeer: which sources may name which addresses.
func TestJudgePeer(t *testing.T) {
	for _, c := range []struct {
		peer string
		by   []string // the sources that may name it
	}{
		{"1.1.1.1:6881", []string{farAway, inOffice, onLink, onHost, nowhere}},
		{"1.1.1.1:443", []string{farAway, inOffice, onLink, onHost, nowhere}},
		{"[2606:4700::1]:6881", []string{farAway, inOffice, onLink, onHost, nowhere}},
		{"[::ffff:1.1.1.1]:6881", []string{farAway, inOffice, onLink, onHost, nowhere}},
		{"[64:ff9b::808:808]:6881", []string{farAway, inOffice, onLink, onHost, nowhere}},
		{"10.0.0.1:6881", []string{inOffice, onLink, onHost}},
		{"172.20.0.1:6881", []string{inOffice, onLink, onHost}},
		{"192.168.0.1:6881", []string{inOffice, onLink, onHost}},
		{"[::ffff:192.168.0.1]:6881", []string{inOffice, onLink, onHost}},
		{"[fd00::1]:6881", []string{inOffice, onLink, onHost}},
		{"100.64.0.1:6881", []string{inOffice, onLink, onHost}},
		{"169.254.7.8:6881", []string{onLink, onHost}},
		{"[fe80::1]:6881", []string{onLink, onHost}},
		{"127.0.0.1:6881", []string{onHost}},
		{"127.9.9.9:6881", []string{onHost}},
		{"[::1]:6881", []string{onHost}},
		{"[::ffff:127.0.0.1]:6881", []string{onHost}},
		// Nobody may name these.
		{"169.254.169.254:6881", nil},
		{"[::ffff:169.254.169.254]:6881", nil},
		{"[fd00:ec2::254]:6881", nil},
		{"100.100.100.200:6881", nil},
		{"168.63.129.16:6881", nil},
		{"0.0.0.0:6881", nil},
		{"0.1.2.3:6881", nil},
		{"[::]:6881", nil},
		{"224.0.0.1:6881", nil},
		{"[ff02::1]:6881", nil},
		{"255.255.255.255:6881", nil},
		{"240.0.0.1:6881", nil},
		{"192.0.0.170:6881", nil},
		{"192.0.2.1:6881", nil},
		{"198.18.0.1:6881", nil},
		{"[::127.0.0.1]:6881", nil},
		{"[::10.0.0.1]:6881", nil},
		{"[64:ff9b::7f00:1]:6881", nil},
		{"[64:ff9b::a00:1]:6881", nil},
		{"[64:ff9b:1::a00:1]:6881", nil},
		{"[2002:7f00:1::1]:6881", nil},
		{"[2002:a9fe:a9fe::1]:6881", nil},
		{"[2001:0:53aa:64c::1]:6881", nil},
		{"[fec0::1]:6881", nil},
		{"[100::1]:6881", nil},
		// Ports where other services listen.
		{"1.1.1.1:0", nil},
		{"1.1.1.1:22", nil},
		{"1.1.1.1:53", nil},
		{"1.1.1.1:80", nil},
		{"10.0.0.1:25", nil},
		{"10.0.0.1:6379", nil},
		{"10.0.0.1:2375", nil},
		{"127.0.0.1:11211", nil},
		{"1.1.1.1:27017", nil},
	} {
		for _, by := range []string{farAway, inOffice, onLink, onHost, nowhere} {
			from, _ := netip.ParseAddr(by)
			err := JudgePeer(netip.MustParseAddrPort(c.peer), from)
			if want := slices.Contains(c.by, by); (err == nil) != want {
				t.Errorf("%s, named by %q: got %v, want allowed %v", c.peer, by, err, want)
			}
		}
	}
	if err := JudgePeer(netip.AddrPort{}, netip.MustParseAddr(onHost)); err == nil {
		t.Error("an invalid address: got nil, want a refusal")
	}
	// An address from which something came may be named by itself, except for the ports of services and addresses that
	// no peer has.
	for _, a := range []string{"127.0.0.1:6881", "10.9.8.7:6881", "[fe80::2%eth0]:6881", "169.254.3.3:6881"} {
		if p := netip.MustParseAddrPort(a); JudgePeer(p, p.Addr()) != nil {
			t.Errorf("%s, named by itself: got %v, want nil", a, JudgePeer(p, p.Addr()))
		}
	}
	for _, a := range []string{"10.9.8.7:22", "127.0.0.1:6379", "169.254.169.254:6881"} {
		if p := netip.MustParseAddrPort(a); JudgePeer(p, p.Addr()) == nil {
			t.Errorf("%s, named by itself: got nil, want a refusal", a)
		}
	}
}

func TestServicesSorted(t *testing.T) {
	if !slices.IsSorted(services) {
		t.Error("services is not sorted, but searched by bisection")
	}
}

// A link may name addresses of the internet, and, with care, of a private network.
func TestJudgeLinked(t *testing.T) {
	for _, c := range []struct {
		peer          string
		careful, fine bool
	}{
		{"1.1.1.1:6881", false, true},
		{"1.1.1.1:6379", false, false},
		{"192.168.0.1:6881", true, true},
		{"192.168.0.1:6379", false, false},
		{"192.168.0.1:80", false, false},
		{"[fd00::1]:6881", true, true},
		{"100.64.0.1:6881", true, true},
		{"100.100.100.200:6881", false, false},
		{"127.0.0.1:6881", false, false},
		{"[::1]:6881", false, false},
		{"[::ffff:127.0.0.1]:6881", false, false},
		{"169.254.169.254:6881", false, false},
		{"169.254.1.1:6881", false, false},
		{"[fe80::1%eth0]:6881", true, true},
		{"[fe80::1%eth0]:6379", false, false},
		{"[fe80::1]:6881", false, false},
		{"[64:ff9b::a00:1]:6881", false, false},
		{"0.0.0.0:6881", false, false},
	} {
		careful, err := JudgeLinked(netip.MustParseAddrPort(c.peer))
		if careful != c.careful || (err == nil) != c.fine {
			t.Errorf("%s: got careful %v, %v; want careful %v, allowed %v", c.peer, careful, err, c.careful, c.fine)
		}
	}
}

// A member may have any port; otherwise the rules for peers apply.
func TestJudgeMember(t *testing.T) {
	for _, c := range []struct {
		member, from string
		fine         bool
	}{
		{"1.1.1.1:80", nowhere, true},
		{"1.1.1.1:0", nowhere, false},
		{"10.0.0.1:80", nowhere, true},
		{"10.0.0.1:80", farAway, false},
		{"10.0.0.1:80", inOffice, true},
		{"127.0.0.1:80", nowhere, false},
		{"127.0.0.1:80", inOffice, false},
		{"127.0.0.1:80", onHost, true},
		{"169.254.169.254:80", onHost, false},
	} {
		from, _ := netip.ParseAddr(c.from)
		if err := JudgeMember(netip.MustParseAddrPort(c.member), from); (err == nil) != c.fine {
			t.Errorf("%s, named by %q: got %v, want allowed %v", c.member, c.from, err, c.fine)
		}
	}
}

// An address of this machine in its own network counts as loopback does: services listen there too.
func TestOwnAddressesAreRefused(t *testing.T) {
	office := netip.MustParseAddrPort("10.0.0.1:6881")
	own.mu.Lock()
	own.at, own.is = own.at.AddDate(9999, 0, 0), map[netip.Addr]bool{office.Addr(): true}
	own.mu.Unlock()
	t.Cleanup(func() {
		own.mu.Lock()
		defer own.mu.Unlock()
		own.at, own.is = own.at.AddDate(-9999, 0, 0), nil
	})
	if JudgePeer(office, netip.MustParseAddr(inOffice)) == nil {
		t.Error("a neighbour names our own address: got nil, want a refusal")
	}
	if careful, err := JudgeLinked(office); careful || err == nil {
		t.Errorf("a link names our own address: got careful %v, %v, want a refusal", careful, err)
	}
	for _, from := range []netip.Addr{office.Addr(), netip.MustParseAddr(onHost)} {
		if err := JudgePeer(office, from); err != nil {
			t.Errorf("this machine names its own address from %v: got %v, want nil", from, err)
		}
	}
}
