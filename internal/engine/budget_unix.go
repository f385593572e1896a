//go:build unix

package engine

import "golang.org/x/sys/unix"

// descriptors is how many files and connections this process may have open; 0: that is not known. The Go runtime has
// raised the limit as far as it may be raised by then.
func descriptors() uint64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return uint64(l.Cur)
}
