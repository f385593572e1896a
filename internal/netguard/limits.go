package netguard

import "time"

const (
	// maxRedirects is more than any mirror network needs; each redirect costs a round trip.
	maxRedirects = 5

	// maxTorrentSize bounds a .torrent from the web, in bytes. An info of 16 MiB with the piece layers of a large
	// v2 folder stays below it.
	maxTorrentSize = 64 << 20

	// maxHeader bounds the header of an answer, in bytes; common servers allow 8 to 16 KiB for that of a request.
	maxHeader = 64 << 10

	// dialTimeout and headerTimeout give up on servers that are too slow to be useful as a web seed.
	dialTimeout   = 15 * time.Second
	headerTimeout = 30 * time.Second

	// torrentTimeout bounds the whole download of a .torrent, in case it trickles.
	torrentTimeout = 2 * time.Minute

	// idleTimeout closes idle connections before common servers do (75 s in nginx), so that no request is sent on a
	// connection that is being closed.
	idleTimeout = 60 * time.Second

	// resolveTimeout bounds the lookup of a redirect's target.
	resolveTimeout = 10 * time.Second
)
