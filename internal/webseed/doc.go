// Package webseed fetches pieces of a torrent from plain web servers (BEP 19, and mirrors of a single file) while peers
// send others.
//
// [Run] requests ranges of many pieces over a few connections until nothing is missing. It works for every
// kind of torrent, v2 folders too; pads (BEP 47) are zeros and never requested.
//
// Guaranteed: only pieces that match their hash count; memory and wrong bytes are bounded, whatever the servers and the piece
// length are; Tell reports which servers and files are given up and why, without passwords.
//
// Servers are judged by the bytes they send, file by file: if a server does not have a file, or has another version of it,
// only that file ends there (filestate.go). Headers about versions, sizes and encodings never end anything.
//
// Servers are spared: pieces that no connected peer has come first, each fetched by one of the p2pshare peers that lack it,
// and pieces that peers have are requested only while the servers are faster than the peers.
//
// With [Options.Near] the servers are nearby p2pshare peers, which send runs of whole pieces and need not be spared.
//
// The package never opens a connection itself: the given transport decides which hosts may be contacted, on every redirect.
package webseed
