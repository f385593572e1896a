package lint

const (
	// largePiece is where clients begin to refuse or choke: a piece must be held whole until its hash
	// is known, and several clients cap it at 16 or 32 MiB.
	largePiece = 16 << 20

	// manyPieces makes the v1 info larger than 2 MB, which every peer of a magnet has to send before
	// anything else, and at which some clients stop.
	manyPieces = 100_000

	// fewPieces of a large content leave peers little to exchange with each other.
	fewPieces     = 20
	fewPiecesSize = 256 << 20

	// longPath is what is left of Windows' 260 characters for content below a download folder.
	longPath = 200
)
