package fetcher

import (
	"errors"
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

// onDisk is how many bytes a file takes on disk: it is not sparse here.
func onDisk(fi fs.FileInfo) int64 { return fi.Size() }

func isFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// move renames and never replaces: the error is fs.ErrExist if something is at the new name.
func move(src, dst *os.File, srcName, dstName string) error {
	return rename(src, dst, srcName, dstName, 0)
}

// moveOver renames, and takes the place of a file that is at the new name.
func moveOver(src, dst *os.File, srcName, dstName string) error {
	return rename(src, dst, srcName, dstName, windows.MOVEFILE_REPLACE_EXISTING)
}

func rename(src, dst *os.File, srcName, dstName string, flags uint32) error {
	from, err := windows.UTF16PtrFromString(filepath.Join(src.Name(), srcName))
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(filepath.Join(dst.Name(), dstName))
	if err != nil {
		return err
	}
	return windows.MoveFileEx(from, to, flags)
}
