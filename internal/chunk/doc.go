// Package chunk cuts files where their content says, and keeps what came out in an index: a file that has grown in its
// middle has the chunks it had, but for those around the change, so whoever holds an old version finds most of a new one in
// it.
//
// Entry points: Make cuts the content of a torrent into an Index, Index.Encode and Decode are its form outside (SPEC.md),
// Cutter.File cuts one file with an index's own size.
//
// It guarantees that the same bytes and average give the same chunks on every run, whatever the number of cores, and that
// what Decode returns is in bounds. An index is a hint and never a proof: whoever uses one holds the bytes that it led to
// against the torrent.
//
// It only reads, and never judges content.
package chunk
