// Package names judges names that come from outside: from a torrent, from a peer, from a folder that
// is to be published. It is the one place that says whether a name may become a file, and what that file is called.
//
// [Check] judges one component and [CheckPath] the components of a path: what they refuse would hurt wherever it is.
// [Portable] tells whether every system can hold a name, and [Key] which names are one file on some system. [Tree] gives
// the files of a torrent other names where a file system cannot hold their own: the same ones each time.
//
// Names may hold what steers a terminal or reverses a line. Whoever shows one escapes it, as *Error does.
package names
