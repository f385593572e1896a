package signed

import "time"

const (
	// MaxRoot bounds a signed root, in bytes. Twenty admins with post-quantum recipients of about 2 KiB take 40 KiB.
	MaxRoot = 64 << 10

	// MaxRoots bounds the versions of a root, all of which a new member reads: one a day for eleven years.
	MaxRoots = 4096

	// MaxHead bounds a signed head, in bytes: three lines, a time and one signature take less than 400.
	MaxHead = 2 << 10

	// MaxRecord bounds a record, in bytes. The largest is a share that lists the SHA-256 of 10,000 files, 670 KB.
	MaxRecord = 1 << 20

	// MaxLog bounds a device's log in bytes, including newlines: it holds a hundred thousand shares of the usual size,
	// and limits what a hostile member can make everyone store.
	MaxLog = 64 << 20

	// MaxRecords bounds the number of records of a log. The smallest meaningful record has about 60 bytes.
	MaxRecords = 1 << 20

	// MaxFork bounds the proof of a fork, in bytes: two heads and two proofs of at most maxProof hashes.
	MaxFork = 8 << 10

	// maxProof bounds the hashes in a proof that a record is in a log of MaxRecords.
	maxProof = 20

	// MaxLink bounds a link, in bytes: 88 characters and eight hints with host names.
	MaxLink = 4 << 10

	// maxHints bounds the addresses that a link makes us dial, so that links cannot be used to scan ports.
	maxHints = 8

	// maxOwners bounds the owners, and so the signatures on a root: a note holds 100, and a rotation has old and new
	// ones.
	maxOwners = 32

	// maxAdmins is how many admins fit into MaxRoot with the largest recipients.
	maxAdmins = 24

	// MaxKeep bounds the devices in one keep: 64 digits each, so that it fits into a record.
	MaxKeep = 10_000

	// maxGroupName is the longest name of a group, in bytes: it is displayed, and proposed as the local name.
	maxGroupName = 64

	// maxSeal bounds an age recipient; the hybrid kind with ML-KEM-768 has about 2,000 characters.
	maxSeal = 4 << 10

	// maxDepth bounds the nesting of JSON: our deepest format has three levels.
	maxDepth = 8

	// maxSafe is the largest integer that every JSON reader keeps exact (RFC 7493).
	maxSafe = 1<<53 - 1
)

// MaxAhead is how far in the future the time of a record or head may be: as far as clocks without network time are
// off. A device whose clock differs from its peers' by more must not sign.
const MaxAhead = 10 * time.Minute

// MaxLead is how far ahead of its own clock a device may sign: half of what readers accept, so that a reader with a
// slow clock accepts it too. maxFollow is how much of that others' records may use up; the rest is for records that
// follow each other within a millisecond.
const (
	MaxLead   = MaxAhead / 2
	maxFollow = MaxLead - time.Minute
)

// FreshFor is how long a head counts as fresh. Members sign a new one every day; two days allow for a night off.
const FreshFor = 48 * time.Hour
