// Package groupnet carries what members of groups say to each other: TLS 1.3 on one TCP port for all groups of a
// machine.
//
//	Server    finds the group by the name in the handshake (SNI) and hands the connection to it by protocol (ALPN)
//	Dial      a connection to a member
//	Client    HTTP requests to one member over such connections
//	PeerKey   whose connection a request came in on
//
// Both ends show a self-signed Ed25519 certificate without names and prove that they hold its key; the key is who
// they are, and what it may is for the group to say. A name that no group here has is refused before any certificate
// is sent, a stranger's handshake costs no more than its time and a place, and both are bounded.
//
// Never: a certificate authority, a name in a certificate, a session that is resumed, a key of another kind.
package groupnet
