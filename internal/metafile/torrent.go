package metafile

import (
	"crypto/sha256"
	"strings"

	"github.com/anacrolix/torrent/metainfo"
)

// Torrent is a torrent whose info has been judged: every name is safe, every number in bounds, and
// the v1 and v2 halves of a hybrid agree. It is read-only once made.
type Torrent struct {
	// Meta holds what stands beside the info (trackers, web seeds, piece layers). For a magnet's
	// info it has only InfoBytes.
	Meta *metainfo.MetaInfo
	Info *metainfo.Info

	Name        string // the top-level name: the file's for a single file, else the folder's
	Dir         bool   // the content is a folder called Name
	Files       []File // in torrent order, pads left out
	PieceLength int64  // bytes
	Pieces      int    // number of pieces
	Size        int64  // bytes of payload, without pads
	Private     bool   // BEP 27
	OfGroup     bool   // made for a private group: private, with a salt
	Salt        []byte // of 32 bytes: half of it random, so that nobody guesses the infohash, half a commitment to who made it; nil: none

	V1 *metainfo.Hash // SHA-1 of the info; nil for a v2-only torrent
	V2 *[32]byte      // SHA-256 of the info; nil for a v1-only torrent

	Notes []string // what is odd about the torrent and was passed over or put up with, for the user to see; at most a few
}

// File is one file of the payload.
type File struct {
	Path    []string  // below Name; empty for the single file of a torrent that is no folder
	Length  int64     // bytes
	Offset  int64     // where it begins in the torrent's piece space, in bytes
	Exec    bool      // BEP 47 attribute x
	Hidden  bool      // BEP 47 attribute h
	Symlink []string  // BEP 47 attribute l: the target below Name, nil for a regular file
	Root    *[32]byte // BEP 52 pieces root; nil without v2 and for an empty file
}

// FilePath is where file i is below Name, with slashes; empty for a torrent that is no folder.
func (t *Torrent) FilePath(i int) string {
	return strings.Join(t.Files[i].Path, "/")
}

// PieceRange is the pieces that hold bytes of f, from begin up to but without end. They are the same
// number for a file without bytes.
func (t *Torrent) PieceRange(f *File) (begin, end int) {
	begin = int(f.Offset / t.PieceLength)
	if f.Length == 0 {
		return begin, begin
	}
	return begin, int((f.Offset+f.Length-1)/t.PieceLength) + 1
}

// InfoSHA256 is the SHA-256 of the info: the v2 infohash where there is one.
func (t *Torrent) InfoSHA256() [32]byte {
	if t.V2 != nil {
		return *t.V2
	}
	return sha256.Sum256(t.Meta.InfoBytes)
}
