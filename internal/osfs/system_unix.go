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

// NoFollow makes os.OpenFile refuse to open a symlink.
const NoFollow = unix.O_NOFOLLOW

// Owner returns the user ID of a file's owner; ok is false if info does not have it.
func Owner(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// OthersMayWrite reports whether users other than the owner may change a file, or the entries of a folder; its group are others too.
func OthersMayWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// OthersMayRead reports whether users other than the owner have any permission on a file.
func OthersMayRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// Free returns how many bytes this user may still write below dir.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// OtherDrive reports whether a rename failed because it leads to another file system.
func OtherDrive(err error) bool { return errors.Is(err, unix.EXDEV) }

// SyncFolder is [SyncDir] for an open folder.
func SyncFolder(d *os.File) error {
	// Some network and FUSE file systems cannot sync a folder.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
