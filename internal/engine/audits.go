package engine

import (
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

// Now and then, ever less often as a process grows older, the client compares two of its books and panics if they differ, which
// ends the process. They do differ for a moment where nothing is wrong (v1.62.0): when the hashes of a v2 file arrive that is
// not wanted, and when a torrent is dropped while a block of it is written. A test of ours sees that it no longer does.

//go:linkname audits github.com/anacrolix/torrent/internal/amortize.global
var audits struct {
	done atomic.Int64
	next atomic.Int32 // the next is when as many were left out as this power of two
}

func init() { audits.next.Store(62) }
