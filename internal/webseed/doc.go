// Package webseed brings pieces of a torrent from plain web servers (BEP 19, and mirrors of a single file) while peers
// bring others.
//
// [Run] asks the servers for ranges of many pieces over a few connections until nothing is missing. It works for every
// kind of torrent, v2 folders too; pads (BEP 47) are zeros and never asked for.
//
// It guarantees that no byte counts that did not fit its piece's hash, that memory and wrong bytes are bounded whatever the
// servers and the piece length are, and that Tell hears what is given up and why, without passwords.
//
// Servers are judged by the bytes that they bring, file by file: a file that one does not have, or has another of, ends
// that file there (standing.go). What headers say of versions, sizes and encodings ends nothing.
//
// Servers are spared: pieces that no connected peer has come first, each fetched by one of the p2pshare peers that lack
// it, and what peers have is asked for only while the servers bring more than the peers do.
//
// With [Options.Near] the servers are peers of p2pshare next to us, which give runs of whole pieces and need not be spared.
//
// It never opens a connection of its own: the transport it is given decides which hosts may be spoken to, at every
// redirect.
package webseed
