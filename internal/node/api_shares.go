package node

import "time"

// The states of a Share.
const (
	StateStarting = "starting" // being added; its files are looked at
	StateChecking = "checking" // its files are hashed
	StateQueued   = "queued"   // a fetch that waits for its turn
	StateFetching = "fetching"
	StateSeeding  = "seeding"
	StateWaiting  = "waiting" // cannot go on now, and will by itself: a drive is away, a disk is full
	StateStopped  = "stopped" // by the user or a policy
	StateDone     = "done"    // fetched, and not to be seeded
	StateFailed   = "failed"  // cannot go on before the user does something
	StateDamaged  = "damaged" // what the home has of it cannot be read
)

// Share is something that the home keeps: what was published, is seeded or is being fetched.
type Share struct {
	ID         string `json:"id"`
	Kind       string `json:"kind"` // publish, fetch or seed: how it came here
	Name       string `json:"name"`
	Path       string `json:"path,omitempty"` // of the content
	Infohash   string `json:"infohash,omitempty"`
	InfohashV2 string `json:"infohash_v2,omitempty"`
	Magnet     string `json:"magnet,omitempty"`
	Size       int64  `json:"size"`
	Files      int    `json:"files"`
	Private    bool   `json:"private,omitempty"`
	Mirror     bool   `json:"mirror,omitempty"`  // the mirror of a group fetched it
	Entry      string `json:"entry,omitempty"`   // GROUP/NAME@VERSION, of what was published in a group or fetched from one
	Group      string `json:"group,omitempty"`   // GROUP
	Taken      *Taken `json:"taken,omitempty"`   // with Entry: it was taken back since
	Members    bool   `json:"members,omitempty"` // the group is private: its members alone find and get it

	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`   // of a state that is not the usual one, a sentence without a full stop
	Hint     string    `json:"hint,omitempty"`     // what helps
	Progress *Progress `json:"progress,omitempty"` // while it is checked or fetched

	Peers      int     `json:"peers"`
	Seeds      int     `json:"seeds"`
	Copies     int     `json:"copies"`   // other machines seen to hold every piece
	WebSeeds   int     `json:"webseeds"` // that the torrent names
	Up         float64 `json:"up"`       // bytes a second
	Down       float64 `json:"down"`
	Uploaded   int64   `json:"uploaded"` // bytes of payload since it was added, over all runs
	Downloaded int64   `json:"downloaded"`
	BadPieces  int64   `json:"bad_pieces"` // pieces received that did not verify
	Ratio      float64 `json:"ratio"`      // uploaded to size

	Trackers []TrackerWord `json:"tracker_words,omitempty"` // what trackers last said to people

	Stays  []string `json:"stays,omitempty"`  // of one that was removed with its files: those that are not its content any more, and were left alone
	Absent bool     `json:"absent,omitempty"` // likewise: nothing of its files was there

	Limits Limits    `json:"limits"`
	Policy Policy    `json:"policy"`
	Added  time.Time `json:"added"`
	Done   time.Time `json:"done,omitzero"` // a fetch: when the last byte was in place
}

// TrackerWord is what a tracker has to say to who uses it, without the secrets of its address.
type TrackerWord struct {
	Tracker string `json:"tracker"`           // its URL, as far as that is shown
	Text    string `json:"text"`              // its own words, not escaped
	Refuses bool   `json:"refuses,omitempty"` // it takes no announce, else it only warns
}

// Limits are rates in bytes a second; 0: none. Of the windows, the first that holds the present hour
// decides instead of Up and Down.
type Limits struct {
	Up      int64    `json:"up"`
	Down    int64    `json:"down"`
	Windows []Window `json:"windows,omitempty"`
}

// Window is a part of the week, in local time. To before From runs past midnight into the day after.
type Window struct {
	Days string `json:"days,omitempty"` // "mon-fri", "sat,sun"; empty: every day
	From string `json:"from"`           // "08:00"
	To   string `json:"to"`             // "18:30", not included; "24:00" is the end of the day
	Up   int64  `json:"up"`
	Down int64  `json:"down"`
}

// Policy says when seeding has done its work. The zero value: never.
type Policy struct {
	Ratio  float64       `json:"ratio,omitempty"`  // uploaded to size
	Time   time.Duration `json:"time,omitempty"`   // of seeding, over all runs; nanoseconds in JSON
	Copies int           `json:"copies,omitempty"` // other machines that hold every piece
}

// StatusRequest asks how shares stand. REFs are IDs, names, infohashes, their first digits, magnet links
// or paths; none: all shares.
type StatusRequest struct {
	Refs   []string `json:"refs,omitempty"`
	Groups bool     `json:"groups,omitempty"` // say how the groups stand too
}

// Status is how a node and its shares stand.
type Status struct {
	Daemon   bool      `json:"daemon"` // a daemon answered; else the shares rest
	Version  string    `json:"version"`
	PID      int       `json:"pid,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Home     string    `json:"home"`
	Port     int       `json:"port,omitempty"`
	DHTNodes int       `json:"dht_nodes"`

	Up         float64 `json:"up"` // bytes a second, of all shares
	Down       float64 `json:"down"`
	Uploaded   int64   `json:"uploaded"` // bytes, of all shares that are there
	Downloaded int64   `json:"downloaded"`
	From       struct {
		Peers    int64 `json:"peers"`
		WebSeeds int64 `json:"webseeds"`
		Reused   int64 `json:"reused"`
	} `json:"bytes_from"` // since the node was started

	Limits    Limits   `json:"limits"`
	LimitsSet []string `json:"limits_set,omitempty"` // which of them a LimitRequest has set: up, down, windows; the others are of the settings
	Now       Limits   `json:"limits_now"`           // what of them holds at this hour
	Shares    []Share  `json:"shares"`
	Groups    []Group  `json:"groups,omitempty"` // with StatusRequest.Groups
	Problems  []string `json:"problems"`         // of the home: what could not be read and was passed over, and alarms of its groups
}

