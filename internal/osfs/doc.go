// Package osfs hides how operating systems and file systems differ in handling files: locks between processes, owners
// and modes, free space, and making a rename durable. The code above it is the same everywhere.
//
//	Exclusive, Shared                      lock an open file; ErrHeld and ErrNoLocks say why that failed
//	Owner, OthersMayWrite, OthersMayRead   who may do what with a file (nothing on Windows, where access lists decide)
//	Free                                   free space for this user
//	OtherDrive                             why a rename failed
//	SyncDir, SyncFolder                    sync a folder's entries to disk
package osfs

import (
	"errors"
	"fmt"
	"os"
)

var (
	// ErrHeld means that another process, or another open file of this one, holds the lock.
	ErrHeld = errors.New("locked")
	// ErrNoLocks means that the file system has no locks, such as NFS without its lock daemon and some FUSE file systems:
	// the caller has to do without, and say so.
	ErrNoLocks = errors.New("the file system has no locks")
)

// SyncDir makes a rename in the folder dir durable: until the folder is synced, a crash can bring the old file back.
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
