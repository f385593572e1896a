package lint

const (
	// largePiece, in bytes, is where clients begin to refuse or choke: a piece must be held whole until its hash
	// is known, and several clients cap it at 16 or 32 MiB.
	largePiece = 16 << 20

	// manyPieces makes the v1 info larger than 2 MB. Every fetch by magnet link has to get it from peers before
	// anything else, and some clients refuse one of that size.
	manyPieces = 100_000

	// fewPieces of a large content leave peers little to exchange with each other. fewPiecesSize is in bytes.
	fewPieces     = 20
	fewPiecesSize = 256 << 20

	// longPath, in characters, is what Windows' limit of 260 leaves for content below a download folder.
	longPath = 200
)
