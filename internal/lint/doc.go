// Package lint finds what makes a torrent or magnet link fail in BitTorrent clients, and says what to do about it.
//
// Entry points: Torrent, Magnet and Refused; each returns findings, the most severe first. The package only looks at
// what it is given. It opens no file and no connection, so it cannot say whether a tracker answers or anybody has the
// content.
//
// What it knows about other clients was observed with the versions it names, or is in their documentation.
package lint
