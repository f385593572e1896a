// Package lint says which BitTorrent clients a torrent or magnet will trouble, and what to do about it.
//
// Entry points: Torrent, Magnet and Refused; each returns findings, the gravest first. The package
// judges what it is given. It opens no file and no connection, so it cannot say whether a tracker
// answers or anybody holds the content.
//
// What it knows of other clients was seen with the versions it names, or is written in their documents.
package lint
