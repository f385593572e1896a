package doctor

import "time"

const (
	// clockOff is more than any machine that asks for the time is off, and less than what certificates and
	// trackers begin to mind.
	clockOff = 5 * time.Minute
	// clockBad is when certificates are refused: those of short life are valid for days.
	clockBad = 24 * time.Hour
	// clockJump is more than a leap second or the correction of a start.
	clockJump = time.Minute
	// dhtPatience is how long the first nodes may take: names are looked up, packets lost.
	dhtPatience = 10 * time.Second
	// peerPatience is how long a fetch looks before it is said that nobody was found: the DHT and a tracker
	// have answered by then, or will not soon.
	peerPatience = 20 * time.Second
	// lowRate is a rate at which a piece of 4 MiB takes more than four minutes.
	lowRate = 16 << 10
	// usedUp is the part of a limit from which on it is what holds the rate.
	usedUp = 0.9
	// homeRoom is what the home needs for its files to be written anew: the largest are the stamps of a share
	// with 100,000 files and a large .torrent.
	homeRoom = 64 << 20
)
