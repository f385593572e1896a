package webseed

import "time"

const (
	// hostConns and allConns are what browsers use, and more than a fetch with long ranges needs.
	hostConns = 4
	allConns  = 8

	// maxURLs bounds how many servers a stranger's torrent can make us contact; longer lists are of no use.
	maxURLs = 64

	// bufferBytes bounds the pieces being received or hashed, unless a single piece is larger. Together with the storage's
	// buffers a fetch stays below 300 MB.
	bufferBytes = 48 << 20
	maxBuffers  = 64

	// readSize is the size of a read: fewer system calls than curl makes.
	readSize = 512 << 10

	// rangeTime is how long a range should take: long enough to make the request's cost negligible, short enough that peers
	// need not wait for its pieces and a stalled server blocks few. firstRange is requested before the speed is known, and
	// each range is at most rangeGrowth times the previous one.
	rangeTime   = 400 * time.Millisecond
	firstRange  = 256 << 10
	maxRange    = 64 << 20
	rangeGrowth = 16

	// stallTime is how long a server may send nothing. slowTime is the period over which it has to send slowRate bytes per
	// second.
	stallTime = 10 * time.Second
	slowTime  = 10 * time.Second
	slowRate  = 1 << 10

	// backoffFirst doubles with each consecutive failure, up to backoffMost. waitMost bounds Retry-After.
	backoffFirst = time.Second
	backoffMost  = time.Minute
	waitMost     = 10 * time.Minute

	// lookEvery is how often an idle connection looks for work.
	lookEvery = 100 * time.Millisecond
	// sampleEvery is the period over which speeds are compared.
	sampleEvery = time.Second

	// stealFirst is how long the peer to which a piece is assigned may take before another fetches it. It halves with each
	// piece that is taken over in vain.
	stealFirst = 3 * time.Second

	// pieceTries is how often a piece is requested from a server that sent it wrong, and mixedTries how often from an address
	// with several servers behind it. A file ends at wrongMost wrong pieces if their bytes exceed its right ones by fileWaste;
	// a server ends at an excess of wasteMost bytes.
	pieceTries = 3
	mixedTries = 10
	wrongMost  = 3
	fileWaste  = 512 << 10
	wasteMost  = 64 << 20

	// refusalTries is how often a file is requested if one of several mirrors behind an address does not have it. If the
	// server itself says so, once is enough.
	refusalTries = 3
	// lostMost is how many files a server may lack before it is given up, if nothing came from it: its address belongs to
	// something else.
	lostMost = 100

	// failsMost is how often in a row a file may fail while others succeed, and failsEver how often in any case. serverFails
	// is how often in a row a server may fail, which takes hours; after troubled failures its pieces are no longer relied on.
	failsMost   = 6
	failsEver   = 30
	serverFails = 100
	troubled    = 3

	// ignoredTries is how often a range far into a file is requested again after it was ignored, before the bytes in front of
	// it are read as well.
	ignoredTries = 3

	// leastAnswer is how many bytes a server that sends less than requested has to send at a time.
	leastAnswer = 16 << 10

	// sayMost bounds the messages about the files of one server.
	sayMost = 20

	// skipBytes is how many bytes are read and discarded if a body starts before the requested range.
	skipBytes = 8 << 20
)
