package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// ErrNotRegular is returned for what is no regular file: a folder, FIFO, socket or device.
var ErrNotRegular = errors.New("not a regular file")

// ChangedError says that a file is not the one it was.
type ChangedError struct {
	Path string // as the user would find it
	How  string // what happened to it: "is gone", "changed on disk", ...
	Gone bool   // there is no file of that name
}

func (e *ChangedError) Error() string { return fmt.Sprintf("%q %s", e.Path, e.How) }

// OpenRegular opens a regular file below root for reading, following no symlink out of it and waiting for
// no FIFO, and returns the descriptor's own file info.
func OpenRegular(root *os.Root, path string) (*os.File, fs.FileInfo, error) {
	path = filepath.FromSlash(path)
	// The look before the open spares devices, which may act on being opened.
	fi, err := root.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, ErrNotRegular
	}
	f, err := root.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err = f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// opener opens files below a root, and keeps the folder of the last one open: the files of a folder come
// one after the other, and a look-up then takes one step whatever the depth. It is for one goroutine.
type opener struct {
	root *os.Root
	dir  string   // of sub
	sub  *os.Root // nil: none
}

// at runs f on the folder of path and the name in it, and, should that fail, on the root and the whole
// path: a symlink may lead out of its folder and stay below the root.
func (o *opener) at(p string, f func(dir *os.Root, name string) error) error {
	dir, name := path.Split(p)
	if dir == "" {
		return f(o.root, name)
	}
	if o.sub == nil || o.dir != dir {
		o.close()
		sub, err := o.root.OpenRoot(filepath.FromSlash(dir))
		if err != nil {
			return err
		}
		o.sub, o.dir = sub, dir
	}
	err := f(o.sub, name)
	if err == nil || errors.Is(err, fs.ErrNotExist) && !isLink(o.sub, name) {
		return err
	}
	return f(o.root, filepath.FromSlash(p))
}

// open opens a file that a stamp says is regular; whether it still is, the caller sees from the info.
func (o *opener) open(p string) (file *os.File, fi fs.FileInfo, err error) {
	err = o.at(p, func(dir *os.Root, name string) error {
		file, err = dir.OpenFile(name, os.O_RDONLY|noWait, 0)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if fi, err = file.Stat(); err == nil && !fi.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, fi, nil
}

// stamp follows symlinks, below the root.
func (o *opener) stamp(p string) (s Stamp, err error) {
	err = o.at(p, func(dir *os.Root, name string) error {
		fi, err := dir.Stat(name)
		if err == nil {
			s = stampAt(dir, name, fi)
		}
		return err
	})
	return s, err
}

func (o *opener) close() {
	if o.sub != nil {
		_ = o.sub.Close()
		o.sub = nil
	}
}

func isLink(dir *os.Root, name string) bool {
	fi, err := dir.Lstat(name)
	return err == nil && fi.Mode()&fs.ModeSymlink != 0
}

// File is the absolute path of file i.
func (l Located) File(i int) string {
	return filepath.Join(l.Root, filepath.FromSlash(l.Paths[i]))
}

// Check says whether l can be the place of t's files at all.
func (l Located) Check(t *metafile.Torrent) error {
	switch {
	case !filepath.IsAbs(l.Root):
		return fmt.Errorf("content of %q: root %q is not an absolute path", t.Name, l.Root)
	case len(l.Paths) != len(t.Files):
		return fmt.Errorf("content of %q: %d paths for %d files", t.Name, len(l.Paths), len(t.Files))
	case l.Stamps != nil && len(l.Stamps) != len(t.Files):
		return fmt.Errorf("content of %q: %d stamps for %d files", t.Name, len(l.Stamps), len(t.Files))
	}
	return nil
}

// Unchanged looks at every file by its path, without reading it, and returns a *ChangedError for the first
// that is not what its stamp says: replaced, changed, gone. It needs stamps; a file whose stamp is the zero
// one, as that of a symlink is, has no bytes that could change, and is passed over.
func (l Located) Unchanged(ctx context.Context) error {
	return l.look(ctx, func(i int, now Stamp) bool { return now.Same(l.Stamps[i]) })
}

// Restamped is Unchanged for stamps of an earlier run, in which a drive may have had another device number: it
// compares all but that, and returns l with stamps of now.
func (l Located) Restamped(ctx context.Context) (Located, error) {
	stamps := make([]Stamp, len(l.Stamps))
	err := l.look(ctx, func(i int, now Stamp) bool {
		stamps[i] = now
		now.Dev = l.Stamps[i].Dev
		return now.Same(l.Stamps[i])
	})
	l.Stamps = stamps
	return l, err
}

// look asks same of every file that has a stamp, in order, until it says no.
func (l Located) look(ctx context.Context, same func(i int, now Stamp) bool) error {
	root, err := os.OpenRoot(l.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{Path: l.Root, How: "is gone", Gone: true}
	}
	if err != nil {
		return fmt.Errorf("open the folder %q: %w", l.Root, underlying(err))
	}
	defer root.Close()
	files := &opener{root: root}
	defer files.close()
	for i, p := range l.Paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.Stamps[i] == (Stamp{}) {
			continue
		}
		now, err := files.stamp(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &ChangedError{Path: l.File(i), How: "is gone", Gone: true}
		case err != nil:
			return fmt.Errorf("look at %q: %w", l.File(i), underlying(err))
		case !same(i, now):
			return &ChangedError{Path: l.File(i), How: "changed on disk"}
		}
	}
	return nil
}
