package store

// maxFile bounds, in bytes, a record's file that is read into memory. The largest are a .torrent, which may have 64
// MiB, and the stamps of 100,000 files, about 10 MiB.
const maxFile = 80 << 20
