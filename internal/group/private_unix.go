//go:build unix

package group

import (
	"io/fs"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// private refuses a secret that others may read.
func private(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fault.Hint(fault.New(fault.Denied, "others may read the key file %q", path), "chmod 600 it; if it lay open for long, make another key")
	}
	return nil
}
