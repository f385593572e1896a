package metafile

const (
	// saltSize is the length of the salt in torrents of private groups.
	saltSize = 32

	// maxInfo is the largest info dictionary: what peers are asked for when there is only a magnet
	// is held in memory whole. 16 MiB holds 800,000 v1 pieces.
	maxInfo = 16 << 20

	// maxTorrent is the largest .torrent file: an info and the piece layers of BEP 52 beside it.
	maxTorrent = 64 << 20

	// maxDepth is how deep bencode may nest; the deepest honest torrent is a BEP 52 file tree of
	// names.MaxDepth. Nested far enough, a decoder that recurses exhausts its stack
	// (GHSA-2wrx-84qj-4pcg).
	maxDepth = 64

	// maxValues is the most strings, integers, lists and dictionaries together: 100,000 files with
	// pads, attributes and paths of ten components stay below it.
	maxValues = 4 << 20

	// maxNesting bounds the bytes of bencode times their depth: the engine decodes a file tree anew
	// on each level.
	maxNesting = 512 << 20

	// maxLengthDigits bounds the length that stands before a string, with its colon and the zeros that some write
	// before it.
	maxLengthDigits = 21

	// MaxFiles is the most files of a torrent.
	MaxFiles = 100_000

	// maxEntries is the most entries of a v1 file list: each file may have a pad beside it.
	maxEntries = 2 * MaxFiles

	// maxComponents is the most path components over all files, which bounds the memory of deep
	// trees of many files.
	maxComponents = 2 << 20

	// maxPieces is the most pieces; the engine keeps some hundred bytes for each.
	maxPieces = 1 << 20

	// minPieceLengthV1 and maxPieceLength bound a piece. BEP 3 says nothing; torrents with pieces of
	// odd length exist, ones below 1 KiB do not, and a piece has to be whole before it can be checked.
	minPieceLengthV1 = 1 << 10
	maxPieceLength   = 256 << 20

	// minPieceLengthV2 is BEP 52's, which is also its leaf size.
	minPieceLengthV2 = 16 << 10

	// maxSize is the most bytes of payload. It keeps every sum of offsets far from overflowing.
	maxSize = 1 << 50

	// maxURLs is the most trackers, web seeds and nodes, each, that are used, and maxURL the longest of one.
	maxURLs = 200
	maxURL  = 2048

	// maxLooked is how many values of a field of addresses are looked at: many may be there twice, or be no address.
	maxLooked = 10 * maxURLs

	// maxText is the longest comment or creator that is kept.
	maxText = 64 << 10

	// maxNotes is the most that is told of what is odd about a torrent.
	maxNotes = 20

	// maxLinkHops is how many symlinks a path may lead through, as on Linux.
	maxLinkHops = 40
)
