// Package metafile decodes torrents and judges them, before anything is done with what they say.
//
// [Decode] takes the bytes of a .torrent file, [ReadFile] the file itself, and [FromInfo] the info
// dictionary alone, as a magnet's peers send it. All three give a [Torrent] whose names are UTF-8 and lead
// nowhere else on any system (package names), whose numbers are in bounds and fit each other, and whose v1 and v2
// halves, if it has both, say the same. The limits are in limits.go.
//
// What the infohash is over is kept byte for byte (Torrent.Meta.InfoBytes), so its form need not be canonical: keys may
// be in any order, integers may have zeros before them, and bytes may follow the dictionary. What says which bytes
// belong where has to be there and of its type. All else (trackers, web seeds, comments, attributes) is used as far as
// it can be, and what is passed over stands in Torrent.Notes.
//
// A scanner that does not recurse reads the bytes first and bounds depth and counts: whatever the bytes, nothing here
// panics or takes more than a few times their size.
//
// Errors carry a kind of package fault: NotFound when there is no such file, and Unverified when the bytes are no
// torrent, or one whose content is refused. What is wrong is an *[Error].
//
// The package never touches a name, a tracker or a peer that a torrent gives; it only says what they
// are.
package metafile
