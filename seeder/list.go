package seeder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
)

// Listing is what a build of a path would publish.
type Listing struct {
	Name    string // the name the torrent would have
	Dir     bool
	Size    int64
	Files   []Listed // in the order of their paths
	Skipped []Skipped
}

// Listed is one file of a Listing.
type Listed struct {
	Path []string // below Name; empty for a single file
	Size int64
	Exec bool

	root, disk string
	stamp      content.Stamp
}

// List finds the files that Build would publish from o.Path, without reading them.
func List(ctx context.Context, o Options) (*Listing, error) {
	at, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", o.Path, err)
	}
	t, err := o.walk(ctx, at)
	if err != nil {
		return nil, err
	}
	l := &Listing{Name: cmp.Or(norm.NFC.String(o.Name), t.name), Dir: t.dir, Size: t.size, Skipped: t.skipped}
	if err := names.Check(l.Name); err != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "%q cannot be the name of a torrent: %w", l.Name, err), "give another with --name")
	}
	if o.Portable {
		if err := portable(l.Name, t.named(l.Name)); err != nil {
			return nil, err
		}
	}
	(&plan{format: V2, entries: t.entries}).order()
	for _, e := range t.entries {
		l.Files = append(l.Files, Listed{Path: e.path, Size: e.stamp.Size, Exec: e.exec, root: t.root, disk: e.disk, stamp: e.stamp})
	}
	return l, nil
}

// Open opens the file for reading. It fails if the file changed since it was listed; Read fails if it changes meanwhile.
func (l Listed) Open() (io.ReadCloser, error) {
	root, err := os.OpenRoot(l.root)
	if err != nil {
		return nil, unreadable(l.root, err)
	}
	defer root.Close()
	f, fi, err := content.OpenRegular(root, l.disk)
	if err != nil {
		return nil, unreadable(filepath.Join(l.root, l.disk), err)
	}
	if !content.StampOf(f, fi).Same(l.stamp) {
		f.Close()
		return nil, l.changed()
	}
	return &stableFile{File: f, of: l}, nil
}

func (l Listed) changed() error {
	return fault.Hint(fault.New(fault.Failed, "%q changed while it was read", filepath.Join(l.root, l.disk)), "publish it when nothing is writing to it")
}

// stableFile is a file whose last Read fails if the file changed since it was listed.
type stableFile struct {
	*os.File
	of Listed
}

func (s *stableFile) Read(b []byte) (int, error) {
	n, err := s.File.Read(b)
	if errors.Is(err, io.EOF) {
		if fi, stat := s.File.Stat(); stat != nil || !content.StampOf(s.File, fi).Same(s.of.stamp) {
			return n, s.of.changed()
		}
	}
	return n, err
}
