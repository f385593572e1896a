package acl

const (
	// maxAccounts bounds what holders of an invite, or anyone in an open group, can make everybody keep. An
	// organisation of a thousand people stays far below.
	maxAccounts = 10_000

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

	// maxProblems bounds what is told of records that do not count; the rest is counted.
	maxProblems = 1000
)
