package groupsync

import (
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// maxChunk bounds the records of one answer or push: one of the largest size always fits.
	maxChunk = signed.MaxRecord + 1
	// maxLong bounds the logs longer than that which are taken at a time, each of up to 64 MiB.
	maxLong = 4
	// maxRoots bounds the roots of one answer. A newcomer of a group with more asks again.
	maxRoots = 64
	// maxRootsBody is what they take at most as JSON, where every byte of a note may be escaped.
	maxRootsBody = 2 * maxRoots * signed.MaxRoot
	// maxHeads bounds the heads of one answer: the devices of a group.
	maxHeads = 20_000
	// maxHeadsBody is what they take at most; a head has below 400 bytes.
	maxHeadsBody = maxHeads * 600
	// maxWait is the longest that a caller may wait for news, and wait what we ask for.
	maxWait = 60 * time.Second
	wait    = 30 * time.Second
	// answerTime is what a member has for an answer beside the wait: 1 MiB over a slow line.
	answerTime = 30 * time.Second
	// maxNeighbours is how many members are kept up with at a time.
	maxNeighbours = 12
	// maxAddrs bounds the addresses that are remembered: anybody can announce some.
	maxAddrs = 1000
	// maxPushed bounds the heads of one push: the others are pulled.
	maxPushed = 1000
	// maxForks bounds the evidence of one answer: an admin who has not acted on so many reads no more of it.
	maxForks     = 256
	maxForksBody = 2 * maxForks * signed.MaxFork
	// maxPeersTold bounds the addresses that a member tells of others, and maxPeersBody what they take. More would let one
	// member fill everybody's list with addresses that nobody is at.
	maxPeersTold = 50
	maxPeersBody = maxPeersTold*64 + 100

	// maxHave bounds the infohashes of one answer, and maxHaveBody what they take: the shares of a large group.
	maxHave     = 50_000
	maxHaveBody = maxHave*44 + 100
	// maxSlot bounds a password slot: an age file that holds a few keys.
	maxSlot = 16 << 10
	// stay is how long a member is a neighbour while others wait for the place: who has filled all places with machines of
	// his own shows us his view of the group no longer than that.
	stay = 20 * time.Minute
)
