package seal

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
)

// Form is how content is stored in its age file.
type Form string

// The forms: the bytes of a single file, or a tar of a folder's files.
const (
	File Form = "file"
	Tar  Form = "tar"
)

// Source is a file to be sealed.
type Source struct {
	Path []string // below the folder; ignored in the form File
	Size int64
	Exec bool
	Open func() (io.ReadCloser, error)
}

// Write seals content to 1 to MaxContentRecipients recipients and writes the age file to w. The form File takes one
// source. progress, which may be nil, gets the number of bytes of the sources read so far. It is an error if a source
// is not as long as its Size.
func Write(ctx context.Context, w io.Writer, form Form, sources []Source, recipients []string, progress func(int64)) error {
	if err := writeContent(ctx, w, form, sources, recipients, progress); err != nil {
		return fmt.Errorf("sealing content: %w", err)
	}
	return nil
}

func writeContent(ctx context.Context, w io.Writer, form Form, sources []Source, recipients []string, progress func(int64)) error {
	switch {
	case form != File && form != Tar:
		return fmt.Errorf("the form %q is unknown", form)
	case form == File && len(sources) != 1:
		return fmt.Errorf("%d files, but this form holds one", len(sources))
	case len(sources) == 0 || len(sources) > maxFiles:
		return fault.New(fault.Usage, "%d files, not 1 to %d", len(sources), maxFiles)
	}
	to, err := parseRecipients(recipients, MaxContentRecipients)
	if err != nil {
		return err
	}
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return err
	}
	m := &meter{ctx: ctx, tell: progress}
	if form == File {
		err = copySource(sealed, sources[0], m)
	} else {
		err = writeTar(sealed, sources, m)
	}
	if err != nil {
		return err
	}
	return sealed.Close()
}

// writeTar produces the same bytes for the same content on every machine: no times, no owners.
func writeTar(w io.Writer, sources []Source, m *meter) error {
	tw := tar.NewWriter(w)
	var tree tree
	for _, s := range sources {
		if err := tree.add(s.Path); err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.Join(s.Path, "/"), Size: s.Size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if s.Exec {
			h.Mode = 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if err := copySource(tw, s, m); err != nil {
			return err
		}
	}
	return tw.Close()
}

func copySource(w io.Writer, s Source, m *meter) error {
	f, err := s.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, io.LimitReader(&metered{f, m}, s.Size))
	if err != nil {
		return err
	}
	more, err := io.ReadFull(f, make([]byte, 1))
	if err != nil && err != io.EOF {
		return err
	}
	if n != s.Size || more > 0 {
		return fault.Hint(fault.New(fault.Failed, "%q changed while it was read: it had %d bytes", strings.Join(s.Path, "/"), s.Size),
			"try again when no program is writing to it")
	}
	return nil
}

// meter counts the bytes that pass, and stops them when the context ends.
type meter struct {
	ctx  context.Context
	n    int64
	tell func(int64)
}

type metered struct {
	r io.Reader
	m *meter
}

func (r *metered) Read(p []byte) (int, error) {
	if err := r.m.ctx.Err(); err != nil {
		return 0, context.Cause(r.m.ctx)
	}
	n, err := r.r.Read(p)
	r.m.n += int64(n)
	if n > 0 && r.m.tell != nil {
		r.m.tell(r.m.n)
	}
	return n, err
}

// tree records the paths of a folder, to check that no two of them are the same on some system.
type tree struct {
	seen map[string]spelled // by key
}

type spelled struct {
	path string
	file bool
}

func (t *tree) add(path []string) error {
	if err := names.PlainPath(path); err != nil {
		return fault.New(fault.Unverified, "%w", err)
	}
	if t.seen == nil {
		t.seen = map[string]spelled{}
	}
	for i := range path {
		whole := strings.Join(path[:i+1], "/")
		key := names.Key(whole)
		file := i == len(path)-1
		was, there := t.seen[key]
		switch {
		case !there:
			t.seen[key] = spelled{whole, file}
		case was.path != whole, was.file, file:
			return fault.New(fault.Unverified, "%q and %q are the same path on some systems", was.path, whole)
		}
	}
	return nil
}
