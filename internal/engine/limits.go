package engine

import "time"

const (
	// A torrent of a large swarm learns thousands of addresses; a few hundred are enough to keep
	// the connection slots full, and the rest is memory.
	maxKnownPeers = 400

	// heardAgain is between two tries of an address at least, however often it is heard of.
	heardAgain = time.Second

	// Addresses in private networks that a link names: so many of a torrent, each tried so often.
	maxCareful   = 8
	carefulTries = 3

	// dhtMaxInfohashes and dhtMaxPeers bound what strangers can make us remember as a DHT node:
	// about 16 MB at the worst.
	dhtMaxInfohashes = 2000
	dhtMaxPeers      = 100
	// dhtMaxHeard is how many peers one search takes: what a book has room for, several times.
	dhtMaxHeard = 4 * maxKnownPeers
	// dhtMaxNodes is how many nodes one answer may name, of each family: BEP 5 has 8, others 16. dhtMaxPorts is how many nodes at one
	// address, IPv6: a network of 64 bits, are asked within dhtPortsTime, of dhtMaxOrigins addresses that are counted.
	dhtMaxNodes   = 32
	dhtMaxPorts   = 16
	dhtPortsTime  = 10 * time.Minute
	dhtMaxOrigins = 4096
	// dhtMaxAnswers and dhtLongest end a search that always hears of nodes which are closer still.
	dhtMaxAnswers = 500
	dhtLongest    = 3 * time.Minute
	// dhtFinds and dhtFindsEach are how many questions for the table of nodes are sent at once and each second from then on: some
	// hundred fill it, and a few dozen every half an hour keep it.
	dhtFinds     = 1000
	dhtFindsEach = 1
	// dhtMaxNearby is how many nodes of networks that are not public are remembered.
	dhtMaxNearby = 4096
	// BEP 5 asks announcers to come back within 15 minutes or so; libtorrent forgets after 30.
	dhtPeerLife = 30 * time.Minute
	// BEP 44 items are at most 1000 bytes of value, 64 of salt, and die after two hours. Any stranger may store them: they take
	// 2 MB at the worst.
	dhtMaxItems = 1000
	dhtItemLife = 2 * time.Hour
	// The nodes kept on disk for the next start: two full buckets of the closest and some spares.
	dhtMaxSavedNodes = 200

	// readyBytes of blocks are read for a peer before they can be sent. The client looks over all of them for every
	// block, and what lies longer is no more in the processor's cache. The system's socket buffer comes on top.
	readyBytes = 256 << 10
	// nearRequests is how many blocks a peer is asked for at a time that is no more than a network's cable away: 8 MiB.
	// Most peers would take twice as many, which a long way needs to be kept full, and which cost memory, cache and
	// the sorting of what to ask for next.
	nearRequests = 512

	// nearConns bounds the connections that ask for whole pieces: four of each of some machines, and nearShare those of one
	// address; the one that was given nothing for longest goes. nearIdle is how long one may
	// stand unused, and nearStall how long what was written may take to be taken.
	nearConns = 64
	nearShare = 16
	nearIdle  = 30 * time.Second
	nearStall = 30 * time.Second
	// nearMost bounds the bytes of one request, unless it is for one piece: more than anybody needs at a time.
	nearMost = 128 << 20
	// nearChunk is read and written at a time: what stays in the processor's cache between the two. nearLook is after how many
	// bytes who is connected is looked at again.
	nearChunk = 256 << 10
	nearLook  = 4 << 20

	// mostHall bounds the connections that have not named a torrent or shaken hands by TLS, each of which costs some 10 KB,
	// and mostSeats those that have, some 200 KB. A process that may have few descriptors has a fourth of them for each.
	// One origin may have an eighth of the hall; in the seats, the origin with most gives way.
	mostHall  = 2048
	mostSeats = 1024
	leastHall = 64
	hallShare = 8
	// Who makes connections of uTP may have forged where it is, so they have a hall of their own.
	utpHall      = 128
	utpHallShare = 16
	// greetings bounds the obfuscated handshakes that are being computed. Each may hold 64 KiB.
	mostGreetings  = 256
	greetingsShare = 32
	// torrentSeats bounds a torrent's peers. The client has room for more, for those that are about to go. Who
	// carried seatPayload, a block, within seatBusy keeps its seat from newcomers of addresses that have as many. It is
	// looked for each seatLook at most.
	torrentSeats = 120
	torrentConns = torrentSeats + 40
	dialEvery    = time.Second
	seatBusy     = 10 * time.Second
	seatPayload  = 16 << 10
	seatLook     = 100 * time.Millisecond

	// maxMute bounds the addresses that are remembered for being mute by TCP, and utpLead is how long uTP has to connect
	// before TCP is tried at them: a third of what the client gives a dial at least.
	maxMute = 1024
	utpLead = time.Second

	// A packet of the DHT is one bencoded dictionary in one datagram. Ours stay far below this, and
	// no known client sends larger ones.
	dhtMaxPacket = 8 << 10
	udpMaxPacket = 8 << 10 // of uTP as well
	dhtMaxDepth  = 8

	// BEP 14: one packet must fit a datagram without fragmentation.
	lanMaxPacket = 1400
	// Packets that are looked at, a second and at once, of one address and of all. Who has 5,000 torrents sends 230 at once.
	lanFrom, lanFromBurst = 20, 300
	lanAll, lanAllBurst   = 200, 1000
	lanSources            = 1024 // addresses that are counted
	// Infohashes read from one LAN packet; what fits into a datagram.
	lanMaxInfohashes = 40

	// BEP 11 has at most 50 addresses in a message, of each kind and family; some clients send more at first.
	maxPEX = 100

	// A tracker's answer with trackerMaxPeers in the longest of forms has some 15 KiB. Of names, which are looked up, it may
	// have few, of which each stands for few addresses.
	trackerMaxPeers  = 200
	trackerMaxNames  = 8
	namedAddrs       = 4
	lookUpTimeout    = 5 * time.Second
	trackerMaxAnswer = 64 << 10
	// torrentAnnounces and allAnnounces are how many announces are under way at a time, for a torrent and in all. Of a hundred
	// trackers of a list from the web most are dead, and the rest is reached within two minutes all the same.
	torrentAnnounces = 16
	allAnnounces     = 48

	// A bitfield of a torrent with a million pieces; what is longer is not read to its end.
	maxBitfield = 128 << 10

	// maxOwed is what a connection may be owed of metadata, hashes and refusals before it is not heard until it has read; one
	// message may take it beyond. A peer of good will that asks for 10,000 blocks at a time and is refused them all stays
	// below it. maxOwedAll is for all connections together.
	maxOwed    = 256 << 10
	maxOwedAll = 32 << 20
	// unreadTime is how long who is owed that much may read nothing, and unreadStall how long anybody may take for unreadPart
	// that we write.
	unreadTime  = 20 * time.Second
	unreadStall = 3 * time.Minute
	unreadPart  = 64 << 10
	// maxUnread bounds what else waits to be written, which is news of pieces.
	maxUnread = 4 << 20

	// blockBytes is what the client asks for at a time.
	blockBytes = 16 << 10
	// maxInfoPieces is how many pieces the client lets a torrent have.
	maxInfoPieces = 1 << 24
	// metadataPart is a part of the metadata (BEP 9).
	metadataPart = 16 << 10
	// maxRequest is the largest block that is given; everybody asks for 16 KiB.
	maxRequest = 128 << 10
	// maxExtended bounds messages of extensions: what the client reads at most.
	maxExtended = 64 << 10
	// maxMetadata bounds the metadata of a torrent as the client does.
	maxMetadata = 16 << 20
	// metadataAtOnce is how many peers are asked for the metadata at first, each for metadataWindow parts at a time. Others are as
	// far as one has sent nothing for metadataPatience, or not been done after metadataTurn; it is looked for each metadataLook.
	// Who refuses is left alone for metadataRest. maxLookup bounds what is held of all together, four times the largest there is.
	metadataAtOnce   = 4
	metadataWindow   = 8
	metadataPatience = time.Second
	metadataTurn     = 10 * time.Second
	metadataLook     = 500 * time.Millisecond
	metadataRest     = 5 * time.Second
	maxLookup        = 4 * maxMetadata
	// metadataTimes is how often each connection may ask for all of the metadata, or all hashes.
	metadataTimes = 4
	// hashesAtOnce is how many hashes BEP 52 would have asked for at a time, and maxHashes how many are given.
	hashesAtOnce = 512
	maxHashes    = 8192
	// maxPadded bounds the requests of a connection that reach beyond the end of a file: four times what the client takes at
	// a time.
	maxPadded = 4096
	// maxHandshakes bounds how often a peer changes what it offers, maxClientName the bytes of its name, and maxReqq the
	// requests that it may say it can hold.
	maxHandshakes = 4
	maxClientName = 64
	maxReqq       = 1 << 16
	// maxPEXAll is how many addresses a connection may add: the client keeps all of them until it ends.
	maxPEXAll = 2000
	// maxRendezvous bounds the messages of hole punching of a connection.
	maxRendezvous = 100
	// maxAllowedFast bounds the pieces that a peer lets us have while it chokes us, where BEP 6 has 10.
	maxAllowedFast = 64
	// maxPorts is how often a peer may name the port of its DHT node: each time it is sent a packet.
	maxPorts = 2
	// flapBurst and flapRate bound how often a peer changes its mind, at once and per second: each time the client sorts all
	// that it could ask for.
	flapBurst = 200
	flapRate  = 10

	// superWindow is how many pieces a super-seeded peer is shown that it has not: one that comes and one to go on
	// with. What it was shown nobody else is, and the smaller the window, the sooner the others get it: with four, twelve
	// fetchers took a tenth longer. Who fetches a piece within superFast of being shown it would wait for us,
	// and has its window grow, up to superMostBytes; who takes longer than superSlow has it shrink again.
	superWindow    = 2
	superFast      = 300 * time.Millisecond
	superSlow      = time.Second
	superMostBytes = 64 << 20
	// superPatience is how long a peer that does not get on keeps others from what it was shown.
	superPatience = 3 * time.Second
	// superDrain is how long the last pieces have to reach their first holders before anything is sent twice: a piece
	// of 4 MiB takes as long at 40 Mbit/s.
	superDrain = time.Second
	// superIdle is the same for a peer that asks for nothing: it may want other pieces, and be held up.
	superIdle = time.Second
	// superTick is how often peers that do not get on are looked for.
	superTick = 500 * time.Millisecond

	// heldTime is how long the client may go without news of what a peer has; see holding.go. What it cannot ask for yet
	// is of no use to it, but that a piece is not rare any more.
	heldTime = 3 * time.Second
	// maxHashesHeld is for how many hash requests news of what a peer has is held back: 145 of them are too many for the client.
	maxHashesHeld = 64
	// heldBuffer is read of a connection at once, four blocks.
	heldBuffer = 64 << 10

	// stealGrace is how long a peer has for a block before another is asked for it. 1 s measured better than none, and
	// is short enough for a peer that has fallen silent at the end of a fetch.
	stealGrace = time.Second

	// nudgeEvery is how often a fetch is looked at that may have come to its end, a quarter of stealGrace, and nudgeRest
	// how long one may have come to rest before it is taken for that. Then nudgedPieces are asked for anew: one would do
	// for a peer that has them all, and more are for peers that have different ones. So many are the end of a fetch.
	nudgeEvery   = stealGrace / 4
	nudgeRest    = 1500 * time.Millisecond
	nudgedPieces = 32
)
