//go:build unix

package content

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// noWait keeps an open from blocking should a FIFO take a file's place between the look and the open.
const noWait = syscall.O_NONBLOCK

func stampOf(_ *os.File, fi fs.FileInfo) Stamp {
	s := Stamp{Size: fi.Size(), MTime: fi.ModTime()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		changed := ctimeOf(st)
		s.CTime = time.Unix(int64(changed.Sec), int64(changed.Nsec))
		s.Inode, s.Dev = uint64(st.Ino), uint64(st.Dev)
	}
	return s
}

func stampAt(_ *os.Root, _ string, fi fs.FileInfo) Stamp { return stampOf(nil, fi) }

// Unlinked says whether the file of an open descriptor has no name left: it was removed, or another took
// its place. fi comes from the descriptor.
func Unlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
