package content

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// At is where t's files are if its content, the folder or the single file, is at an absolute path. A
// file that is stored under another composition of its name (NFD, as some systems write it) is found
// too. Files need not be there: a check reports them.
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
	l := Located{Root: content, Paths: make([]string, len(t.Files))}
	spelled := spelling{root: root, names: map[string]map[string]string{}}
	for i, f := range t.Files {
		l.Paths[i] = spelled.path(f.Path)
	}
	return l, nil
}

// spelling finds names as the disk spells them.
type spelling struct {
	root  *os.Root
	names map[string]map[string]string // folder on disk -> composed name -> name on disk
}

func (s *spelling) path(components []string) string {
	want := path.Join(components...)
	if isASCII(want) {
		return want
	}
	if _, err := s.root.Lstat(filepath.FromSlash(want)); err == nil {
		return want
	}
	dir := "."
	for _, c := range components {
		name := c
		if on, ok := s.in(dir)[norm.NFC.String(c)]; ok {
			name = on
		}
		dir = path.Join(dir, name)
	}
	return dir
}

func (s *spelling) in(dir string) map[string]string {
	if names, ok := s.names[dir]; ok {
		return names
	}
	names := map[string]string{}
	s.names[dir] = names
	f, err := s.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return names // what is not there is found missing later
	}
	defer f.Close()
	list, _ := f.Readdirnames(-1)
	for _, name := range list {
		names[norm.NFC.String(name)] = name
	}
	return names
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
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
