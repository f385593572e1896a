package fetcher

import "time"

const (
	// gatherLimit bounds the memory of pieces that are gathered before they are written. A fetch as a
	// whole has to stay below 300 MB.
	gatherLimit = 64 << 20

	// openFiles bounds the cached descriptors: a torrent may have 100,000 files, a process often no more
	// than 1,024 descriptors, and sockets need some of them.
	openFiles = 512

	// hashPart is how much of a piece is hashed and then written, before the next: what the hash has brought into
	// the processor's cache is still there.
	hashPart = 128 << 10

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

	// maxSources bounds the files that are listed in search of bytes to reuse: their names take some 50 MB then.
	maxSources = 100_000

	// maxAlike is how many files of one name, or of one size, are compared with one that is wanted, and maxNear how many
	// of them are tried: a torrent may have 100,000 files called the same.
	maxAlike = 64
	maxNear  = 4

	// missesInARow is after how many wrong pieces a file that looked like the right one is left: behind an insertion
	// nothing is at its place.
	missesInARow = 16

	// Of other files at most scanShare times the torrent's bytes, and leastScan, are read in search of its chunks or sums,
	// scanWindow of them at a time: a folder of terabytes shall not hold up a fetch that would be done sooner.
	scanShare  = 4
	leastScan  = 256 << 20
	scanWindow = 256 << 20

	// leastClone is from which size on a file is worth a copy by reference.
	leastClone = 64 << 10

	// openSources bounds the descriptors of files that bytes are reused from.
	openSources = 64

	// wholePiece is up to which length a piece that is put together from other files is held in memory.
	wholePiece = 32 << 20

	// settleTries is how often files that somebody else writes to are hashed at the end before the fetch gives up.
	settleTries = 3

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
	trialName   = "names"
)
