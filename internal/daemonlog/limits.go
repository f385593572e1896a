package daemonlog

import "time"

const (
	// MaxBytes is the size at which the log is rotated: days of a busy daemon, and little on any disk.
	MaxBytes = 8 << 20
	// maxLine ends a line that has no end: a bug, or text from a stranger. In bytes.
	maxLine = 64 << 10
	// MaxLines bounds how many last lines a reader may ask for. The files hold fewer.
	MaxLines = 1_000_000
	// readEvery is how often a follower polls. Network file systems do not report changes, so it cannot wait for
	// notifications.
	readEvery = 250 * time.Millisecond
)
