//go:build unix

package config

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// checkOwner refuses a file that another user than this one and root could have written.
func checkOwner(path string, info fs.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the configuration %q (mode %04o)", path, perm), "run: chmod go-w %q", path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fault.Hint(fault.New(fault.Denied, "the configuration %q belongs to user %d, and this is user %d", path, st.Uid, os.Geteuid()),
			"name a file of this user with --config")
	}
	return nil
}