// ChangeRequest starts or stops shares.
type ChangeRequest struct {
	Refs []string `json:"refs,omitempty"`
	All  bool     `json:"all,omitempty"`
	Run  bool     `json:"run"` // true: start, false: stop
}

// RemoveRequest forgets shares. Files stay where they are, unless Data.
type RemoveRequest struct {
	Refs []string `json:"refs,omitempty"`
	All  bool     `json:"all,omitempty"`
	Data bool     `json:"data,omitempty"` // remove the content too
}

// LimitRequest changes what is not nil, of shares or, without Refs, of all together.
type LimitRequest struct {
	Refs    []string  `json:"refs,omitempty"`
	Up      *int64    `json:"up,omitempty"`
	Down    *int64    `json:"down,omitempty"`
	Windows *[]Window `json:"windows,omitempty"`
	Default []string  `json:"default,omitempty"` // up and down: as the settings say again; a share has no limit of its own then
	Policy  *Policy   `json:"policy,omitempty"`  // of shares only
}

// Limited is what holds after a LimitRequest.
type Limited struct {
	Limits Limits   `json:"limits"`        // of all together
	Set    []string `json:"set,omitempty"` // as Status.LimitsSet
	Shares []Share  `json:"shares"`        // those of Refs
}

// Kept says that the node keeps on with a request whatever becomes of its caller: from here on the end of
// ctx detaches. One request may bring several, of one share each.
type Kept struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Ref  string `json:"ref,omitempty"` // the name, or the ID where another share has that name too
	Was  string `json:"was,omitempty"` // the ID that an earlier Kept of the request gave, where this one takes its place
}

// DoctorRequest asks why nothing moves, of the node and of shares; without Refs, of all that do not move.
type DoctorRequest struct {
	Refs []string `json:"refs,omitempty"`
}

// Diagnosis is what was looked at and found, the gravest first.
type Diagnosis struct {
	Findings []Finding `json:"findings"`
	Looked   []string  `json:"looked"` // what was looked at and is well, a sentence each
}

// Finding is one reason why something does not move.
type Finding struct {
	Code  string `json:"code"`            // of SPEC.md: port-closed, no-multicast, no-dht, clock, disk-full, source-changed, nobody, rate-limit, daemon-version, ...
	Grave bool   `json:"grave"`           // nothing moves because of it; else it only slows
	Share string `json:"share,omitempty"` // the name of the one it concerns; empty: all
	What  string `json:"what"`            // a plain sentence
	Do    string `json:"do,omitempty"`    // the command or act that helps
}
