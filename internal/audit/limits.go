package audit

import "time"

const (
	// MaxBytes is the size at which the file is rotated: some 40,000 lines.
	MaxBytes = 8 << 20
	// Old is how many old files are kept; audit.jsonl.1 is the newest.
	Old = 3
	// MaxLines is how many lines a Read returns at most: less than 100 MB of memory. The files may hold more.
	MaxLines = 100_000

	// maxQueue is how many lines may wait for the disk: a second of a busy machine, a MiB of memory.
	maxQueue = 1024
	// maxKinds is how many kinds of refusal are distinguished in one window, and as many of those whose account is known: 50 KiB each,
	// so that an attacker with ever new keys needs days to push the lines about others out of the files, and hides none of the latter.
	maxKinds = 256
	// maxReasons is how many reasons are distinguished beyond that. They are texts of ours, and few.
	maxReasons = 32
	// window is the time in which repeats are combined. A machine that was removed keeps calling, ever less often.
	window = 15 * time.Minute

	// maxField bounds a field, in bytes; longer ones are cut. Names of accounts, keys, addresses and entries are
	// shorter.
	maxField = 256
	// maxLine bounds a line that is read, in bytes: more than all fields at their limits with every byte escaped.
	maxLine = 16 << 10
)
