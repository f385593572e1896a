// Package netguard keeps addresses in torrents and magnet links from turning this program against the network it runs
// in (SSRF): a web seed or tracker at 127.0.0.1, in a private network or at a cloud's metadata address is refused,
// unless the user named that very host.
//
// Entry points: New, then Guard.DialContext, Guard.Transport, Guard.Client, Guard.Trackers, Guard.Judge for
// what is not dialled (UDP), and FetchTorrent, which gets a .torrent from the web. JudgePeer, JudgeLinked and
// JudgeMember judge addresses of peers, depending on who named them. A refusal is a *BlockedError with a hint.
//
// Guaranteed: an address is judged after name resolution, on the socket that is about to connect, so a name that
// resolves differently the second time gains nothing. At most 5 redirects are followed, never from https to http, and
// never from another host to a private one, even one the user named. Certificates are verified, except those of
// trackers at hosts in Options.InsecureTrackers.
//
// For a request through a proxy from the environment, the proxy resolves the name, so only the name can be judged:
// addresses in any form, localhost and the names that networks use for their own machines are refused; the rest is up
// to the proxy's own rules. A proxy that does not establish a tunnel is a *ProxyError.
package netguard
