package names

const (
	// MaxComponent is the longest component that file systems accept, in UTF-8 bytes (ext4, XFS, Btrfs) and in UTF-16 units
	// (NTFS, APFS, exFAT).
	MaxComponent = 255

	// MaxDepth is the maximum number of components of a path. In a BEP 52 file tree each takes one level of bencode, with
	// four more around them, and bencode from outside is read to a depth of 64.
	MaxDepth = 60

	// MaxPath is the longest path, in bytes including separators: half of Linux's PATH_MAX, which leaves the other half for
	// the path of the target folder.
	MaxPath = 2048

	// longestEverywhere is the length of a name, in bytes, that all file systems can hold: eCryptfs allows 143 bytes, and other
	// file systems that encrypt names allow less than 255. longestExtension bounds the part that counts as the extension.
	longestEverywhere = 100
	longestExtension  = 16

	// leastDigits is how many hex digits of a hash a substitute name has at least.
	leastDigits = 8
)
