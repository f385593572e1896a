package audit

import "time"

const (
	// MaxBytes is how large the file grows before it becomes the first old one: some 40,000 lines.
	MaxBytes = 8 << 20
	// Old is how many old files are kept, audit.jsonl.1 the youngest.
	Old = 3
	// MaxLines is how many lines a Read answers at most: below 100 MB of memory. The files may hold more.
	MaxLines = 100_000

	// maxQueue is how many lines wait for the disk: a second of a busy machine, a MiB of memory.
	maxQueue = 1024
	// maxKinds is how many kinds of refusal are told apart in one window: 50 KiB a minute, so that who knocks
	// with ever new keys needs half a day to push out of the files what is known of others.
	maxKinds = 256
	// maxReasons is how many reasons are, beyond that. They are our own words, and few.
	maxReasons = 32
	// window is how long repeats are summed up.
	window = time.Minute

	// maxField is how long a field may be; names of accounts, keys, addresses and entries are shorter. What is
	// longer is cut.
	maxField = 256
	// maxLine is how long a line may be that is read: above the fields' limits with every byte escaped.
	maxLine = 16 << 10
)
