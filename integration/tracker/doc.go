// Package tracker is a small BitTorrent tracker for tests: HTTP (BEP 3, BEP 23) and UDP (BEP 15) in
// front of one table of peers.
//
// New makes the table, ServeHTTP and ServeUDP answer on sockets that the caller gives and closes, Peers
// tells what has announced. It keeps everything in memory, speaks IPv4 only, and trusts its clients:
// it is for labs, never for the internet.
package tracker
