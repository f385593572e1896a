package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/bep44"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"golang.org/x/time/rate"
)

const id20 = "abcdefghij0123456789"

// hostilePackets each crash anacrolix/dht v2.24.0, or grow it without bound, if they reach it.
var hostilePackets = map[string]string{
	"announce_peer without a":  "d1:q13:announce_peer1:t2:aa1:y1:qe",
	"put without a":            "d1:q3:put1:t2:aa1:y1:qe",
	"get_peers without a":      "d1:q9:get_peers1:t2:aa1:y1:qe",
	"ip of one byte":           "d2:ip1:x1:rd2:id20:" + id20 + "e1:t2:aa1:y1:re",
	"ip of no bytes":           "d2:ip0:1:rd2:id20:" + id20 + "e1:t2:aa1:y1:re",
	"values of one byte":       "d1:rd2:id20:" + id20 + "6:valuesl1:xee1:t2:aa1:y1:re",
	"k without seq":            "d1:rd2:id20:" + id20 + "1:k32:" + id20 + "0123456789012e1:t2:aa1:y1:re",
	"reply without r":          "d1:t2:aa1:y1:re",
	"unknown query name":       "d1:ad2:id20:" + id20 + "e1:q9:whatever11:t2:aa1:y1:qe",
	"unknown kind":             "d1:t2:aa1:y1:ze",
	"no dictionary":            "li1ee",
	"deep lists":               "d1:a" + repeat("l", 500) + repeat("e", 500) + "e",
	"deep dictionaries":        "d1:a" + repeat("d1:a", 500) + "i1e" + repeat("e", 500) + "e",
	"string longer than there": "d1:q99999999999:e",
	"negative string":          "d1:q-1:e",
	"empty":                    "",
	"one byte":                 "d",
}

var honestPackets = map[string]string{
	"ping":          "d1:ad2:id20:" + id20 + "e1:q4:ping1:t2:aa1:y1:qe",
	"get_peers":     "d1:ad2:id20:" + id20 + "9:info_hash20:" + id20 + "e1:q9:get_peers1:t2:aa1:y1:qe",
	"announce_peer": "d1:ad2:id20:" + id20 + "9:info_hash20:" + id20 + "4:porti6881e5:token3:abce1:q13:announce_peer1:t2:aa1:y1:qe",
	"reply":         "d2:ip6:abcdef1:rd2:id20:" + id20 + "6:valuesl6:abcdefee1:t2:aa1:y1:re",
	"error":         "d1:eli201e5:helloe1:t2:aa1:y1:ee",
}

func repeat(s string, n int) (out string) {
	for range n {
		out += s
	}
	return out
}

func TestAdmitDHT(t *testing.T) {
	for name, p := range hostilePackets {
		if _, ok := admitDHT([]byte(p)); ok {
			t.Errorf("%s: admitted, want it dropped: %q", name, p)
		}
	}
	for name, p := range honestPackets {
		if _, ok := admitDHT([]byte(p)); !ok {
			t.Errorf("%s: dropped, want it admitted: %q", name, p)
		}
	}
	node := id20 + "abcdef"
	for n, want := range map[int]bool{8: true, dhtMaxNodes: true, dhtMaxNodes + 1: false, 200: false} {
		p := fmt.Sprintf("d1:rd2:id20:%s5:nodes%d:%se1:t2:aa1:y1:re", id20, n*len(node), repeat(node, n))
		if _, ok := admitDHT([]byte(p)); ok != want {
			t.Errorf("an answer with %d nodes: admitted %v, want %v", n, ok, want)
		}
	}
	if _, ok := admitDHT(make([]byte, dhtMaxPacket+1)); ok {
		t.Error("a packet over the limit was admitted")
	}
}

