package content

import "io/fs"

// StampOf is the stamp of a file as fi shows it.
func StampOf(fi fs.FileInfo) Stamp {
	ino, dev := identity(fi)
	return Stamp{Size: fi.Size(), MTime: fi.ModTime(), Inode: ino, Dev: dev}
}

// Same says whether s and o are stamps of one unchanged file. A system without inodes leaves size and
// time to tell.
func (s Stamp) Same(o Stamp) bool {
	return s.Size == o.Size && s.MTime.Equal(o.MTime) && s.Inode == o.Inode && s.Dev == o.Dev
}
