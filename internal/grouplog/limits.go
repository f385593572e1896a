package grouplog

// MaxDevices bounds the logs of a group: each costs every member two files. Two thousand devices of a thousand people stay far
// below.
const MaxDevices = 10_000

const (
	// markEvery is the distance of the records whose place in the file is remembered.
	markEvery = 64

	// stageEvery is the distance in bytes of the stages whose trees are remembered: so much is read again for the tree of
	// any first records.
	stageEvery = 1 << 20

	// maxRootForks bounds the roots that are kept as evidence against owners; one convicts.
	maxRootForks = 16
)
