// Package rogue holds what a peer-to-peer program meets at worst, for tests.
//
//	Peer       sends wrong blocks or forged metadata
//	DHTNode    sends malformed packets
//	WebSeed    ignores what it is asked, redirects, fails or dawdles
//	Bomb       a tracker whose answers do not end, name too many peers or unpack to too much
//	Link       a member's link, and Member, who holds a stolen key or none and asks for what it may not
//	Log        whose records are signed as they should be, and say what they like
//	Posts      requests to a member, over and over: endless bodies, records signed by nobody, logs of unknown devices
//	Crowd      opens connections that prove nothing, and holds as many as it can
//	Flood      repeats one message on a few connections, as fast as it is let
//
// Each takes a socket or is an http.Handler, and counts what was asked of it or what it did, so that a test can tell
// that it was really met. None of it uses the program's own packages: it is written from the specifications.
package rogue
