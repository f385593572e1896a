//go:build unix && !linux

package fetcher

import "golang.org/x/sys/unix"

var errTooLarge error = unix.EFBIG

// maxFileSize is the longest file that the system says dir can have; 0: it does not say.
func maxFileSize(string) int64 { return 0 }
