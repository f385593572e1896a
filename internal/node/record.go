package node

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Versions of what the home keeps; see SPEC.md.
const (
	recordVersion   = 1
	countersVersion = 1
	limitsVersion   = 1
)

// The files of a record.
const (
	torrentFile = "torrent" // the .torrent
	stampsFile  = "stamps"  // where the content lies, and its stamps
)

// record is what the home keeps of a share, but its .torrent and stamps, and its counters, which change all the
// time.
type record struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Path       string `json:"path,omitempty"`
	Infohash   string `json:"infohash,omitempty"`
	InfohashV2 string `json:"infohash_v2,omitempty"`
	Magnet     string `json:"magnet,omitempty"`
	Size       int64  `json:"size,omitempty"`
	Files      int    `json:"files,omitempty"`
	Private    bool   `json:"private,omitempty"`
	WebSeeds   int    `json:"webseeds,omitempty"`

	Rests  bool   `json:"rests,omitempty"`  // stopped, by the user or a policy
	Why    string `json:"why,omitempty"`    // it rests, if not by the user, or has failed
	Hint   string `json:"hint,omitempty"`   // with Why
	Failed bool   `json:"failed,omitempty"` // it can't go on before the user starts it again

	Fetch  *FetchRequest `json:"fetch,omitempty"` // until it is done
	Finish bool          `json:"finish,omitzero"` // a fetch that is done, and not to be seeded
	Part   *chosen       `json:"part,omitempty"`  // with Done: what was wanted; nil: all

	Entry  string       `json:"entry,omitempty"`  // GROUP/NAME@VERSION, of what a group signed
	Info   string       `json:"info,omitempty"`   // SHA-256 of the info, with Entry
	Signed *SignedEntry `json:"signed,omitempty"` // with Entry, of what was fetched: what its torrent and files were held against
	Mirror string       `json:"mirror,omitempty"` // the ID of the group that this is a mirror of
	Root   string       `json:"root,omitempty"`   // with Mirror: the mirror's folder, which Path and Links are in
	Was    string       `json:"was,omitempty"`    // with Mirror: where the content is that is to move to Path
	WasIn  string       `json:"was_in,omitempty"` // with Was: the mirror's folder then
	Links  []string     `json:"links,omitempty"`  // with Mirror: symlinks to the content, in the folders of other entries
	Group  string       `json:"group,omitempty"`  // the ID of the private group that the content is of
	Sealed string       `json:"sealed,omitempty"` // what it is encrypted from, or opened to: the content is our own file, which goes with the share

	Peers    []string  `json:"peers,omitempty"`
	Announce []string  `json:"announce,omitempty"`
	Allow    []string  `json:"allow,omitempty"` // URLs whose hosts the user named: they may be private addresses
	Limits   Limits    `json:"limits"`
	Policy   Policy    `json:"policy"`
	Added    time.Time `json:"added"`
	Done     time.Time `json:"done,omitzero"`
}

// check refuses a record whose hashes no content has: it was not written by this program, or is damaged.
func (r *record) check() error {
	var err error
	if r.Infohash != "" {
		err = infohash.CheckV1(r.Infohash)
	}
	if r.InfohashV2 != "" && err == nil {
		err = infohash.CheckV2(r.InfohashV2)
	}
	if r.Info != "" && err == nil {
		err = infohash.CheckV2(r.Info)
	}
	if r.Fetch != nil && r.Fetch.Entry != nil && err == nil {
		err = r.Fetch.Entry.check()
	}
	if err != nil {
		return fmt.Errorf("a hash in the record is damaged: %w", err)
	}
	return nil
}

// describe fills in what the torrent says.
func (r *record) describe(m *metafile.Torrent) {
	r.Name, r.Size, r.Files = m.Name, m.Size, len(m.Files)
	r.Infohash, r.InfohashV2 = hashes(m)
	r.Magnet = magnetFor(m)
	r.WebSeeds = len(m.Meta.UrlList)
	r.Private = m.Private
}

// wanted is how many bytes of the torrent are here once it is done.
func (r *record) wanted() int64 {
	if r.Part != nil {
		return r.Part.Size
	}
	return r.Size
}

// counters are what a share did, over all runs.
type counters struct {
	Up      int64   `json:"up"` // bytes of payload
	Down    int64   `json:"down"`
	Bad     int64   `json:"bad"`     // pieces
	Seconds float64 `json:"seconds"` // of seeding
}

// countersDoc is counters.json.
type countersDoc struct {
	Shares map[string]counters `json:"shares"`
}

// place is a file of the stamps: short, for a share may have 100,000 of them.
type place struct {
	Path  string `json:"p"`
	Size  int64  `json:"s"`
	MTime int64  `json:"m"` // nanoseconds since 1970, as the next
	CTime int64  `json:"c,omitempty"`
	Inode uint64 `json:"i,omitempty"`
	Dev   uint64 `json:"d,omitempty"`
}

type placesDoc struct {
	Root  string  `json:"root"`
	Files []place `json:"files"`
}

func encodeStamps(at located) ([]byte, error) {
	doc := placesDoc{Root: at.Root, Files: make([]place, len(at.Paths))}
	for i, p := range at.Paths {
		s := at.Stamps[i]
		doc.Files[i] = place{Path: p, Size: s.Size, MTime: nanoseconds(s.MTime), CTime: nanoseconds(s.CTime), Inode: s.Inode, Dev: s.Dev}
	}
	return json.Marshal(doc)
}

func decodeStamps(b []byte) (located, error) {
	var doc placesDoc
	if err := json.Unmarshal(b, &doc); err != nil {
		return located{}, fmt.Errorf("reading the stamps: %w", err)
	}
	at := located{Root: doc.Root, Paths: make([]string, len(doc.Files)), Stamps: make([]content.Stamp, len(doc.Files))}
	for i, f := range doc.Files {
		at.Paths[i] = f.Path
		if f.MTime != 0 || f.Size != 0 || f.Inode != 0 {
			at.Stamps[i] = content.Stamp{Size: f.Size, MTime: timeOf(f.MTime), CTime: timeOf(f.CTime), Inode: f.Inode, Dev: f.Dev}
		}
	}
	return at, nil
}

// nanoseconds is a time since 1970; 0: none.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// torrentBytes are m's, as a .torrent.
func torrentBytes(m *metafile.Torrent) ([]byte, error) {
	b, err := bencode.Marshal(m.Meta)
	if err != nil {
		return nil, fmt.Errorf("encoding the torrent %q: %w", m.Name, err)
	}
	return b, nil
}
