package metafile

import (
	"strings"

	"github.com/p2pshare/p2pshare/internal/names"
)

// place is an entry of a folder, by what no system tells apart.
type place struct {
	folder int32 // the number of the folder it is in; 0: the torrent's own
	key    string
}

// tree is all names of a torrent, each folder entered once.
type tree struct {
	places map[place]int32 // the folder's number, or isFile
	last   int32
}

const isFile int32 = -1

// judgeTree refuses two files with one name, a file that is also a folder, and a symlink to what the
// torrent does not hold.
func judgeTree(files []File) error {
	if len(files) == 1 && len(files[0].Path) == 0 {
		return nil
	}
	tr := &tree{places: make(map[place]int32, len(files))}
	for i := range files {
		if err := tr.enter(files[i].Path); err != nil {
			return err
		}
	}
	for i := range files {
		if link := files[i].Symlink; link != nil && !tr.holds(link) {
			return refuse("symlink", "%q leads to %q, which the torrent does not hold",
				strings.Join(files[i].Path, "/"), strings.Join(link, "/"))
		}
	}
	return nil
}

func (tr *tree) enter(path []string) error {
	var folder int32
	for i, name := range path {
		p := place{folder, names.Key(name)}
		was, known := tr.places[p]
		if i == len(path)-1 {
			if known && was == isFile {
				return refuse("files", "two are called %q, or so alike that some systems hold them for one", strings.Join(path, "/"))
			}
			if known {
				return refuse("files", "%q is both a file and a folder", strings.Join(path, "/"))
			}
			tr.places[p] = isFile
			return nil
		}
		if known && was == isFile {
			return refuse("files", "%q is both a file and a folder", strings.Join(path[:i+1], "/"))
		}
		if !known {
			tr.last++
			was = tr.last
			tr.places[p] = was
		}
		folder = was
	}
	return nil
}

func (tr *tree) holds(path []string) bool {
	var folder int32
	for _, name := range path {
		if folder == isFile {
			return false
		}
		next, known := tr.places[place{folder, names.Key(name)}]
		if !known {
			return false
		}
		folder = next
	}
	return true
}
