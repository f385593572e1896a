//go:build unix

package fetcher

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// closeToMove: an open file does not keep its folder from being renamed.
const closeToMove = false

// alwaysPortable: what names can be had depends on the file system.
const alwaysPortable = false

// timesLag: the times of a file are those of its last change at any moment.
const timesLag = false

// onDisk is how many bytes a file takes on disk.
func onDisk(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return 0
}

func isFull(err error) bool { return errors.Is(err, unix.EDQUOT) }

// moveOver renames, and takes the place of a file that is at the new name.
func moveOver(src, dst *os.File, srcName, dstName string) error {
	return unix.Renameat(int(src.Fd()), srcName, int(dst.Fd()), dstName)
}

// moveChecked moves where the system cannot both move and refuse: a file by a link, which refuses, a
// folder by a rename, which at worst takes the place of an empty folder.
func moveChecked(src, dst *os.File, srcName, dstName string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(src.Fd()), srcName, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err := unix.Linkat(int(src.Fd()), srcName, int(dst.Fd()), dstName, 0)
		if err == nil {
			return unix.Unlinkat(int(src.Fd()), srcName, 0)
		}
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
		// FAT and the like have no links.
	}
	err := unix.Fstatat(int(dst.Fd()), dstName, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		return unix.EEXIST
	}
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	return unix.Renameat(int(src.Fd()), srcName, int(dst.Fd()), dstName)
}
