package node

import (
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// Network is how a node meets other peers. The zero value listens on every address at a free port
// with everything on that finds peers.
type Network struct {
	ListenHost string   `json:"listen_host,omitempty"`
	Port       int      `json:"port,omitempty"` // TCP and UDP; 0: a free one
	NoDHT      bool     `json:"no_dht,omitempty"`
	DHTNodes   []string `json:"dht_nodes,omitempty"` // host:port, instead of the public bootstrap nodes
	NoLAN      bool     `json:"no_lan,omitempty"`
	Peers      []string `json:"peers,omitempty"`    // host:port, tried for every torrent
	Trackers   []string `json:"trackers,omitempty"` // URLs, announced to for every public torrent
	// InsecureTrackers are hosts of HTTPS trackers whose certificates are not verified.
	InsecureTrackers []string `json:"insecure_trackers,omitempty"`
	// AllowNets are networks of the user's own, as 10.0.0.0/8: web seeds, trackers and sources that others name may be there.
	AllowNets []string `json:"allow_nets,omitempty"`
	MaxUp     int64    `json:"max_up,omitempty"`   // bytes a second; 0: no limit
	MaxDown   int64    `json:"max_down,omitempty"` // bytes a second; 0: no limit
	UTP       bool     `json:"utp,omitempty"`
	NoUPnP    bool     `json:"no_upnp,omitempty"`
	SuperSeed string   `json:"super_seed,omitempty"` // auto, on or off; empty: auto
}

// PublishRequest asks for a torrent of Path, and that it be kept available.
type PublishRequest struct {
	Path        string     `json:"path"` // absolute
	Name        string     `json:"name,omitempty"`
	Format      string     `json:"format,omitempty"`       // auto, hybrid, v1 or v2; empty: auto
	PieceLength int64      `json:"piece_length,omitempty"` // bytes; 0: chosen by size
	Private     bool       `json:"private,omitempty"`
	Trackers    [][]string `json:"trackers,omitempty"` // tiers (BEP 12), written into the torrent
	WebSeeds    []string   `json:"webseeds,omitempty"`
	Exclude     []string   `json:"exclude,omitempty"`  // gitignore patterns
	Portable    bool       `json:"portable,omitempty"` // refuse names that not every system can hold
	Comment     string     `json:"comment,omitempty"`
	Output      string     `json:"output,omitempty"` // the .torrent to write, absolute; empty: none
	Sums        string     `json:"sums,omitempty"`   // the SHA256SUMS to write, absolute; empty: none
	Umask       uint32     `json:"umask,omitempty"`  // of who asks: these files are 0666 but for its bits; 0: 022
	Chunks      string     `json:"chunks,omitempty"` // auto, on or off: an index of chunks, by which later versions are fetched with less; empty: auto
	NoSeed      bool       `json:"no_seed,omitempty"`
	In          *InGroup   `json:"in,omitempty"`           // publish it into a group too
	UntilCopies int        `json:"until_copies,omitempty"` // end, without error, when so many other machines hold every piece
	Peers       []string   `json:"peers,omitempty"`        // host:port, tried for this torrent
	Announce    []string   `json:"announce,omitempty"`     // trackers that are told, and not written into the torrent
	Limits      Limits     `json:"limits"`
	Policy      Policy     `json:"policy"`

	index []byte // that was made
}

// Published is a torrent that was made.
type Published struct {
	Name        string    `json:"name"`
	Size        int64     `json:"size"`
	Files       int       `json:"files"`
	PieceLength int64     `json:"piece_length"`
	Format      string    `json:"format"` // hybrid, v1 or v2
	Infohash    string    `json:"infohash,omitempty"`
	InfohashV2  string    `json:"infohash_v2,omitempty"`
	Magnet      string    `json:"magnet"`
	TorrentFile string    `json:"torrent_file,omitempty"`
	SumsFile    string    `json:"sums_file,omitempty"`
	ChunksFile  string    `json:"chunks_file,omitempty"`
	Entry       string    `json:"entry,omitempty"` // GROUP/NAME@VERSION, if it was signed into a group
	Skipped     []Skipped `json:"skipped"`
	Trouble     []Skipped `json:"trouble,omitempty"` // names that not every system can hold, and why

	group  string        // the ID of the private group that it was signed into
	sealed *sealedSource // what was encrypted for it; nil: nothing
}

// Skipped is something in the folder that was left out, and why.
type Skipped struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// FetchRequest asks for the content of Ref.
type FetchRequest struct {
	Ref     string        `json:"ref"`
	Dir     string        `json:"dir"`               // absolute; the content becomes Dir/<the torrent's name>
	Only    []string      `json:"only,omitempty"`    // globs over the paths below the name; none: all
	Seed    bool          `json:"seed,omitempty"`    // go on seeding after the fetch, until ctx ends
	NoSeed  bool          `json:"no_seed,omitempty"` // a daemon seeds what it has fetched, unless this or its settings say no
	Timeout time.Duration `json:"timeout,omitempty"` // for the whole fetch; 0: none

	Reuse      []string `json:"reuse,omitempty"`       // files and folders that may have bytes of it, absolute
	ChunksFile string   `json:"chunks_file,omitempty"` // an index of its chunks, absolute; empty: that beside the .torrent, or of Entry
	hints      hints

	WebSeeds     []string `json:"webseeds,omitempty"`      // URLs besides those of Ref; the user named their hosts
	AllowPrivate bool     `json:"allow_private,omitempty"` // hosts that Ref names may have private addresses
	Peers        []string `json:"peers,omitempty"`         // host:port, tried for this torrent
	Linked       []string `json:"linked,omitempty"`        // host:port that others named, judged as those of Ref
	Announce     []string `json:"announce,omitempty"`      // trackers besides those of Ref
	Limits       Limits   `json:"limits"`
	Policy       Policy   `json:"policy"` // of the seeding after the fetch
	FromGroup

	// Entry is what a group signed of the content, which the torrent has to agree with. A node fills it in when Ref is a
	// name.
	Entry  *SignedEntry `json:"entry,omitempty"`
	Repair bool         `json:"repair,omitempty"` // files that are in the place and are not the content are replaced
	Mirror string       `json:"mirror,omitempty"` // the ID of the group that this is a mirror of
	Root   string       `json:"root,omitempty"`   // with Mirror: the folder of the mirror, which Dir is in
}

// SignedEntry is an entry of a group, as far as it says what a torrent has to be.
type SignedEntry struct {
	Ref        string `json:"ref"` // GROUP/NAME@VERSION
	Account    string `json:"account"`
	N          int64  `json:"n,omitempty"` // the time of the record, which tells whose account it was
	Content    string `json:"content"`
	Size       int64  `json:"size"`
	Files      int    `json:"files"`
	Infohash   string `json:"infohash,omitempty"`
	Info       string `json:"info_sha256"`
	Torrent    string `json:"torrent_sha256"`
	Chunks     string `json:"chunks_sha256,omitempty"` // of the index of its chunks
	Sums       string `json:"sums_sha256,omitempty"`   // catalog.SumOfSums of the torrent's files; empty: nothing is signed of them
	Group      string `json:"group,omitempty"`         // the ID of a private group: the content moves between its members alone
	Sealed     string `json:"sealed,omitempty"`        // how the content lies in an encrypted file, which is what is fetched: file or tar
	SealedSize int64  `json:"sealed_size,omitempty"`
	Held       bool   `json:"held,omitempty"` // it is fetched for a mirror, which knows of it that it is Torrent alone
}

// Fetched is a finished fetch. Seconds run from the request to the last verified byte in place.
type Fetched struct {
	Path       string    `json:"path"`
	Name       string    `json:"name"`
	Size       int64     `json:"size"` // bytes that were wanted
	Files      int       `json:"files"`
	Infohash   string    `json:"infohash,omitempty"`
	InfohashV2 string    `json:"infohash_v2,omitempty"`
	Entry      string    `json:"entry,omitempty"` // GROUP/NAME@VERSION, if it was fetched by name
	BytesFrom  BytesFrom `json:"bytes_from"`
	Seconds    float64   `json:"seconds"`
	Verified   bool      `json:"verified"`

	Renamed []Renamed `json:"renamed,omitempty"` // files that the file system cannot hold under their own names

	Seeding bool   `json:"seeding,omitempty"` // a daemon goes on sharing it
	Policy  Policy `json:"policy,omitzero"`   // with Seeding, until when

	OriginSpared int64 `json:"origin_spared,omitempty"` // bytes of the content that no web seed had to send
}

// Renamed is a file that is called otherwise than its torrent says.
type Renamed struct {
	Path string `json:"path"` // in the torrent, with its name, slash-separated
	As   string `json:"as"`   // below the folder that was fetched into
}

// BytesFrom says where the bytes of a fetch came from, each counted once, however often it was sent. Reused bytes were on disk already: an earlier
// attempt's staging, a target that was complete, or other files.
type BytesFrom struct {
	Peers    int64 `json:"peers"`
	WebSeeds int64 `json:"webseeds"`
	Reused   int64 `json:"reused"`
}

// SeedRequest asks that content on disk be kept available.
type SeedRequest struct {
	Torrents []string `json:"torrents"`       // .torrent files, or folders searched for them, absolute
	Data     string   `json:"data,omitempty"` // the folder that holds each torrent's name; empty: beside each .torrent
	Peers    []string `json:"peers,omitempty"`
	Announce []string `json:"announce,omitempty"`
	Limits   Limits   `json:"limits"`
	Policy   Policy   `json:"policy"`
}

// RepairRequest asks that what is missing or wrong of a share's content be fetched again, where it lies.
type RepairRequest struct {
	Ref     string        `json:"ref"`
	Peers   []string      `json:"peers,omitempty"`   // host:port, tried for this torrent
	Timeout time.Duration `json:"timeout,omitempty"` // 0: none
}

// VerifyRequest asks whether content on disk is what a torrent says.
type VerifyRequest struct {
	Torrent string `json:"torrent,omitempty"` // a .torrent file, absolute
	Ref     string `json:"ref,omitempty"`     // or a share of the home
	Data    string `json:"data,omitempty"`    // the content itself, absolute; empty: the torrent's name beside it, the share's own
}

// Verified is the outcome of a check, file by file.
type Verified struct {
	Path   string         `json:"path"`
	Name   string         `json:"name"`
	Size   int64          `json:"size"`
	Files  int            `json:"files"`
	OK     bool           `json:"ok"`
	Pieces int            `json:"pieces"`
	Bad    []VerifiedFile `json:"bad"`   // files with wrong or missing bytes
	Extra  []string       `json:"extra"` // files in the folder that the torrent does not name

	Renamed []Renamed `json:"renamed,omitempty"` // files that are there under other names than their own
}

// VerifiedFile is a file that did not verify.
type VerifiedFile struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`          // Missing, "wrong size: 3 bytes, want 4", "2 of 5 pieces differ", "unreadable: ..."
	Shares  bool   `json:"shares,omitempty"` // its own bytes may be right: another file is missing or wrong that shares pieces with it
}

// Missing is the problem of a file that is not there.
const Missing = content.Missing

// Event is one line of what happens while a request is carried out. Exactly one of the pointers is
// set, or Message is not empty.
type Event struct {
	Kept      *Kept      `json:"kept,omitempty"`
	Progress  *Progress  `json:"progress,omitempty"`
	Published *Published `json:"published,omitempty"`
	Seeding   *Seeding   `json:"seeding,omitempty"`
	Fetched   *Fetched   `json:"fetched,omitempty"`
	Stopped   *Stopped   `json:"stopped,omitempty"`
	Message   string     `json:"message,omitempty"` // something the user should know, a sentence without a full stop
	Level     string     `json:"level,omitempty"`   // info or warn, with Message
}

// PhasePasswords is the phase in which passwords are made: it counts them, and not bytes.
const PhasePasswords = "making passwords"

// Progress of the phase under way. Rates are bytes a second over the last few seconds.
type Progress struct {
	Phase   string        `json:"phase"` // hashing, indexing, encrypting, metadata, checking, reusing, fetching, moving, opening, waiting, making passwords
	Name    string        `json:"name,omitempty"`
	Done    int64         `json:"done"`  // bytes, or passwords
	Total   int64         `json:"total"` // 0: not known yet
	Down    float64       `json:"down"`
	Up      float64       `json:"up"`
	ETA     time.Duration `json:"eta,omitempty"` // nanoseconds in JSON; 0: not known
	Peers   int           `json:"peers"`
	Seeds   int           `json:"seeds"` // peers that hold everything
	From    BytesFrom     `json:"bytes_from"`
	Waiting string        `json:"waiting,omitempty"` // why nothing moves, if it has not for a while
	Lost    []string      `json:"lost,omitempty"`    // files that nobody who is there gives, if nothing moves: paths below the name, a hundred at most
}

// ReadsDisk reports whether the phase reads files and transfers nothing.
func (p *Progress) ReadsDisk() bool {
	switch p.Phase {
	case "hashing", "indexing", "encrypting", "checking", "reusing", "opening":
		return true
	}
	return false
}

// Seeding says that a share can be fetched from now on, and then, every few seconds, how it goes.
type Seeding struct {
	Name       string  `json:"name"`
	Infohash   string  `json:"infohash,omitempty"`
	InfohashV2 string  `json:"infohash_v2,omitempty"`
	Magnet     string  `json:"magnet"`
	Path       string  `json:"path"`
	Port       int     `json:"port"`
	Peers      int     `json:"peers"`
	Copies     int     `json:"copies"`   // other machines seen to hold every piece
	WebSeeds   int     `json:"webseeds"` // that the torrent names
	Up         float64 `json:"up"`       // bytes a second
	Uploaded   int64   `json:"uploaded"` // bytes of payload since it was added
}

// Stopped says that a share is no longer available, and why: its files changed on disk.
type Stopped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}
