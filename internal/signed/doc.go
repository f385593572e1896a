// Package signed is the trust code of groups that knows nothing of what is shared: the formats that are signed,
// hashed and handed from peer to peer, and what makes one of them valid. SPEC.md beside it has the bytes.
//
//	Root       who owns a group and who administers it; ParseRoot, Genesis and Next judge, Sign and AddSignature make
//	Head       what a device says of its log: size, tree hash, time; OpenHead, SignHead, Head.Compare
//	Log        the records of a device below a head; ParseLog, Tree, VerifyRecords
//	Fork       proof that a device signed two histories; NewFork, OpenFork
//	Link       what a group is joined by; ParseLink, Link.String, Link.Day
//	Clock      the time of a record; NextTime, Skew, AgeOf
//	Fields     canonical JSON, read field by field; Canonical checks bytes, Marshal makes them
//	Key        an Ed25519 key, SigningKey its other half
//
// Guaranteed: everything is judged in the order length, signature over the raw bytes, canonical form, fields,
// meaning; nothing half judged is returned. One value has one encoding, and other bytes that mean the same are
// refused. A refusal is an error of fault.Unverified (a link's: fault.Usage) that holds a *Refusal: the thing, the
// reason to test for with errors.Is, and words. Signing needs a SigningKey, which prints as "redacted".
//
// Never: no file, network, clock or random source is touched that was not handed in. Nothing is repaired.
// The cryptography is that of golang.org/x/mod/sumdb (notes, tree hashes) and the standard library.
package signed
