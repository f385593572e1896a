package metafile

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// outer holds the keys outside the info. No hash covers them and no byte of the content depends on them, so none of them
// makes the torrent invalid: usable values are used, and others are noted.
type outer struct {
	mi     metainfo.MetaInfo
	notes  []string
	looked map[string]int // values examined, by field
}

// readOuter reads the .torrent b, which scan has accepted, except for its info.
func readOuter(b []byte) *outer {
	o := &outer{looked: map[string]int{}}
	c := &cursor{b: b}
	var announce []string
	_ = c.fields(func(key string) error { // nothing here is refused
		switch key {
		case "announce":
			announce = o.addresses(c, "announce")
		case "announce-list":
			o.tiers(c)
		case "url-list":
			o.mi.UrlList = o.room(o.addresses(c, "url-list"), nil, "web seeds")
		case "nodes":
			o.nodes(c)
		case "comment":
			o.mi.Comment = o.text(c, key)
		case "created by":
			o.mi.CreatedBy = o.text(c, key)
		case "encoding":
			o.mi.Encoding = o.text(c, key)
		case "creation date":
			if c.kind() == 'i' {
				o.mi.CreationDate, _ = c.integer()
				return nil
			}
			c.skip()
			o.note("creation date: not a number, ignored")
		case "piece layers":
			o.layers(c)
		default:
			c.skip()
		}
		return nil
	})
	switch {
	case len(announce) == 1:
		o.mi.Announce = announce[0]
	case len(announce) > 1 && o.mi.AnnounceList == nil:
		o.mi.AnnounceList = o.single(announce)
	}
	return o
}

func (o *outer) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(o.notes) < maxNotes && !slices.Contains(o.notes, text) {
		o.notes = append(o.notes, text)
	}
}

// addresses returns the strings of the value at the cursor, which may be a string, a list of strings, or a list that contains
// strings among other things. It repairs them as browsers do. One string may hold several addresses, separated by line
// breaks or spaces.
func (o *outer) addresses(c *cursor, field string) (out []string) {
	kind := c.kind()
	if kind != 'l' {
		if o.looked[field]++; o.looked[field] > maxLooked {
			c.skip()
			return nil
		}
	}
	switch kind {
	case 's':
		text := string(c.str())
		parts := strings.Fields(text)
		if slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(p, "://") }) {
			parts = []string{text}
		}
		for _, p := range parts {
			switch u := webaddr.Repair(p); {
			case u == "":
			case len(u) > maxURL:
				o.note("%s: an address of %d bytes is ignored; the limit is %d", field, len(u), maxURL)
			default:
				out = append(out, u)
			}
		}
	case 'l':
		_ = c.list(func() error {
			out = append(out, o.addresses(c, field)...)
			return nil
		})
	default:
		c.skip()
		o.note("%s: a value that is not an address is ignored", field)
	}
	return out
}

// room returns the values of more that are not in list yet and still fit into it.
func (o *outer) room(more, list []string, what string) (out []string) {
	for _, u := range more {
		switch {
		case slices.Contains(list, u) || slices.Contains(out, u):
		case len(list)+len(out) == maxURLs:
			o.note("%s beyond the first %d are ignored", what, maxURLs)
			return out
		default:
			out = append(out, u)
		}
	}
	return out
}

// tiers reads BEP 12's list of lists. A plain list of addresses, as some sites write it, is read as one tier per address.
func (o *outer) tiers(c *cursor) {
	o.mi.AnnounceList = nil
	if c.kind() != 'l' {
		o.mi.AnnounceList = o.single(o.addresses(c, "announce-list"))
		return
	}
	var all []string
	_ = c.list(func() error {
		if tier := o.room(o.addresses(c, "announce-list"), all, "trackers"); len(tier) > 0 {
			o.mi.AnnounceList = append(o.mi.AnnounceList, tier)
			all = append(all, tier...)
		}
		return nil
	})
}

// single makes a tier for each address.
func (o *outer) single(urls []string) (tiers [][]string) {
	for _, u := range o.room(urls, nil, "trackers") {
		tiers = append(tiers, []string{u})
	}
	return tiers
}

// nodes reads BEP 5's list of hosts and ports.
func (o *outer) nodes(c *cursor) {
	o.mi.Nodes = nil
	if c.kind() != 'l' {
		c.skip()
		o.note("nodes: not a list, ignored")
		return
	}
	_ = c.list(func() error {
		if o.looked["nodes"]++; o.looked["nodes"] > maxURLs {
			c.skip()
			return nil
		}
		switch node := readNode(c); {
		case node == "" || len(node) > maxURL:
			o.note("nodes: a value that is not a host and port is ignored")
		default:
			o.mi.Nodes = append(o.mi.Nodes, metainfo.Node(node))
		}
		return nil
	})
}

// readNode reads a host and port, as a list of two or as HOST:PORT; empty if it is neither.
func readNode(c *cursor) string {
	if c.kind() == 's' {
		return string(c.str())
	}
	if c.kind() != 'l' {
		c.skip()
		return ""
	}
	pair := &cursor{b: c.skip(), i: 1}
	if pair.kind() != 's' {
		return ""
	}
	host := string(pair.str())
	if pair.kind() != 'i' {
		return ""
	}
	port, ok := pair.integer()
	if !ok || pair.kind() != 'e' || host == "" {
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}

func (o *outer) text(c *cursor, field string) string {
	s, ok := c.text()
	switch {
	case !ok:
		o.note("%s: not a string, ignored", field)
	case len(s) > maxText:
		o.note("%s: ignored, because it has %d bytes; the limit is %d", field, len(s), maxText)
		return ""
	}
	return s
}

// layers reads BEP 52's piece layers, which judgeLayers checks against the roots.
func (o *outer) layers(c *cursor) {
	layers := map[string]string{}
	ok, _ := c.dictFields(func(root string) error {
		if c.kind() != 's' {
			c.skip()
			return nil
		}
		layers[root] = string(c.str())
		return nil
	})
	if !ok {
		o.note("piece layers: not a dictionary, ignored")
		return
	}
	o.mi.PieceLayers = layers
}
