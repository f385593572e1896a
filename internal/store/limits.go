package store

// maxFile bounds a record's file that is read into memory. The largest is a .torrent, which may have 64 MiB,
// or the stamps of 100,000 files, about 10 MiB.
const maxFile = 80 << 20
