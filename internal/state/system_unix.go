//go:build unix

package state

import (
	"errors"

	"golang.org/x/sys/unix"
)

// running says whether a process of that number is there.
func running(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
