package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Exclusive takes the lock of f for as long as f is open, or fails at once: with ErrHeld, ErrNoLocks or
// the system's error.
func Exclusive(f *os.File) error { return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// Shared is Exclusive for a lock that others may share.
func Shared(f *os.File) error { return lock(f, 0) }

// lock locks a byte far beyond the end: Windows keeps others from reading a locked range, and the file's content has to
// stay readable.
func lock(f *os.File, how uint32) error {
	at := &windows.Overlapped{Offset: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return ErrHeld
	case errors.Is(err, windows.ERROR_INVALID_FUNCTION), errors.Is(err, windows.ERROR_NOT_SUPPORTED):
		return ErrNoLocks
	}
	return err
}
