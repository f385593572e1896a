package fetcher

import "time"

const (
	// gatherLimit bounds the memory of pieces that are gathered before they are written. A fetch as a
	// whole has to stay below 300 MB.
	gatherLimit = 64 << 20

	// openFiles bounds the cached descriptors: a torrent may have 100,000 files, a process often no more
	// than 1,024 descriptors, and sockets need some of them.
	openFiles = 512

	// writers is how many goroutines write whole pieces. One waits for the disk while the other copies.
	writers = 2

	// staleAfter is how long a piece that is gathered may go without a block before its memory is given
	// to another.
	staleAfter = 2 * time.Second

	// checkpointEvery is the least time between two notes of what is proven, and checkpointShare bounds
	// the part of the time that a slow disk spends on them.
	checkpointEvery = 2 * time.Second
	checkpointShare = 10

	// readChunk is one read while hashing from disk.
	readChunk = 1 << 20

	// syncFiles is from how many files on one sync of the file system is cheaper than one of each.
	syncFiles = 32

	// shownNames is how many names a message lists.
	shownNames = 3
)

// Names in the target folder and in the staging folder below it.
const (
	stagingName = ".p2pshare"
	dataName    = "data"
	partsName   = "parts"
	bitmapName  = "proven"
	lockName    = "lock"
)
