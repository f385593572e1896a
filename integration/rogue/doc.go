// Package rogue implements the worst behaviour that a peer-to-peer program meets, for tests.
//
//	Peer       sends wrong blocks or forged metadata
//	DHTNode    sends malformed packets
//	WebSeed    ignores requests, redirects, fails or stalls
//	Bomb       a tracker whose answers never end, list too many peers or unpack to too much
//	Link       a member's link; Member has a stolen key or none, and asks for what it may not have
//	Log        a log whose records are correctly signed and say anything
//	Posts      repeated requests to a member: endless bodies, unsigned records, logs of unknown devices
//	Crowd      opens connections that prove nothing, and holds as many as it can
//	Flood      repeats one message on a few connections, as fast as it can
//
// Each takes a socket or is an http.Handler, and counts the requests it got or what it did, so that a test can tell that it
// was really used. The package uses none of the program's own packages: it is written from the specifications.
package rogue
