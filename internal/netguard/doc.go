// Package netguard keeps addresses that come out of torrents and magnets from turning this program
// against the network it runs in (SSRF): a web seed or tracker at 127.0.0.1, in a private network or
// at a cloud's metadata address is refused, unless the user named that very host.
//
// Entry points: New, then Guard.DialContext, Guard.Transport, Guard.Client, Guard.Trackers, Guard.Judge for
// what is not dialled (UDP), and FetchTorrent, which gets a .torrent from the web. JudgePeer, JudgeLinked and
// JudgeMember are for addresses of peers, by who named them. A refusal is a *BlockedError with a hint.
//
// Guaranteed: an address is judged after name resolution, on the socket that is about to connect, so
// a name that resolves differently the second time gains nothing; redirects are at most 5, never from
// https to http, and never from elsewhere to a host that is private, even one the user named.
// Certificates are verified, but for those of trackers whose host the user excepted (Options.InsecureTrackers).
//
// A request that goes through a proxy of the environment is resolved by the proxy. Only its name can be judged then:
// addresses in any form, localhost and the names that networks give to their own machines are refused; the proxy's own
// rules judge the rest. A proxy that makes no tunnel is a *ProxyError.
package netguard
