// Package client drives real programs in tests: p2pshare itself; aria2, Transmission, libtorrent, qBittorrent, Deluge,
// rtorrent and WebTorrent as peers; mktorrent and libtorrent as creators; nginx as a web seed.
//
// Start runs a program on a host of a lab and returns a Process that can be watched, waited for and killed. Aria2,
// Transmission and Libtorrent (see Peers) are Peers that seed and fetch with the same two calls, and so are QBittorrent,
// Deluge, RTorrent and WebTorrent (see Others), which start too slowly for every run of the tests. Daemon is a p2pshare daemon and API a
// client of its socket; Leech is a peer of which a test can have hundreds.
// Everything that a program needs (configuration, home, logs) is created below a temporary folder of the caller; the
// configuration of the machine is never read.
//
// Tests always wait for an event: a line, an exit, a finished download; never for time to pass.
package client
