package doctor

import "time"

// Facts are what was seen of a node, its network and its shares at one moment.
type Facts struct {
	Daemon   bool // of a running daemon; else of a home that rests
	Home     string
	HomeFree int64    // bytes; below 0: not known
	Problems []string // things in the home that could not be read
	Groups   []Alarm

	Port   Port
	LAN    LAN
	DHT    DHT
	DNS    []Server // that were asked for a name, in the order in which they are used; none: no name is needed
	Clock  Clock
	Rates  Rates
	Sites  []Site
	Shares []Share
}

// Alarm is something about a group that its people have to act on.
type Alarm struct {
	What, Do string
	Grave    bool
}

// Port is what is known of the port that peers connect to. Number 0: nothing listens, and nothing is said.
type Port struct {
	Number   int
	Loopback bool  // it listens on loopback alone, which the user asked for
	Tries    []Try // connections to it from this machine, one for each of its addresses
	Public   bool  // one of the addresses is the internet's
	Router   bool  // a router that opens ports when asked is there, and was asked
	Came     int   // peers from elsewhere that have connected to it
}

// Try is an attempt to connect to an address of this machine.
type Try struct {
	Addr string
	Err  string // empty: it answered
}

// LAN is what is known of multicast, which finds peers on the local network.
type LAN struct {
	Off        bool        // by a setting
	Interfaces []Interface // that are up and are no loopback
}

// Interface is a network interface.
type Interface struct {
	Name  string
	Heard bool   // what was sent to the group there came back
	Err   string // why not
}

// DHT is how the DHT stands.
type DHT struct {
	Off   bool // by a setting
	Nodes int  // that answer
	For   time.Duration
}

// Server is a DNS server.
type Server struct {
	Addr string // empty: whatever the system uses
	Err  string // what is wrong with it, as a sentence goes on that begins with the server; empty: it answers
}

// Clock is what there is to tell whether the machine's clock is right.
type Clock struct {
	Readings []Reading
	Future   string        // a file of ours that was written in the future; empty: none
	FutureBy time.Duration // with Future
	Jump     time.Duration // by how much the clock was set back while the node ran; forward is a sleep as well
}

// Reading is the time that a server of the network gave.
type Reading struct {
	From  string
	Ahead time.Duration // of our clock; below 0: behind
}

// Rates are the limits of all shares together that hold now, in bytes a second, 0: none, and what passes.
type Rates struct {
	UpLimit, DownLimit int64
	Up, Down           float64
	Schedule           bool // a window of the week set the limits
}

// Site is a tracker or web seed that was asked whether it is there.
type Site struct {
	WebSeed bool
	Share   string // the name of the one that names it; empty: the settings do
	URL     string // without what may be secret in it
	Err     string // empty: it answered
}

// The states of a Share that Judge tells apart; others are those of what moves.
const (
	Queued   = "queued"
	Fetching = "fetching"
	Waiting  = "waiting"
	Stopped  = "stopped"
	Failed   = "failed"
	Damaged  = "damaged"
)

// Share is one share, as it stands.
type Share struct {
	ID, Name string
	State    string
	Reason   string // of the state
	Hint     string // what helps, if the node knows
	Asked    bool   // the user named it

	Own    bool   // it was published here, and others may not have it
	Mirror bool   // the mirror of a group has it, which mends itself
	Path   string // of the content
	Gone   bool   // nothing is at Path, and content was
	Source string // how the files differ from what is shared; empty: they do not, or it is a fetch

	Private            bool   // and of no private group, whose members find each other
	Group              string // the group that it was fetched from or is published in; empty: none
	Trackers, WebSeeds int
	Peers, Seeds       int
	Known              int // addresses of peers that are known
	For                time.Duration
	UpLimit, DownLimit int64 // of this share
	Up, Down           float64

	Missing int64 // bytes a fetch still has to write
	Free    int64 // bytes that its disk has; below 0: not known
	Floor   int64 // bytes that are to stay free
}

// Finding is one reason why something does not move.
type Finding struct {
	Code  string
	Grave bool   // nothing moves because of it; else it only slows, or will
	Share string // the name of the one it concerns; empty: all
	What  string // a plain sentence
	Do    string // the command or act that helps
}
