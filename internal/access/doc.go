// Package access decides who may do what in a group: what a connection may be used for, which calls a peer may make,
// and which entries, .torrents and content an account is given.
//
//	Standing   the relation of a key to the group; Calls and Connect say what it may do
//	Policy     Reads, Gives and Holds judge an entry for an account
//	NewSalt    makes a torrent of a private group name the account that made it
//
// Rights depend on entries. Every publisher can sign an entry with somebody else's hashes, and can choose its time, so
// neither hashes nor time prove whose content it is. The torrent does: its salt, which is part of the infohash,
// commits to the account that published it first, and an entry signed by another account gives nobody anything unless
// that account is an admin.
//
// Never: the package keeps no state and asks no other machine. It gets the state and the torrent, and answers.
package access
