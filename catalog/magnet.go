package catalog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// parseMagnet reads a magnet link (BEP 9, BEP 53). What decides which bytes are fetched is strict:
// hashes, the selection, repeats that disagree. What only helps to find or name them (trackers, web seeds,
// peers, the name) is repaired, or passed over and noted: links in the wild carry such debris.
func parseMagnet(s string) (Ref, error) {
	_, query, found := strings.Cut(s, "?")
	if !found {
		_, query, _ = strings.Cut(s, ":") // as some sites write it
	}
	if !strings.Contains(query, "=") {
		return Ref{}, usage("magnet link %q has no parameters", s)
	}
	// A link copied from the source of a web page has its & escaped.
	query = strings.ReplaceAll(query, "&amp;", "&")
	r := Ref{Kind: Magnet}
	for _, pair := range pairs(query) {
		key, raw, _ := strings.Cut(pair, "=")
		value := strings.TrimSpace(webaddr.Unescape(strings.ReplaceAll(raw, "+", " ")))
		if value == "" {
			continue
		}
		if err := r.param(baseKey(strings.TrimSpace(key)), value); err != nil {
			return Ref{}, err
		}
	}
	if r.V1 == nil && r.V2 == nil {
		return Ref{}, usage("magnet link names no BitTorrent content: it has no xt=urn:btih:... or xt=urn:btmh:...")
	}
	return r, nil
}

// pairs are the parameters of a query, without white space around them. Mail and chat programs break links: a line that
// begins with a parameter is one, and any other belongs to the line before it.
func pairs(query string) (list []string) {
	for part := range strings.SplitSeq(query, "&") {
		begun := false
		for line := range strings.FieldsFuncSeq(part, func(c rune) bool { return c == '\n' || c == '\r' }) {
			key, _, found := strings.Cut(line, "=")
			switch line = strings.TrimSpace(line); {
			case line == "":
			case begun && !(found && isParam(baseKey(strings.TrimSpace(key)))):
				list[len(list)-1] += line
			default:
				list, begun = append(list, line), true
			}
		}
	}
	return list
}

func isParam(key string) bool {
	return slices.Contains([]string{"xt", "dn", "so", "tr", "ws", "as", "xs", "x.pe", "xl", "kt", "mt"}, key)
}

// baseKey drops the number of a repeated parameter: tr.1 and tr.2 are tr.
func baseKey(key string) string {
	key = strings.TrimSuffix(strings.ToLower(webaddr.Unescape(key)), "[]") // PHP writes lists as tr[]=
	if name, number, ok := strings.Cut(key, "."); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return name
	}
	return key
}

func (r *Ref) param(key, value string) error {
	switch key {
	case "xt":
		return r.topic(value)
	case "dn":
		r.name(value)
	case "so":
		return r.selection(value)
	case "tr":
		r.Trackers = r.add(r.Trackers, "tracker", webaddr.Repair(value), maxTrackers, CheckTracker)
	case "ws":
		r.WebSeeds = r.add(r.WebSeeds, "web seed", webaddr.Repair(value), maxWebSeeds, CheckWebSeed)
	case "as":
		// WebTorrent reads an acceptable source as ws; some links name a .torrent there instead, which holds no content.
		if value = webaddr.Repair(value); isTorrentURL(value) {
			r.source(value)
		} else {
			r.WebSeeds = r.add(r.WebSeeds, "web seed", value, maxWebSeeds, CheckWebSeed)
		}
	case "xs":
		if value = webaddr.Repair(value); scheme(value) == "http" || scheme(value) == "https" {
			r.source(value) // others are of other networks, or are keys (BEP 46)
		}
	case "x.pe":
		r.Peers = r.add(r.Peers, "peer", value, maxPeers, CheckAddr)
	}
	return nil // BEP 9: parameters that are not known are ignored
}

func (r *Ref) topic(value string) error {
	lower := strings.ToLower(value)
	switch {
	case strings.HasPrefix(lower, "urn:btih:"):
		digits := digitsOf(value[len("urn:btih:"):])
		h, ok := parseV1(digits)
		if !ok {
			return usage("magnet link has the infohash %q of %d characters; btih takes 40 hex digits or 32 of base32", digits, len(digits))
		}
		if err := infohash.Check(h[:]); err != nil {
			return usage("magnet link has the infohash %q: %v", digits, err)
		}
		if r.V1 != nil && *r.V1 != h {
			return usage("magnet link names two different contents: btih %v and %v", r.V1, h)
		}
		r.V1 = &h
	case strings.HasPrefix(lower, "urn:btmh:"):
		digits := digitsOf(value[len("urn:btmh:"):])
		// BEP 9 writes a multihash: 12 is sha2-256, 20 its length.
		h, ok := parseV2(strings.TrimPrefix(digits, "1220"))
		if !ok || !strings.HasPrefix(digits, "1220") {
			return usage("magnet link has the v2 infohash %q of %d characters; btmh takes 1220 and 64 hex digits", digits, len(digits))
		}
		if err := infohash.Check(h[:]); err != nil {
			return usage("magnet link has the v2 infohash %q: %v", digits, err)
		}
		if r.V2 != nil && *r.V2 != h {
			return usage("magnet link names two different contents: btmh %x and %x", *r.V2, h)
		}
		r.V2 = &h
	}
	return nil // topics of other networks stand beside ours in some links
}

