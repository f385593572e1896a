//go:build unix

package state

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func lockShared(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
