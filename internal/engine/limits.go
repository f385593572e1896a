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

	// A bitfield of a torrent with a million pieces; what is longer is not read to its end.
	maxBitfield = 128 << 10

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

	// stealGrace is how long a peer has for a block before another is asked for it. 1 s measured better than none, and
	// is short enough for a peer that has fallen silent at the end of a fetch.
	stealGrace = time.Second
	// tailPieces is how many missing pieces make the tail of a fetch: what a few slow peers may hold up, and little enough
	// to look at again every tailTick, a quarter of stealGrace.
	tailPieces = 32
	tailTick   = stealGrace / 4
)
