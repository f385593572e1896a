package chunk

const (
	// leastAverage is small beside a piece, so that a change costs little more than the pieces it touches, and gives an
	// index of a tenth of a percent. mostAverage is for content of many terabytes.
	leastAverage = 16 << 10
	mostAverage  = 16 << 20

	// aimedChunks is how many chunks content is cut into before they are made larger: 10 MB of index, and 40 MB of memory
	// at who uses it.
	aimedChunks = 1 << 19

	// Chunks have from a quarter to four times the average. FastCDC's paper has an eighth and eight times; narrower
	// bounds lose a little of what is found and bound what one change can cost.
	leastShare = 4
	mostShare  = 4

	// maxChunks bounds the index of somebody else: aimedChunks, where files are small and chunks cannot be larger.
	maxChunks = 1 << 20

	// maxFiles is metafile's.
	maxFiles = 100_000

	// maxFile bounds the length of a file, as torrents have it.
	maxFile = 1 << 50

	// segment is what one core cuts at a time of a large file.
	segment = 32 << 20

	// buffered is how many of the largest chunks a buffer holds.
	buffered = 2
)

// MaxBytes bounds an index that is read: the most chunks, and every one of them with a length of four bytes.
const MaxBytes = 24 << 20

// MostShare is how many bytes of content there are at least to a byte of an index that is worth its transfer: it may take
// two percent.
const MostShare = 50
