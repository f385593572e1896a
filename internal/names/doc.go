// Package names judges names that come from outside: from a torrent, from a peer, from a folder that
// is to be published. It is the one place that says whether a name may become a file.
//
// [Check] judges one component, [CheckPath] the components of a path, and [Key] tells which names are
// one file on some system. A name that passes can be created on Linux, macOS and Windows, means the
// same on each, and shows on a screen as what it is.
//
// The package never repairs a name: a name that is refused is refused for every system, so that what
// can be fetched does not depend on where.
package names
