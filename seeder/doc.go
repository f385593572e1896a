// Package seeder turns a folder or a file into a torrent, and serves what is on disk without ever
// touching it.
//
// Entry points: Build walks, hashes on all cores and returns the torrent with the place and the stamps of
// every file; WriteSums writes the SHA256SUMS of a build; NewSource is the storage that the engine reads
// from while it seeds.
//
// It guarantees that one tree gives one torrent, bit for bit, on every run and system (a private group's, which holds
// a salt, for one salt): names composed
// (NFC), files in the order of their paths, no date inside; that the infohashes are those of mktorrent and
// libtorrent for the same tree, name and piece length; that nothing outside the folder is published through
// a symlink; that names which some system cannot hold are told, or refused if that is asked; and that a file that changes while it is
// hashed or seeded is noticed, so that no wrong byte leaves. The one difference to mktorrent: an executable
// file is marked (BEP 47, attribute x, as libtorrent does), and mktorrent knows no such mark.
//
// It never writes to, renames or maps what it publishes, and it never speaks to the network.
package seeder
