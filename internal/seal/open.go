package seal

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/plaintar"
)

// Want is what the publisher signed about sealed content.
type Want struct {
	Form  Form
	Name  string // of the file or folder to create
	Size  int64  // of all files
	Files int
}

// Open decrypts sealed content and creates Name in the folder dir, which must exist: a file, or a folder of files. It
// creates nothing else, and nothing at all if it fails or Name exists already. It does not sync to disk. progress,
// which may be nil, gets the number of bytes written so far. The error is ErrNotForUs, of kind fault.Denied; of kind
// fault.Unverified if the content is not what was signed; or that of the disk.
func Open(ctx context.Context, r io.Reader, dir string, want Want, progress func(int64), ids ...Identity) error {
	if err := openContent(ctx, r, dir, want, progress, ids); err != nil {
		return fmt.Errorf("opening sealed content: %w", err)
	}
	return nil
}

func openContent(ctx context.Context, r io.Reader, dir string, want Want, progress func(int64), ids []Identity) (err error) {
	switch {
	case want.Form != File && want.Form != Tar:
		return fault.New(fault.Unverified, "the form %q is unknown", want.Form)
	case want.Size < 0, want.Files < 1, want.Files > maxFiles, want.Form == File && want.Files != 1:
		return fault.New(fault.Unverified, "%d bytes in %d files are out of bounds", want.Size, want.Files)
	}
	if err := names.Plain(want.Name); err != nil {
		return fault.New(fault.Unverified, "%w", err)
	}
	src := &source{r: r}
	ahead := bufio.NewReaderSize(src, maxContentHeader)
	head, _ := ahead.Peek(maxContentHeader) // src keeps the error
	plain, err := decrypt(head, ahead, ids, MaxContentRecipients)
	if src.err != nil {
		return src.err
	}
	if err != nil {
		return err
	}
	in := &opened{plain, src}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	made := false
	defer func() {
		if err != nil && made {
			err = errors.Join(err, root.RemoveAll(want.Name))
		}
	}()
	m := &meter{ctx: ctx, tell: progress}
	if want.Form == File {
		f, err := root.OpenFile(want.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return exists(err)
		}
		made = true
		if err := in.fill(f, in, want.Size, m); err != nil {
			return err
		}
		return in.end(0)
	}
	if err := root.Mkdir(want.Name, 0o755); err != nil {
		return exists(err)
	}
	made = true
	return in.extract(root, want, m)
}

func exists(err error) error {
	if errors.Is(err, os.ErrExist) {
		return fault.Hint(fault.New(fault.Failed, "%w", err), "choose another folder with -o, or move what is there")
	}
	return err
}

func (o *opened) extract(parent *os.Root, want Want, m *meter) error {
	root, err := parent.OpenRoot(want.Name)
	if err != nil {
		return err
	}
	defer root.Close()
	var (
		tree tree
		left = want.Size
		n    int
		tr   = plaintar.NewReader(o, plaintar.Limits{Files: want.Files, Bytes: want.Size})
	)
	for {
		if err := m.ctx.Err(); err != nil {
			return context.Cause(m.ctx)
		}
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return o.damaged(err)
		}
		n++
		left -= h.Size
		path := strings.Split(h.Name, "/")
		if err := tree.add(path); err != nil {
			return err
		}
		if err := o.extractFile(tr, root, path, h, m); err != nil {
			return err
		}
	}
	if n != want.Files || left != 0 {
		return fault.New(fault.Unverified, "it contains %d bytes in %d files, but %d in %d were signed", want.Size-left, n, want.Size, want.Files)
	}
	return o.end(maxTail)
}

func (o *opened) extractFile(tr io.Reader, root *os.Root, path []string, h *tar.Header, m *meter) error {
	if len(path) > 1 {
		if err := root.MkdirAll(strings.Join(path[:len(path)-1], "/"), 0o755); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return o.fill(f, tr, h.Size, m)
}

// fill writes size bytes to f and closes it.
func (o *opened) fill(f *os.File, r io.Reader, size int64, m *meter) error {
	n, err := io.Copy(f, io.LimitReader(&metered{r, m}, size))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = o.damaged(err)
	}
	err = errors.Join(err, f.Close())
	if err == nil && n != size {
		err = fault.New(fault.Unverified, "it ends after %d bytes, but %d were signed", n, size)
	}
	return err
}

// end reads the rest, which must be at most most zeros and the end of the age file.
func (o *opened) end(most int64) error {
	rest, err := io.ReadAll(io.LimitReader(o, most+1))
	if err != nil {
		return err
	}
	if int64(len(rest)) > most || strings.Trim(string(rest), "\x00") != "" {
		return fault.New(fault.Unverified, "something follows the content")
	}
	return nil
}

// opened reads decrypted content. Its errors are either those of the source or say that the content is damaged.
type opened struct {
	plain io.Reader
	src   *source
}

func (o *opened) Read(p []byte) (int, error) {
	n, err := o.plain.Read(p)
	if err != nil && err != io.EOF {
		err = o.damaged(err)
	}
	return n, err
}

// damaged returns the source's error if there is one; otherwise err, with a kind if it has none.
func (o *opened) damaged(err error) error {
	var known *fault.Error
	switch {
	case o.src.err != nil:
		return o.src.err
	case errors.As(err, &known):
		return err
	}
	return fault.New(fault.Unverified, "it is damaged: %w", err)
}

// source keeps the error of the reader that the content comes from.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
