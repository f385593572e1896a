package engine

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// booked is what a torrent's book has.
func booked(b *book) (out []string) {
	for _, k := range b.all() {
		a := k.addr
		if k.careful {
			a += " with care"
		}
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// Addresses of a link are judged, and those in private networks are few and tried seldom, also once the info is known.
func TestLinkedAddresses(t *testing.T) {
	e := start(t, nil)
	add := func(private bool, links ...string) *book {
		tt := &Torrent{e: e, book: newBook(time.Now)} // which dials nobody
		tt.linked(links, private)
		return tt.book
	}
	links := []string{
		"127.0.0.1:6881", "[::1]:6881", "[::ffff:127.0.0.1]:6881", "169.254.169.254:6881", "[fe80::1]:6881", "0.0.0.0:6881", "224.0.0.1:6881",
		"255.255.255.255:6881", "[64:ff9b::7f00:1]:6881", "[2002:7f00:1::]:6881", "10.0.0.1:6379", "10.0.0.1:22", "1.1.1.1:53", "name.example:6881",
	}
	if got := booked(add(false, links...)); len(got) > 0 {
		t.Errorf("booked %q, want nothing", got)
	}
	var many []string
	for i := range 4 * maxCareful {
		many = append(many, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 255, 255, byte(i + 1)}), 6881).String())
	}
	linked := add(false, many[1:]...)
	linked.add(many[0], torrent.PeerSourceDirect)
	if got := booked(linked); len(got) != 1+maxCareful || !slices.Contains(got, many[0]) {
		t.Errorf("booked %q, want the user's own, and %d with care", got, maxCareful)
	}
	if got := booked(add(true, many...)); len(got) != len(many) || !slices.Contains(got, many[5]) {
		t.Errorf("with the user's leave booked %q, want all, as others are", got)
	}
	// The same again, with what an earlier look-up found.
	now := time.Unix(1e9, 0)
	b := newBook(func() time.Time { return now })
	for _, k := range linked.all() {
		b.take(k)
	}
	for _, a := range many {
		b.addCareful(a)
	}
	offered := map[string]int{}
	for range 24 * 60 { // a day
		now = now.Add(time.Minute)
		b.add(many[1], sourceLink) // a link's word again does not make it more
		b.known[many[1]].careful = true
		due, _ := b.due(func(string) bool { return false })
		for _, p := range due {
			offered[p.Addr.String()]++
		}
	}
	if len(offered) != 1+maxCareful || offered[many[2]] > carefulTries || offered[many[0]] < 100 {
		t.Errorf("in a day offered %v, want %d of the link, each %d times at most", offered, maxCareful, carefulTries)
	}
}

// Who is there for a link that names a service on a private network hears nothing that the link's author chose.
func TestNoPlainHandshakeWhereALinkPoints(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := start(t, nil)
	linked := &Torrent{book: newBook(time.Now)} // which does not dial by itself
	linked.book.addCareful(l.Addr().String())   // as if loopback were the office
	e.mu.Lock()
	e.torrents[linked] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.torrents, linked)
	}()
	hello := append([]byte(pp.Protocol), make([]byte, handshakeBytes-len(pp.Protocol))...)
	copy(hello[hashBegin:], "\r\nFLUSHALL\r\nxxxxxxxx")
	d := e.port.dialers[0]
	c, err := d.Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(hello)
		wrote <- err
	}()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	heard, _ := io.ReadAll(io.LimitReader(in, 96)) // the key of the obfuscation
	in.Write([]byte("-ERR unknown command\r\n"))
	in.Close()
	if err := <-wrote; err == nil {
		t.Error("the handshake went out, want it kept back")
	}
	if bytes.Contains(heard, []byte("BitTorrent")) || bytes.Contains(heard, []byte("FLUSHALL")) || len(heard) == 0 {
		t.Errorf("the service heard %q, want noise alone", heard)
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Second / 2))
	if again, err := l.Accept(); err == nil {
		again.Close()
		t.Error("it was called again, plainly")
	}
	// What nobody named whom we trust in this is not called at all.
	for _, a := range []string{"127.0.0.1:6881", "10.0.0.1:6881", "[::1]:6881", "169.254.169.254:6881", "1.1.1.1:22", "no address"} {
		if c, err := d.Dial(t.Context(), a); err == nil {
			c.Close()
			t.Errorf("%s was dialled, and nobody named it", a)
		}
	}
}

