package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// The actions and the first connection ID of BEP 15.
const (
	udpConnect, udpAnnounce, udpError = 0, 1, 3
	udpProtocol                       = 0x41727101980

	// udpPatience doubles with each request that is not answered. BEP 15 begins with 15 s, of which there is no second
	// within trackerTimeout, and packets are lost.
	udpPatience = 3 * time.Second
	// udpMaxAnswer is longer than an answer with trackerMaxPeers over IPv6.
	udpMaxAnswer = 20 + 18*trackerMaxPeers
	udpMaxData   = 255 // bytes of an option (BEP 41)
)

// errOtherAnswer is a packet that fits no request.
var errOtherAnswer = errors.New("the tracker answers something else than was asked")

// announceUDP asks a UDP tracker (BEP 15, and 41 for its path and query), whose answers are no longer than a packet.
func (e *Engine) announceUDP(ctx context.Context, to url.URL, r announce) (a trackerAnswer, from netip.Addr, err error) {
	addr := to.Host
	at, err := e.resolveTracker(ctx, addr)
	if err != nil {
		return a, from, err
	}
	c, err := e.dialTracker(ctx, addr, at)
	if err != nil {
		return a, from, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	from = at.Addr()
	b, err := askUDP(ctx, c, udpProtocol, udpConnect, nil)
	if err == nil && len(b) < 8 {
		err = errOtherAnswer
	}
	if err != nil {
		return a, from, err
	}
	if b, err = askUDP(ctx, c, binary.BigEndian.Uint64(b), udpAnnounce, udpBody(to, r)); err != nil {
		return a, from, err
	}
	if len(b) < 12 {
		return a, from, errOtherAnswer
	}
	a.interval = upTo(int64(int32(binary.BigEndian.Uint32(b))), time.Second)
	size := 4
	if from.Is6() {
		size = 16
	}
	a.readCompact(b[12:], size)
	return a, from, nil
}

// resolveTracker is where a UDP tracker is, host:port: the first of its addresses, IPv4 before IPv6, as most trackers have
// their peers there.
func (e *Engine) resolveTracker(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	best := ips[0].Unmap()
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() && !best.Is4() {
			best = ip
		}
	}
	return netip.AddrPortFrom(best, uint16(number)), nil
}

// dialTracker gives a socket of the UDP tracker addr, host:port, which sends only to at, if it is allowed to, and hears only
// from there.
func (e *Engine) dialTracker(ctx context.Context, addr string, at netip.AddrPort) (net.Conn, error) {
	if err := e.settings.Judge(addr, at.Addr()); err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "udp", at.String())
}

// askUDP sends a request until it is answered, and gives the answer without its head.
func askUDP(ctx context.Context, c net.Conn, connection uint64, action uint32, body []byte) ([]byte, error) {
	tx := rand.Uint32()
	req := binary.BigEndian.AppendUint64(nil, connection)
	req = binary.BigEndian.AppendUint32(req, action)
	req = append(binary.BigEndian.AppendUint32(req, tx), body...)
	buf := make([]byte, udpMaxAnswer)
	for patience := udpPatience; ; patience *= 2 {
		if _, err := c.Write(req); err != nil {
			return nil, cmp.Or(ctx.Err(), err)
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, cmp.Or(ctx.Err(), err)
		}
		for {
			n, err := c.Read(buf)
			var netErr net.Error
			if ctx.Err() == nil && errors.As(err, &netErr) && netErr.Timeout() {
				break // ask again
			}
			if err != nil {
				return nil, cmp.Or(ctx.Err(), err)
			}
			b := buf[:n]
			if len(b) < 8 || binary.BigEndian.Uint32(b[4:]) != tx {
				continue // an answer to an earlier request, or nobody's
			}
			switch binary.BigEndian.Uint32(b) {
			case action:
				return b[8:], nil
			case udpError:
				return nil, &refusal{reason: words(b[8:])}
			}
			return nil, errOtherAnswer
		}
	}
}

// udpBody is an announce behind its head.
func udpBody(to url.URL, r announce) []byte {
	var b bytes.Buffer
	b.Write(r.InfoHash[:])
	b.Write(r.PeerId[:])
	for _, n := range []int64{r.Downloaded, r.Left, r.Uploaded} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	for _, n := range []uint32{uint32(r.Event), 0, uint32(r.Key), uint32(r.NumWant)} { // 0: the address that this comes from
		b.Write(binary.BigEndian.AppendUint32(nil, n))
	}
	b.Write(binary.BigEndian.AppendUint16(nil, r.Port))
	for data := to.RequestURI(); data != ""; {
		part := data[:min(len(data), udpMaxData)]
		data = data[len(part):]
		b.Write([]byte{2, byte(len(part))}) // URL data
		b.WriteString(part)
	}
	return b.Bytes()
}
