// Package store keeps records in a folder, so that what was confirmed outlives any crash. A record is a small value
// that changes, with some files; a record appears in a single rename and disappears in one.
//
//	Open     opens the folder and reads its records
//	Add      adds a record with its files, all or nothing
//	Put      replaces the value; PutFile replaces a file
//	Remove   removes the record and its files
//
// Everything carries a version and a SHA-256. A record that cannot be read back as it was written is reported as Bad
// and left where it is, and never keeps the others from being read. Only one process at a time may have a folder open
// for writing; the caller holds the lock.
package store
