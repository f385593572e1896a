//go:build unix

package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Exclusive takes the lock of f for as long as f is open, or fails at once: with ErrHeld, ErrNone, or what the system says.
func Exclusive(f *os.File) error { return flock(f, unix.LOCK_EX) }

// Shared is Exclusive for one of many who look.
func Shared(f *os.File) error { return flock(f, unix.LOCK_SH) }

func flock(f *os.File, how int) error {
	for {
		err := judge(unix.Flock(int(f.Fd()), how|unix.LOCK_NB))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// judge tells what an error of flock(2) means.
func judge(err error) error {
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrHeld
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		// EINVAL is what some of FUSE and of the overlay file systems say; the arguments are right.
		return ErrNone
	}
	return err
}
