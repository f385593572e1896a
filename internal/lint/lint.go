package lint

import (
	"cmp"
	"slices"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Level is the severity of a finding.
type Level string

const (
	Error   Level = "error"   // a widely used client, or everyone, cannot fetch this
	Warning Level = "warning" // some clients will have trouble, or it may not be found
	Note    Level = "note"    // good to know; nothing breaks
)

// Finding is one problem.
type Finding struct {
	Level Level  `json:"level"`
	What  string `json:"what"` // what is wrong with the torrent or magnet link, a sentence without a full stop
	Who   string `json:"who"`  // the clients that have trouble with it, and which
	Fix   string `json:"fix"`  // what to do; may be empty
}

// Torrent checks a torrent that metafile accepted.
func Torrent(t *metafile.Torrent) []Finding {
	var f []Finding
	f = append(f, empty(t)...)
	f = append(f, format(t)...)
	f = append(f, pieces(t)...)
	f = append(f, portable(t)...)
	f = append(f, names(t)...)
	f = append(f, sources(t)...)
	for _, note := range t.Notes {
		f = append(f, Finding{Warning, "it is odd: " + note, "clients interpret it differently, and some refuse the torrent", "publish it again, with p2pshare publish"})
	}
	return sorted(f)
}

// Magnet checks a magnet link or a bare infohash.
func Magnet(ref catalog.Ref) []Finding {
	var f []Finding
	if ref.V1 == nil && ref.V2 != nil {
		f = append(f, Finding{Error, "it has only a v2 infohash",
			"aria2 and Transmission 3 cannot fetch it; only clients with BitTorrent v2 can (libtorrent 2, p2pshare)",
			"publish as hybrid or v1, and share a magnet with urn:btih"})
	}
	if len(ref.Trackers) == 0 && len(ref.Peers) == 0 {
		f = append(f, Finding{Warning, "it names no tracker and no peer",
			"clients without DHT cannot start, and those with it need some seconds to find the first peer",
			"add &tr=URL for a tracker, or &x.pe=HOST:PORT for a peer that is always online"})
	}
	for _, w := range ref.Ignored {
		f = append(f, Finding{Warning, "a part is ignored: " + w, "every client", "correct or remove it"})
	}
	if ref.DisplayName == "" {
		f = append(f, Finding{Note, "it has no name", "clients show the infohash until they have the metadata", "add &dn=NAME"})
	}
	if len(ref.Peers) > 0 {
		f = append(f, Finding{Note, "it names peers (x.pe)", "aria2 and Transmission ignore them", ""})
	}
	if len(ref.Select) > 0 {
		f = append(f, Finding{Note, "it selects files (so)", "clients without BEP 53, such as aria2 and Transmission, fetch all of them", ""})
	}
	return sorted(f)
}

// Refused returns the finding for a torrent that metafile refused with err.
func Refused(err error) Finding {
	return Finding{Error, "p2pshare refuses it: " + err.Error(),
		"p2pshare will not fetch or seed it; other clients may refuse it, rename files, or write where they should not",
		"make a new torrent with p2pshare publish, which says what has to change"}
}

func sorted(f []Finding) []Finding {
	rank := map[Level]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(f, func(a, b Finding) int { return cmp.Compare(rank[a.Level], rank[b.Level]) })
	return f
}
