// Package store keeps records in a folder, so that what was confirmed outlives any crash. A record is a small
// value that changes and some files that belong to it; all of a record comes into being in one rename and
// goes in one.
//
//	Open     the folder, and what is in it
//	Add      a record with its files, at once or not at all
//	Put      another value, PutFile another file
//	Remove   the record and its files
//
// Everything carries a version and a SHA-256. What does not read back as it was written is reported as Bad and
// left where it is, and never keeps the rest from being read. One process at a time may have a folder open to
// write; the caller holds the lock.
package store
