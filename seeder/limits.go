package seeder

const (
	// maxListed bounds the names listed in one message.
	maxListed = 50

	// IgnoreFile is the name of the files that list patterns of files not to publish. They are not published
	// themselves.
	IgnoreFile = ".p2pshareignore"

	// maxIgnore bounds an ignore file, in bytes.
	maxIgnore = 1 << 20

	// minPieceLength is the minimum of BEP 52, whose hash trees have leaves of 16 KiB, the size of a block.
	minPieceLength = 16 << 10

	// maxPieceLength is the largest piece length built. A fetcher must hold a whole piece before it can check
	// and share it, and some clients refuse larger pieces.
	maxPieceLength = 64 << 20

	// SaltSize is the length of the salt that makes the infohash of a private group's torrent unguessable, even
	// to someone who has the same content, and that identifies its maker (internal/access).
	SaltSize = 32

	// The automatic piece length gives between targetPieces/2 and targetPieces pieces: enough for many fetchers
	// to trade, few enough to keep the torrent small.
	targetPieces = 2048

	// leastChosen and mostChosen bound the automatic piece length. Below 64 KiB the overhead of messages about
	// pieces becomes noticeable; above 16 MiB clients refuse.
	leastChosen = 64 << 10
	mostChosen  = 16 << 20

	// fineHalves is how often Options.Fine halves the piece length. Four times as many pieces are 8,192, with
	// 160 KB of hashes in a v1 torrent. In a release with a hundred changes this halved the bytes fetched needlessly.
	fineHalves = 2

	// maxPieces keeps the info below the 16 MiB that clients accept from peers, with room for the file list.
	maxPieces = 1 << 19

	// For hybrid folders a smaller piece length is chosen while pads exceed 1/padShare of the content, and there
	// are fewer than padPieces pieces.
	padShare  = 10
	padPieces = 1 << 15

	// maxEntries bounds a walk, so that publishing a whole disk by mistake ends with an error.
	maxEntries = 2_000_000

	// poolSize is how many files a Source without a shared Pool keeps open. A fetcher reads a few pieces at a
	// time, so this is enough for as many fetchers.
	poolSize = 64
)

// sumRead is the size of a read, in bytes, when whole files or pieces are read.
const sumRead = 256 << 10
