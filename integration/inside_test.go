//go:build linux

package integration_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// insides are spellings of internal addresses, which strangers have no business with, as hosts in URLs.
var insides = []string{
	"127.0.0.1", "127.1", "127.0.1", "127.9.9.9", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "0", "0.0.0.0", "１２７.0.0.1", "127。0。0。1",
	"[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]",
	"localhost", "LOCALHOST", "localhost.", "ip6-localhost",
	"169.254.169.254", "2852039166", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]",
	"10.200.0.1", "172.20.0.1", "192.168.0.1", "[fd00::1]", "100.64.0.1", "100.100.100.200",
}

// watched gives a host the addresses of insides, with a canary at all of them, on one port for TCP and another for UDP.
func watched(t *testing.T, h *netlab.Host) *rogue.Canary {
	t.Helper()
	for _, a := range []string{
		"169.254.169.254/32", "10.200.0.1/32", "172.20.0.1/32", "192.168.0.1/32", "100.64.0.1/32", "100.100.100.200/32",
		"fd00::1/128", "fd00:ec2::254/128", "64:ff9b::7f00:1/128", "64:ff9b::a9fe:a9fe/128", "2002:7f00:1::1/128",
	} {
		if out, err := exec.Command("ip", "-n", h.NS, "addr", "add", a, "dev", "lo").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", a, err, out)
		}
	}
	c := new(rogue.Canary)
	for _, family := range []string{"4", "6"} {
		all := map[string]string{"4": "0.0.0.0", "6": "[::]"}[family]
		for _, port := range []string{":80", ":8099", ":6379"} {
			l, err := h.Listen("tcp"+family, all+port)
			if err != nil {
				t.Fatal(err)
			}
			pc, err := h.ListenPacket("udp"+family, all+port)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{}, 2)
			go func() { c.Accept(l); done <- struct{}{} }()
			go func() { c.Receive(pc); done <- struct{}{} }()
			t.Cleanup(func() { l.Close(); pc.Close(); <-done; <-done })
		}
	}
	return c
}

