// Package grouplog keeps on disk what a group has signed: its roots, a log for each device, and the evidence against
// those who signed two histories. It is a package of its own because acl and catalog both live on what it keeps, and
// neither may know the other.
//
//	groups/<gid>/roots/<N>.note      each version of the root
//	groups/<gid>/logs/<device>.rec   the records, each with a newline; .head is what the device signed over them
//	groups/<gid>/evidence/           of each device that forked what leaves least of its log; other roots than the one that stands
//	groups/<gid>/damaged/            what did not verify when it was read, for a person to look at
//
//	Open       the folder, verified to the last byte; Problems tells what was set aside
//	AddRoot    the next version; Roots gives the chain
//	Extend     a log by what a peer sent; Dispute tells a fork from a peer's mistake, AddFork takes evidence, Forks tells what
//	           counts of whom, Lacks what is still wanted of it
//	Compare    with peers, then Append to the own log
//	Log        the records of a device; Lines the raw ones for a peer; Heads what is known of all
//
// Guaranteed: state moves forward only. A smaller or older head, an earlier root and a history that contradicts the
// known one are refused, also after a crash and after damage: a log whose records are damaged remembers its head,
// and takes back nothing below it. Records are on disk before the head that signs them, so a crash at any moment
// leaves the log as it was before or after. One damaged log takes nothing else with it. Append needs a Compared,
// which says that peers were asked for the own log: a restored disk that does not know its last records must not
// sign others in their place.
//
// Never: it decides nothing about rights and reads no meaning but the frame and the time of a record, and it opens
// no connection. The caller holds the home's lock; methods may be called from several goroutines.
package grouplog
