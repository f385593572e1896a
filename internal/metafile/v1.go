package metafile

import (
	"fmt"
	"strings"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/names"
)

// v1Half is the content as the v1 fields of an info describe it.
type v1Half struct {
	dir    bool
	files  []File // without pads
	length int64  // bytes of piece space, with pads
	size   int64  // bytes without pads
}

// judgeV1Only fills in t from an info without version 2.
func (t *Torrent) judgeV1Only(p presence) error {
	half, err := judgeV1(t.Info, p)
	if err != nil {
		return err
	}
	t.Dir, t.Files, t.Size = half.dir, half.files, half.size
	t.Pieces = len(t.Info.Pieces) / 20
	return nil
}

// judgeV1 checks the name, files and pieces of BEP 3, with the attributes of BEP 47.
func judgeV1(info *metainfo.Info, p presence) (*v1Half, error) {
	switch {
	case p.length && p.files:
		return nil, refuse("info", "both a length and a list of files")
	case !p.length && !p.files:
		return nil, refuse("info", "neither a length nor a list of files")
	case p.files && len(info.Files) == 0:
		return nil, refuse("files", "the list is empty")
	case !p.pieces:
		return nil, refuse("info", "no pieces")
	}
	half := &v1Half{dir: p.files}
	var err error
	if p.files {
		err = half.addFiles(info, p.tree == nil)
	} else {
		err = half.addSingle(info)
	}
	if err != nil {
		return nil, err
	}
	if len(info.Pieces)%20 != 0 {
		return nil, refuse("pieces", "%d bytes are not a whole number of SHA-1 hashes", len(info.Pieces))
	}
	have, want := int64(len(info.Pieces)/20), pieces(half.length, info.PieceLength)
	if have != want {
		return nil, refuse("pieces", "%d hashes; %d bytes in pieces of %d make %d", have, half.length, info.PieceLength, want)
	}
	if want > maxPieces {
		return nil, refuse("pieces", "%d of them, more than %d", want, maxPieces)
	}
	return half, nil
}

func (half *v1Half) addSingle(info *metainfo.Info) error {
	a := info.ExtendedFileAttrs // the only file is neither a link nor a pad, whatever they say
	half.files = []File{{Exec: strings.Contains(a.Attr, "x"), Hidden: strings.Contains(a.Attr, "h")}}
	return half.add(&half.files[0], info.Length, "length")
}

// addFiles reads the file list. With byName it also recognizes pads by their names; the pads of a hybrid are marked, and its
// tree says which files there are.
func (half *v1Half) addFiles(info *metainfo.Info, byName bool) error {
	components := 0
	for i := range info.Files {
		fi := &info.Files[i]
		field := fmt.Sprintf("file %d", i)
		if strings.Contains(fi.Attr, "p") || byName && IsPad(fi) {
			// A pad is never written, so its name does not matter; its bytes are zeros.
			var pad File
			if err := half.add(&pad, fi.Length, field); err != nil {
				return err
			}
			half.size -= fi.Length
			continue
		}
		f := File{Path: fi.BestPath(), Exec: strings.Contains(fi.Attr, "x"), Hidden: strings.Contains(fi.Attr, "h")}
		if err := names.CheckPath(f.Path); err != nil {
			return refuseErr(field, err)
		}
		if err := half.add(&f, fi.Length, field); err != nil {
			return err
		}
		if isLink(fi.Attr, fi.Length, fi.SymlinkPath) {
			if err := f.linkTo(fi.SymlinkPath); err != nil {
				return refuseErr(field, err)
			}
		}
		if components += len(f.Path); components > maxComponents {
			return refuse("files", "their paths have more than %d components", maxComponents)
		}
		if half.files = append(half.files, f); len(half.files) > MaxFiles {
			return refuse("files", "more than %d of them", MaxFiles)
		}
	}
	return nil
}

// add places f, length bytes long, at the end of the piece space.
func (half *v1Half) add(f *File, length int64, field string) error {
	if length < 0 {
		return refuse(field, "a length of %d bytes", length)
	}
	if length > maxSize || half.length+length > maxSize {
		return refuse(field, "more than %d TiB in total", int64(maxSize)>>40)
	}
	f.Length, f.Offset = length, half.length
	half.length += length
	half.size += length
	return nil
}

// isLink reports whether a file with these attributes is a symbolic link. An entry that has bytes, or no target, only has a stray
// letter: most clients ignore attributes and treat it as a file.
func isLink(attr string, length int64, target []string) bool {
	return strings.Contains(attr, "l") && length == 0 && len(target) > 0
}

// linkTo makes f a symbolic link to a path below the torrent's name (BEP 47).
func (f *File) linkTo(target []string) error {
	if err := names.CheckPath(target); err != nil {
		return refuseErr("symlink target", err)
	}
	f.Symlink = target
	return nil
}

func pieces(length, pieceLength int64) int64 {
	return (length + pieceLength - 1) / pieceLength
}
