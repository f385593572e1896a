package catalog

const (
	// maxRefLen bounds a reference. Command lines end at 128 KiB an argument on Linux, and real magnets
	// with a hundred trackers stay below 16 KiB.
	maxRefLen = 64 << 10

	// maxTrackers and maxWebSeeds bound what one magnet can make us announce to or ask: each costs a
	// connection. Public lists in the wild hold up to about 80.
	maxTrackers = 100
	maxWebSeeds = 100

	// maxPeers bounds the addresses a magnet makes us dial, so that a link is no port scanner.
	maxPeers = 200

	// maxFiles is the highest file count a torrent may have here; so= cannot name a file beyond it.
	maxFiles = 100_000

	// maxNameLen is the longest display name that is kept, in bytes: the file name limit of common
	// systems.
	maxNameLen = 255
)
