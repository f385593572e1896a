package fetcher

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// diskError gives an error of the disk a hint that names the way out.
func diskError(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	switch {
	case errors.Is(err, syscall.ENOSPC) || isFull(err):
		return fault.Hint(err, "make room and run the same command: it goes on where it stopped")
	case errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission):
		return fault.Hint(err, "choose a folder that can be written to with -o")
	case errors.Is(err, syscall.EIO):
		return fault.Hint(err, "the disk reports a fault: choose another with -o")
	case errors.Is(err, syscall.EMFILE):
		return fault.Hint(err, "raise the limit of open files (ulimit -n)")
	}
	return err
}
