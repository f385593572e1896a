package bench

import "time"

const (
	// maxPeers is what fits into one /24 beside the origin and the hub, with room to spare.
	maxPeers = 200
	// maxRuns keeps a typing error from measuring for a week.
	maxRuns = 100
	// minSize is one piece; below it times say nothing.
	minSize = 64 << 10
	// sampleEvery is how often counters and memory are read: often enough for a run of some seconds,
	// and less than a thousandth of a core.
	sampleEvery = 50 * time.Millisecond
	// readyLimit is how long a seeder may check its files before a run.
	readyLimit = 2 * time.Minute
	// stopGrace is how long a program may take to end before it is killed. It is not measured.
	stopGrace = 10 * time.Second
	// maxLine bounds a line of a program's output. Longer ones are cut in pieces.
	maxLine = 64 << 10
	// keptLines of a program's output are shown when its run fails.
	keptLines = 4
	// leastTimeout of a run, for small payloads on fast links, and timeoutBounds of those with a bound.
	leastTimeout  = 150 * time.Second
	timeoutBounds = 12
	// stallLimit is how long nothing may move in a network before a run has failed, looked at every stallEvery; what is
	// less than stallBytes is talk. Clients may ask a tracker or choose their peers anew every 30 s.
	stallLimit = 75 * time.Second
	stallEvery = time.Second
	stallBytes = 64 << 10
	// pieceLength of the torrents that swarms share: 256 KiB, so that 64 MB have 244 pieces.
	pieceLength = 256 << 10
)
