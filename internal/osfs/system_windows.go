package osfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// NoFollow is not needed: users without special rights cannot make symlinks on Windows.
const NoFollow = 0

// Owner is unknown on Windows: the access lists of a profile's folders exclude others.
func Owner(fs.FileInfo) (uid int, ok bool) { return 0, false }

// OthersMayWrite is always false on Windows, which has no such modes.
func OthersMayWrite(fs.FileInfo) bool { return false }

// OthersMayRead is always false on Windows, which has no such modes.
func OthersMayRead(fs.FileInfo) bool { return false }

// Free returns how many bytes this user may still write below dir.
func Free(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return free, nil
}

// OtherDrive reports whether a rename failed because it leads to another file system.
func OtherDrive(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }

// SyncFolder does nothing: NTFS journals the rename.
func SyncFolder(*os.File) error { return nil }
