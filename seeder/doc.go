// Package seeder turns a folder or a file into a torrent, and serves content where it lies on disk without
// modifying it.
//
// Entry points: Build walks, hashes on all cores and returns the torrent with the location and stamps of
// every file; List finds what Build would publish; WriteSums writes the SHA256SUMS of a build; NewSource is the
// storage that the engine reads from while it seeds.
//
// Guaranteed:
//   - The same tree gives the same torrent, bit for bit, on every run and system (for private groups: with the
//     same salt). Names are composed (NFC), files are sorted by path, and no date is stored.
//   - The infohashes equal those of mktorrent and libtorrent for the same tree, name and piece length. The one
//     exception: executables are marked (BEP 47, attribute x, as in libtorrent), which mktorrent does not do.
//   - Nothing outside the folder is published through a symlink.
//   - Names that some system cannot hold are reported, or refused on request.
//   - A file that changes while it is hashed or seeded is detected, and no wrong byte is served.
//
// It never writes to, renames or maps the published files, and never uses the network.
package seeder
