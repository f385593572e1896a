package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Capture is the recorded traffic of a network.
type Capture struct {
	Packets []Packet // in order of capture
	Streams []Stream
	lowered [][]byte // the streams in lower case; set by the first Find
}

// Packet is the content of one packet; empty ones, such as acknowledgements, are included.
type Packet struct {
	TCP      bool
	From, To netip.AddrPort
	Data     []byte
	seq      uint32
	syn      bool
}

// Stream is one direction of a TCP connection.
type Stream struct {
	From, To netip.AddrPort
	Data     []byte // bytes that were not captured are left out
}

const (
	pcapHead   = 24
	packetHead = 16
	etherHead  = 14
)

// Parse parses a pcap file of an Ethernet. It ignores everything except TCP and UDP, and a truncated packet at the end.
func Parse(raw []byte) (*Capture, error) {
	if len(raw) == 0 {
		return &Capture{}, nil // tcpdump has not begun
	}
	if len(raw) < pcapHead {
		return nil, errors.New("no pcap file: too short")
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic := order.Uint32(raw); magic != 0xa1b2c3d4 && magic != 0xa1b23c4d {
		return nil, fmt.Errorf("no pcap file of this machine: it begins with %x", raw[:4])
	}
	if link := order.Uint32(raw[20:]); link != 1 {
		return nil, fmt.Errorf("a pcap file of link type %d, want 1 (Ethernet)", link)
	}
	c := &Capture{}
	for rest := raw[pcapHead:]; len(rest) >= packetHead; {
		n, whole := order.Uint32(rest[8:]), order.Uint32(rest[12:])
		if n != whole {
			return nil, fmt.Errorf("a packet of %d bytes was cut to %d", whole, n)
		}
		if uint64(len(rest)) < packetHead+uint64(n) {
			break
		}
		if p, ok := parsePacket(rest[packetHead : packetHead+n]); ok {
			c.Packets = append(c.Packets, p)
		}
		rest = rest[packetHead+n:]
	}
	c.Streams = assemble(c.Packets)
	return c, nil
}

func parsePacket(f []byte) (p Packet, ok bool) {
	if len(f) < etherHead {
		return p, false
	}
	kind, f := binary.BigEndian.Uint16(f[12:]), f[etherHead:]
	var proto byte
	var from, to netip.Addr
	switch {
	case kind == 0x0800 && len(f) >= 20:
		head, total := int(f[0]&15)*4, int(binary.BigEndian.Uint16(f[2:]))
		if head < 20 || total < head || total > len(f) {
			return p, false
		}
		proto, from, to = f[9], netip.AddrFrom4([4]byte(f[12:16])), netip.AddrFrom4([4]byte(f[16:20]))
		f = f[head:total]
	case kind == 0x86dd && len(f) >= 40:
		total := 40 + int(binary.BigEndian.Uint16(f[4:]))
		if total > len(f) {
			return p, false
		}
		proto, from, to = f[6], netip.AddrFrom16([16]byte(f[8:24])), netip.AddrFrom16([16]byte(f[24:40]))
		f = f[40:total]
	default:
		return p, false
	}
	head := 8
	switch {
	case proto == 6 && len(f) >= 20:
		p.TCP, p.seq, p.syn = true, binary.BigEndian.Uint32(f[4:]), f[13]&2 != 0
		head = int(f[12]>>4) * 4
	case proto == 17 && len(f) >= 8:
	default:
		return p, false
	}
	if head > len(f) {
		return p, false
	}
	p.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(f))
	p.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(f[2:]))
	p.Data = f[head:]
	return p, true
}

type direction struct{ from, to netip.AddrPort }

// assemble reconstructs the byte stream of each direction of a connection. If ports are reused, the packet that opens the new
// connection starts another stream.
func assemble(packets []Packet) []Stream {
	parts := map[direction][]Packet{}
	var out []Stream
	var order []direction
	end := func(w direction) {
		if data := join(parts[w]); len(data) > 0 {
			out = append(out, Stream{w.from, w.to, data})
		}
		delete(parts, w)
	}
	for _, p := range packets {
		if !p.TCP {
			continue
		}
		w := direction{p.From, p.To}
		if p.syn {
			end(w)
			p.seq++
		}
		if _, known := parts[w]; !known {
			order = append(order, w)
		}
		parts[w] = append(parts[w], p)
	}
	for _, w := range order {
		end(w)
	}
	return out
}

