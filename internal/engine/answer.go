package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// trackerAnswer is what a tracker said.
type trackerAnswer struct {
	interval time.Duration    // until the next announce; 0: it did not say
	peers    []netip.AddrPort // at most trackerMaxPeers, not judged
}

// errNoAnswer is what is no answer of a tracker.
var errNoAnswer = errors.New("the answer is not one of a tracker")

// parseAnswer reads the answer of an HTTP tracker (BEP 3, 7, 23). The peers are read as far as they can be: what else
// is missing, odd or cut off costs nothing but itself. Memory is what the result takes.
func parseAnswer(b []byte) (a trackerAnswer, err error) {
	if len(b) == 0 || b[0] != 'd' {
		return a, errNoAnswer
	}
	known := false
	d := bencoded(b[1:])
	for len(d) > 0 && d[0] != 'e' {
		key, ok := d.str()
		if !ok || len(d) == 0 {
			break
		}
		value, ok := d.value()
		if !ok {
			value, d = d, nil // the last one, cut off
		}
		switch string(key) {
		case "failure reason":
			if why, ok := value.str(); ok {
				return trackerAnswer{}, fmt.Errorf("the tracker refuses: %q", shortened(why, maxFailure))
			}
		case "interval":
			known = true
			if n, ok := value.number(); ok && n > 0 {
				a.interval = time.Duration(min(n, int64(trackerMaxWait/time.Second))) * time.Second
			}
		case "peers":
			known = true
			if value[0] == 'l' {
				a.readList(value[1:])
			} else {
				a.readCompact(value.text(), 4)
			}
		case "peers6":
			known = true
			a.readCompact(value.text(), 16)
		}
	}
	if !known {
		return trackerAnswer{}, errNoAnswer
	}
	return a, nil
}

// readCompact takes addresses of size bytes, each with a port.
func (a *trackerAnswer) readCompact(b []byte, size int) {
	for ; len(b) >= size+2 && len(a.peers) < trackerMaxPeers; b = b[size+2:] {
		ip, _ := netip.AddrFromSlice(b[:size])
		a.add(ip, int64(binary.BigEndian.Uint16(b[size:])))
	}
}

// readList takes dictionaries with ip and port. A name instead of an address is passed over: it would be one more stranger's
// word to be looked up.
func (a *trackerAnswer) readList(d bencoded) {
	for len(d) > 0 && d[0] != 'e' && len(a.peers) < trackerMaxPeers {
		peer, ok := d.value()
		if !ok {
			return
		}
		if peer[0] != 'd' {
			continue
		}
		var ip netip.Addr
		var port int64
		for p := peer[1:]; len(p) > 0 && p[0] != 'e'; {
			key, ok := p.str()
			value, more := p.value()
			if !ok || !more {
				break
			}
			switch string(key) {
			case "ip":
				ip, _ = netip.ParseAddr(string(shortened(value.text(), maxIPText)))
			case "port":
				port, _ = value.number()
			}
		}
		a.add(ip, port)
	}
}

func (a *trackerAnswer) add(ip netip.Addr, port int64) {
	if ip.IsValid() && port > 0 && port <= 65535 {
		a.peers = append(a.peers, netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(port)))
	}
}

const (
	// maxFailure is how much of a tracker's reason is shown.
	maxFailure = 200
	// maxIPText is longer than an address is in words.
	maxIPText = 64
)

func shortened(b []byte, most int) []byte { return b[:min(len(b), most)] }

// bencoded is the rest of a bencoded text.
type bencoded []byte

// value takes the next value off, whatever it holds. A string that is not there whole is not ok, nor a list or dictionary that does not end.
func (d *bencoded) value() (v bencoded, ok bool) {
	all, depth := *d, 0
	for rest := all; len(rest) > 0; {
		switch rest[0] {
		case 'l', 'd':
			depth++
			rest = rest[1:]
		case 'e':
			if depth == 0 {
				return nil, false
			}
			depth--
			rest = rest[1:]
		case 'i':
			end := bytes.IndexByte(rest, 'e')
			if end < 0 {
				return nil, false
			}
			rest = rest[end+1:]
		default:
			if _, ok := rest.str(); !ok {
				return nil, false
			}
		}
		if depth == 0 {
			*d = rest
			return all[:len(all)-len(rest)], true
		}
	}
	return nil, false
}

// str takes a string off.
func (d *bencoded) str() (s []byte, ok bool) {
	colon := bytes.IndexByte(shortened(*d, 12), ':')
	if colon < 1 {
		return nil, false
	}
	n, err := strconv.ParseUint(string((*d)[:colon]), 10, 31)
	rest := (*d)[colon+1:]
	if err != nil || n > uint64(len(rest)) {
		return nil, false
	}
	*d = rest[n:]
	return rest[:n], true
}

// text is the string that d begins with, as far as it is there; nil if it is none.
func (d bencoded) text() []byte {
	if s, ok := d.str(); ok {
		return s
	}
	if colon := bytes.IndexByte(shortened(d, 12), ':'); colon > 0 && d[0] >= '0' && d[0] <= '9' {
		return d[colon+1:]
	}
	return nil
}

// number is the number that d begins with.
func (d bencoded) number() (n int64, ok bool) {
	end := bytes.IndexByte(shortened(d, 24), 'e')
	if end < 1 || d[0] != 'i' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(d[1:end]), 10, 64)
	return n, err == nil
}
