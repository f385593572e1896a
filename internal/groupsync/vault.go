package groupsync

import (
	"context"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Vault holds what a group signed. Its methods may be called from several goroutines.
type Vault interface {
	Shelf
	Intake
	// Changed gives a channel that is closed at the next change, and a number that every change raises.
	Changed() (<-chan struct{}, uint64)
}

// Shelf is what can be read.
type Shelf interface {
	// Roots are the notes of the versions from first on, in order.
	Roots(first int64) [][]byte
	// Heads are the heads that are held, each with all of its records. since is a number of Changed; what has
	// changed after it is wanted, and more does no harm.
	Heads(since uint64) []signed.Head
	// Records are those of a device from one on, each ended by a newline, as many whole ones as max bytes hold. It is
	// empty where there are none.
	Records(device signed.Key, from int64, max int) ([]byte, error)
	// Evidence is what is kept against devices that signed two histories, each a fork: most pieces from one on.
	Evidence(from, most int) [][]byte
	// ForkSum tells what follows from the evidence, in a few letters: it is the same where the same is known. Empty: there is none.
	ForkSum() string
}

// Intake takes what is signed and fits, and refuses the rest with a *signed.Refusal in the error. What is held already is
// passed over without an error.
type Intake interface {
	// Holds says whether a root, head or piece of evidence is here in these bytes: it costs no signature.
	Holds(raw []byte) bool
	// AddRoots takes notes in the order of their versions.
	AddRoots(ctx context.Context, raw [][]byte) error
	// Wants says whether a head is news, and from which record on its log is wanted.
	Wants(h signed.Head) (from int64, news bool, err error)
	// Vouched says whether the log of a device that begins with the record first (nil: it is not known) is taken: nobody
	// reads or keeps what anybody can sign. fresh: by all that has come; false: what was known a moment ago will do.
	// Otherwise the refusal is signed.ErrUnsigned.
	Vouched(device signed.Key, first []byte, fresh bool) error
	// AddLog takes the records of a head from one on, which is the first that is not held. Where they do not follow on
	// those that are held the refusal is signed.ErrDisagrees: all of them, from 0 on, then tell whose fault it is.
	AddLog(ctx context.Context, h signed.Head, from int64, records [][]byte) error
	// AddFork takes evidence. Of devices that are not known here it takes none: the refusal is signed.ErrGap.
	AddFork(ctx context.Context, raw []byte) error
}

type callerKey struct{}

// WithCaller notes who hands something in.
func WithCaller(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf is who handed in what a Vault is given with this context: an address, an IPv6 one by its /64, or the key of a member;
// empty where we asked for it ourselves.
func CallerOf(ctx context.Context) string {
	s, _ := ctx.Value(callerKey{}).(string)
	return s
}

// The calls and what they carry; SPEC.md.
type (
	rootsAnswer struct {
		Roots []string `json:"roots"`
	}
	headsAnswer struct {
		Cursor string `json:"cursor"`
		Forks  string `json:"forks,omitempty"` // the sum of the evidence
		// and the list heads
	}
	peersAnswer struct {
		Peers []string `json:"peers"`
	}
	forksAnswer struct {
		Forks []string `json:"forks"`
	}
	pushRequest struct {
		Root  int64    `json:"root"`          // the sender's latest version
		All   bool     `json:"all,omitempty"` // Heads are all that the sender has
		Heads []string `json:"heads"`
		Port  int      `json:"port,omitempty"` // where the sender is reached, at the address that it comes from
	}
	pushAnswer struct {
		Root  int64  `json:"root"` // the version from which on roots are wanted; 0: none
		Want  []want `json:"want"`
		Forks string `json:"forks,omitempty"` // the sum of the evidence
	}
	want struct {
		Device signed.Key `json:"device"`
		From   int64      `json:"from"`
	}
)
