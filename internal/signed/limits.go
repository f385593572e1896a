package signed

import "time"

const (
	// MaxRoot bounds a signed root. Twenty admins with post-quantum recipients of about 2 KiB take 40 KiB.
	MaxRoot = 64 << 10

	// MaxRoots bounds the versions of a root, which a newcomer reads from the first: one a day for eleven years.
	MaxRoots = 4096

	// MaxHead bounds a signed head: three lines, a time and one signature are below 400 bytes.
	MaxHead = 2 << 10

	// MaxRecord bounds a record. The largest is a share that lists the SHA-256 of 10,000 files, 670 KB.
	MaxRecord = 1 << 20

	// MaxLog bounds a device's log, the newlines counted: a hundred thousand shares of the usual size, and what a
	// hostile member can make everyone keep.
	MaxLog = 64 << 20

	// MaxRecords bounds the records of a log. The smallest record that means something has about 60 bytes.
	MaxRecords = 1 << 20

	// MaxFork bounds the evidence of a fork: two heads and two proofs of at most maxProof hashes.
	MaxFork = 8 << 10

	// maxProof bounds the proof that a record is in a log of MaxRecords.
	maxProof = 20

	// MaxLink bounds a link: 88 characters and eight hints with names of hosts.
	MaxLink = 4 << 10

	// maxHints bounds the addresses a link makes us dial, so that a link is no port scanner.
	maxHints = 8

	// maxOwners bounds the signatures on a root: notes hold 100, and a rotation carries old and new ones.
	maxOwners = 32

	// maxAdmins is what fits into MaxRoot with the largest recipients.
	maxAdmins = 24

	// MaxKeep bounds the devices that one keep names: 64 digits each, so that it fits into a record.
	MaxKeep = 10_000

	// maxGroupName is the longest name of a group: it is shown, and proposed as the local name.
	maxGroupName = 64

	// maxSeal bounds an age recipient; the hybrid one with ML-KEM-768 has about 2,000 characters.
	maxSeal = 4 << 10

	// maxDepth bounds the nesting of JSON: the deepest format of ours has three levels.
	maxDepth = 8

	// maxSafe is the largest integer that every JSON reader keeps exact (RFC 7493).
	maxSafe = 1<<53 - 1
)

// MaxAhead is how far a record or head may lie in the future: what clocks without network time are off by. A
// clock that is further off than that from its peers must not sign.
const MaxAhead = 10 * time.Minute

// MaxLead is how far ahead of its own clock a device signs: half of what readers take, so that a reader whose clock is
// slow takes it too. maxFollow is how much of that others' records may take up; the rest is room for records that
// follow each other within a millisecond.
const (
	MaxLead   = MaxAhead / 2
	maxFollow = MaxLead - time.Minute
)

// FreshFor is how long a head counts as fresh. Members sign theirs anew every day; two allow a night off.
const FreshFor = 48 * time.Hour
