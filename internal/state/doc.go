// Package state keeps what has to outlive a run: the home folder and the files in it.
//
// Entry points: Open for the home, Home.TryLock for the parts that one process may hold at a time,
// WriteFile for any file that must never be seen half written, WriteVersioned and ReadVersioned for
// files of ours, which all carry a version and a SHA-256; Sweep for what a killed write has left.
//
// Guaranteed: the home is 0700 when made here, and refused when another user owns it or may write to
// it. A write is seen whole or not at all, also after a crash: temporary file, fsync, rename, fsync
// of the folder. A file of an unknown version is refused with both numbers, one that does not fit its sum with that,
// and either is left as it is. Nothing here deletes or migrates on its own.
package state
