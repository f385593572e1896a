package webseed

import "time"

const (
	// hostConns and allConns are what browsers use, and more than a fetch needs that asks for long ranges.
	hostConns = 4
	allConns  = 8

	// maxURLs bounds what a stranger's torrent can have asked: beyond it lists are longer than any use of them.
	maxURLs = 64

	// bufferBytes bounds the pieces that are received or hashed, but for one that is longer itself. Together with what
	// the storage gathers a fetch stays below 300 MB.
	bufferBytes = 48 << 20
	maxBuffers  = 64

	// readSize is one read: fewer system calls than curl makes.
	readSize = 512 << 10

	// rangeTime is how long a range should take. Long enough that asking costs nothing, short enough that peers need not
	// wait for its pieces, and that a server which stalls holds few. firstRange is asked for before the speed is known,
	// and each is at most rangeGrowth times the one before.
	rangeTime   = 400 * time.Millisecond
	firstRange  = 256 << 10
	maxRange    = 64 << 20
	rangeGrowth = 16

	// stallTime is how long a server may send nothing, and slowTime over how much time it has to send slowRate bytes a
	// second.
	stallTime = 10 * time.Second
	slowTime  = 10 * time.Second
	slowRate  = 1 << 10

	// backoffFirst doubles with each failure in a row, to backoffMost. waitMost bounds what Retry-After can ask for.
	backoffFirst = time.Second
	backoffMost  = time.Minute
	waitMost     = 10 * time.Minute

	// lookEvery is how often a connection without work looks for some.
	lookEvery = 100 * time.Millisecond
	// sampleEvery is over what time speeds are compared.
	sampleEvery = time.Second

	// stealFirst is how long the peer that a piece fell to may take before another fetches it; each piece taken in vain
	// halves it.
	stealFirst = 3 * time.Second

	// pieceTries is how often a piece is asked of a server that sent it wrong, mixedTries how often of an address behind which there
	// are several. wrongMost wrong pieces of a file end it if they are fileWaste bytes more than its right ones; a server ends with
	// wasteMost bytes more.
	pieceTries = 3
	mixedTries = 10
	wrongMost  = 3
	fileWaste  = 512 << 10
	wasteMost  = 64 << 20

	// refusalTries is how often a file is asked for that one of several mirrors behind an address does not have. One that
	// says so itself is believed.
	refusalTries = 3
	// lostMost is how many files a server may not have before it is given up, if nothing came from it: its address is
	// another's.
	lostMost = 100

	// failsMost is how often in a row a file may fail while others come, and failsEver how often in any case; serverFails
	// how often in a row a server may, which takes hours; troubled after how many its pieces are no more counted on.
	failsMost   = 6
	failsEver   = 30
	serverFails = 100
	troubled    = 3

	// ignoredTries is how often a range that is far into a file is asked for again when it was ignored, before all that
	// lies before it is read.
	ignoredTries = 3

	// leastAnswer is how many bytes a server has to send at a time that sends less than it was asked for.
	leastAnswer = 16 << 10

	// sayMost bounds what is told of the files of one server.
	sayMost = 20

	// skipBytes is what is read and thrown away of a body that begins before the range that was asked for.
	skipBytes = 8 << 20
)
