// Package catalog says what a user's words refer to. Today it holds references: magnet links,
// infohashes, .torrent files and the web addresses of such files. The signed names of groups will
// live here too.
//
// Entry point: ParseRef. What it returns is bounded and well formed: every hash has its length, every
// address a host and a port, every list its limit (limits.go). It judges words only. It never
// resolves a name or opens a connection, and of the disk it asks no more than whether a path exists.
package catalog
