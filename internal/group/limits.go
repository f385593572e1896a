package group

import (
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// maxEarly bounds the logs that wait in memory for the record that vouches for them, maxEarlyOf those of one caller, and
	// earlyTime how long. groupsync.MaxEarly bounds the bytes of each.
	maxEarly   = 64
	maxEarlyOf = 4
	earlyTime  = 10 * time.Minute
	// maxClaimants bounds what is remembered of devices that asked for others' names: anybody who may join makes any number.
	maxClaimants = 16
	// maxPeers bounds the addresses that are kept from one run to the next.
	maxPeers = 100
	// MaxSkip bounds what is remembered of what the user has removed from a mirror, and of what the mirror has: the latest.
	MaxSkip = 10_000
	// maxKeyFile bounds a file with a secret.
	maxKeyFile = 4 << 10
	// maxSeals is how many identities of the account are kept: changes of the password that a grant may lag behind.
	maxSeals = 8
	// maxOldLinks and linkLife are how many replaced links the group is found under, and how long: who was away comes back
	// by one of them.
	maxOldLinks = 8
	linkLife    = 30 * 24 * time.Hour
	// maxKeys bounds the identity file in a grant's box, and a link's: that of package seal.
	maxKeys = 64 << 10
	// maxBody bounds a share in its box: that of a record.
	maxBody = 1 << 20
	// maxContentKeys bounds the keys that are tried on encrypted content: below what package seal refuses.
	maxContentKeys = 2000
	// maxKeysFrom is how many keys of one audience and epoch are taken from one account, which is no admin's or backup's: an
	// author hands on one.
	maxKeysFrom = 8
	// maxDeviceBytes, for each device that an account may have, bounds the logs of all of them: 128 MiB, two hundred thousand
	// shares, where an admin allows no more.
	maxDeviceBytes = 4 << 20
	// maxDayBytes and maxDayRecords bound what is taken of an account with times of today: a catalog of a hundred thousand
	// shares that comes on one day. The rest is taken from tomorrow on.
	maxDayBytes   = signed.MaxLog
	maxDayRecords = 200_000
	// forAdmins is how many of the places for devices are left to admins' machines, and forFirst how many before those to the
	// first machine of an account that an admin has confirmed: whatever others bring in, these get in.
	forAdmins = 500
	forFirst  = 1500
	// forRemovals is the end of each log in which only what takes somebody's rights is signed, and forLast that in which the
	// removal is signed alone, without the keys for who stays.
	forRemovals = 8 << 20
	forLast     = 1 << 20
	// forPeople is what Care leaves of a log: what others bring about fills at most the half of it.
	forPeople = signed.MaxLog / 2
	// maxGiven and maxGivenDaily bound how often Care grants the same to an account: who has a new recipient is granted
	// everything again.
	maxGiven      = 16
	maxGivenDaily = 2
	// maxLeaves is how many keys of the account in the trees are kept, the newest: each serves one secret of the admins.
	maxLeaves = 8
	// maxBefore bounds the epochs that another hands on: that of package acl.
	maxBefore = 64
	// maxClimb bounds the way from a tree's root to a leaf: places are hashes of 256 bits.
	maxClimb = 256
	// maxTreeRecord is how many nodes of a tree a record has: well below what fits.
	maxTreeRecord = 4000
	// maxTo is how many accounts a grant's box is for: with post-quantum recipients it still fits into a record.
	maxTo = 400
)

// slotBody is the length of what is encrypted in a password slot, with nonce and sum: the same for every account.
const slotBody = 278
