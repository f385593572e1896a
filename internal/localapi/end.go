package localapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

// End has the daemon of the home end, whatever version it is of, and returns its process number once it has let
// go of the home. ErrNoDaemon if there is none.
func End(ctx context.Context, home, version string) (pid int, err error) {
	c, err := Dial(ctx, home, version)
	if err == nil {
		pid = c.about.PID
		if _, err = ask[struct{}](ctx, c, pathEnd, struct{}{}); err != nil {
			return pid, err
		}
		return pid, awaitRelease(ctx, c.home, pid)
	}
	_, other := errors.AsType[*VersionError](err)
	if !other && fault.KindOf(err) != fault.InUse {
		return 0, err
	}
	// It cannot be asked; it can be told by the system.
	h, openErr := state.Open(home)
	if openErr != nil {
		return 0, openErr
	}
	pid, held, holderErr := h.Holder(LockName)
	switch {
	case holderErr != nil:
		return 0, holderErr
	case !held:
		return 0, ErrNoDaemon
	case pid <= 1:
		return 0, err
	}
	p, findErr := os.FindProcess(pid)
	if findErr != nil {
		return pid, errors.Join(err, findErr)
	}
	if sigErr := p.Signal(syscall.SIGTERM); sigErr != nil {
		return pid, fault.Hint(fmt.Errorf("%w; and to end process %d failed: %w", err, pid, sigErr), "end it with the means of the system")
	}
	return pid, awaitRelease(ctx, h, pid)
}

// awaitRelease waits until process pid no longer holds the home.
func awaitRelease(ctx context.Context, h *state.Home, pid int) error {
	for {
		now, held, err := h.Holder(LockName)
		if err != nil || !held || now != pid {
			return err
		}
		if !rest(ctx, 20*time.Millisecond) {
			return fmt.Errorf("waiting for the daemon (process %d) to end: %w", pid, ctx.Err())
		}
	}
}
