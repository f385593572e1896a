//go:build unix

package audit

import "golang.org/x/sys/unix"

// noFollow has the system refuse a symlink that comes between the look and the opening.
const noFollow = unix.O_NOFOLLOW
