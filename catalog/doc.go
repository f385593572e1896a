// Package catalog says what a user's words refer to: magnet links, infohashes, .torrent files, the web addresses of
// such files, and the signed names of groups. SPEC.md beside it has the records and how names are resolved.
//
//	ParseRef      words -> Ref; with Named for who resolves GROUP/NAME[@VERSION] and LINK/NAME[@VERSION]
//	Share, Sealed, Drop   what a publisher signs; ReadShare, and ReadSealed with Sealed.Open, read all of one;
//	            CheckTorrent holds it against a torrent
//	NewPart       of a device, Part.Add its records: the shares and drops of one log
//	Build         Parts and an Authority (acl.State) -> Index
//	Index         Names, Entries, Search, Resolve (latest, stable, 1.x, ^1.4, ~1.4.2), Held (for mirrors), Problems
//	Receipt       what was fetched and who had signed it, with its proof; NewReceipt, DecodeReceipt, Compare
//
// Guaranteed: what ParseRef returns is bounded and well formed: every hash has its length, every address a host and a
// port, every list its limit (limits.go). An Index is the same for every order in which records arrived, holds no
// share that the Authority refuses, or that shows mirrors what is not encrypted, and gives a name and version that two
// accounts published to one of them by rule, with the other shown. A Receipt that DecodeReceipt returns was signed as
// it says.
//
// Never: it does not open a connection, and of the disk it asks no more than whether a path exists. It decides
// nothing about rights: the Authority does. Nothing is repaired.
package catalog
