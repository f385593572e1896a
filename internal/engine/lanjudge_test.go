package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
)

func judgeOf(links ...lanLink) (*lanJudge, *time.Time) {
	j, now := newLANJudge(), time.Unix(1e9, 0)
	j.now, j.links = func() time.Time { return now }, func() []lanLink { return links }
	return j, &now
}

// A packet counts if it was sent to the group from an address of a network here.
func TestLANJudge(t *testing.T) {
	at, addr, net := netip.MustParseAddrPort, netip.MustParseAddr, netip.MustParsePrefix
	links := []lanLink{
		{1, net("127.0.0.1/8")}, {1, net("::1/128")},
		{2, net("10.0.0.5/24")}, {2, net("fe80::5/64")}, {2, net("2001:db8:1::5/64")},
		{3, net("192.168.7.5/24")}, {3, net("169.254.9.9/16")},
		{4, net("203.0.113.5/32")},
	}
	four, six := addr(lanGroup4), addr(lanGroup6)
	for _, c := range []struct {
		name   string
		p      lanPacket
		group  netip.Addr
		silent bool // whether it counts where the system does not say how it came
		want   bool
	}{
		{"a neighbour", lanPacket{from: at("10.0.0.9:6771"), to: four, index: 2}, four, true, true},
		{"a neighbour, version 6", lanPacket{from: at("[fe80::9%eth0]:6771"), to: six, index: 2}, six, true, true},
		{"a neighbour with a public address", lanPacket{from: at("[2001:db8:1::9]:6771"), to: six, index: 2}, six, true, true},
		{"mapped", lanPacket{from: at("[::ffff:10.0.0.9]:6771"), to: four, index: 2}, four, true, true},
		{"another program here", lanPacket{from: at("127.0.0.1:6771"), to: four, index: 1}, four, true, true},
		{"our own address, by loopback", lanPacket{from: at("10.0.0.5:6771"), to: four, index: 1}, four, true, true},
		{"unicast of a neighbour", lanPacket{from: at("10.0.0.9:6771"), to: addr("10.0.0.5"), index: 2}, four, true, false},
		{"unicast, version 6", lanPacket{from: at("[fe80::9%eth0]:6771"), to: addr("fe80::5"), index: 2}, six, true, false},
		{"broadcast", lanPacket{from: at("10.0.0.9:6771"), to: addr("10.0.0.255"), index: 2}, four, true, false},
		{"another group", lanPacket{from: at("10.0.0.9:6771"), to: addr("224.0.0.1"), index: 2}, four, true, false},
		{"to nobody knows whom", lanPacket{from: at("10.0.0.9:6771")}, four, true, false},
		{"metadata", lanPacket{from: at("169.254.169.254:6771"), to: four, index: 2}, four, true, false},
		{"from the internet", lanPacket{from: at("8.8.8.8:6771"), to: four, index: 2}, four, false, false},
		{"from loopback, by the network", lanPacket{from: at("127.0.0.9:6771"), to: four, index: 2}, four, true, false},
		{"of another interface's network", lanPacket{from: at("192.168.7.9:6771"), to: four, index: 2}, four, true, false},
		{"beside a network of one", lanPacket{from: at("203.0.113.6:6771"), to: four, index: 4}, four, false, false},
		{"from nowhere", lanPacket{to: four, index: 2}, four, false, false},
	} {
		j, _ := judgeOf(links...)
		if got := j.takes(c.p, c.group); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		c.p.silent, c.p.to, c.p.index = true, netip.Addr{}, 0
		if got := j.takes(c.p, c.group); got != c.silent {
			t.Errorf("%s, and the system does not say how: got %v, want %v", c.name, got, c.silent)
		}
	}
}

// Whoever floods is heard seldom, and others beside him.
func TestLANJudgeHearsAFloodSeldom(t *testing.T) {
	j, now := judgeOf(lanLink{2, netip.MustParsePrefix("10.0.0.5/8")})
	group := netip.MustParseAddr(lanGroup4)
	takes := func(i int) bool {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 6771)
		return j.takes(lanPacket{from: from, to: group, index: 2}, group)
	}
	heard := 0
	for range 100_000 { // in ten seconds
		*now = now.Add(time.Second / 10_000)
		if takes(7) {
			heard++
		}
	}
	if heard > lanFromBurst+10*lanFrom+1 || heard < lanFromBurst {
		t.Errorf("of one source %d packets were heard in ten seconds", heard)
	}
	if !takes(8) {
		t.Error("a neighbour of who floods is not heard")
	}
	heard = 0
	for i := range 100_000 {
		*now = now.Add(time.Second / 10_000)
		if takes(1000 + i) {
			heard++
		}
	}
	if heard > lanAllBurst+10*lanAll+1 || heard < 10*lanAll {
		t.Errorf("of a hundred thousand sources %d packets were heard in ten seconds", heard)
	}
	if len(j.sources) > lanSources {
		t.Errorf("%d sources are counted, want %d at most", len(j.sources), lanSources)
	}
}

// An address that announces itself all the time is not dialled all the time.
func TestLANAddressIsTriedSeldom(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBook(func() time.Time { return now })
	tries := 0
	for range 3000 { // in three seconds
		now = now.Add(time.Millisecond)
		b.add("10.0.0.9:6881", torrent.PeerSourceLPD)
		due, _ := b.due(func(string) bool { return false })
		tries += len(due)
	}
	if tries > 5 {
		t.Errorf("it was tried %d times in three seconds, want 5 at most", tries)
	}
}
