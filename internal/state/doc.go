// Package state keeps what has to outlive a run: the home folder and the files in it.
//
// Entry points: Open for the home, Home.TryLock for the parts that only one process may use at a time,
// WriteFile for any file that must never be seen half written, WriteVersioned and ReadVersioned for
// files of ours, which all carry a version and a SHA-256; Sweep for what a killed write has left.
//
// Guaranteed: a new home has mode 0700, and one that another user owns or may write to is refused. A write is seen
// whole or not at all, also after a crash: temporary file, fsync, rename, fsync of the folder. A file of an unknown
// version is refused with both version numbers, one with a wrong checksum as damaged, and neither is changed. Nothing
// here deletes or migrates files unasked.
package state
