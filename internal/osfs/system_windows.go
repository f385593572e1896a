package osfs

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// NoFollow is no flag here: a user without special rights makes no symlinks on Windows.
const NoFollow = 0

// Owner says nothing here: access lists of a profile's folders exclude others.
func Owner(fs.FileInfo) (uid int, ok bool) { return 0, false }

// OthersMayWrite says nothing here, as modes do not.
func OthersMayWrite(fs.FileInfo) bool { return false }

// OthersMayRead says nothing here, as modes do not.
func OthersMayRead(fs.FileInfo) bool { return false }

// Free is how many bytes this user may still write below dir.
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

// SyncFolder has no counterpart; NTFS journals the rename.
func SyncFolder(*os.File) error { return nil }
