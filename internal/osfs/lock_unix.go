//go:build unix

package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Exclusive takes the lock of f for as long as f is open, or fails at once: with ErrHeld, ErrNoLocks or
// the system's error.
func Exclusive(f *os.File) error { return flock(f, unix.LOCK_EX) }

// Shared is Exclusive for a lock that others may share.
func Shared(f *os.File) error { return flock(f, unix.LOCK_SH) }

func flock(f *os.File, how int) error {
	for {
		err := judge(unix.Flock(int(f.Fd()), how|unix.LOCK_NB))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// judge translates an error of flock(2).
func judge(err error) error {
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrHeld
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		// Some FUSE and overlay file systems answer EINVAL; the arguments are valid.
		return ErrNoLocks
	}
	return err
}
