package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// sealed is a fetch of content that comes as one encrypted file, which goes to the group's folder, and is opened from
// there to where the user wants it.
type sealed struct {
	in     *member
	dir    string // that the user named
	target string // in dir
	box    string // the encrypted file
}

// expectSealed has the encrypted file of a sealed entry fetched into the group's folder.
func (f *fetch) expectSealed() error {
	e := f.r.Entry
	if e == nil || e.Sealed == "" || e.Held || f.sealed != nil {
		return nil
	}
	if len(f.r.Only) > 0 {
		return fault.Hint(fault.New(fault.Usage, "%q is encrypted as a whole", e.Ref), "leave --only out")
	}
	in, err := f.n.privateGroup(e.Group)
	if err != nil {
		return err
	}
	f.sealed = &sealed{in: in, dir: f.r.Dir, target: filepath.Join(f.r.Dir, e.Content)}
	f.r.Dir = f.n.sealedDir(e.Group)
	return os.MkdirAll(f.r.Dir, 0o700)
}

// unseal opens what was fetched to where the user wants it. What is there already stays as it is: if it is the content,
// all is well.
func (f *fetch) unseal(ctx context.Context) error {
	s, e := f.sealed, f.r.Entry
	s.box = f.plan.Target()
	ids, err := s.in.contentKeys(e)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	want := seal.Want{Form: seal.Form(e.Sealed), Name: e.Content, Size: e.Size, Files: e.Files}
	open := func(dir string) error {
		file, err := os.Open(s.box)
		if err != nil {
			return err
		}
		defer file.Close()
		h := &hashing{on: f.on, phase: "opening", name: e.Content}
		return seal.Open(ctx, file, dir, want, func(done int64) { h.progress(done, e.Size) }, ids...)
	}
	if _, err := os.Lstat(s.target); errors.Is(err, fs.ErrNotExist) {
		if err := open(s.dir); err != nil {
			return fmt.Errorf("opening %q: %w", e.Ref, err)
		}
		return nil
	} else if err != nil {
		return err
	}
	beside, err := os.MkdirTemp(s.dir, ".p2pshare-opening-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(beside)
	if err := open(beside); err != nil {
		return fmt.Errorf("opening %q: %w", e.Ref, err)
	}
	if err := sameTree(ctx, filepath.Join(beside, e.Content), s.target); err != nil {
		return fault.Hint(fault.New(fault.Usage, "%q exists, and is not the content: %w", s.target, err), "fetch into another folder with -o DIR, or move it away")
	}
	tell(f.on, "%s is there already, and is the content", s.target)
	return nil
}

// dropSealed removes the encrypted file once nobody serves it.
func (f *fetch) dropSealed() {
	if f.sealed == nil || f.sealed.box == "" {
		return
	}
	if err := os.Remove(f.sealed.box); err != nil && !errors.Is(err, fs.ErrNotExist) {
		warn(f.on, "the encrypted file stays: %v", err)
	}
}

// sealedDir is where the encrypted files of a group are.
func (n *Node) sealedDir(group string) string { return n.home.Path("groups", group, "sealed") }

// sameTree says how what is at b differs from what is at a: names and bytes.
func sameTree(ctx context.Context, a, b string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x, err := os.Lstat(a)
	if err != nil {
		return err
	}
	y, err := os.Lstat(b)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%q is missing", filepath.Base(b))
	case err != nil:
		return err
	case x.Mode().Type() != y.Mode().Type():
		return fmt.Errorf("%q is of another kind", filepath.Base(b))
	case !x.IsDir():
		return sameFile(ctx, a, b)
	}
	names := func(dir string) (out []string, err error) {
		list, err := os.ReadDir(dir)
		for _, e := range list {
			out = append(out, e.Name())
		}
		return out, err
	}
	mine, err := names(a)
	if err != nil {
		return err
	}
	theirs, err := names(b)
	if err != nil {
		return err
	}
	if !slices.Equal(mine, theirs) {
		return fmt.Errorf("%q holds other files", filepath.Base(b))
	}
	for _, name := range mine {
		if err := sameTree(ctx, filepath.Join(a, name), filepath.Join(b, name)); err != nil {
			return err
		}
	}
	return nil
}

func sameFile(ctx context.Context, a, b string) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	var x, y [64 << 10]byte
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(f, x[:])
		m, err2 := io.ReadFull(g, y[:])
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("%q has other bytes", filepath.Base(b))
		}
		if err == nil && err2 == nil {
			continue
		}
		ended := func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
		switch {
		case ended(err) && ended(err2):
			return nil
		case err == nil || ended(err):
			return err2
		}
		return err
	}
}
