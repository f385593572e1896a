// Package access says who may what in a group: whom a connection is of, which calls it may make, and which entries,
// .torrents and content an account is given.
//
//	Standing   what a key is to the group; Calls and Connect are what it may do
//	Policy     Reads, Gives and Holds judge an entry for an account
//	NewSalt    has a torrent of a private group name the account that made it
//
// A right hangs on an entry. Everybody who may publish can sign an entry with somebody else's hashes, and can choose
// its time, so neither the hashes nor the time say whose content it is. The torrent does: its salt, which is part of the
// infohash, commits to the account that published it first, and an entry of another account gives nobody anything
// unless an admin has signed it.
//
// Never: the package keeps nothing and asks nobody. It is told the state and the torrent, and answers.
package access
