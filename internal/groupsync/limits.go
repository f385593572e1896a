package groupsync

import (
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// MaxEarly bounds a log that nobody vouches for and that is read all the same, to wait for who does: a newcomer's has one
// record of some 3 KiB.
const MaxEarly = 16 << 10

const (
	// maxChunk bounds the records of one answer or push: one of the largest size always fits.
	maxChunk = signed.MaxRecord + 1
	// piece is what is read of a log at a time to answer with.
	piece = 64 << 10

	// A stranger's bodies take strangerBody at a time, those of all of them strangerBodies; a member's memberBody, so that
	// the longest log fits, and memberBodies.
	strangerBody   = 8 << 20
	strangerBodies = 32 << 20
	memberBody     = signed.MaxLog + 4<<20
	memberBodies   = 96 << 20
	// callerAnswers is what the answers of one caller take while they are written, or one that is larger; allAnswers those
	// of all strangers, or all members.
	callerAnswers = 4 << 20
	allAnswers    = 32 << 20
	// maxPulls bounds the logs of more than 1 MiB that are pulled at a time.
	maxPulls = 2
	// slowest is how many bytes a second a body or answer moves at least.
	slowest = 32 << 10
	// strangerWork and memberWork are how many signatures are judged a second for one caller, twenty times that at once;
	// strangersWork for all strangers: a fifteenth of a processor.
	strangerWork  = 100
	memberWork    = 2000
	strangersWork = 1000
	// maxCallers bounds the callers whose signatures are counted: with more, all begin anew.
	maxCallers = 4096
	// rootWork and forkWork are the signatures of a root, as its owners are few, and of a fork.
	rootWork = 4
	forkWork = 2
	// maxRoots bounds the roots of one answer. A newcomer of a group with more asks again.
	maxRoots = 64
	// headBytes is what a head in memory takes beside its own bytes, which are there once for all.
	headBytes = 200
	// maxHeadText, maxRootText and maxForkText are what one takes as JSON.
	maxHeadText = 2*signed.MaxHead + 64
	maxRootText = 2*signed.MaxRoot + 64
	maxForkText = 2*signed.MaxFork + 64
	// maxHeads bounds the heads of one answer: the devices of a group.
	maxHeads = 10_000
	// maxRounds is how often the logs of one answer are gone through for those that others of them vouch for: a device for
	// which an account vouches that an invite brought in, which an admin made.
	maxRounds = 4
	// maxStrange is how many heads of devices that nobody vouches for a member may tell at a time: it knows no fewer people
	// than we do, but for those whom we hear of in this moment.
	maxStrange = 64
	// maxWait is the longest that a caller may wait for news, and wait what we ask for.
	maxWait = 60 * time.Second
	wait    = 30 * time.Second
	// answerTime is what a member has for an answer beside the wait: 1 MiB over a slow line.
	answerTime = 30 * time.Second
	// pullsPerSecond and pullsAtOnce are how often a neighbour is asked for news that has some each time, or says so.
	pullsPerSecond, pullsAtOnce = 4, 40
	// maxNeighbours is how many members are kept up with at a time.
	maxNeighbours = 12
	// maxAddrs bounds the addresses that are remembered: anybody can announce some.
	maxAddrs = 1000
	// maxLater bounds the logs that are put off at a member, and laterPause is how often they are asked for when nothing has
	// changed here.
	maxLater   = 64
	laterPause = time.Minute
	// maxPushed bounds the heads of one push: the others are pulled.
	maxPushed = 1000
	// maxWantsBody is what the answer takes.
	maxWantsBody = maxPushed*128 + 200
	// maxForks bounds the evidence of one answer or push, of which there are as many as it takes for maxForked devices.
	maxForks  = 256
	maxForked = 10_000
	// maxPeersTold bounds the addresses that a member tells of others, and maxPeersBody what they take. More would let one
	// member fill everybody's list with addresses that nobody is at.
	maxPeersTold = 50
	maxPeersBody = maxPeersTold*64 + 100

	// maxHave bounds the infohashes of one answer: the shares of a large group.
	maxHave = 50_000
	// maxSlot bounds a password slot: an age file that holds a few keys.
	maxSlot = 16 << 10
	// slotBurst and slotEvery are how many slots a stranger may ask for at once, an office of people behind one router, and
	// when the next one; slotsBurst and slotsEvery those of all strangers. Each is a guess at a password: together they make
	// 2^25 of them a year at one machine, and a password of five words has 64 bits.
	slotBurst  = 60
	slotEvery  = 10 * time.Second
	slotsBurst = 600
	slotsEvery = time.Second
	// stay is how long a member is a neighbour while others wait for the place: who has filled all places with machines of
	// his own shows us his view of the group no longer than that.
	stay = 20 * time.Minute
)
