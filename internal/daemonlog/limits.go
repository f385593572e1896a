package daemonlog

import "time"

const (
	// MaxBytes is how large the log grows before it becomes the old one: days of a busy daemon, and nothing to
	// a disk.
	MaxBytes = 8 << 20
	// maxLine ends a line that does not end by itself: a program gone wrong, or a stranger's text.
	maxLine = 64 << 10
	// MaxLines bounds how many last lines a reader may ask for. The files hold fewer.
	MaxLines = 1_000_000
	// readEvery is how often a follower looks for more. File systems on a network tell of no changes, so it
	// looks rather than waits to be told.
	readEvery = 250 * time.Millisecond
)
