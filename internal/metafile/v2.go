package metafile

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/names"
)

// judgeV2 fills in t from an info of version 2 (BEP 52), and checks that the v1 half, if there is one, agrees.
func (t *Torrent) judgeV2(p presence) error {
	if p.tree == nil {
		return refuse("info", "version 2 without a file tree")
	}
	w := &treeWalk{c: cursor{b: p.tree}, pieceLength: t.PieceLength}
	tree, err := w.dir(nil)
	if err != nil {
		return err
	}
	if len(w.files) == 0 {
		return refuse("file tree", "it is empty")
	}
	t.Info.FileTree = tree
	if err := t.sameAsEngine(w.files); err != nil {
		return err
	}
	t.Files, t.Size = w.files, w.size
	t.Pieces = int(w.offset / t.PieceLength)
	if !t.hasV1(p) {
		// BEP 52: a tree of one file with the torrent's name is that file, not a folder.
		t.Dir = len(t.Files) != 1 || !slices.Equal(t.Files[0].Path, []string{t.Name})
	} else {
		half, err := judgeV1(t.Info, p)
		if err != nil {
			return err
		}
		if err := t.agree(half); err != nil {
			return err
		}
		t.Dir = half.dir
	}
	if !t.Dir {
		if t.Files[0].Symlink != nil {
			return refuse("file tree", "its only file is a symlink")
		}
		t.Files[0].Path = nil
	}
	return t.judgeLayers(p)
}

// treeWalk reads a file tree in its order.
type treeWalk struct {
	c           cursor
	pieceLength int64
	files       []File
	offset      int64 // of the next file: v2 files start at a piece
	size        int64
	components  int
}

// dir reads the dictionary at the cursor, which is the folder at path, and returns the tree as the engine represents it. scan
// has bounded its depth.
func (w *treeWalk) dir(path []string) (tree metainfo.FileTree, err error) {
	n, last := 0, ""
	field := fmt.Sprintf("file tree at %q", strings.Join(path, "/"))
	tree.Dir = map[string]metainfo.FileTree{}
	err = w.c.fields(func(name string) error {
		n++
		if name == "" {
			// The properties of a file are the only key in the dictionary named after it.
			if len(path) == 0 || n > 1 || w.c.kind() != 'd' {
				return refuse(field, "file properties where there is no file")
			}
			if err := w.file(path, field); err != nil {
				return err
			}
			if w.c.kind() != 'e' {
				return refuse(field, "both a file and a folder")
			}
			f := &w.files[len(w.files)-1]
			tree.File.Length = f.Length
			if f.Root != nil {
				tree.File.PiecesRoot = string(f.Root[:])
			}
			return nil
		}
		if w.c.kind() != 'd' {
			return refuse(field, "entry %q is not a dictionary", name)
		}
		// The pieces are numbered in this order; clients that sort the names would number them differently.
		if name <= last {
			return refuse(field, "entry %q is not after entry %q", name, last)
		}
		last = name
		sub := append(path[:len(path):len(path)], name)
		if err := names.CheckPath(sub); err != nil {
			return refuseErr("file tree", err)
		}
		before := len(w.files)
		branch, err := w.dir(sub)
		if err != nil {
			return err
		}
		if len(w.files) == before {
			return refuse(field, "entry %q holds no file", name)
		}
		tree.Dir[name] = branch
		return nil
	})
	return tree, err
}

