package engine

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// TestZones: what goes to the client has no zone, and what comes back from it has the one it was met in.
func TestZones(t *testing.T) {
	var z zones
	for _, c := range []struct{ addr, shown string }{
		{"[fe80::1%eth0]:6881", "[fe80::1]:6881"},
		{"[fe80::2%wlan0.5]:1", "[fe80::2]:1"},
		{"192.168.1.2:6881", "192.168.1.2:6881"},
		{"[2a00::1]:6881", "[2a00::1]:6881"},
		{"169.254.7.7:6881", "169.254.7.7:6881"},
		{"[100::1]:1", "[100::1]:1"}, // stands for a member
		{"example.org:6881", "example.org:6881"},
	} {
		if got := z.hide(c.addr); got != c.shown {
			t.Errorf("%s: the client sees %s, want %s", c.addr, got, c.shown)
		}
		if got := z.full(c.shown); got != c.addr {
			t.Errorf("%s: comes back as %s, want %s", c.shown, got, c.addr)
		}
		if got := z.full(c.addr); got != c.addr {
			t.Errorf("%s: got %s, want it as it is", c.addr, got)
		}
	}
	if got := z.full("[fe80::9]:1"); got != "[fe80::9]:1" {
		t.Errorf("never met: got %s", got)
	}
	z.hide("[fe80::1%eth1]:7")
	if got := z.full("[fe80::1]:6881"); got != "[fe80::1%eth1]:6881" {
		t.Errorf("got %s, want the zone it was met in last", got)
	}
	at := z.shown(&net.TCPAddr{IP: net.ParseIP("fe80::3"), Port: 5, Zone: "eth0"})
	if at.String() != "[fe80::3]:5" || z.full(at.String()) != "[fe80::3%eth0]:5" {
		t.Errorf("a connection: the client sees %v, and we %s", at, z.full(at.String()))
	}
	heard := netip.MustParseAddr("fe80::4%eth2")
	for named, want := range map[string]string{"fe80::5": "fe80::5%eth2", "10.0.0.1": "10.0.0.1", "fe80::5%lo": "fe80::5%lo", "2a00::5": "2a00::5"} {
		if got := z.from(netip.MustParseAddr(named), heard); got.String() != want {
			t.Errorf("%s by %v: got %v, want %s", named, heard, got, want)
		}
	}
	for i := range 2 * maxZones {
		z.hide(fmt.Sprintf("[fe80::%x%%eth0]:1", i+1))
	}
	if len(z.of) > maxZones {
		t.Errorf("%d are remembered, want at most %d", len(z.of), maxZones)
	}
}
