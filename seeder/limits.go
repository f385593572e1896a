package seeder

const (
	// maxListed is how many names a message lists.
	maxListed = 50

	// IgnoreFile is the name of the files with patterns of what is not published. They are not published
	// themselves.
	IgnoreFile = ".p2pshareignore"

	// maxIgnore bounds an ignore file: what is larger is another kind of file.
	maxIgnore = 1 << 20

	// minPieceLength is the least of BEP 52, whose trees have leaves of 16 KiB; it is a block on the wire.
	minPieceLength = 16 << 10

	// maxPieceLength is the most that is built. A fetcher must hold a whole piece before it can check and
	// share it, and some clients refuse larger ones.
	maxPieceLength = 64 << 20

	// SaltSize is the length of what makes the infohash of a private group's torrent one that nobody can guess, also of
	// content that he has himself, and names who made it (internal/access).
	SaltSize = 32

	// Pieces are chosen so that there are between targetPieces and half of it: enough that many fetchers can
	// trade, few enough that the torrent stays small.
	targetPieces = 2048

	// leastChosen and mostChosen bound the piece length chosen by size. Below 64 KiB the messages about
	// pieces begin to show; above 16 MiB clients refuse.
	leastChosen = 64 << 10
	mostChosen  = 16 << 20

	// fineHalves is how often they are halved for Options.Fine: four times as many pieces are 8,192, with 160 KB of hashes
	// in a torrent of v1. In a release with a hundred changes it halved what had to be fetched for nothing.
	fineHalves = 2

	// maxPieces keeps the info below what clients take over the wire (16 MiB) with room for the file list.
	maxPieces = 1 << 19

	// padShare is the part of the payload, one in so many bytes, that pads may reach before a smaller piece
	// length is chosen for a hybrid folder; padPieces bounds the pieces this may lead to.
	padShare  = 10
	padPieces = 1 << 15

	// maxEntries bounds what a walk looks at, so that publishing a disk by mistake ends.
	maxEntries = 2_000_000

	// poolSize is how many files a Source of its own keeps open. A fetcher reads a few pieces at a time, so
	// that this suffices for as many fetchers.
	poolSize = 64
)

// sumRead is one read while a whole file is hashed.
const sumRead = 256 << 10
