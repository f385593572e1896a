package metafile

import (
	"fmt"
	"slices"
	"strings"
)

// place is an entry of a folder.
type place struct {
	folder int32 // the number of the folder it is in; 0: the torrent's own
	name   string
}

// tree is all names of a torrent, each folder entered once.
type tree struct {
	places map[place]int32    // the folder's number, or isFile
	links  map[place][]string // of those that are symlinks: where they lead
	last   int32
	steps  int // of looking up where links lead
}

const isFile int32 = -1

// judgeTree refuses two files with one name and a file that is also a folder, and notes symlinks that lead to nothing.
// No link leaves the torrent's folder: its target is a path from there without .., and nothing lies below a link, so
// the folders between are real ones.
func judgeTree(files []File) (notes []string, err error) {
	if len(files) == 1 && len(files[0].Path) == 0 {
		return nil, nil
	}
	tr := &tree{places: make(map[place]int32, len(files)), links: map[place][]string{}}
	for i := range files {
		at, err := tr.enter(files[i].Path)
		if err != nil {
			return nil, err
		}
		if files[i].Symlink != nil {
			tr.links[at] = files[i].Symlink
		}
	}
	for i := range files {
		if link := files[i].Symlink; link != nil && len(notes) < maxNotes && !tr.leads(link) {
			notes = append(notes, fmt.Sprintf("the symlink %q leads to %q, which the torrent does not hold; it is made all the same",
				strings.Join(files[i].Path, "/"), strings.Join(link, "/")))
		}
	}
	return notes, nil
}

// enter puts a file at path, and says where that is.
func (tr *tree) enter(path []string) (p place, err error) {
	var folder int32
	for i, name := range path {
		p = place{folder, name}
		was, known := tr.places[p]
		if i == len(path)-1 {
			if known && was == isFile {
				return p, refuse("files", "two are called %q", strings.Join(path, "/"))
			}
			if known {
				return p, refuse("files", "%q is both a file and a folder", strings.Join(path, "/"))
			}
			tr.places[p] = isFile
			return p, nil
		}
		if known && was == isFile {
			return p, refuse("files", "%q is both a file and a folder", strings.Join(path[:i+1], "/"))
		}
		if !known {
			tr.last++
			was = tr.last
			tr.places[p] = was
		}
		folder = was
	}
	return p, nil
}

// leads says whether path, from the torrent's folder and through its symlinks, ends at something that it holds.
func (tr *tree) leads(path []string) bool {
	var folder int32
	for hops := 0; len(path) > 0; {
		if tr.steps++; tr.steps > maxComponents {
			return true // it is for a note, and worth no more
		}
		p := place{folder, path[0]}
		next, known := tr.places[p]
		path = path[1:]
		link, isLink := tr.links[p]
		switch {
		case !known:
			return false
		case isLink:
			if hops++; hops > maxLinkHops {
				return false
			}
			path, folder = slices.Concat(link, path), 0
		case next == isFile:
			return len(path) == 0
		default:
			folder = next
		}
	}
	return true
}
