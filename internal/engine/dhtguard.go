package engine

import (
	"net"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
)

// guardedConn drops packets that would crash anacrolix/dht v2.24.0, or fill its memory, before it
// sees them. Known crashes: a query without "a" (announce_peer and put read it unasked), compact
// addresses shorter than two bytes in "ip" and "values" (the decoder slices from the end), and a
// reply with "k" but no "seq". Its counters keep every query name it was ever sent.
type guardedConn struct{ net.PacketConn }

func (c guardedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || admitDHT(b[:n]) {
			return n, from, err
		}
	}
}

// admitDHT says whether a packet is safe to hand to the DHT library. It never panics.
func admitDHT(b []byte) (ok bool) {
	if len(b) < 2 || len(b) > dhtMaxPacket || b[0] != 'd' || bencodeDepth(b) > dhtMaxDepth {
		return false
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	var m krpc.Msg
	if err := bencode.Unmarshal(b, &m); err != nil {
		if _, trailing := err.(bencode.ErrUnusedTrailingBytes); !trailing {
			return false
		}
	}
	switch m.Y {
	case krpc.YQuery:
		return m.A != nil && knownQuery(m.Q)
	case krpc.YResponse:
		return m.R != nil && (m.R.K == [32]byte{} || m.R.Seq != nil)
	case krpc.YError:
		return true
	}
	return false
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
