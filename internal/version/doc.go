// Package version reads and orders the versions that people write: Semantic Versioning 2.0 as it is
// found in the wild, with a v in front, fewer or more than three numbers, leading zeros and numbers of any length.
//
// [Parse] takes one apart, [Version.Compare] orders two, and [Version.String] is the one spelling of all that
// are the same version.
package version
