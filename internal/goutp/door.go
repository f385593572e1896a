package utp

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// anacrolix/utp makes a connection of each SYN, keeps it for two minutes whatever becomes of it, and answers each packet
// that belongs to none, all without a bound; and where a SYN comes from can be forged. So a door before it lets in few
// SYNs a second, and of other packets those of addresses that it has a connection with.
const (
	// synsPerSecond bounds the SYNs that are let in: 2 KB for two minutes each are 16 MB. One address may have
	// synsPerAddress of them; IPv6: a network of 64 bits.
	synsPerSecond  = 64
	synsPerAddress = 8
	// lingers is how long packets of an address are let in after its last connection was closed: what it was sent is
	// acknowledged, or given up after 15 s.
	lingers = 20 * time.Second
)

// Types of packets (BEP 29).
const (
	headerLen = 20
	typeSyn   = 4
	typeMost  = 4
	version   = 1
)

// door is a packet connection of which uTP's packets are read with a bound.
type door struct {
	net.PacketConn
	now func() time.Time

	mu     sync.Mutex
	second int64 // that syns and from count
	syns   int
	from   map[netip.Prefix]int
	known  map[netip.AddrPort]int // connections, or what lingers of them
}

func newDoor(pc net.PacketConn) *door {
	return &door{PacketConn: pc, now: time.Now, from: map[netip.Prefix]int{}, known: map[netip.AddrPort]int{}}
}

// ReadFrom passes over what is not let in.
func (d *door) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := d.PacketConn.ReadFrom(b)
		if err != nil || d.lets(b[:n], from) {
			return n, from, err
		}
	}
}

// lets says whether a packet is to be read: any that is not uTP's is.
func (d *door) lets(b []byte, from net.Addr) bool {
	if len(b) < headerLen || b[0]&0xf != version || b[0]>>4 > typeMost {
		return true
	}
	at := addrPort(from)
	d.mu.Lock()
	defer d.mu.Unlock()
	if b[0]>>4 != typeSyn {
		return d.known[at] > 0
	}
	if s := d.now().Unix(); s != d.second {
		d.second, d.syns = s, 0
		clear(d.from)
	}
	origin, _ := at.Addr().Prefix(bits(at.Addr())) // the length fits
	if d.syns >= synsPerSecond || d.from[origin] >= synsPerAddress {
		return false
	}
	d.syns++
	d.from[origin]++
	d.known[at]++ // what follows may come before it is accepted
	time.AfterFunc(lingers, func() { d.forget(from) })
	return true
}

// knows lets packets of an address in until forget has been called as often.
func (d *door) knows(a net.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[addrPort(a)]++
}

func (d *door) forget(a net.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := addrPort(a)
	if d.known[at]--; d.known[at] <= 0 {
		delete(d.known, at)
	}
}

func bits(a netip.Addr) int {
	if a.Is4() {
		return 32
	}
	return 64
}

// addrPort is the form in which addresses are compared.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	if u, ok := a.(*net.UDPAddr); ok {
		ap = u.AddrPort()
	} else {
		ap, _ = netip.ParseAddrPort(a.String()) // invalid stands for itself
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// guarded is a connection whose address is known until a while after it was closed.
type guarded struct {
	net.Conn
	d    *door
	once sync.Once
}

func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		a := c.RemoteAddr()
		time.AfterFunc(lingers, func() { c.d.forget(a) })
	})
	return err
}
