package group

import "time"

const (
	// maxEarly bounds the logs that wait in memory for the record that vouches for them, maxEarlyOf those of one caller, and
	// earlyTime how long. groupsync.MaxEarly bounds the bytes of each.
	maxEarly   = 64
	maxEarlyOf = 4
	earlyTime  = 10 * time.Minute
	// maxPeers bounds the addresses that are kept from one run to the next.
	maxPeers = 100
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
	// maxTo is how many accounts a grant's box is for: with post-quantum recipients it still fits into a record.
	maxTo = 400
)

// slotBody is the length of what is encrypted in a password slot, with nonce and sum: the same for every account.
const slotBody = 278