// PEX is judged by where it comes from before the client has it, and bounded.
func TestJudgedPEX(t *testing.T) {
	node := func(a string) krpc.NodeAddr {
		p := netip.MustParseAddrPort(a)
		return krpc.NodeAddr{IP: p.Addr().AsSlice(), Port: int(p.Port())}
	}
	msg := pp.PexMsg{
		Added:       []krpc.NodeAddr{node("127.0.0.1:6881"), node("1.1.1.1:6881"), node("10.0.0.1:6881"), node("8.8.8.8:6882")},
		AddedFlags:  []pp.PexPeerFlags{1, 2, 3, 4},
		Added6:      []krpc.NodeAddr{node("[::1]:6881"), node("[2606:4700::1]:6881")},
		Added6Flags: []pp.PexPeerFlags{5, 6},
	}
	b, err := bencode.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, nil)
	p := newPayload(t, 1<<10, false)
	tt := p.seed(t, e, Spec{}) // nothing is dialled that was told
	hear := func(from string) pp.PexMsg {
		t.Helper()
		pc := &torrent.PeerConn{LocalLtepProtocolMap: &torrent.LocalLtepProtocolMap{Index: []pp.ExtensionName{pp.ExtensionNamePex}, NumBuiltin: 1}}
		pc.RemoteAddr = torrent.StringAddr(from)
		m := &pp.Message{Type: pp.Extended, ExtendedID: 1, ExtendedPayload: slices.Clone(b)}
		tt.judgePEX(pc, m)
		out, err := pp.LoadPexMsg(m.ExtendedPayload)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	far := hear("9.9.9.9:1")
	if len(far.Added) != 2 || far.Added[0].Port != 6881 || !slices.Equal(far.AddedFlags, []pp.PexPeerFlags{2, 4}) || len(far.Added6) != 1 || !slices.Equal(far.Added6Flags, []pp.PexPeerFlags{6}) {
		t.Errorf("of a peer far away: got %+v, want the public addresses with their flags", far)
	}
	if _, err := e.mayDial("10.0.0.1:6881"); err == nil {
		t.Error("a private address that a peer far away named may be dialled")
	}
	if office := hear("10.9.9.9:1"); len(office.Added) != 3 || len(office.Added6) != 1 {
		t.Errorf("of a peer in a private network: got %+v, want its own network too, and not loopback", office)
	}
	if careful, err := e.mayDial("10.0.0.1:6881"); err != nil || careful {
		t.Errorf("a private address that a peer in a private network named: got careful %v, %v", careful, err)
	}
	if here := hear("127.0.0.1:1"); len(here.Added) != 4 || len(here.Added6) != 2 {
		t.Errorf("of a peer on loopback: got %+v, want all", here)
	}
	msg = pp.PexMsg{}
	for i := range 10_000 {
		msg.Added = append(msg.Added, krpc.NodeAddr{IP: net.IPv4(8, 8, byte(i>>8), byte(i)).To4(), Port: 6881})
	}
	if b, err = bencode.Marshal(msg); err != nil {
		t.Fatal(err)
	}
	if got := hear("9.9.9.9:1"); len(got.Added) != maxPEX {
		t.Errorf("of 10,000 addresses got %d, want %d", len(got.Added), maxPEX)
	}
}

