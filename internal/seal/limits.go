package seal

const (
	// MaxRecipients is how many a box is for, and how many an opened one may be tried for: each costs a tenth of a
	// millisecond and, post-quantum, 1,600 bytes of header.
	MaxRecipients = 500

	// MaxWork is the scrypt work factor that passwords are made with, and the largest that is answered: about a
	// second and 256 MiB.
	MaxWork = 18

	// freedWork is from which work on memory is given back to the system after each password: 16 MiB.
	freedWork = 14

	// MinPassword is the shortest password that a person may choose.
	MinPassword = 12

	// MaxPassword bounds what is normalised and hashed.
	MaxPassword = 1024

	// MaxIdentities is how many keys an identity file has: epochs that a grant hands over, the newest.
	MaxIdentities = 500

	// MaxContentRecipients is whom content is for: an audience, and where it is sealed for several, a few.
	MaxContentRecipients = 16

	// maxTries bounds the curve arithmetic that a header can cause: recipients times keys, 4,000 of a tenth of a
	// millisecond. One account's key among 500 recipients fits, and 500 epochs' keys for an audience.
	maxTries = 4000

	// maxContentHeader is what MaxContentRecipients post-quantum recipients take.
	maxContentHeader = 32 << 10

	// maxHeader is what MaxRecipients post-quantum recipients take.
	maxHeader = 1 << 20

	// maxKeys bounds an identity file: MaxIdentities lines of 80 bytes, with room for comments of other programs.
	maxKeys = 64 << 10

	// maxSlot bounds a slot: a Login of 400 bytes, a header of 150.
	maxSlot = 16 << 10

	// maxRecipient bounds a recipient's text; the post-quantum one has about 2,000 characters.
	maxRecipient = 4 << 10

	// maxAccount is that of package acl: the longest name of an account.
	maxAccount = 32

	// maxLocked bounds a locked key: what is locked is a file of keys.
	maxLocked = 64 << 10

	// maxFiles is that of torrents (docs/SPEC.md).
	maxFiles = 100_000

	// maxTail is what may follow a tar's last file: two blocks of zeros, or what fills a record of the old tapes.
	maxTail = 20 << 10
)
