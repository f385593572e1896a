package netguard

import "time"

const (
	// maxRedirects is more than any mirror network needs; each costs a round trip.
	maxRedirects = 5

	// maxTorrentSize bounds a .torrent from the web. An info of 16 MiB with the piece layers of a large
	// v2 folder stays below it.
	maxTorrentSize = 64 << 20

	// maxHeader bounds the header of an answer; common servers allow 8 to 16 KiB of a request's.
	maxHeader = 64 << 10

	// dialTimeout and headerTimeout end what answers too slowly to be of use as a web seed.
	dialTimeout   = 15 * time.Second
	headerTimeout = 30 * time.Second

	// torrentTimeout ends the whole download of a .torrent that trickles.
	torrentTimeout = 2 * time.Minute

	// idleTimeout closes kept connections before common servers do (75 s in nginx), so that a request
	// does not meet a connection that is being closed.
	idleTimeout = 60 * time.Second

	// resolveTimeout bounds the look-up of a redirect's target.
	resolveTimeout = 10 * time.Second
)
