// Package chunk cuts files into chunks whose boundaries depend on the content, and lists the chunks in an index. If something
// is inserted into the middle of a file, all chunks stay the same except those around the change, so anyone with an old
// version finds most of a new one in it.
//
// Entry points: Make cuts the content of a torrent into an Index; Index.Encode and Decode convert it to and from bytes
// (SPEC.md); Cutter.File cuts one file with the chunk size of an index.
//
// Guaranteed: the same bytes and average give the same chunks on every run, whatever the number of cores; what Decode returns
// is within bounds. An index is a hint, not a proof: verify the bytes found with it against the torrent.
//
// The package only reads, and never verifies content.
package chunk
