package tracker

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Tracker records announces. The zero value is ready.
type Tracker struct {
	mu     sync.Mutex
	swarms map[string]map[netip.AddrPort]bool // raw infohash, as announced
}

// Peers returns the peers in the swarm of a 20-byte infohash, sorted by address.
func (t *Tracker) Peers(infohash []byte) []netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []netip.AddrPort
	for p := range t.swarms[string(infohash)] {
		out = append(out, p)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

// Announced returns the number of peers in all swarms.
func (t *Tracker) Announced() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, s := range t.swarms {
		n += len(s)
	}
	return n
}

// ServeHTTP answers an announce. The peers are in compact form (BEP 23), which every client requests today.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	from, aerr := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || aerr != nil || len(q.Get("info_hash")) != 20 {
		fmt.Fprint(w, "d14:failure reason12:bad announcee")
		return
	}
	me := netip.AddrPortFrom(from.Addr().Unmap(), uint16(port))
	peers, peers6 := t.announce(q.Get("info_hash"), me, q.Get("event") == "stopped")
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "d8:intervali5e12:min intervali2e5:peers%d:%s", len(peers), peers)
	if peers6 != "" { // BEP 7
		fmt.Fprintf(w, "6:peers6%d:%s", len(peers6), peers6)
	}
	fmt.Fprint(w, "e")
}

// ServeUDP answers on c until it is closed.
func (t *Tracker) ServeUDP(c net.PacketConn) {
	const protocol, connection = 0x41727101980, 0x7032707368617265
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		b := buf[:n]
		addr, err := netip.ParseAddrPort(from.String())
		if err != nil || n < 16 {
			continue
		}
		id, action, tx := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), b[12:16]
		var reply []byte
		switch {
		case action == 0 && id == protocol:
			reply = binary.BigEndian.AppendUint64(header(0, tx), connection)
		case action == 1 && id == connection && n >= 98:
			me := netip.AddrPortFrom(addr.Addr().Unmap(), binary.BigEndian.Uint16(b[96:]))
			peers, _ := t.announce(string(b[16:36]), me, binary.BigEndian.Uint32(b[80:]) == 3)
			reply = binary.BigEndian.AppendUint32(header(1, tx), 5) // interval
			reply = binary.BigEndian.AppendUint32(reply, 0)         // leechers
			reply = binary.BigEndian.AppendUint32(reply, uint32(len(peers)/6))
			reply = append(reply, peers...)
		default:
			reply = append(header(3, tx), "not understood"...)
		}
		_, _ = c.WriteTo(reply, from) // UDP clients can cope with a lost answer
	}
}

// announce records a peer and returns the others in compact form, for IPv4 and for IPv6.
func (t *Tracker) announce(infohash string, me netip.AddrPort, stopped bool) (peers, peers6 string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.swarms == nil {
		t.swarms = map[string]map[netip.AddrPort]bool{}
	}
	sw := t.swarms[infohash]
	if sw == nil {
		sw = map[netip.AddrPort]bool{}
		t.swarms[infohash] = sw
	}
	if stopped {
		delete(sw, me)
	} else if me.Port() != 0 {
		sw[me] = true
	}
	var out [2]strings.Builder
	for p := range sw {
		if p == me {
			continue
		}
		to := &out[0]
		if p.Addr().Is6() {
			to = &out[1]
		}
		to.Write(p.Addr().AsSlice())
		to.Write(binary.BigEndian.AppendUint16(nil, p.Port()))
	}
	return out[0].String(), out[1].String()
}

func header(action uint32, tx []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, action), tx...)
}
