package gate

import "time"

const (
	// helloTime is what a member has for its handshake. It has shaken hands by TLS already, and so is there.
	helloTime = 5 * time.Second
	// maxHellos and maxHellosPerPeer bound the handshakes under way; the oldest ends when there are more, so that members
	// who send none keep nobody out.
	maxHellos        = 256
	maxHellosPerPeer = 16
	// maxPerPeer, maxPerAccount and maxConns bound the open connections. A device has one or two for each torrent that
	// it exchanges with us; an account has several devices.
	maxPerPeer    = 256
	maxPerAccount = 512
	maxConns      = 2048

	// barTime is how long who sent garbage for a torrent is kept from it: long enough that a fetch ends without it,
	// short enough for a member whose disk was mended.
	barTime = 15 * time.Minute
	// maxBars bounds what is remembered of that; the oldest go first.
	maxBars = 4096

	// sumTime is how long equal notes are summed up after the first, and admitTime how long those of who is let in: two who both have
	// all of something meet every minute or two, part, and meet again for as long as they share it.
	sumTime   = time.Minute
	admitTime = time.Hour
	// maxSums bounds the kinds of notes that are summed up at a time; what comes beyond is summed up as one. maxAdmits does so for
	// those of who is let in, of which the oldest then ends early: no stranger is among them.
	maxSums   = 512
	maxAdmits = 4096
	// servedEvery is how often the traffic of a connection that stays open is noted.
	servedEvery = 10 * time.Minute
	// servedLeast is what a connection must have carried to be noted: more than handshakes.
	servedLeast = 4 << 10
)