// join sorts segments by their sequence numbers, which may wrap around, and removes duplicate bytes.
func join(segments []Packet) []byte {
	if len(segments) == 0 {
		return nil
	}
	base := segments[0].seq
	at := func(p Packet) int64 { return int64(int32(p.seq - base)) }
	slices.SortStableFunc(segments, func(a, b Packet) int { return cmp.Compare(at(a), at(b)) })
	var data []byte
	next := at(segments[0])
	for _, p := range segments {
		from, to := at(p), at(p)+int64(len(p.Data))
		if to <= next {
			continue
		}
		data = append(data, p.Data[max(0, next-from):]...)
		next = to
	}
	return data
}

// Bytes returns how many bytes of TCP one address sent to another, on any ports.
func (c *Capture) Bytes(from, to string) (n int) {
	for _, s := range c.Streams {
		if s.From.Addr().String() == from && s.To.Addr().String() == to {
			n += len(s.Data)
		}
	}
	return n
}

// Find returns the streams and packets that contain needle, ignoring case.
func (c *Capture) Find(needle []byte) (where []string) {
	needle = Lower(needle)
	if c.lowered == nil {
		for _, s := range c.Streams {
			c.lowered = append(c.lowered, Lower(s.Data))
		}
	}
	for i, s := range c.Streams {
		if bytes.Contains(c.lowered[i], needle) {
			where = append(where, fmt.Sprintf("TCP %v -> %v", s.From, s.To))
		}
	}
	for _, p := range c.Packets {
		if !p.TCP && bytes.Contains(Lower(p.Data), needle) {
			where = append(where, fmt.Sprintf("UDP %v -> %v", p.From, p.To))
		}
	}
	return where
}

// Lower returns b with ASCII letters in lower case, byte by byte, so that binary data keeps its length.
func Lower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c | 0x20
		}
	}
	return out
}

// Said returns the part of the capture that was sent from the given addresses.
func (c *Capture) Said(from ...string) *Capture {
	out := &Capture{}
	for _, p := range c.Packets {
		if slices.Contains(from, p.From.Addr().String()) {
			out.Packets = append(out.Packets, p)
		}
	}
	for _, s := range c.Streams {
		if slices.Contains(from, s.From.Addr().String()) {
			out.Streams = append(out.Streams, s)
		}
	}
	return out
}

// Sought returns the infohashes that were requested or announced unencrypted: on the DHT, with local service discovery and
// through UDP or HTTP trackers. via says how each was.
func (c *Capture) Sought() (via map[[20]byte]string) {
	via = map[[20]byte]string{}
	for _, p := range c.Packets {
		if p.TCP {
			continue
		}
		switch {
		case bytes.HasPrefix(p.Data, []byte("BT-SEARCH")):
			for line := range strings.Lines(string(p.Data)) {
				if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Infohash") {
					if h, ok := fromHex(strings.TrimSpace(value)); ok {
						via[h] = "LSD"
					}
				}
			}
		case bytes.HasPrefix(p.Data, []byte("d1:")):
			for _, key := range []string{"9:info_hash20:", "6:target20:"} {
				if _, rest, ok := bytes.Cut(p.Data, []byte(key)); ok && len(rest) >= 20 {
					via[[20]byte(rest)] = "DHT"
				}
			}
		case len(p.Data) >= 98 && binary.BigEndian.Uint32(p.Data[8:]) == 1:
			via[[20]byte(p.Data[16:])] = "a UDP tracker"
		}
	}
	return via
}

func fromHex(s string) (h [20]byte, ok bool) {
	var b []byte
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil || len(b) != 20 {
		return h, false
	}
	return [20]byte(b), true
}

// Kinds counts packets of peer discovery, and streams that start like BitTorrent or tracker requests.
func (c *Capture) Kinds() map[string]int {
	out := map[string]int{}
	for _, p := range c.Packets {
		if p.TCP {
			continue
		}
		switch {
		case bytes.HasPrefix(p.Data, []byte("BT-SEARCH")):
			out["LSD"]++
		case bytes.HasPrefix(p.Data, []byte("d1:")) && bytes.Contains(p.Data, []byte("1:y1:")):
			out["DHT"]++
		case len(p.Data) >= 16 && binary.BigEndian.Uint64(p.Data) == 0x41727101980:
			out["UDP tracker"]++
		}
	}
	for _, s := range c.Streams {
		switch {
		case bytes.Contains(s.Data, []byte("\x13BitTorrent protocol")):
			out["BitTorrent in clear"]++
		case bytes.HasPrefix(s.Data, []byte("GET /announce")):
			out["HTTP tracker"]++
		case len(s.Data) > 2 && s.Data[0] == 0x16 && s.Data[1] == 3:
			out["TLS"]++
		}
	}
	return out
}
