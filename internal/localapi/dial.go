package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

// ErrNoDaemon says that no daemon holds the home: the caller may open a node on it.
var ErrNoDaemon = errors.New("no daemon runs on this home")

// LockName is the lock that a daemon holds for its life.
const LockName = "daemon"

// GroupsLock is the lock of who has the groups of a home open.
const GroupsLock = "groups"

// errDeaf is a socket that nobody listens on, or none at all.
var errDeaf = errors.New("nobody listens on the socket")

// Dial finds the daemon of the home. Errors: ErrNoDaemon if none holds it; fault.InUse if one does and does not
// answer; fault.Denied if the home or the socket is another user's, before anything is sent; what the versions
// are if the daemon speaks another protocol.
func Dial(ctx context.Context, home, version string) (*Client, error) {
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoDaemon
	}
	h, err := state.Open(home) // refuses another user's
	if err != nil {
		return nil, err
	}
	c := &Client{home: h, version: version}
	wait, stop := context.WithTimeout(ctx, startWait)
	defer stop()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := c.meet(ctx)
		if !errors.Is(err, errDeaf) {
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		pid, held, lockErr := h.Holder(LockName)
		switch {
		case lockErr != nil:
			return nil, lockErr
		case !held:
			return nil, ErrNoDaemon
		case !rest(wait, pause):
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, silent(home, pid)
		}
	}
}

// DialGroups finds the process in a terminal that holds the groups of the home, and serves what is asked of them while it does something
// else. ErrNoDaemon if there is none; it is not waited for.
func DialGroups(ctx context.Context, home, version string) (*Client, error) {
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoDaemon
	}
	h, err := state.Open(home)
	if err != nil {
		return nil, err
	}
	c := &Client{home: h, version: version, groups: true}
	if err := c.meet(ctx); errors.Is(err, errDeaf) {
		return nil, ErrNoDaemon
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// silent is a daemon that holds the home and does not answer.
func silent(home string, pid int) error {
	if pid == 0 {
		return fault.Hint(fault.New(fault.InUse, "a p2pshare holds the home %q and does not answer", home),
			"end it, or give this one another home with --home")
	}
	return fault.Hint(fault.New(fault.InUse, "process %d holds the home %q and does not answer", pid, home),
		"if it is just starting, try again; else end it (kill %d), or give this one another home with --home", pid)
}

// meet asks who answers. errDeaf if nobody does.
func (c *Client) meet(ctx context.Context) error {
	names := ofDaemon
	if c.groups {
		names = ofGroups
	}
	path, err := names.path(c.home.Dir())
	if err == nil {
		err = checkSocket(path)
	}
	if err == nil && filepath.Dir(path) != c.home.Dir() {
		err = checkFolder(filepath.Dir(path))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errDeaf
	}
	if err != nil {
		return err
	}
	c.path = path
	return c.greet(ctx)
}

// rest waits for d with some chance in it, so that many who wait do not come back together; false if ctx ends.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// deaf says whether a failed connect means that nobody listens.
func deaf(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// crowded says whether a failed connect means that too many others connect at the moment: the socket's queue, or
// the table of open files, is full.
func crowded(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// VersionError is a daemon that speaks another version of the protocol.
type VersionError struct {
	Program, Want string // versions of p2pshare: the daemon's, and this one
	API           string // the daemon's
	PID           int    // 0: not known
}

func (e *VersionError) Error() string {
	who, program := "the daemon", e.Program
	if e.PID != 0 {
		who = fmt.Sprintf("the daemon (process %d)", e.PID)
	}
	if program == "" {
		program = "of a version it does not tell"
	}
	return fmt.Sprintf("%s is p2pshare %s and speaks version %s of the protocol; this is p2pshare %s and speaks version %d",
		who, program, e.API, e.Want, api)
}

// restartHint is the way out when daemon and command are not of one version.
const restartHint = "use the daemon's p2pshare, or end the daemon and start it with this one: p2pshare daemon --stop, p2pshare daemon --detach"

func (c *Client) otherAPI(theirs, program string) error {
	e := &VersionError{Program: program, Want: c.version, API: theirs}
	if pid, held, err := c.home.Holder(c.lock()); err == nil && held {
		e.PID = pid
	}
	if c.groups {
		return fault.Hint(fmt.Errorf("a p2pshare in another terminal (process %d) holds the groups of this home, and is p2pshare %s, while this is %s", e.PID, e.Program, c.version), "end that one")
	}
	return fault.Hint(e, restartHint)
}