// digitsOf is an infohash without what sites leave behind one: the padding of base32, a slash, a fragment, or parameters after a
// semicolon.
func digitsOf(s string) string {
	if i := strings.IndexAny(s, "=/#;?"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(s)
}

func (r *Ref) name(value string) {
	switch {
	case len(value) > maxNameLen:
		r.Ignored = append(r.Ignored, fmt.Sprintf("the name (dn) of %d bytes is too long", len(value)))
	case r.DisplayName == "":
		r.DisplayName = value
	case value != r.DisplayName:
		r.Ignored = append(r.Ignored, fmt.Sprintf("a second name (dn), %q", value))
	}
}

// selection reads BEP 53's so: indexes and ranges, "0,2,4-6".
func (r *Ref) selection(value string) error {
	picked := make(map[int]struct{})
	named := 0
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		lo, err := fileIndex(first)
		if err != nil {
			return usage("magnet link selects files by so=%q: %v", value, err)
		}
		hi := lo
		if isRange {
			if hi, err = fileIndex(last); err != nil {
				return usage("magnet link selects files by so=%q: %v", value, err)
			}
		}
		if hi < lo {
			return usage("magnet link selects files by so=%q: the range %q runs backwards", value, part)
		}
		// Ranges may overlap, but not so often that reading a short link takes long.
		if named += hi - lo + 1; named > maxFiles {
			return usage("magnet link selects files by so=: more than %d", maxFiles)
		}
		for i := lo; i <= hi; i++ {
			picked[i] = struct{}{}
		}
	}
	if len(picked) == 0 {
		return nil // no file is named, which is no selection
	}
	indexes := make([]int, 0, len(picked))
	for i := range picked {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	if r.Select != nil && !slices.Equal(r.Select, indexes) {
		return usage("magnet link selects files twice, and differently")
	}
	r.Select = indexes
	return nil
}

func fileIndex(s string) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no file index", s)
	}
	i, err := strconv.Atoi(s)
	if err != nil || i >= maxFiles {
		return 0, fmt.Errorf("file index %s is beyond %d, the most files a torrent may have here", s, maxFiles-1)
	}
	return i, nil
}

// add appends value if it is well formed, new, and the list has room; else it notes why not.
func (r *Ref) add(list []string, what, value string, limit int, check func(string) error) []string {
	if slices.Contains(list, value) {
		return list
	}
	if err := check(value); err != nil {
		r.Ignored = append(r.Ignored, fmt.Sprintf("%s: %v", what, err))
		return list
	}
	if len(list) == limit {
		note := fmt.Sprintf("%ss beyond the first %d", what, limit)
		if !slices.Contains(r.Ignored, note) {
			r.Ignored = append(r.Ignored, note)
		}
		return list
	}
	return append(list, value)
}

// source takes the address of the .torrent.
func (r *Ref) source(u string) {
	r.Sources = r.add(r.Sources, "source", u, maxSources, CheckWebSeed)
}

// isTorrentURL says whether the path of a URL ends like that of a .torrent.
func isTorrentURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasSuffix(strings.ToLower(u.Path), ".torrent")
}

// CheckTracker judges the form of a tracker's URL: udp, http or https, with a host; udp with a port.
func CheckTracker(s string) error {
	u, err := checkURL(s, "udp", "http", "https")
	if err != nil {
		return err
	}
	if u.Scheme == "udp" && u.Port() == "" {
		return fault.New(fault.Usage, "%q has no port, which a udp tracker needs", s)
	}
	return nil
}

// CheckWebSeed judges the form of a web seed's URL: http or https, with a host.
func CheckWebSeed(s string) error {
	_, err := checkURL(s, "http", "https")
	return err
}

func checkURL(s string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fault.New(fault.Usage, "%q is no URL: %w", s, cause(err))
	}
	if !slices.Contains(schemes, u.Scheme) {
		return nil, fault.New(fault.Usage, "%q is not of %s", s, strings.Join(schemes, ", "))
	}
	if u.Hostname() == "" {
		return nil, fault.New(fault.Usage, "%q names no host", s)
	}
	if port := u.Port(); port != "" {
		if err := checkPort(port); err != nil {
			return nil, fault.New(fault.Usage, "%q: %w", s, err)
		}
	}
	return u, nil
}

// CheckAddr judges the form of HOST:PORT; an IPv6 host stands in brackets.
func CheckAddr(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, " /@?#") {
		return fault.New(fault.Usage, "%q is not HOST:PORT (an IPv6 address stands in brackets: [::1]:6881)", s)
	}
	for _, c := range host {
		if c < ' ' || c == 0x7f {
			return fault.New(fault.Usage, "%q has a control character in its host", s)
		}
	}
	if err := checkPort(port); err != nil {
		return fault.New(fault.Usage, "%q: %w", s, err)
	}
	return nil
}

func checkPort(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return errors.New("the port is not a number from 1 to 65535")
	}
	return nil
}
