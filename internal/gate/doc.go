// Package gate stands between the members of a private group and its torrent client: who may have what is asked on
// every connection, before a byte of it reaches the client.
//
//	New            a gate, with the group's judge
//	Gate.Take      a member's connection that came in
//	Gate.Listener  gives the torrent client those that may
//	Gate.DialContext  connections of the client to others, judged too: a connection serves both ways
//	Gate.Recheck   judges every open connection again, and cuts those that no longer may
//	Gate.Traffic   what each account was sent, sent us, and sent us wrong
//
// The first 68 bytes of a BitTorrent connection name its torrent (BEP 3). The gate reads them, asks the judge about
// (key of the peer, infohash), and hands the connection on with the bytes in place, or closes it without a word, the
// same way whatever the reason was. A connection is in the table from the moment it was judged, and a judgement that
// was overtaken by a Recheck is made again, so that none slips through between the two.
//
// It guarantees bounds for each device, account and all together (limits.go), and that a flood of refusals costs
// members neither a place nor the audit a line each.
//
// Never: a look at what is inside TLS beyond the handshake, an answer to who is refused, a connection that stays
// because closing it would take long.
package gate
