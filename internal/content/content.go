package content

import (
	"time"
)

// Stamp is what tells a file from a changed one without reading it. Whoever writes to a file can put back its MTime; its
// CTime is the system's own, and shows every write, and besides a new mode, link or name.
type Stamp struct {
	Size  int64     `json:"size"`  // bytes
	MTime time.Time `json:"mtime"` // to the nanosecond where the system has it
	CTime time.Time `json:"ctime"` // the last change of the file or of what the system keeps of it; zero where it is not to be had
	Inode uint64    `json:"inode"` // the file's index on Windows
	Dev   uint64    `json:"dev"`
}

// Located is a torrent's content on disk: file i of the torrent is at Paths[i] below Root.
type Located struct {
	Root   string   // an absolute folder; every path is opened below it, never out of it
	Paths  []string // slash-separated, relative to Root, one a file of the torrent, in its order
	Stamps []Stamp  // as seen when the bytes were verified, one a file; nil if they never were
}