// TestGuardedServerLives sends each hostile packet to a real server behind the guard, and then asks it
// something.
func TestGuardedServerLives(t *testing.T) {
	p := newUDPPort(testLog(t))
	conns, err := p.dhtConns([]string{"127.0.0.1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	node, err := startDHT(t.Context(), Settings{Log: testLog(t), DHTNodes: []string{"127.0.0.1:1"}}, conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.close() })
	c, err := net.Dial("udp", node.servers[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, p := range hostilePackets {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	// A BEP 44 reply with k and no seq crashes only in answer to a query of ours; that the guard drops
	// it is shown above.
	for name, p := range map[string]string{
		"ping":      honestPackets["ping"],
		"find_node": "d1:ad2:id20:" + id20 + "6:target20:" + id20 + "e1:q9:find_node1:t2:aa1:y1:qe",
		"get":       "d1:ad2:id20:" + id20 + "6:target20:" + id20 + "e1:q3:get1:t2:aa1:y1:qe",
	} {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 2048)
		var m krpc.Msg
		for m.Y != "r" { // errors that answer the hostile packets may come first
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("no answer to a %s after the hostile packets: %v", name, err)
			}
			if err := bencode.Unmarshal(buf[:n], &m); err != nil {
				t.Fatalf("answer to %s: %v", name, err)
			}
		}
	}
}

func FuzzAdmitDHT(f *testing.F) {
	for _, p := range hostilePackets {
		f.Add([]byte(p))
	}
	for _, p := range honestPackets {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := admitDHT(b); !ok {
			return
		}
		var m krpc.Msg
		if err := bencode.Unmarshal(b, &m); err != nil {
			if _, ok := err.(bencode.ErrUnusedTrailingBytes); !ok {
				t.Fatalf("admitted what does not decode: %v", err)
			}
		}
		if m.Y == "q" && m.A == nil {
			t.Fatal("admitted a query without arguments")
		}
	})
}

func TestPeerStore(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newPeerStore(func() time.Time { return now })
	ih := [20]byte{1}
	addr := func(last byte, port int) krpc.NodeAddr {
		return krpc.NodeAddr{IP: net.IPv4(10, 0, 0, last).To4(), Port: port}
	}
	s.AddPeer(ih, addr(1, 1000))
	s.AddPeer(ih, addr(1, 1001)) // the same machine, another program
	s.AddPeer(ih, addr(1, 1000)) // again
	s.AddPeer(ih, addr(2, 0))
	s.AddPeer(ih, krpc.NodeAddr{IP: net.IPv4zero, Port: 5})
	if got := len(s.GetPeers(ih)); got != 2 {
		t.Errorf("got %d peers, want 2: one a host and port, none without port or address", got)
	}
	now = now.Add(dhtPeerLife + time.Second)
	if got := len(s.GetPeers(ih)); got != 0 {
		t.Errorf("after %v got %d peers, want 0", dhtPeerLife, got)
	}
	for i := range 3 * dhtMaxPeers {
		now = now.Add(time.Millisecond)
		s.AddPeer(ih, krpc.NodeAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i)).To4(), Port: 1})
	}
	if got := len(s.by[ih].peers); got != dhtMaxPeers {
		t.Errorf("one infohash holds %d peers, want %d", got, dhtMaxPeers)
	}
	for i := range 2 * dhtMaxInfohashes {
		now = now.Add(time.Millisecond)
		s.AddPeer([20]byte{2, byte(i >> 8), byte(i)}, addr(9, 9))
	}
	if got := len(s.by); got != dhtMaxInfohashes || s.order.Len() != got {
		t.Errorf("the store holds %d infohashes, %d of them in order, want %d", got, s.order.Len(), dhtMaxInfohashes)
	}
	kept := [20]byte{2, byte(dhtMaxInfohashes >> 8), byte(dhtMaxInfohashes & 0xff)} // the one that would go next, but for this
	s.AddPeer(kept, addr(8, 8))
	s.AddPeer([20]byte{3}, addr(9, 9))
	if got := len(s.GetPeers(kept)); got != 2 {
		t.Errorf("an infohash that was announced again holds %d peers, want 2", got)
	}
	last := 2*dhtMaxInfohashes - 1
	if len(s.GetPeers([20]byte{2, byte(last >> 8), byte(last)})) != 1 {
		t.Error("the newest infohash was dropped for room")
	}
}

