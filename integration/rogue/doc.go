// Package rogue holds what a peer-to-peer program meets at worst, for tests: a Peer that sends wrong
// blocks or forged metadata, a DHTNode whose packets are malformed, and a WebSeed that ignores what it
// is asked, redirects, fails or dawdles; a Link and a Member, which speak what the specifications of groups say by
// themselves, with a key that was stolen or none, and ask for what they may not; and a Log, whose records are signed as
// they should be and say what they like.
//
// Each takes a socket or is an http.Handler, and counts what was asked of it, so that a test can tell
// that it was really met. None of it uses the program's own packages: it is written from the specifications.
package rogue
