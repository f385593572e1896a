package fetcher

import (
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile makes to the bytes of from by reference: they take no room until one of the two changes.
func cloneFile(to, from *os.File) error { return unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) }