func TestBook(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBook(func() time.Time { return now })
	none := func(string) bool { return false }
	b.add("10.0.0.1:1", "M")
	b.add("10.0.0.2:2", "Hg")
	due, _ := b.due(none)
	if len(due) != 2 {
		t.Fatalf("got %d due at once, want 2", len(due))
	}
	offered := map[string]int{}
	for range 600 { // a minute in tenths
		now = now.Add(100 * time.Millisecond)
		due, next := b.due(none)
		if !next.After(now) {
			t.Fatalf("next is due at %v, which is not after now", next)
		}
		for _, p := range due {
			offered[p.Addr.String()]++
		}
	}
	if named, found := offered["10.0.0.1:1"], offered["10.0.0.2:2"]; named < 6 || found < 3 || named <= found {
		t.Errorf("in a minute the named peer was offered %d times, one from the DHT %d: want at least 6 and 3, and the named one oftener", named, found)
	}
	// A connected peer is not offered, and is again as soon as it is lost.
	if due, _ := b.due(func(a string) bool { return true }); len(due) != 0 {
		t.Errorf("connected peers were offered: %v", due)
	}
	now = now.Add(2 * time.Second)
	if due, _ := b.due(none); len(due) != 2 {
		t.Errorf("after the loss %d were offered, want 2", len(due))
	}
	for i := range 3 * maxKnownPeers {
		b.add(fmt.Sprintf("10.1.%d.%d:3", i>>8, i&255), "X")
	}
	if b.size() > maxKnownPeers {
		t.Errorf("the book holds %d, want at most %d", b.size(), maxKnownPeers)
	}
	if _, ok := b.known["10.0.0.1:1"]; !ok {
		t.Error("the peer that the user named was dropped for room")
	}
}

// One machine is no more than some nodes of the DHT, however many ports it names.
func TestDHTPorts(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := &dhtPorts{now: func() time.Time { return now }}
	ask := func(format string, n int) (asked int) {
		for i := range n {
			if p.mayAsk(netip.MustParseAddrPort(fmt.Sprintf(format, i+1))) {
				asked++
			}
		}
		return asked
	}
	for format, want := range map[string]int{
		"8.8.8.8:%d": dhtMaxPorts, "8.8.9.%d:6881": 100, "[2001:db8:1:2::%x]:6881": 100, "[2001:db8:1:3::1]:%d": dhtMaxPorts, "127.0.0.1:%d": 100,
	} {
		if got := ask(format, 100); got != want {
			t.Errorf("%s: %d were asked, want %d", format, got, want)
		}
	}
	if p.mayAsk(netip.MustParseAddrPort("[2001:db8:1:3::2]:2000")) {
		t.Error("another address of the same network of IPv6 was asked at one more port")
	}
	if got := ask("[::ffff:8.8.8.8]:%d", 100); got != dhtMaxPorts { // those that were asked before
		t.Errorf("mapped: %d were asked, want %d", got, dhtMaxPorts)
	}
	now = now.Add(dhtPortsTime)
	if got := ask("8.8.8.8:10%d", 50); got != dhtMaxPorts {
		t.Errorf("later: %d were asked, want %d", got, dhtMaxPorts)
	}
	if ask("9.%d.1.1:1", 200); len(p.asked) > dhtMaxOrigins {
		t.Errorf("%d addresses are counted", len(p.asked))
	}
}

// closerNodes are nodes of which each names the next, which is closer to a target. They count the questions of a kind.
func closerNodes(t *testing.T, target [20]byte, question string) (first string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	chain := make([]*net.UDPConn, 100)
	for i := range chain {
		pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pc.Close() })
		chain[i] = pc
	}
	for i, pc := range chain {
		go func() {
			b := make([]byte, 2048)
			for {
				n, from, err := pc.ReadFromUDP(b)
				if err != nil {
					return
				}
				var q krpc.Msg
				if bencode.Unmarshal(b[:n], &q) != nil || q.Y != krpc.YQuery {
					continue
				}
				token := "t"
				r := krpc.Return{ID: closer(target, i), Token: &token}
				if q.Q == question && i+1 < len(chain) {
					asked.Add(1)
					next := chain[i+1].LocalAddr().(*net.UDPAddr)
					r.Nodes = krpc.CompactIPv4NodeInfo{{ID: closer(target, i+1), Addr: krpc.NodeAddr{IP: next.IP, Port: next.Port}}}
				}
				pc.WriteToUDP(bencode.MustMarshal(krpc.Msg{T: q.T, Y: krpc.YResponse, R: &r}), from)
			}
		}()
	}
	return chain[0].LocalAddr().String(), asked
}

