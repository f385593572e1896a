package fetcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// closeToMove: Windows does not rename a folder with an open file in it.
const closeToMove = true

// alwaysPortable: a name that not every system can hold cannot be had here, or other programs cannot open it.
const alwaysPortable = true

// timesLag: the times of a file are brought up to date when it is closed, and tell nothing while it is written to.
const timesLag = true

// checkPrivate has nothing to judge: mode bits say nothing here.
func checkPrivate(string, fs.FileInfo) error { return nil }

func freeSpace(dir string) (uint64, error) {
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

// onDisk is how many bytes a file takes on disk: it is not sparse here.
func onDisk(fi fs.FileInfo) int64 { return fi.Size() }

// syncDir has no counterpart; NTFS journals the rename.
func syncDir(*os.File) error { return nil }

func isFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// move renames and never replaces: the error is fs.ErrExist if something is at the new name.
func move(src, dst *os.File, srcName, dstName string) error {
	from, err := windows.UTF16PtrFromString(filepath.Join(src.Name(), srcName))
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(filepath.Join(dst.Name(), dstName))
	if err != nil {
		return err
	}
	return windows.MoveFileEx(from, to, 0)
}
