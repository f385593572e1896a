//go:build unix

package osfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoFollow has the system refuse to open a symlink; it is a flag of os.OpenFile.
const NoFollow = unix.O_NOFOLLOW

// Owner is the user that a file belongs to; ok is false where files do not say.
func Owner(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// OthersMayWrite says whether users other than the owner may change a file, or what is in a folder.
func OthersMayWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// OthersMayRead says whether users other than the owner may do anything with a file.
func OthersMayRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// Free is how many bytes this user may still write below dir.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// SyncFolder is [SyncDir] of an open folder.
func SyncFolder(d *os.File) error {
	// Some network and FUSE file systems do not know how to sync a folder.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
