package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// ErrNotRegular is returned for what is no regular file: a folder, FIFO, socket or device.
var ErrNotRegular = errors.New("not a regular file")

// ChangedError says that a file is not the one it was.
type ChangedError struct {
	Path string // as the user would find it
	How  string // "gone", "changed while it was read", ...
}

func (e *ChangedError) Error() string { return fmt.Sprintf("%q: %s", e.Path, e.How) }

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
// that is not what its stamp says: replaced, changed, gone. It needs stamps.
func (l Located) Unchanged(ctx context.Context) error {
	root, err := os.OpenRoot(l.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{Path: l.Root, How: "is gone"}
	}
	if err != nil {
		return fmt.Errorf("open the folder %q: %w", l.Root, underlying(err))
	}
	defer root.Close()
	for i, p := range l.Paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		fi, err := root.Stat(filepath.FromSlash(p))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &ChangedError{Path: l.File(i), How: "is gone"}
		case err != nil:
			return fmt.Errorf("look at %q: %w", l.File(i), underlying(err))
		case !StampOf(fi).Same(l.Stamps[i]):
			return &ChangedError{Path: l.File(i), How: "changed on disk"}
		}
	}
	return nil
}
