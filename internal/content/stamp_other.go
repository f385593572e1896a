//go:build !unix

package content

import "io/fs"

// noWait is nothing where opening a file never blocks.
const noWait = 0

func identity(fs.FileInfo) (inode, dev uint64) { return 0, 0 }

// Unlinked says whether the file of an open descriptor has no name left; never where an open file cannot
// be removed.
func Unlinked(fs.FileInfo) bool { return false }
