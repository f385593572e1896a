// Package client drives real programs in tests: p2pshare itself, aria2, Transmission, libtorrent, qBittorrent, Deluge, rtorrent
// and WebTorrent as peers, mktorrent and libtorrent as creators, nginx as a web seed.
//
// Start runs a program on a host of a lab and gives a Process that can be watched, waited for and
// killed. Aria2, Transmission and Libtorrent (see Peers), and QBittorrent, Deluge, RTorrent and WebTorrent (see Others), which begin too
// slowly for every run of the tests, are Peers that seed and fetch with the same two calls. Daemon is a daemon
// of p2pshare and API the other end of its socket; Leech is a peer of which a test can have hundreds.
// Everything that a program needs of its own (configuration, home, logs) is made below a scratch folder
// of the caller; nothing of the machine's configuration is read.
//
// Waiting is always for something seen: a line, an end, a finished download; never for time to pass.
package client
