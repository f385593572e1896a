package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// trackerAnswer is what a tracker said. The times are at most trackerMost, and 0 where it did not say.
type trackerAnswer struct {
	interval    time.Duration    // until the next announce
	minInterval time.Duration    // before which it wants none
	peers       []netip.AddrPort // at most trackerMaxPeers, not judged
	names       []namedPeer      // at most trackerMaxNames, not looked up
	warning     string           // for who uses it
	id          string           // to be sent back (BEP 3 tracker id)
}

// namedPeer is a peer that goes by a DNS name.
type namedPeer struct {
	host string
	port uint16
}

// errNoAnswer is what is no answer of a tracker.
var errNoAnswer = errors.New("the answer is not one of a tracker")

// refusal is a tracker that took no announce.
type refusal struct {
	reason  string        // its own words, as far as it has some
	code    int           // of HTTP, where that says it
	retryIn time.Duration // it wants to be left alone so long (BEP 31, Retry-After); 0: it did not say
}

func (r *refusal) Error() string {
	said := fmt.Sprintf("it answers %d %s", r.code, http.StatusText(r.code))
	if r.code == 0 {
		said = fmt.Sprintf("it refuses: %q", r.reason)
	}
	switch {
	case r.retryIn >= trackerNever:
		return said + ", and is not asked again"
	case r.retryIn > 0:
		return fmt.Sprintf("%s, and is asked again in %v", said, r.retryIn)
	}
	return said
}

// parseAnswer reads the answer of an HTTP tracker (BEP 3, 7, 23, 31). The peers are read as far as they can be: what else
// is missing, odd or cut off costs nothing but itself. Memory is what the result takes.
func parseAnswer(b []byte) (a trackerAnswer, err error) {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\ufeff")), " \t\r\n") // what stands before the program of a tracker in PHP
	if len(b) == 0 || b[0] != 'd' {
		return a, errNoAnswer
	}
	known := false
	var refused *refusal
	var retryIn time.Duration
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
				refused = &refusal{reason: words(why)}
			}
		case "retry in":
			if n, ok := value.count(); ok {
				retryIn = upTo(n, time.Minute)
			} else if strings.EqualFold(string(value.text()), "never") {
				retryIn = trackerNever
			}
		case "warning message":
			a.warning = words(value.text())
		case "tracker id":
			if id := value.text(); len(id) <= maxTrackerID {
				a.id = string(id)
			}
		case "interval":
			known = true
			if n, ok := value.count(); ok {
				a.interval = upTo(n, time.Second)
			}
		case "min interval":
			if n, ok := value.count(); ok {
				a.minInterval = upTo(n, time.Second)
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
			if value[0] == 'l' {
				a.readList(value[1:])
			} else {
				a.readCompact(value.text(), 16)
			}
		}
	}
	if refused != nil {
		refused.retryIn = retryIn
		return trackerAnswer{}, refused
	}
	if !known && a.warning == "" {
		return trackerAnswer{}, errNoAnswer
	}
	return a, nil
}

// upTo is n units, at most trackerMost; 0 for what is none.
func upTo(n int64, unit time.Duration) time.Duration {
	return time.Duration(min(max(n, 0), int64(trackerMost/unit))) * unit
}

// words are what a tracker says to people: the beginning, without what is no text.
func words(b []byte) string {
	return strings.TrimSpace(strings.TrimRight(strings.ToValidUTF8(string(shortened(b, maxFailure)), ""), "\x00"))
}

// readCompact takes addresses of size bytes, each with a port.
func (a *trackerAnswer) readCompact(b []byte, size int) {
	for ; len(b) >= size+2 && len(a.peers) < trackerMaxPeers; b = b[size+2:] {
		ip, _ := netip.AddrFromSlice(b[:size])
		a.add(ip, int64(binary.BigEndian.Uint16(b[size:])))
	}
}

// readList takes dictionaries with ip and port. BEP 3 lets ip be a name as well; some have the bytes of an address in it.
func (a *trackerAnswer) readList(d bencoded) {
	for len(d) > 0 && d[0] != 'e' && len(a.peers) < trackerMaxPeers {
		peer, ok := d.value()
		if !ok {
			return
		}
		if peer[0] != 'd' {
			continue
		}
		var at []byte
		var port int64
		for p := peer[1:]; len(p) > 0 && p[0] != 'e'; {
			key, ok := p.str()
			value, more := p.value()
			if !ok || !more {
				break
			}
			switch string(key) {
			case "ip":
				at = value.text()
			case "port":
				port, _ = value.count()
			}
		}
		a.addText(at, port)
	}
}

// addText takes an address or a name.
func (a *trackerAnswer) addText(at []byte, port int64) {
	if len(at) > maxHostText {
		return
	}
	text := strings.TrimSpace(string(at))
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		a.add(ip, port)
		return
	}
	if isHostName(text) {
		if port > 0 && port <= 65535 && len(a.names) < trackerMaxNames {
			a.names = append(a.names, namedPeer{text, uint16(port)})
		}
		return
	}
	if ip, ok := netip.AddrFromSlice(at); ok && bytes.ContainsFunc(at, func(r rune) bool { return r <= ' ' || r > '~' }) {
		a.add(ip, port)
	}
}

// isHostName says whether s may be a DNS name. What ends in digits is an address in a form that resolvers read each in
// their own way (0x7f.1, 2130706433), and never a name (RFC 3696, 2).
func isHostName(s string) bool {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) {
		return false
	}
	last := s[strings.LastIndexByte(strings.TrimSuffix(s, "."), '.')+1:]
	return last != "" && last[0] > '9'
}

func (a *trackerAnswer) add(ip netip.Addr, port int64) {
	if ip.IsValid() && port > 0 && port <= 65535 && len(a.peers) < trackerMaxPeers {
		a.peers = append(a.peers, netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(port)))
	}
}

const (
	// maxFailure is how much of a tracker's reason is shown.
	maxFailure = 200
	// maxHostText is how long a DNS name is at most.
	maxHostText = 253
	// maxTrackerID is longer than any that is known.
	maxTrackerID = 256
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

// count is the number that d begins with. Trackers write it as they like: with a fraction, zeros before it, or as text.
func (d bencoded) count() (n int64, ok bool) {
	digits := shortened(d.text(), 24)
	if end := bytes.IndexByte(shortened(d, 24), 'e'); end > 0 && d[0] == 'i' {
		digits = d[1:end]
	}
	whole, _, _ := strings.Cut(strings.TrimSpace(string(digits)), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return n, true // the largest there is
	}
	return n, err == nil
}
