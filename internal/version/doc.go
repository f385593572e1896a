// Package version parses and orders version strings as people write them: Semantic Versioning 2.0 plus what is common
// in practice: a leading v, fewer or more than three numbers, leading zeros and numbers of any length.
//
// [Parse] reads a version, [Version.Compare] orders two, and [Version.String] is the canonical spelling: equal
// versions have the same string.
package version
