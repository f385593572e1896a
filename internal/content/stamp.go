package content

import (
	"io/fs"
	"os"
	"path/filepath"
)

// StampOf is the stamp of an open file; fi is what its Stat gave.
func StampOf(f *os.File, fi fs.FileInfo) Stamp { return stampOf(f, fi) }

// StampAt is the stamp of what lies at a slash-separated path below root; fi is what a look at it gave.
func StampAt(root *os.Root, path string, fi fs.FileInfo) Stamp {
	return stampAt(root, filepath.FromSlash(path), fi)
}

// Same says whether s and o are stamps of one unchanged file.
func (s Stamp) Same(o Stamp) bool {
	return s.Size == o.Size && s.MTime.Equal(o.MTime) && s.CTime.Equal(o.CTime) && s.Inode == o.Inode && s.Dev == o.Dev
}