// TestInsideIsNotReached checks that a link or .torrent that points to services of this machine reaches none of them, in any
// form and field.
func TestInsideIsNotReached(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 1)
	h := lab.Host(1)
	canary := watched(t, h)
	dir := t.TempDir()
	var hosts, links []string
	for _, in := range insides {
		for _, port := range []string{"8099", "6379", "80"} {
			hosts = append(hosts, in+":"+port)
		}
	}
	// A link may have a hundred of each.
	for n := 0; n < len(hosts); n += 50 {
		link := "magnet:?xt=urn:btih:0d0a464c555348414c4c0d0a7878787878787878"
		for _, a := range hosts[n:min(n+50, len(hosts))] {
			link += "&x.pe=" + url.QueryEscape(a) + "&tr=" + url.QueryEscape("http://"+a+"/announce") + "&tr=" + url.QueryEscape("udp://"+a+"/announce") + "&ws=" + url.QueryEscape("http://"+a+"/f")
		}
		links = append(links, link)
	}
	for n := 0; n < len(hosts); n += 50 {
		var tiers, seeds, nodes []any
		for _, a := range hosts[n:min(n+50, len(hosts))] {
			tiers = append(tiers, []any{"http://" + a + "/announce", "udp://" + a + "/announce", "ws://" + a + "/announce"})
			seeds = append(seeds, "http://"+a+"/f")
			host := strings.Trim(a[:strings.LastIndexByte(a, ':')], "[]")
			nodes = append(nodes, []any{host, 8099})
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.torrent", n))
		b := rogue.Encode(rogue.Dict{"info": rogue.File(rogue.Dict{}), "announce-list": tiers, "url-list": seeds, "httpseeds": seeds, "nodes": nodes})
		if err := os.WriteFile(file, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		links = append(links, file)
	}
	for _, proxy := range []string{"", "http://10.77.0.254:3128"} {
		for _, ref := range links {
			c := us.With("--timeout", "6s", "--no-lan", "--no-upnp", "--dht-node", "10.77.0.254:6881").Command(t, h, "fetch", "-o", t.TempDir(), ref)
			if proxy != "" {
				c.Env = append(c.Env, "HTTP_PROXY="+proxy)
			}
			p := client.Start(t, c)
			if _, err := p.Exit(within(t, 2*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if came := canary.Came(); len(came) > 0 {
		t.Errorf("got %d internal connections, want none: %.5q", len(came), came)
	}
}

// TestForgedLANPackets checks that senders outside the network cannot point a fetch at anybody through LAN discovery.
func TestForgedLANPackets(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	h := lab.Host(1)
	canary := watched(t, h)
	const hash = "abababababababababababababababababababab"
	p := client.Start(t, us.With("--timeout", "8s", "--no-dht", "--no-upnp", "--json").Command(t, h, "fetch", "-o", t.TempDir(), hash))
	ctx := within(t, time.Minute)
	if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"metadata"`) }); err != nil {
		t.Fatal(err)
	}
	// By unicast from a neighbour, and by unicast and multicast from addresses of other networks that the neighbour has taken.
	at, err := lab.Host(2).Listen("tcp", "0.0.0.0:8099")
	if err != nil {
		t.Fatal(err)
	}
	neighbour := new(rogue.Canary)
	done := make(chan struct{})
	go func() { defer close(done); neighbour.Accept(at) }()
	t.Cleanup(func() { at.Close(); <-done })
	for _, a := range []string{"169.254.169.254/32", "8.8.8.8/32", "10.200.0.1/32"} {
		if out, err := exec.Command("ip", "-n", lab.Host(2).NS, "addr", "add", a, "dev", "eth0").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", a, err, out)
		}
	}
	send := func(from, to, port string) {
		t.Helper()
		pc, err := lab.Host(2).ListenPacket("udp4", from+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		packet := "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: " + port + "\r\nInfohash: " + hash + "\r\ncookie: x\r\n\r\n\r\n"
		if _, err := pc.WriteTo([]byte(packet), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, from := range []string{lab.Host(2).IP, "169.254.169.254", "8.8.8.8", "10.200.0.1"} {
			send(from, h.IP+":6771", "8099")
			if from != lab.Host(2).IP {
				send(from, "239.192.152.143:6771", "8099")
			}
		}
		send(lab.Host(2).IP, "239.192.152.143:6771", "6379")
	}
	if code, err := p.Exit(ctx); err != nil || code != 14 {
		t.Fatalf("got exit code %d, %v, want 14", code, err)
	}
	if came := append(canary.Came(), neighbour.Came()...); len(came) > 0 {
		t.Errorf("got %d connections, want none: %.5q", len(came), came)
	}
	// When the same neighbour behaves correctly, it is contacted.
	p = client.Start(t, us.With("--timeout", "20s", "--no-dht", "--no-upnp", "--json").Command(t, h, "fetch", "-o", t.TempDir(), hash))
	if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"metadata"`) }); err != nil {
		t.Fatal(err)
	}
	err = p.Until(ctx, "the neighbour is called", func() bool {
		send(lab.Host(2).IP, "239.192.152.143:6771", "8099")
		return len(neighbour.Came()) > 0
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLinkToAService uses a link to a service on the network whose infohash is a command to that service: the service must
// never receive it.
func TestLinkToAService(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	l := listenAt(t, lab.Host(1), lab.Host(1).IP+":8099")
	heard := make(chan []byte, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(time.Second / 2))
			b, _ := io.ReadAll(c)
			c.Close()
			heard <- b
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	link := "magnet:?xt=urn:btih:0d0a464c555348414c4c0d0a7878787878787878&x.pe=" + lab.Host(1).IP + ":8099"
	p := client.Start(t, us.With(append([]string{"--timeout", "10s"}, nothing...)...).Command(t, lab.Host(2), "fetch", "-o", t.TempDir(), link))
	if _, err := p.Exit(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	n := len(heard)
	if n == 0 || n > 3 {
		t.Errorf("got %d connections, want 1 to 3", n)
	}
	for range n {
		if b := <-heard; strings.Contains(string(b), "FLUSHALL") || strings.Contains(string(b), "BitTorrent") {
			t.Errorf("it received %q", b)
		}
	}
}
