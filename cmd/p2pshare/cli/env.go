package cli

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// Env is what a command has of the process it runs in.
type Env struct {
	Args     []string  // without the program's name
	Stdin    io.Reader // for passwords alone; nil: none
	Stdout   io.Writer
	Stderr   io.Writer
	Getenv   func(string) string
	Dir      string             // the working folder, absolute
	Terminal func() (int, bool) // stderr's width in columns, 0 if it is not known; false if it is no terminal
	Now      func() time.Time
	Signals  <-chan os.Signal // interrupts: the first ends cleanly, the second at once
	Version  string           // of the build; empty: what the Go toolchain recorded
	Open     func(context.Context, Settings) (Backend, error)
	StdLog   func(io.Writer) // sends the standard library's logger elsewhere; dependencies write there
	Daemons  Daemons         // nil: none can be run
	Umask    fs.FileMode     // of the process: what is written for the user has it, whoever writes it

	// These may be nil: no terminal, nobody to ask, the system's clock.
	Screen  func() (width, height int, ok bool)                        // stdout's, if it is a terminal
	Ask     func(ctx context.Context, question string) (string, error) // a line of the user's answer; nil where nobody can answer
	Secret  func(ctx context.Context, question string) (string, error) // an answer that the terminal does not show
	Keyring Keyring                                                    // the desktop's
	Every   func(time.Duration) (ticks <-chan time.Time, stop func())
}

// Settings are what a Backend is opened with.
type Settings struct {
	Home    string // absolute
	Network node.Network
	Log     *slog.Logger
	Version string
	Alone   bool // do not speak to a daemon: carry the request out in this process

	// Of the daemon itself, which holds the home: as those of node.Options.
	Daemon  bool
	Fetches int
	Floor   int64
	Policy  node.Policy
	NoSeed  bool

	FirmUp, FirmDown bool // the rates were given to this run of the daemon, and go before those of p2pshare limit
}

// Backend carries out requests: the node of this process, or a daemon over its socket.
type Backend interface {
	Transfers
	Shares
	Service
	Groups
	// Daemon says whether a daemon answers, which goes on when this process ends.
	Daemon() bool
	Close() error
}

// Transfers run until they are done. on is called with what happens, from one goroutine at a time, and not
// after the method has returned.
type Transfers interface {
	// Publish returns when the torrent is made (NoSeed) or UntilCopies is reached, or nil when ctx ends after
	// seeding began.
	Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error
	// Fetch returns after Event.Fetched, or with r.Seed when ctx ends after it.
	Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error
	// Seed returns nil when ctx ends after seeding began.
	Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error
	// Repair returns after Event.Fetched.
	Repair(ctx context.Context, r node.RepairRequest, on func(node.Event)) error
}

// Shares is what the home keeps.
type Shares interface {
	Status(ctx context.Context, r node.StatusRequest) (*node.Status, error)
	// Change starts or stops shares and returns them as they are then.
	Change(ctx context.Context, r node.ChangeRequest) ([]node.Share, error)
	// Remove returns what was removed, as it was last.
	Remove(ctx context.Context, r node.RemoveRequest) ([]node.Share, error)
}

// Service is what else a backend does.
type Service interface {
	Verify(ctx context.Context, r node.VerifyRequest, on func(node.Event)) (*node.Verified, error)
	Limit(ctx context.Context, r node.LimitRequest) (*node.Limited, error)
	Doctor(ctx context.Context, r node.DoctorRequest, on func(node.Event)) (*node.Diagnosis, error)
}

// Groups are the groups that the home has joined, and what they share.
type Groups interface {
	Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error)
	Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error)
}
