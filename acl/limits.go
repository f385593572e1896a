package acl

const (
	// maxAccounts bounds the accounts that admins make or name. An organisation of a thousand people stays far below.
	maxAccounts = 10_000

	// maxUnpinned bounds the accounts that holders of invites, or anyone in an open group, can make everybody keep before
	// an admin's record names them. They leave those that admins name their room, whatever times they carry.
	maxUnpinned = 5_000

	// maxBrought bounds the accounts that come by one key of an invite: with another password it brings in as many again.
	maxBrought = 2_000

	// MaxDevices is how many devices an account has at a time, where an admin has not allowed it more. A build service
	// that makes a home for each run removes the last, or is allowed more.
	MaxDevices = 32

	// maxDevices is the most that an admin allows an account: the logs of a group.
	maxDevices = 10_000

	// maxOwn and maxOwnDaily bound what an account changes of itself (passwords, recipients, devices cut off) since it has
	// its key from an admin, or since it was made: each change closes keys, and may have everything granted to it again. A
	// password a week is 260 in five years.
	maxOwn      = 1000
	maxOwnDaily = 16

	// maxOwnKeep bounds the devices that such a change names, which each device of the account is looked up in: those that it has, and
	// had. Who has had more asks an admin for the new password.
	maxOwnKeep = 1000

	// maxGrants and maxGrantsDaily bound the boxes of an account that is neither an admin's nor a backup: one for each set
	// of readers that it shares something with, and for who comes later.
	maxGrants      = 20_000
	maxGrantsDaily = 1000

	// maxRules bounds the first-match search that every share and handshake runs.
	maxRules = 1000

	// maxWho is how many accounts and teams one rule or grant names.
	maxWho = 500

	// maxGlob is the longest pattern of a rule: a path has at most 200 bytes of name and 64 of version.
	maxGlob = 300

	// maxStars bounds the wildcards of a pattern, each of which a match may have to try at every place.
	maxStars = 8

	// maxTeams is how many teams an account is in.
	maxTeams = 32

	// maxLabel is the longest name of a device, which is the host's.
	maxLabel = 64

	// maxSeal is that of package signed: a post-quantum age recipient.
	maxSeal = 4 << 10

	// maxSlot bounds a password slot: an age file that holds a few keys.
	maxSlot = 16 << 10

	// maxBox bounds the age file of a grant or link, so that its base64 fits into a record. It holds about 450
	// hybrid recipients; more take several grants.
	maxBox = 768 << 10

	// MaxEpoch is the largest number of an epoch: a random one, so that no two epochs have the same.
	MaxEpoch = 1 << 52

	// maxWrapped bounds an identity in the record of an epoch, and those of the epochs before, of which there are maxBefore at
	// most: as many as admins make who have not heard of each other.
	maxWrapped = 8 << 10
	maxBefore  = 64

	// maxTreeDepth bounds the nodes that wait for another while a tree is read. Places are hashes of 256 bits.
	maxTreeDepth = 258

	// maxProblems bounds what is told of records that do not count; the rest is counted.
	maxProblems = 1000
)
