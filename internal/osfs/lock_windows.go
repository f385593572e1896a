package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Exclusive takes the lock of f for as long as f is open, or fails at once: with ErrHeld, ErrNone, or what the system says.
func Exclusive(f *os.File) error { return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// Shared is Exclusive for one of many who look.
func Shared(f *os.File) error { return lock(f, 0) }

// lock locks a byte far behind the end, because Windows keeps others from reading a locked range, and what the file says
// is to be read.
func lock(f *os.File, how uint32) error {
	at := &windows.Overlapped{Offset: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return ErrHeld
	case errors.Is(err, windows.ERROR_INVALID_FUNCTION), errors.Is(err, windows.ERROR_NOT_SUPPORTED):
		return ErrNone
	}
	return err
}
