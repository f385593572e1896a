package main

import (
	"math"
	"os"
	"runtime/debug"
)

// A daemon lives long beside other programs, and strangers decide how much it has to do. So it tells the Go runtime a
// soft limit, near which garbage is collected sooner and memory is given back.
const (
	// The limit is a fourth of the machine's memory within these bounds: below the least a home with many large shares
	// would collect garbage all the time, and beyond the most nothing gets faster.
	leastMemory = 512 << 20
	mostMemory  = 2 << 30
)

// limitMemory sets the soft limit, unless the user has by GOMEMLIMIT, and gives it in bytes; 0: there is none.
func limitMemory() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		machine, group := memory()
		debug.SetMemoryLimit(softLimit(machine, group))
	}
	if l := debug.SetMemoryLimit(-1); l != math.MaxInt64 {
		return l
	}
	return 0
}

// softLimit is the limit for a machine with so many bytes and a control group that ends who takes more than others; 0:
// that is not known. Of the group's an eighth is left to what the runtime does not count: the stacks of the kernel and
// the pages of files.
func softLimit(machine, group int64) int64 {
	l := int64(mostMemory)
	if machine > 0 {
		l = min(max(machine/4, leastMemory), mostMemory)
	}
	if group > 0 {
		l = min(l, group-group/8)
	}
	return l
}
