package catalog

const (
	// maxRefLen bounds a reference. Command lines end at 128 KiB an argument on Linux, and real magnets
	// with a hundred trackers stay below 16 KiB.
	maxRefLen = 64 << 10

	// maxTrackers and maxWebSeeds bound what one magnet can make us announce to or ask: each costs a
	// connection. Public lists in the wild hold up to about 80.
	maxTrackers = 100
	maxWebSeeds = 100
	maxSources  = 4 // of the .torrent; each may take minutes

	// maxPeers bounds the addresses a magnet makes us dial, so that a link is no port scanner.
	maxPeers = 200

	// maxFiles is the highest file count a torrent may have here; so= cannot name a file beyond it.
	maxFiles = 100_000

	// maxNameLen is the longest display name that is kept, in bytes: the file name limit of common
	// systems.
	maxNameLen = 255
)

const (
	// maxEntryName and maxVersion bound what a share is called: with both, a path of rules stays below 300 bytes.
	maxEntryName = 200
	maxVersion   = 64

	// maxSums is how many files a share lists the SHA-256 of. 10,000 take 670 KB of the 1 MiB of a record; of a
	// larger torrent one hash says all.
	maxSums = 10_000

	// maxNote is the longest note, in bytes: a paragraph for people, not a document.
	maxNote = 2000
	// maxNoteBox is a sealed note: the note, and what age adds for its one recipient.
	maxNoteBox = maxNote + 2048

	// maxRead is how many accounts and teams a share is for, as in rules.
	maxRead = 500

	// maxEpoch is the largest number of an epoch: that of package acl.
	maxEpoch = 1 << 52

	// maxURL is the longest web seed, as servers take them.
	maxURL = 2048

	// maxBox bounds a sealed share, so that its base64 fits into a record.
	maxBox = 768 << 10

	// maxReceipt bounds a receipt that is read: 100,000 files with paths of usual length take 20 MB.
	maxReceipt = 64 << 20

	// maxProof is the longest way from a record to the root of a log of 2^20.
	maxProof = 20

	// maxSize bounds the payload a share speaks of, as it is for torrents.
	maxSize = 1 << 50

	// maxProblems bounds what is told of records that do not count; the rest is counted.
	maxProblems = 1000
)
