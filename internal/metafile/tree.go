package metafile

import (
	"fmt"
	"slices"
	"strings"
)

// entryKey identifies an entry of a folder.
type entryKey struct {
	folder int32 // the number of its folder; 0: the torrent's own
	name   string
}

// tree holds all names of a torrent, each folder once.
type tree struct {
	entries map[entryKey]int32    // the folder's number, or isFile
	links   map[entryKey][]string // targets of the symlinks
	last    int32
	steps   int // taken to resolve symlinks
}

const isFile int32 = -1

// judgeTree refuses two files with the same path and a file that is also a folder, and notes broken symlinks. No link leaves
// the torrent's folder: its target is a path from there without .., and nothing lies below a link, so the folders in
// between are real ones.
func judgeTree(files []File) (notes []string, err error) {
	if len(files) == 1 && len(files[0].Path) == 0 {
		return nil, nil
	}
	tr := &tree{entries: make(map[entryKey]int32, len(files)), links: map[entryKey][]string{}}
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
		if link := files[i].Symlink; link != nil && len(notes) < maxNotes && !tr.resolves(link) {
			notes = append(notes, fmt.Sprintf("the symlink %q points to %q, which is not in the torrent; it is created all the same",
				strings.Join(files[i].Path, "/"), strings.Join(link, "/")))
		}
	}
	return notes, nil
}

// enter adds a file at path, and returns its key.
func (tr *tree) enter(path []string) (p entryKey, err error) {
	var folder int32
	for i, name := range path {
		p = entryKey{folder, name}
		was, known := tr.entries[p]
		if i == len(path)-1 {
			if known && was == isFile {
				return p, refuse("files", "two files are called %q", strings.Join(path, "/"))
			}
			if known {
				return p, refuse("files", "%q is both a file and a folder", strings.Join(path, "/"))
			}
			tr.entries[p] = isFile
			return p, nil
		}
		if known && was == isFile {
			return p, refuse("files", "%q is both a file and a folder", strings.Join(path[:i+1], "/"))
		}
		if !known {
			tr.last++
			was = tr.last
			tr.entries[p] = was
		}
		folder = was
	}
	return p, nil
}

// resolves says whether path, from the torrent's folder and through its symlinks, ends at an entry of the torrent.
func (tr *tree) resolves(path []string) bool {
	var folder int32
	for hops := 0; len(path) > 0; {
		if tr.steps++; tr.steps > maxComponents {
			return true // give up: the answer is only used for a note
		}
		p := entryKey{folder, path[0]}
		next, known := tr.entries[p]
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
