// Package signed is the trust code of groups that knows nothing of what is shared: the formats that are signed,
// hashed and passed between peers, and the rules for what is valid. SPEC.md in this folder has the bytes.
//
//	Root       who owns a group and who administers it; ParseRoot, Genesis and Next check, Sign and AddSignature make
//	Head       what a device states about its log: size, tree hash, time; OpenHead, SignHead, Head.Compare
//	Log        the records of a device below a head; ParseLog, Tree, VerifyRecords
//	Fork       proof that a device signed two histories; NewFork, OpenFork
//	Link       how a group is joined; ParseLink, Link.String, Link.Rendezvous
//	Clock      the time of a record; NextTime, Skew, AgeOf
//	Fields     canonical JSON, read field by field; Canonical checks bytes, Marshal makes them
//	Key        an Ed25519 public key; SigningKey is its private half
//
// Guaranteed: everything is checked in the order length, signature over the raw bytes, canonical form, fields,
// meaning; nothing half checked is returned. A value has a single encoding; other bytes with the same meaning are
// refused. A refusal is an error of fault.Unverified (a link's: fault.Usage) that wraps a *Refusal: the kind of
// object, the reason, to be tested with errors.Is, and details. Signing needs a SigningKey, which prints as
// "redacted".
//
// Never: the package uses no file, network, clock or random source that was not passed in, and repairs nothing.
// The cryptography is that of golang.org/x/mod/sumdb (notes, tree hashes) and the standard library.
package signed
