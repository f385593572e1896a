// Package engine is the torrent client: it owns the connections to other peers and every way of
// finding them. It is the only importer of github.com/anacrolix/torrent and of the DHT.
//
// Entry points: New starts an Engine on one port. Engine.Add with an infohash alone gives a Torrent to ask
// for its Metadata; Engine.Add with the info, which the caller has judged by then, and a storage gives one
// that serves and fetches. Engine.Meet finds machines by an infohash that no torrent has, and Settings.TLS is given
// the connections to the port that begin with a TLS handshake: groups use both. Engine.Private starts a client for
// the torrents of one private group, over connections that a gate has judged.
//
// It guarantees that
//   - no storage is opened, and so no file made, before the caller has seen the info;
//   - nothing of a private torrent (BEP 27) is told to DHT, LAN or PEX once its info is known;
//   - a private group's torrents are told to nobody at all, and who sends garbage is known by name;
//   - a DHT packet that would crash the DHT library never reaches it, nor a peer's message that would crash the client;
//   - one honest peer is enough for the metadata of a magnet, whatever others send;
//   - who does not read what it asked for is not heard until it has, so that no peer fills the memory;
//   - a fault of its own in what a peer says costs that peer;
//   - a rate limit is shared out by torrent, however many connections each has;
//   - of a torrent that nobody else has whole, every client is shown a few pieces at a time, so that each leaves us once
//     before any leaves us twice (BEP 16), over TCP, uTP and TLS, obfuscated or not;
//   - peers of ours on one network give each other whole pieces over HTTP (see Torrent.Near), but only one to one: no
//     swarm spreads slower for it, nobody but a connected peer gets any, and private groups do not take part;
//   - a peer in a busy swarm is asked for as many blocks as its line holds, which the client alone does not do;
//   - an address that failed is tried again, so that a lost first connection is no stall;
//   - Close tells the trackers and waits for every goroutine but the DHT library's table keeper.
//
// It never reads or writes the payload itself (storages do), never judges names or sizes, and
// never prints.
package engine
