// Package tracker is a small BitTorrent tracker for tests: HTTP (BEP 3, BEP 23) and UDP (BEP 15) with
// one table of peers.
//
// ServeHTTP and ServeUDP answer on sockets that the caller provides and closes; Peers
// returns the announced peers. It keeps everything in memory and trusts its clients:
// it is for labs, never for the internet.
package tracker
