package names

const (
	// MaxComponent is the longest component that file systems can hold, in UTF-8 bytes (ext4, XFS, Btrfs) and in UTF-16 units
	// (NTFS, APFS, exFAT).
	MaxComponent = 255

	// MaxDepth is the most components of a path. A BEP 52 file tree spends one level of bencode on
	// each and four around them, and bencode from outside is read to a depth of 64.
	MaxDepth = 60

	// MaxPath is the longest path, in bytes with its separators: half of Linux's PATH_MAX, which
	// leaves the other half to the folder it is put into.
	MaxPath = 2048

	// longestEverywhere is how long a name may be, in bytes, for all file systems to hold it: eCryptfs has 143, and others
	// that encrypt names less than 255. longestExtension is how much of a name counts as its extension.
	longestEverywhere = 100
	longestExtension  = 16

	// leastDigits is how much of a hash, in hex, a made name has.
	leastDigits = 8
)
