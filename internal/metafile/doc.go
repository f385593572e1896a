// Package metafile decodes torrents and checks them before anything else uses their contents.
//
// [Decode] takes the bytes of a .torrent file, [ReadFile] the file itself, and [FromInfo] the info
// dictionary alone, as peers send it for a magnet link. All three return a [Torrent] whose names are UTF-8 and safe
// on every system (package names), whose numbers are within bounds and consistent, and whose v1 and v2
// halves, if it has both, agree. The limits are in limits.go.
//
// The info is kept byte for byte, because the infohash covers it (Torrent.Meta.InfoBytes). So its form need not be
// canonical: keys may be in any order, integers may have leading zeros, and bytes may follow the dictionary. Fields that
// say which bytes belong where must be present and of the right type. All others (trackers, web seeds, comments,
// attributes) are used as far as possible; Torrent.Notes lists what was ignored.
//
// A scanner that does not recurse reads the bytes first and bounds depth and counts: whatever the bytes, nothing here
// panics or takes more than a few times their size.
//
// Errors carry a kind of package fault: NotFound if there is no such file, and Unverified if the bytes are not a
// torrent, or one whose content is refused. The cause is an *[Error].
//
// The package only describes the names, trackers and peers in a torrent; it never opens or contacts them.
package metafile
