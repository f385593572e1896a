package fetcher

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// move renames and never replaces: the error is fs.ErrExist if something is at the new name.
func move(src, dst *os.File, srcName, dstName string) error {
	err := unix.Renameat2(int(src.Fd()), srcName, int(dst.Fd()), dstName, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return moveChecked(src, dst, srcName, dstName)
	}
	return err
}

// syncAll writes everything of the file system that f is on.
func syncAll(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

const canSyncAll = true

func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// nextData is where the next data and the hole after it begin; data is size if there is none.
func nextData(f *os.File, off, size int64) (data, hole int64) {
	data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size // the file system does not tell: all may be data
	}
	hole, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
	if err != nil {
		hole = size
	}
	return data, hole
}