func FuzzJudgedPEX(f *testing.F) {
	f.Add([]byte("d5:added6:\x08\x08\x08\x08\x1a\xe17:added.f1:\x02e"))
	f.Add([]byte("d6:added618:" + string(make([]byte, 18)) + "e"))
	f.Add([]byte("d5:added5:abcdee"))
	f.Add([]byte("d7:dropped12:abcdefabcdefe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := 0
		out := judgedPEX(b, func(netip.AddrPort) bool { seen++; return seen%2 == 0 })
		if seen > 2*maxPEX {
			t.Errorf("%d addresses were looked at", seen)
		}
		if _, err := pp.LoadPexMsg(b); err == nil {
			if _, err := pp.LoadPexMsg(out); err != nil {
				t.Errorf("what was left does not decode: %v", err)
			}
		}
	})
}

// The port at which a peer says it listens is its own choice.
func TestPortsThatPeersChoose(t *testing.T) {
	e := start(t, nil)
	tt := &Torrent{e: e, book: newBook(time.Now)} // which dials nobody
	pc := &torrent.PeerConn{}
	pc.RemoteAddr = torrent.StringAddr("10.0.0.1:50123")
	e.offers = map[*torrent.PeerConn]string{}
	for port, want := range map[int]bool{6379: false, 22: false, 6881: true} {
		d := &pp.ExtendedHandshakeMessage{Port: port, M: map[pp.ExtensionName]pp.ExtensionNumber{nearExtension: 1}}
		delete(e.offers, pc)
		e.noteOffer(pc, d)
		if got := e.offers[pc] != ""; got != want {
			t.Errorf("port %d: whole pieces are asked for: %v, want %v", port, got, want)
		}
		at := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(port))
		tt.named(at, at.Addr(), torrent.PeerSourceIncoming)
		if got, _ := tt.book.has(at.String()); got != want {
			t.Errorf("port %d: it is booked: %v, want %v", port, got, want)
		}
	}
}

// The DHT is told to send where it pleases strangers; it does not.
func TestDHTSendsToWhoMayBeANode(t *testing.T) {
	at := netip.MustParseAddrPort
	answer := func(nodes ...string) krpc.Msg {
		r := &krpc.Return{}
		for _, n := range nodes {
			r.Nodes = append(r.Nodes, krpc.NodeInfo{Addr: krpc.NodeAddr{IP: at(n).Addr().AsSlice(), Port: int(at(n).Port())}})
		}
		return krpc.Msg{Y: krpc.YResponse, R: r}
	}
	k := &dhtKnown{}
	k.named(at("127.0.0.1:53"))
	if !k.heard(at("9.9.9.9:6881"), answer("10.0.0.1:6881", "127.0.0.1:6881")) {
		t.Error("an honest packet was dropped for the nodes that it names")
	}
	if !k.heard(at("10.9.9.9:6881"), answer("10.0.0.2:6881", "10.0.0.3:6379", "127.0.0.2:6881", "169.254.169.254:6881")) {
		t.Error("an honest packet from a private network was dropped")
	}
	if k.heard(at("9.9.9.9:53"), answer()) {
		t.Error("a packet from a resolver's port was taken")
	}
	if !k.heard(at("127.0.0.1:53"), answer()) {
		t.Error("a packet from the user's own node was dropped")
	}
	for to, want := range map[string]bool{
		"8.8.8.8:6881": true, "[2606:4700::1]:6881": true, "8.8.8.8:53": false, "127.0.0.1:53": true, "127.0.0.1:6881": false, "[::1]:6881": false,
		"10.0.0.1:6881": false, "10.0.0.2:6881": true, "[::ffff:10.0.0.2]:6881": true, "10.9.9.9:6881": true, "10.0.0.3:6379": false, "127.0.0.2:6881": false,
		"169.254.169.254:6881": false, "0.0.0.0:6881": false, "255.255.255.255:6881": false,
	} {
		if got := k.maySend(at(to)); got != want {
			t.Errorf("to %s: got %v, want %v", to, got, want)
		}
	}
	for i := range 3 * dhtMaxNearby {
		k.met(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 6881))
	}
	if len(k.nearby) > dhtMaxNearby {
		t.Errorf("%d nodes are remembered, want %d at most", len(k.nearby), dhtMaxNearby)
	}
}
