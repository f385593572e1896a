package localapi

import "time"

const (
	// maxConns bounds the connections of the daemon: with the files of shares and the peers they fit into the 1,024
	// descriptors that a process commonly may have at least. More wait in the system's queue of the socket.
	maxConns = 384

	// maxStreams bounds the requests that report events. It is below maxConns, so that publishing and fetching
	// cannot keep a status from being asked.
	maxStreams = 256

	// maxCalls bounds the plain requests that are carried out at a time: each may hold the list of all shares.
	maxCalls = 16

	// maxBody bounds a request. The largest is a seed of 10,000 .torrent files by their paths.
	maxBody = 4 << 20

	// maxLine bounds a line of the answer. The largest is the status of 100,000 shares.
	maxLine = 128 << 20

	// maxQueue bounds what waits for a slow reader, beside events that a newer one replaces. A fetch tells a few
	// lines, a seed of 10,000 shares some megabytes.
	maxQueue = 16 << 20

	// maxSocketPath is the longest path of a socket: sun_path has 104 bytes on macOS, 108 on Linux, the last is zero.
	maxSocketPath = 100

	// maxProblem bounds the body of a refusal that the client reads.
	maxProblem = 1 << 20
)

const (
	// headerTime is for a request to arrive, which comes from this machine and at once. Less than answerWait, so that
	// whoever says nothing on every connection there may be keeps nobody from being answered.
	headerTime = 5 * time.Second

	// writeTime is how long a reader may take nothing before it is cut off. A stopped job (Ctrl-Z) that is taken up
	// again sooner misses nothing.
	writeTime = 2 * time.Minute

	// callWait is how long a plain request waits for its turn before it is told to come again.
	callWait = 10 * time.Second

	// busyWait is how long the client comes again before it gives up.
	busyWait = 30 * time.Second

	// detachWait is how long a caller that was interrupted waits for what the daemon says of it.
	detachWait = 2 * time.Second

	// startWait is how long the client waits for a daemon that holds the home and does not answer yet.
	startWait = 5 * time.Second

	// deathWait is how long a daemon that closed a connection may hold its lock and still be a dead one.
	deathWait = 500 * time.Millisecond

	// endWait is how long the server waits at its end for requests to say so. The daemon has five seconds for all.
	endWait = 1500 * time.Millisecond

	// answerWait is for the first answer of a daemon. One that is stopped or hangs does not hold a command for ever.
	answerWait = 10 * time.Second
)
