package content

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
)

// In is where the content of t is in a folder: under t's name, or under one that was made of it because the file system
// cannot hold it. If neither is there it is t's name.
func In(t *metafile.Torrent, dir string) string {
	n := names.Of(t.Name)
	for _, name := range append([]string{n.Own}, n.Made...) {
		if runtime.GOOS == "windows" && names.Portable(name) != nil {
			continue // it may mean a stream of another file there, or a device
		}
		at := filepath.Join(dir, name)
		if _, err := os.Lstat(at); err == nil {
			return at
		}
	}
	return filepath.Join(dir, n.Own)
}

// Tree is the names of t's files.
func Tree(t *metafile.Torrent) *names.Tree {
	paths := make([][]string, len(t.Files))
	for i := range t.Files {
		paths[i] = t.Files[i].Path
	}
	return names.NewTree(paths)
}

// At is where t's files are if its content, the folder or the single file, is at an absolute path. A
// file that is stored under another composition of its name (NFD, as some systems write it) is found
// too, and so is one under a name that was made because the file system cannot hold its own. Files need not be there: a
// check reports them.
func At(t *metafile.Torrent, content string) (Located, error) {
	if !filepath.IsAbs(content) {
		return Located{}, fmt.Errorf("content of %q: %q is not an absolute path", t.Name, content)
	}
	fi, err := os.Stat(content)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Located{}, fault.New(fault.NotFound, "content of %q: no file or folder at %q", t.Name, content)
	case err != nil:
		return Located{}, fmt.Errorf("content of %q: %w", t.Name, err)
	case t.Dir && !fi.IsDir():
		return Located{}, fault.New(fault.Unverified, "content of %q: %q is no folder", t.Name, content)
	case !t.Dir && fi.IsDir():
		return Located{}, fault.New(fault.Unverified, "content of %q: %q is a folder, and the torrent is one file", t.Name, content)
	}
	if !t.Dir {
		return Located{Root: filepath.Dir(content), Paths: []string{filepath.Base(content)}}, nil
	}
	root, err := os.OpenRoot(content)
	if err != nil {
		return Located{}, fmt.Errorf("open the content of %q: %w", t.Name, err)
	}
	defer root.Close()
	return Located{Root: content, Paths: Tree(t).Place(Present(root)).Paths}, nil
}

// Present picks of the names of a file the one that is there; its own if none is.
func Present(root *os.Root) names.Pick {
	s := &spelling{root: root, folders: map[string]spelled{}}
	return s.pick
}

// spelling finds names as the disk spells them.
type spelling struct {
	root    *os.Root
	folders map[string]spelled
}

// spelled is what is in a folder on disk.
type spelled struct {
	there    map[string]bool
	composed map[string]string // name on disk by its composed form
}

func (s *spelling) pick(dir string, n names.Name) string {
	if !n.Odd() {
		return n.Own
	}
	in := s.in(dir)
	for _, name := range append([]string{n.Own}, n.Made...) {
		if in.there[name] {
			return name
		}
	}
	for _, name := range append([]string{n.Own}, n.Made...) {
		on := in.composed[norm.NFC.String(name)]
		if on != "" && (n.Rival == "" || name != n.Own) { // what a rival has is not this one's
			return on
		}
	}
	return n.Own
}

func (s *spelling) in(dir string) spelled {
	if in, ok := s.folders[dir]; ok {
		return in
	}
	in := spelled{map[string]bool{}, map[string]string{}}
	s.folders[dir] = in
	f, err := s.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return in // what is not there is found missing later
	}
	defer f.Close()
	list, _ := f.Readdirnames(-1)
	for _, name := range list {
		in.there[name] = true
		in.composed[norm.NFC.String(name)] = name
	}
	return in
}

// Extra lists the files in the torrent's folder that the torrent does not name, slash-separated below
// that folder, sorted. There are none beside a single file, and pads that another client wrote are none. It stops after
// maxExtra.
func Extra(t *metafile.Torrent, l Located) ([]string, error) {
	if err := l.Check(t); err != nil {
		return nil, err
	}
	if !t.Dir {
		return nil, nil
	}
	base := l.base(t)
	named := make(map[string]bool, 2*len(l.Paths))
	for _, p := range l.Paths {
		// A folder on the way may be a symlink, which the walk below shows as a file.
		for ; p != base && p != "."; p = path.Dir(p) {
			named[p] = true
		}
	}
	root, err := os.OpenRoot(l.Root)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the content: %w", err)
	}
	defer root.Close()
	var extra []string
	seen := 0
	err = fs.WalkDir(root.FS(), base, func(p string, d fs.DirEntry, err error) error {
		seen++
		switch {
		case err != nil:
			return fmt.Errorf("look for files that the torrent does not name: %w", err)
		case seen > maxWalk || len(extra) >= maxExtra:
			return fs.SkipAll
		case !d.IsDir() && !named[p]:
			if below := strings.TrimPrefix(p, base+"/"); !metafile.IsPadPath(strings.Split(below, "/")) {
				extra = append(extra, below)
			}
		}
		return nil
	})
	sort.Strings(extra)
	return extra, err
}

// base is the torrent's folder below Root: what is left of a file's path on disk without its path in the
// torrent.
func (l Located) base(t *metafile.Torrent) string {
	if len(l.Paths) == 0 {
		return "."
	}
	p := l.Paths[0]
	for range t.Files[0].Path {
		p = path.Dir(p)
	}
	return p
}

// places says where paths of the torrent are below Root, as symlinks lead to them: in folders as they are called on disk.
func (l Located) places(t *metafile.Torrent) func(path []string) string {
	base := l.base(t)
	on := map[string]string{}
	for i := range t.Files {
		own, disk := t.Files[i].Path, strings.Split(l.Paths[i], "/")
		disk = disk[len(disk)-len(own):]
		for k := range own {
			on[path.Join(own[:k+1]...)] = path.Join(disk[:k+1]...)
		}
	}
	return func(to []string) string {
		for k := len(to); k > 0; k-- {
			if at, there := on[path.Join(to[:k]...)]; there {
				return path.Join(append([]string{base, at}, to[k:]...)...)
			}
		}
		return path.Join(append([]string{base}, to...)...)
	}
}

// Local is what file i is called below the folder that holds the content, if that is not what t says, as where a file system
// cannot hold its own name; else empty.
func (l Located) Local(t *metafile.Torrent, i int) string {
	if !t.Dir {
		return "" // whoever names the file knows what it is called
	}
	own, disk := t.Files[i].Path, strings.Split(l.Paths[i], "/")
	disk = disk[len(disk)-len(own):]
	if norm.NFC.String(path.Join(own...)) == norm.NFC.String(path.Join(disk...)) {
		return ""
	}
	return path.Join(filepath.Base(l.Root), path.Join(disk...))
}
