package chunk

const (
	// leastAverage is small compared with a piece, so that a change costs little more than the pieces it touches, and
	// makes the index a tenth of a percent of the content. mostAverage is for content of many terabytes.
	leastAverage = 16 << 10
	mostAverage  = 16 << 20

	// aimedChunks is the number of chunks above which chunks are made larger: an index of 10 MB, which takes 40 MB of
	// memory when it is used.
	aimedChunks = 1 << 19

	// Chunks have from a quarter of the average to four times the average. FastCDC's paper uses an eighth and eight times;
	// narrower bounds find slightly less, and limit the cost of one change.
	leastShare = 4
	mostShare  = 4

	// maxChunks bounds an index from elsewhere: aimedChunks, with room for many small files whose chunks cannot be larger.
	maxChunks = 1 << 20

	// maxFiles is the same as metafile's.
	maxFiles = 100_000

	// maxFile bounds the length of a file, in bytes, as in torrents.
	maxFile = 1 << 50

	// segment is how many bytes of a large file one core cuts at a time.
	segment = 32 << 20

	// buffered is how many chunks of maximum size a buffer holds.
	buffered = 2
)

// MaxBytes bounds an index that is read: room for maxChunks chunks, each with a length of four bytes.
const MaxBytes = 24 << 20

// MostShare is the least number of content bytes per index byte for which an index is worth its transfer: an index may take
// two percent of the content.
const MostShare = 50
