package fetcher

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// move renames and never replaces: the error is fs.ErrExist if something is at the new name.
func move(src, dst *os.File, srcName, dstName string) error {
	err := unix.RenameatxNp(int(src.Fd()), srcName, int(dst.Fd()), dstName, unix.RENAME_EXCL)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return moveChecked(src, dst, srcName, dstName)
	}
	return err
}
