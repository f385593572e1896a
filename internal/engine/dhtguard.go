package engine

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"golang.org/x/time/rate"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/places"
)

// guardedConn drops packets that would crash anacrolix/dht v2.24.0, or fill its memory, before it
// sees them. Known crashes: a query without "a" (announce_peer and put read it unasked), compact
// addresses shorter than two bytes in "ip" and "values" (the decoder slices from the end), and a
// reply with "k" but no "seq". Its counters keep every query name it was ever sent.
//
// It sends nothing to who is not in known.
type guardedConn struct {
	net.PacketConn
	known *dhtKnown
	ports *dhtPorts
	finds *rate.Limiter // of questions for the table
}

// dhtQuestion is what a query begins with: of the keys that packets of ours have, "a" is the first.
var dhtQuestion = []byte("d1:a")

// dhtFind is in the questions that fill and keep the table of nodes, and in no others: a search for peers asks for these. The library
// has no end for them. Who is always asked again, because he names nodes that are closer still, would have it ask and remember
// without end. What may not be asked is an error, so that what it was named by then is gone through at once, and forgotten.
var dhtFind = []byte("1:q9:find_node")

var errFinds = errors.New("enough nodes were looked for")

// dhtPorts keeps one machine from being many nodes. The library asks on for as long as it is named nodes that are closer, and
// keeps all that it was named: who answers at each port of his could lead it on without end.
type dhtPorts struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	asked map[netip.Prefix]map[uint16]bool
}

// mayAsk says whether a node is to be asked, and counts it. A machine of the user's own is asked at any port.
func (p *dhtPorts) mayAsk(node netip.AddrPort) bool {
	node = plainAddr(node)
	if node.Addr().IsLoopback() {
		return true
	}
	origin := places.Origin(node.String())
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); p.asked == nil || now.Sub(p.since) >= dhtPortsTime || len(p.asked) >= dhtMaxOrigins && p.asked[origin] == nil {
		p.since, p.asked = now, map[netip.Prefix]map[uint16]bool{}
	}
	if p.asked[origin] == nil {
		p.asked[origin] = map[uint16]bool{}
	}
	ports := p.asked[origin]
	if !ports[node.Port()] && len(ports) >= dhtMaxPorts {
		return false
	}
	ports[node.Port()] = true
	return true
}

func (c guardedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		u, ok := from.(*net.UDPAddr)
		if !ok {
			continue
		}
		m, ok := admitDHT(b[:n])
		if ok && c.known.heard(u.AddrPort(), m) {
			return n, from, nil
		}
	}
}

// WriteTo passes over what is not to be sent: the library takes an error for one of the network.
func (c guardedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok || !c.known.maySend(u.AddrPort()) || bytes.HasPrefix(b, dhtQuestion) && !c.ports.mayAsk(u.AddrPort()) {
		return len(b), nil
	}
	if bytes.HasPrefix(b, dhtQuestion) && bytes.Contains(b, dhtFind) && !c.finds.Allow() {
		return 0, errFinds
	}
	return c.PacketConn.WriteTo(b, to)
}

// dhtKnown decides to which nodes something is sent: those of the internet, those that the user named, and of other networks
// those that have sent something, or that a node in such a network named. What is sent holds 20 bytes of others' choice, the target of a
// search.
type dhtKnown struct {
	mu     sync.Mutex
	user   map[netip.AddrPort]bool
	nearby map[netip.AddrPort]bool
}

// named takes a node that the user named.
func (k *dhtKnown) named(node netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.user == nil {
		k.user = map[netip.AddrPort]bool{}
	}
	k.user[plainAddr(node)] = true
}

// met takes a node that has answered, or that one has named who may.
func (k *dhtKnown) met(node netip.AddrPort) {
	node = plainAddr(node)
	if netguard.JudgePeer(node, node.Addr()) != nil || netguard.Public(node.Addr()) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.nearby == nil || len(k.nearby) >= dhtMaxNearby {
		k.nearby = map[netip.AddrPort]bool{}
	}
	k.nearby[node] = true
}

// heard says whether a packet is from who may be a node, and takes the nodes that it names.
func (k *dhtKnown) heard(from netip.AddrPort, m krpc.Msg) bool {
	from = plainAddr(from)
	if netguard.JudgePeer(from, from.Addr()) != nil && !k.isUsers(from) {
		return false
	}
	if netguard.Public(from.Addr()) {
		return true // it names none of another network, and its like need no leave
	}
	k.met(from)
	if m.R == nil {
		return true
	}
	for _, list := range [][]krpc.NodeInfo{m.R.Nodes, m.R.Nodes6} {
		for _, n := range list {
			if at, ok := peerAddr(n.Addr.IP, n.Addr.Port); ok && netguard.JudgePeer(at, from.Addr()) == nil {
				k.met(at)
			}
		}
	}
	return true
}

func (k *dhtKnown) isUsers(node netip.AddrPort) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.user[node]
}

func (k *dhtKnown) maySend(to netip.AddrPort) bool {
	to = plainAddr(to)
	k.mu.Lock()
	known := k.user[to] || k.nearby[to]
	k.mu.Unlock()
	return known || netguard.JudgePeer(to, netip.Addr{}) == nil
}

// plainAddr has one form for an address of both families.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// admitDHT says whether a packet is safe to hand to the DHT library, and what it is. It never panics.
func admitDHT(b []byte) (m krpc.Msg, ok bool) {
	if len(b) < 2 || len(b) > dhtMaxPacket || b[0] != 'd' || bencodeDepth(b) > dhtMaxDepth {
		return m, false
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	if err := bencode.Unmarshal(b, &m); err != nil {
		if _, trailing := err.(bencode.ErrUnusedTrailingBytes); !trailing {
			return m, false
		}
	}
	switch m.Y {
	case krpc.YQuery:
		return m, m.A != nil && knownQuery(m.Q)
	case krpc.YResponse:
		return m, m.R != nil && (m.R.K == [32]byte{} || m.R.Seq != nil) && len(m.R.Nodes) <= dhtMaxNodes && len(m.R.Nodes6) <= dhtMaxNodes
	case krpc.YError:
		return m, true
	}
	return m, false
}

func knownQuery(q string) bool {
	switch q {
	case "ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes":
		return true
	}
	return false
}

// bencodeDepth is how deep lists and dictionaries nest in b, at most: strings are skipped by their
// length, and what does not parse ends the walk, for the decoder to refuse. The decoder recurses
// without a bound of its own.
func bencodeDepth(b []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == 'd' || c == 'l':
			depth++
			deepest = max(deepest, depth)
			i++
		case c == 'e':
			depth--
			i++
		case c == 'i':
			for i < len(b) && b[i] != 'e' {
				i++
			}
			i++
		case c >= '0' && c <= '9':
			n := 0
			for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
				if n = n*10 + int(b[i]-'0'); n > len(b) {
					return deepest
				}
			}
			i += 1 + n
		default:
			return deepest
		}
	}
	return deepest
}
