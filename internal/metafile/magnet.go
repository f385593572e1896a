package metafile

import (
	"encoding/hex"
	"net/url"
	"strings"
)

// Magnet returns the magnet link to t, with the given trackers, web seeds and peers (host:port). The infohashes come first
// and with unescaped colons, since some clients accept nothing else.
func (t *Torrent) Magnet(trackers, webSeeds, peers []string) string {
	var b strings.Builder
	sep := "magnet:?"
	add := func(key, value string) {
		b.WriteString(sep + key + "=" + value)
		sep = "&"
	}
	if t.V1 != nil {
		add("xt", "urn:btih:"+t.V1.HexString())
	}
	if t.V2 != nil {
		// A multihash: 0x12 is SHA-256, 0x20 its length (BEP 52).
		add("xt", "urn:btmh:1220"+hex.EncodeToString(t.V2[:]))
	}
	add("dn", escape(t.Name))
	for _, list := range []struct {
		key    string
		values []string
	}{{"tr", trackers}, {"ws", webSeeds}, {"x.pe", peers}} {
		for _, v := range list.values {
			add(list.key, escape(v))
		}
	}
	return b.String()
}

// escape is url.QueryEscape with %20 for a space: some clients display the plus of a form.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
