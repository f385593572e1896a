package seal

const (
	// MaxRecipients is how many recipients a box may have, and how many are tried at most when one is opened: each
	// costs a tenth of a millisecond and, post-quantum, 1,600 bytes of header.
	MaxRecipients = 500

	// MaxWork is the scrypt work factor for new passwords, and the largest that is accepted: about a second and
	// 256 MiB.
	MaxWork = 18

	// freedWork is the work factor from which memory is returned to the system after each password: 16 MiB.
	freedWork = 14

	// MinPassword is the length in characters of the shortest password that a person may choose.
	MinPassword = 12

	// MaxPassword bounds, in bytes, what is normalised and hashed.
	MaxPassword = 1024

	// MaxIdentities is how many keys an identity file may have: a grant hands over the newest epochs.
	MaxIdentities = 500

	// MaxContentRecipients is how many recipients content may have: an audience, or a few audiences.
	MaxContentRecipients = 16

	// maxTries bounds the curve arithmetic that a header can cause: recipients times keys, 4,000 of a tenth of a
	// millisecond. One account's key among 500 recipients is below it, and so are 500 epochs' keys for an audience.
	maxTries = 4000

	// maxContentHeader is the header size in bytes of MaxContentRecipients post-quantum recipients.
	maxContentHeader = 32 << 10

	// maxHeader is the header size in bytes of MaxRecipients post-quantum recipients.
	maxHeader = 1 << 20

	// maxKeys bounds an identity file, in bytes: MaxIdentities lines of 80 bytes, with room for comments of other
	// programs.
	maxKeys = 64 << 10

	// maxSlot bounds a slot, in bytes: a Login takes 400, a header 150.
	maxSlot = 16 << 10

	// maxRecipient bounds a recipient's text; a post-quantum one has about 2,000 characters.
	maxRecipient = 4 << 10

	// maxAccount is the longest name of an account, as in package acl.
	maxAccount = 32

	// maxLocked bounds a locked key, in bytes: the plaintext is a file of keys.
	maxLocked = 64 << 10

	// maxFiles is the limit for torrents (docs/SPEC.md).
	maxFiles = 100_000

	// maxTail is how many bytes may follow a tar's last file: two blocks of zeros, or the padding of an old tape
	// record.
	maxTail = 20 << 10
)