// A node that always names one that is closer leads a search on for a while, and not without end.
func TestDHTSearchEnds(t *testing.T) {
	target := [20]byte{1, 2, 3}
	first, answers := closerNodes(t, target, "get_peers")
	p := newUDPPort(testLog(t))
	conns, err := p.dhtConns([]string{"127.0.0.1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	node, err := startDHT(t.Context(), Settings{Log: testLog(t), DHTNodes: []string{first}}, conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.close() })
	node.answers = 20
	node.announce(t.Context(), target, 6881, func(string) {})
	if n := answers.Load(); n < 20 || n > 40 {
		t.Errorf("%d nodes were asked, want some 20", n)
	}
}

// Nor does it lead the library on, which fills its table for as long as it is named nodes that are closer to its own ID. It is told
// that no more can be asked, and ends.
func TestDHTTableIsFilledOnce(t *testing.T) {
	own := [20]byte{9, 8, 7}
	first, answers := closerNodes(t, own, "find_node")
	at, err := net.ResolveUDPAddr("udp4", first)
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	known := &dhtKnown{}
	known.named(at.AddrPort())
	cfg := dht.NewDefaultServerConfig()
	cfg.NodeId = own
	cfg.Conn = guardedConn{pc, known, &dhtPorts{now: time.Now}, rate.NewLimiter(0, 20)}
	cfg.StartingNodes = func() ([]dht.Addr, error) { return []dht.Addr{dht.NewAddr(at)}, nil }
	srv, err := dht.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	for range 2 {
		if _, err := srv.BootstrapContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := answers.Load(); n != 20 {
			t.Errorf("%d nodes were asked, want 20", n)
		}
	}
	// What is asked for a search, and whether a node is there, is as before.
	if res := srv.Ping(at); res.Err != nil {
		t.Errorf("a ping: %v", res.Err)
	}
}

// TestItemStore: what strangers store is kept as it came, as little of it as there is room for, and gone after a while.
func TestItemStore(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newItemStore(func() time.Time { return now })
	lists := make([]any, 400) // of 800 bytes, and thirty times as many as what they decode to
	for i := range lists {
		lists[i] = []any{}
	}
	put := func(i int) bep44.Target {
		now = now.Add(time.Millisecond)
		it := &bep44.Item{V: append([]any{i}, lists...)}
		if err := s.Put(it); err != nil {
			t.Fatal(err)
		}
		return it.Target()
	}
	var all []bep44.Target
	for i := range 2 * dhtMaxItems {
		all = append(all, put(i))
	}
	if len(s.by) != dhtMaxItems {
		t.Errorf("it holds %d items, want %d", len(s.by), dhtMaxItems)
	}
	if _, err := s.Get(all[dhtMaxItems-1]); !errors.Is(err, bep44.ErrItemNotFound) {
		t.Errorf("the oldest: got %v, want it gone", err)
	}
	it, err := s.Get(all[dhtMaxItems])
	if err != nil || it.Target() != all[dhtMaxItems] {
		t.Fatalf("got %v, %v, want what was stored", it, err)
	}
	if raw, ok := it.V.(bencode.Bytes); !ok || len(raw) > 1000 {
		t.Errorf("it is kept as %T", it.V)
	}
	now = now.Add(dhtItemLife + time.Second)
	if _, err := s.Get(all[len(all)-1]); !errors.Is(err, bep44.ErrItemNotFound) {
		t.Errorf("after %v: got %v, want it gone", dhtItemLife, err)
	}
}

// closer is an ID that is the closer to a target the larger i is.
func closer(target [20]byte, i int) krpc.ID {
	target[19] ^= byte(200 - i)
	return target
}
