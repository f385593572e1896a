// Package filelock locks open files between processes, and tells apart what keeps a lock from being had: somebody
// holds it, or the file system knows no locks, as NFS without its lock daemon and some of FUSE. Entry points: Exclusive, Shared.
package filelock

import "errors"

var (
	// ErrHeld says that another process, or another open file of this one, holds the lock.
	ErrHeld = errors.New("locked")
	// ErrNone says that the file system has no locks: whoever asks has to do without one, and say so.
	ErrNone = errors.New("the file system has no locks")
)
