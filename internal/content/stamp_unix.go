//go:build unix

package content

import (
	"io/fs"
	"syscall"
)

// noWait keeps an open from blocking should a FIFO take a file's place between the look and the open.
const noWait = syscall.O_NONBLOCK

func identity(fi fs.FileInfo) (inode, dev uint64) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Ino), uint64(st.Dev)
}

// Unlinked says whether the file of an open descriptor has no name left: it was removed, or another took
// its place. fi comes from the descriptor.
func Unlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
