package engine

import "time"

const (
	// A torrent of a large swarm learns thousands of addresses; a few hundred are enough to keep
	// the connection slots full, and the rest is memory.
	maxKnownPeers = 400

	// dhtMaxInfohashes and dhtMaxPeers bound what strangers can make us remember as a DHT node:
	// about 16 MB at the worst.
	dhtMaxInfohashes = 2000
	dhtMaxPeers      = 100
	// BEP 5 asks announcers to come back within 15 minutes or so; libtorrent forgets after 30.
	dhtPeerLife = 30 * time.Minute
	// BEP 44 items are at most 1000 bytes of value and die after two hours.
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

	// A packet of the DHT is one bencoded dictionary in one datagram. Ours stay far below this, and
	// no known client sends larger ones.
	dhtMaxPacket = 8 << 10
	dhtMaxDepth  = 8

	// BEP 14: one packet must fit a datagram without fragmentation.
	lanMaxPacket = 1400
	// Infohashes read from one LAN packet; what fits into a datagram.
	lanMaxInfohashes = 40

	// Answers of a tracker are capped by their library; this is what we keep of them.
	trackerMaxPeers = 200
)
