package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
)

// plainTransport is a private group's way without TLS or a gate: what they promise has tests beside them.
type plainTransport struct{ l net.Listener }

func newTransport(t *testing.T) plainTransport {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return plainTransport{l}
}

func (p plainTransport) Listener() net.Listener { return p.l }

func (p plainTransport) DialContext(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

func privateOf(t *testing.T, e *Engine) (*Engine, plainTransport) {
	t.Helper()
	tr := newTransport(t)
	c, err := e.Private(tr)
	if err != nil {
		t.Fatal(err)
	}
	return c, tr
}

func TestPrivateRefuses(t *testing.T) {
	c, _ := privateOf(t, start(t, nil))
	private, public := newPayload(t, 1000, true), newPayload(t, 1000, false)
	for _, tt := range []struct {
		name string
		spec Spec
		want string
	}{
		{"no info", Spec{V1: &private.hash}, "with its info"},
		{"no private flag", Spec{V1: &public.hash, Info: public.info, Storage: &memory{}}, "private flag"},
		{"a tracker", Spec{V1: &private.hash, Info: private.info, Storage: &memory{}, Trackers: [][]string{{"http://x/"}}}, "no trackers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Add(tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it refused: %q", err, tt.want)
			}
		})
	}
}

// A private client is a part of its engine: its rates, its port, its end. It finds nobody by itself.
func TestPrivateIsOfItsEngine(t *testing.T) {
	e := start(t, func(s *Settings) {
		s.NoLAN, s.ListenHost = false, ""
		s.NoDHT, s.DHTNodes = false, []string{"127.0.0.1:1"}
	})
	c, _ := privateOf(t, e)
	if c.up != e.up || c.down != e.down {
		t.Error("it has rates of its own")
	}
	if c.Port() != e.Port() {
		t.Errorf("its port is %d, want %d", c.Port(), e.Port())
	}
	if c.HasDHT() || c.lan != nil || len(c.client.DhtServers()) != 0 {
		t.Error("it looks for peers in the DHT or on the LAN")
	}
	p := newPayload(t, 1000, true)
	tt := p.seed(t, c, Spec{})
	if due, _ := e.lan.due(time.Now().Add(time.Hour)); len(due) != 0 {
		t.Errorf("its torrent is due on the engine's LAN: %x", due)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-tt.t.Closed():
	default:
		t.Error("its torrent is open after the engine was closed")
	}
	if _, err := e.Private(newTransport(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want that the engine is closed", err)
	}
}

// The client sees addresses out of a network where nobody is, another for each connection and each torrent.
func TestPrivateAddresses(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	pa, at := privateOf(t, a)
	pb, _ := privateOf(t, b)
	p, q := newPayload(t, 100<<10, true), newPayload(t, 200<<10, true)
	addr := at.l.Addr().String()
	seen := map[string]bool{}
	for _, one := range []payload{p, q} {
		one.seed(t, pa, Spec{})
		m := &memory{data: make([]byte, len(one.data)), done: map[int]bool{}}
		tt, err := pb.Add(Spec{V1: &one.hash, Info: one.info, Storage: m, Total: 1, Peers: []string{addr}})
		if err != nil {
			t.Fatal(err)
		}
		tt.Want(0, one.pieces)
		if err := tt.Wait(t.Context(), [][2]int{{0, one.pieces}}); err != nil {
			t.Fatal(err)
		}
		conns := tt.t.PeerConns()
		if len(conns) != 1 {
			t.Fatalf("%d connections, want 1", len(conns))
		}
		shown := conns[0].RemoteAddr.String()
		ap, err := netip.ParseAddrPort(shown)
		if err != nil || !netip.MustParsePrefix("100::/64").Contains(ap.Addr()) || seen[shown] {
			t.Errorf("the client sees %s, want an address of nobody that is new", shown)
		}
		seen[shown] = true
		if n := conns[0].PeerExtensionIDs[nearExtension]; n != 0 {
			t.Error("a private group's peer offers whole pieces")
		}
		if got := pb.addrOf(conns[0]); got != addr {
			t.Errorf("it stands for %q, want %q", got, addr)
		}
	}
	dialed := func() int {
		pb.members.mu.Lock()
		defer pb.members.mu.Unlock()
		return len(pb.members.dialed)
	}
	if n := dialed(); n < 2 {
		t.Errorf("%d addresses are remembered, want one for each torrent", n)
	}
	pb.mu.Lock()
	var ts []*Torrent
	for tt := range pb.torrents {
		ts = append(ts, tt)
	}
	pb.mu.Unlock()
	for _, tt := range ts {
		tt.Close()
	}
	if n := dialed(); n != 0 {
		t.Errorf("%d addresses are remembered of torrents that are gone", n)
	}
}

// A block may turn out to be wrong when who sent it has left: it is blamed all the same, and once.
func TestBlameAfterTheEnd(t *testing.T) {
	m := newMembers(nil)
	g := &garbageConn{}
	at := m.alias()
	c := m.hold(at, g, "192.0.2.1:1")
	c.Close()
	ban := at.Addr().String()
	m.blame(ban)
	m.blame(ban)
	if g.garbage != 1 {
		t.Errorf("blamed %d times, want once", g.garbage)
	}
	for range 2 * maxGone {
		m.hold(m.alias(), &garbageConn{}, "192.0.2.1:1").Close()
	}
	if len(m.links) > maxGone || len(m.gone) > maxGone {
		t.Errorf("%d and %d closed connections are remembered, want at most %d", len(m.links), len(m.gone), maxGone)
	}
}

type garbageConn struct {
	net.Conn
	garbage int
}

func (g *garbageConn) Garbage()     { g.garbage++ }
func (g *garbageConn) Close() error { return nil }

// A ban takes the address that was dialled away from the client, not the member from us: it is dialled again under
// another, when the gate lets it.
func TestBlameRenewsTheAddress(t *testing.T) {
	m := newMembers(nil)
	tt := &Torrent{e: &Engine{members: m}, book: newBook(time.Now)}
	tt.book.add("192.0.2.1:1", sourceMember)
	peers := func() []torrent.PeerInfo {
		p := []torrent.PeerInfo{{Addr: torrent.StringAddr("192.0.2.1:1")}}
		tt.aliased(p)
		return p
	}
	first := peers()[0].Addr.String()
	if again := peers()[0].Addr.String(); again != first {
		t.Errorf("offered as %s and as %s, want one address", first, again)
	}
	m.blame(netip.MustParseAddrPort(first).Addr().String())
	if then := peers()[0].Addr.String(); then == first {
		t.Error("offered again under the address that is banned")
	}
}

// Two that both have everything leave each other alone, and hear of each other again before the copy is forgotten.
func TestSeedsRest(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBook(func() time.Time { return now })
	none := func(string) bool { return false }
	b.add("192.0.2.1:1", sourceMember)
	b.due(none)
	b.rest("192.0.2.1:1")
	now = now.Add(seedsRest - time.Second)
	if due, _ := b.due(none); len(due) != 0 {
		t.Errorf("dialled %v before the rest is over", due)
	}
	now = now.Add(2 * time.Second)
	if due, _ := b.due(none); len(due) != 1 {
		t.Errorf("%d are due after the rest, want 1", len(due))
	}
	if seedsRest >= copyLasts {
		t.Errorf("rests %v, want less than the %v that a copy counts", seedsRest, copyLasts)
	}
}
