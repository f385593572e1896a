// Package names checks file names from outside: from a torrent, from a peer, or from a folder to be published. Only this
// package decides whether a name may become a file, and what that file is called.
//
// [Check] checks one component and [CheckPath] the components of a path: they refuse names that are dangerous on every
// system. [Portable] reports whether every system can hold a name, [Shows] whether it is displayed as it is, [Plain] both, and [Key] which names are the same file on some system.
// [Tree] gives the files of a torrent substitute names where a file system cannot hold the original: the same ones each time.
//
// Accepted names may contain characters that control a terminal or reverse a line. Escape them before showing them, as
// *Error does.
package names
