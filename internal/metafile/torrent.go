package metafile

import (
	"crypto/sha256"
	"strings"

	"github.com/anacrolix/torrent/metainfo"
)

// Torrent is a torrent that was checked: every name is safe, every number within bounds, and the v1 and v2 halves of a
// hybrid agree. It is read-only.
type Torrent struct {
	// Meta holds the keys outside the info (trackers, web seeds, piece layers). If only an info was given, as for a magnet
	// link, it has only InfoBytes.
	Meta *metainfo.MetaInfo
	Info *metainfo.Info

	Name        string // the name of the single file, or of the folder
	Dir         bool   // the content is a folder called Name
	Files       []File // in torrent order, without pads
	PieceLength int64  // bytes
	Pieces      int    // number of pieces
	Size        int64  // bytes of content, without pads
	Private     bool   // BEP 27
	OfGroup     bool   // made for a private group: private, with a salt
	Salt        []byte // 32 bytes: half random, so that the infohash cannot be guessed, half a commitment to the maker; nil: none

	V1 *metainfo.Hash // SHA-1 of the info; nil for a v2-only torrent
	V2 *[32]byte      // SHA-256 of the info; nil for a v1-only torrent

	Notes []string // oddities that were ignored or tolerated, for the user; at most maxNotes per part
}

// File is one file of the content.
type File struct {
	Path    []string  // below Name; empty if the torrent is a single file
	Length  int64     // bytes
	Offset  int64     // of its start in the torrent's piece space, in bytes
	Exec    bool      // BEP 47 attribute x
	Hidden  bool      // BEP 47 attribute h
	Symlink []string  // BEP 47 attribute l: the target below Name, nil for a regular file
	Root    *[32]byte // BEP 52 pieces root; nil without v2 and for an empty file
}

// FilePath returns the path of file i below Name, with slashes; empty if the torrent is a single file.
func (t *Torrent) FilePath(i int) string {
	return strings.Join(t.Files[i].Path, "/")
}

// PieceRange returns the pieces that hold bytes of f, from begin up to but not including end. For an empty file begin and
// end are equal.
func (t *Torrent) PieceRange(f *File) (begin, end int) {
	begin = int(f.Offset / t.PieceLength)
	if f.Length == 0 {
		return begin, begin
	}
	return begin, int((f.Offset+f.Length-1)/t.PieceLength) + 1
}

// InfoSHA256 returns the SHA-256 of the info, which is the v2 infohash if there is one.
func (t *Torrent) InfoSHA256() [32]byte {
	if t.V2 != nil {
		return *t.V2
	}
	return sha256.Sum256(t.Meta.InfoBytes)
}
