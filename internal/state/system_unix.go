//go:build unix

package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// running says whether a process of that number is there.
func running(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

func checkOwner(dir string, info fs.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the home %q (mode %04o)", dir, perm),
			"run: chmod 700 %q", dir)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() {
		return fault.Hint(fault.New(fault.Denied, "the home %q belongs to user %d, and this is user %d", dir, st.Uid, os.Geteuid()),
			"run as its owner, or name a home of this user with --home")
	}
	return nil
}

// SyncDir makes a rename last: until the folder is on disk, a crash can bring the old file back.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the folder to sync it: %w", err)
	}
	defer d.Close()
	// Some network and FUSE file systems do not know how to sync a folder.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("syncing the folder: %w", err)
	}
	return nil
}
