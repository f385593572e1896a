package bench

import "time"

const (
	// maxPeers is how many peers fit into one /24 with the origin and the hub, with room to spare.
	maxPeers = 200
	// maxRuns keeps a typing error from measuring for a week.
	maxRuns = 100
	// minSize is one piece, in bytes; for less content times mean nothing.
	minSize = 64 << 10
	// sampleEvery is how often counters and memory are read: often enough for a run of some seconds,
	// and less than a thousandth of a core.
	sampleEvery = 50 * time.Millisecond
	// readyLimit is how long a seeder may check its files before a run.
	readyLimit = 2 * time.Minute
	// stopGrace is how long a program may take to stop before it is killed. It is not measured.
	stopGrace = 10 * time.Second
	// maxLine bounds a line of a program's output, in bytes. Longer lines are split.
	maxLine = 64 << 10
	// keptLines is how many lines of a program's output are shown when its run fails.
	keptLines = 4
	// leastTimeout is the minimum timeout of a run, for small payloads on fast links. Where a bound is known, the timeout is
	// timeoutBounds times the bound.
	leastTimeout  = 150 * time.Second
	timeoutBounds = 12
	// stallLimit is how long a network may be idle before a run fails, checked every stallEvery; less than stallBytes counts
	// as idle. Clients ask the tracker and choose their peers again as rarely as every 30 s.
	stallLimit = 75 * time.Second
	stallEvery = time.Second
	stallBytes = 64 << 10
	// pieceLength of the torrents shared by swarms: 256 KiB, so that 64 MB have 244 pieces.
	pieceLength = 256 << 10
)