// file reads the properties at the cursor, for the file at path.
func (w *treeWalk) file(path []string, field string) error {
	f := File{Path: path, Offset: w.offset, Length: -1}
	var attr string
	var link []string
	err := w.c.fields(func(key string) error {
		kind := w.c.kind()
		switch {
		case key == "length" && kind == 'i':
			n, ok := w.c.integer()
			if !ok {
				return refuse(field, "a length of more than 64 bits")
			}
			f.Length = n
		case key == "pieces root" && kind == 's':
			root := w.c.str()
			if len(root) != sha256.Size {
				return refuse(field, "pieces root of %d bytes, not 32", len(root))
			}
			if err := infohash.Check(root); err != nil {
				return refuseErr(field+": pieces root", err)
			}
			f.Root = (*[32]byte)(root)
		case key == "length" || key == "pieces root":
			return refuse(field, "%s is of the wrong type", key)
		case key == "attr":
			attr, _ = w.c.text()
		case key == "symlink path":
			link, _ = w.c.texts(names.MaxDepth + 1)
		default:
			w.c.skip()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if f.Length == -1 && isLink(attr, 0, link) {
		f.Length = 0 // libtorrent leaves it out
	}
	switch {
	case f.Length < 0:
		return refuse(field, "no length, or a negative one")
	case f.Length > maxSize || w.offset+f.Length > maxSize:
		return refuse(field, "more than %d TiB in total", int64(maxSize)>>40)
	case f.Length > 0 && f.Root == nil:
		return refuse(field, "no pieces root")
	case f.Length == 0 && f.Root != nil:
		return refuse(field, "a pieces root for an empty file")
	}
	if isLink(attr, f.Length, link) { // there are no pads in version 2, whatever attributes say
		if err := f.linkTo(link); err != nil {
			return refuseErr(field, err)
		}
	}
	f.Exec, f.Hidden = strings.Contains(attr, "x"), strings.Contains(attr, "h")
	if f.Root != nil {
		root := *f.Root
		f.Root = &root
	}
	w.files = append(w.files, f)
	w.size += f.Length
	w.offset += pieces(f.Length, w.pieceLength) * w.pieceLength
	w.components += len(path)
	switch {
	case len(w.files) > MaxFiles:
		return refuse("file tree", "more than %d files", MaxFiles)
	case w.components > maxComponents:
		return refuse("file tree", "its paths have more than %d components", maxComponents)
	case w.offset/w.pieceLength > maxPieces:
		return refuse("file tree", "more than %d pieces", maxPieces)
	}
	return nil
}

// sameAsEngine checks that the engine reads the tree as we do, because its requests depend on offsets and lengths.
func (t *Torrent) sameAsEngine(files []File) error {
	if err := t.Info.FileTree.Validate(); err != nil {
		return refuseErr("file tree", err)
	}
	i := 0
	for fi := range t.Info.UpvertedFilesIter() {
		if i == len(files) || fi.Length != files[i].Length || fi.TorrentOffset != files[i].Offset || !slices.Equal(fi.Path, files[i].Path) {
			return refuse("file tree", "ambiguous at file %d", i)
		}
		i++
	}
	if i != len(files) {
		return refuse("file tree", "ambiguous after file %d", i)
	}
	return nil
}

// agree checks that the v1 half of a hybrid has the files of the tree, in the same order, and that pads align each with
// the start of a piece.
func (t *Torrent) agree(half *v1Half) error {
	if len(half.files) != len(t.Files) {
		return refuse("hybrid", "%d files in version 1, %d in version 2", len(half.files), len(t.Files))
	}
	if !half.dir && !slices.Equal(t.Files[0].Path, []string{t.Name}) {
		return refuse("hybrid", "one file in version 1, a folder in version 2")
	}
	for i := range t.Files {
		v1, v2 := &half.files[i], &t.Files[i]
		switch {
		case half.dir && !slices.Equal(v1.Path, v2.Path):
			return refuse("hybrid", "file %d is %q in version 1, %q in version 2", i, strings.Join(v1.Path, "/"), strings.Join(v2.Path, "/"))
		case v1.Length != v2.Length:
			return refuse("hybrid", "%q has %d bytes in version 1, %d in version 2", strings.Join(v2.Path, "/"), v1.Length, v2.Length)
		case v1.Length > 0 && v1.Offset != v2.Offset:
			return refuse("hybrid", "%q is at byte %d in version 1, %d in version 2", strings.Join(v2.Path, "/"), v1.Offset, v2.Offset)
		case !slices.Equal(v1.Symlink, v2.Symlink):
			return refuse("hybrid", "%q is a symlink in one version only, or has different targets", strings.Join(v2.Path, "/"))
		}
		v2.Exec, v2.Hidden = v2.Exec || v1.Exec, v2.Hidden || v1.Hidden
	}
	if n := pieces(half.length, t.PieceLength); n != int64(t.Pieces) {
		return refuse("hybrid", "%d pieces in version 1, %d in version 2", n, t.Pieces)
	}
	return nil
}

// judgeLayers checks the piece layers outside the info. A layer may be missing only if there is another way to check a piece:
// the v1 hashes or, if only the info was given, peers that are asked for the layer.
func (t *Torrent) judgeLayers(p presence) error {
	var padHash [32]byte
	if len(t.Meta.PieceLayers) > 0 {
		padHash = metainfo.HashForPiecePad(t.PieceLength)
	}
	for i := range t.Files {
		f := &t.Files[i]
		if f.Root == nil {
			continue
		}
		field := fmt.Sprintf("piece layer of %q", t.FilePath(i))
		layer, ok := t.Meta.PieceLayers[string(f.Root[:])]
		if !ok {
			if f.Length > t.PieceLength && !t.hasV1(p) && !p.alone {
				return refuse(field, "missing")
			}
			continue
		}
		if f.Length <= t.PieceLength {
			// BEP 52 has no layer for such a file, but one that equals the root does no harm.
			if layer != string(f.Root[:]) {
				return refuse(field, "not the root of a file of one piece")
			}
			continue
		}
		if want := pieces(f.Length, t.PieceLength) * sha256.Size; int64(len(layer)) != want {
			return refuse(field, "%d bytes, want %d", len(layer), want)
		}
		hashes, err := merkle.CompactLayerToSliceHashes(layer)
		if err != nil {
			return refuseErr(field, err)
		}
		if merkle.RootWithPadHash(hashes, padHash) != *f.Root {
			return refuse(field, "its root is not the file's")
		}
	}
	return nil
}
