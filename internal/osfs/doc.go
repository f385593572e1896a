// Package osfs is what systems and file systems do differently about files: locks between processes, owners and modes,
// free space, and what makes a rename last. Everything above it is the same code everywhere.
//
//	Exclusive, Shared   lock an open file; ErrHeld and ErrNone say why not
//	Owner, OthersMayWrite, OthersMayRead   who may do what with a file; nothing is said on Windows, whose access lists decide
//	Free                room for this user
//	SyncDir, SyncFolder a folder's entries, on disk
package osfs

import (
	"errors"
	"fmt"
	"os"
)

var (
	// ErrHeld says that another process, or another open file of this one, holds the lock.
	ErrHeld = errors.New("locked")
	// ErrNone says that the file system has no locks, as NFS without its lock daemon and some of FUSE: whoever asks has to
	// do without one, and say so.
	ErrNone = errors.New("the file system has no locks")
)

// SyncDir makes a rename in the folder dir last: until the folder is on disk, a crash can bring the old file back.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the folder to sync it: %w", err)
	}
	defer d.Close()
	if err := SyncFolder(d); err != nil {
		return fmt.Errorf("syncing the folder: %w", err)
	}
	return nil
}
