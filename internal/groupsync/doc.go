// Package groupsync brings a group's roots, heads and records from member to member, over whatever HTTP client and
// server it is given (groupnet's). SPEC.md beside it has the calls.
//
//	Handler   answers a member
//	Peer      asks one member: Pull takes what is new there, Push hands it what is new here
//	PeerSet     keeps up with some members at a time, of all addresses that were heard of
//
// Every member passes on what it has, so a group lives as long as any of them. All are untrusted: what arrives goes
// to the Vault, which takes only what is signed and fits; a peer that sends what does not is left.
//
// Never: this package judges no signature and keeps nothing but addresses. It asks nobody for more than is new, and
// reads no answer beyond its limit.
package groupsync
