package metafile

const (
	// saltSize is the length of the salt in torrents of private groups.
	saltSize = 32

	// maxInfo is the largest info dictionary, in bytes: for a magnet link it comes from peers and is held in memory. 16 MiB
	// has room for 800,000 v1 pieces.
	maxInfo = 16 << 20

	// maxTorrent is the largest .torrent file, in bytes: an info plus the piece layers of BEP 52.
	maxTorrent = 64 << 20

	// maxDepth is how deep bencode may nest; the deepest legitimate torrent is a BEP 52 file tree of names.MaxDepth. With
	// enough nesting, a recursive decoder exhausts its stack (GHSA-2wrx-84qj-4pcg).
	maxDepth = 64

	// maxValues is the maximum number of strings, integers, lists and dictionaries together: 100,000 files with pads,
	// attributes and paths of ten components stay below it.
	maxValues = 4 << 20

	// maxNesting bounds the bytes of bencode times their depth, because the engine decodes a file tree again on each level.
	maxNesting = 512 << 20

	// maxLengthDigits bounds the length prefix of a string, including its colon and the leading zeros that some creators
	// write.
	maxLengthDigits = 21

	// MaxFiles is the maximum number of files in a torrent.
	MaxFiles = 100_000

	// maxEntries is the maximum number of entries in a v1 file list, where each file may be followed by a pad.
	maxEntries = 2 * MaxFiles

	// maxComponents is the maximum number of path components over all files, which bounds the memory for deep trees of many
	// files.
	maxComponents = 2 << 20

	// maxPieces is the maximum number of pieces; the engine keeps some hundred bytes for each.
	maxPieces = 1 << 20

	// minPieceLengthV1 and maxPieceLength bound a piece, in bytes. BEP 3 sets no limits. Torrents whose piece length is not a
	// power of two exist, but none below 1 KiB; and a piece has to be complete before it can be checked.
	minPieceLengthV1 = 1 << 10
	maxPieceLength   = 256 << 20

	// minPieceLengthV2 is BEP 52's minimum, which is also its leaf size.
	minPieceLengthV2 = 16 << 10

	// maxSize is the maximum content size in bytes. It keeps sums of offsets far from overflowing.
	maxSize = 1 << 50

	// maxURLs is how many trackers, web seeds and nodes (of each) are used at most, and maxURL the longest one in bytes.
	maxURLs = 200
	maxURL  = 2048

	// maxLooked is how many values of a field of addresses are examined: many may be duplicates or not addresses at all.
	maxLooked = 10 * maxURLs

	// maxText is the longest comment or creator that is kept, in bytes.
	maxText = 64 << 10

	// maxNotes is the maximum number of notes about a torrent.
	maxNotes = 20

	// maxLinkHops is how many symlinks a path may pass through, as on Linux.
	maxLinkHops = 40
)
