package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Holder reports whether the lock called name is held, and by which process; 0 if that is not known. To find out, it
// takes the lock shared for a moment; a TryLock at the same moment fails and has to be tried again.
func (h *Home) Holder(name string) (pid int, held bool, err error) {
	f, err := os.Open(h.Path(name + ".lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("opening the lock: %w", err)
	}
	defer f.Close()
	err = osfs.Shared(f)
	switch pid := holderOf(f); {
	case err == nil:
		return 0, false, nil
	case errors.Is(err, osfs.ErrHeld):
		return pid, true, nil
	case errors.Is(err, osfs.ErrNoLocks):
		return pid, pid > 0 && running(pid), nil
	}
	return 0, false, fmt.Errorf("testing the lock %q: %w", f.Name(), err)
}
