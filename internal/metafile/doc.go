// Package metafile decodes torrents and judges them, before anything is done with what they say.
//
// [Decode] takes the bytes of a .torrent file, [ReadFile] the file itself, and [FromInfo] the info
// dictionary alone, as a magnet's peers send it. All three give a [Torrent] whose names are safe on
// every system (package names), whose numbers are in bounds and fit each other, and whose v1 and v2
// halves, if it has both, say the same. The limits are in limits.go.
//
// The bytes are read by a scanner of strict bencode first, which bounds depth and counts, and only
// then by the engine's decoder: whatever the bytes, nothing here panics or recurses without bound.
//
// Errors carry a kind of package fault: NotFound when there is no such file, Usage when the bytes are
// no torrent at all (so the command was given the wrong thing), and Unverified when they are a
// torrent whose content is refused. What is wrong is an *[Error].
//
// The package never touches a name, a tracker or a peer that a torrent gives; it only says what they
// are.
package metafile
