package groupnet

import "time"

const (
	// handshakeTime is what a peer has for its handshake, on either side.
	handshakeTime = 5 * time.Second
	// maxHandshakes bounds those under way, maxHandshakesPerHost those of one address (IPv6: one network of 64 bits). A member's takes a tenth of a
	// second: where there are too many the oldest is closed, so that who dawdles keeps nobody out.
	maxHandshakes        = 128
	maxHandshakesPerHost = 16
	// maxConns bounds all connections but those for content, in a process that may have 1,024 descriptors; maxPerHost
	// those from one address: many members may be behind one router. The one that asked for nothing for longest goes.
	maxConns   = 400
	maxPerHost = 64
	// headerTime and headerBytes bound the head of a request, idleTime the pause between two.
	headerTime  = 10 * time.Second
	headerBytes = 8 << 10
	idleTime    = 2 * time.Minute
	// requestTime is what a request and its answer have, if its handler gives them no other time.
	requestTime = 30 * time.Second
	// certificateTime is how long a certificate says it is valid; nobody looks, for only the key counts.
	certificateTime = 100 * 365 * 24 * time.Hour
)
