package group

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// maxArchive bounds an archive that is read: a group's logs, of 20,000 devices at most, are far below it.
const maxArchive = 1 << 30

// Archive is what a group signed, in one file (tar): for machines that never meet, and for safe-keeping.
type Archive struct {
	Group signed.GroupID
	Kind  signed.Kind
	roots [][]byte
	logs  []archived
}

type archived struct {
	head    []byte
	records []byte
}

// The entries of an archive, in this order.
const (
	rootEntry = "roots/"
	headEntry = "heads/"
	logEntry  = "logs/"
)

// WriteArchive writes all that is here and vouched for, and says how many logs and records that is.
func (g *Group) WriteArchive(path string) (logs int, records int64, err error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	mode := os.FileMode(0o644)
	if g.link.Kind == signed.Private {
		mode = 0o600 // it names people, and holds the slots that their passwords open
	}
	put := func(name string, body []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := w.Write(body)
		return err
	}
	for i, r := range g.Roots(1) {
		if err := put(fmt.Sprintf("%s%d", rootEntry, i+1), r); err != nil {
			return 0, 0, err
		}
	}
	for _, h := range g.Heads(0) {
		var body []byte
		for at := int64(0); at < h.Size; {
			some, err := g.log.Lines(h.Device, at, signed.MaxRecord+1)
			if err != nil {
				return 0, 0, err
			}
			n := int64(bytes.Count(some, []byte("\n")))
			if n == 0 {
				return 0, 0, fmt.Errorf("record %d of device %v is missing", at, h.Device)
			}
			body = append(body, some...)
			at += n
		}
		// It may have grown while it was read: the head that is written speaks of the first records alone.
		lines := slices.Collect(signed.Lines(body))[:h.Size]
		body = append(bytes.Join(lines, []byte("\n")), '\n')
		if err := errors.Join(put(headEntry+h.Device.String(), h.Raw), put(logEntry+h.Device.String(), body)); err != nil {
			return 0, 0, err
		}
		logs++
		records += h.Size
	}
	if err := w.Close(); err != nil {
		return 0, 0, err
	}
	return logs, records, state.WriteFile(path, b.Bytes(), mode)
}

// ReadArchive reads a file that WriteArchive made. Nothing of it is judged yet but that it begins with a first root.
func ReadArchive(path string) (*Archive, error) {
	bad := func(format string, args ...any) (*Archive, error) {
		return nil, fault.Hint(fault.New(fault.Usage, "%q is no export of a group: %w", path, fmt.Errorf(format, args...)), "p2pshare catalog export makes one")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Hint(fault.New(fault.NotFound, "%q is neither a link nor a file", path), "a link begins with p2pshare:")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a := &Archive{}
	r := tar.NewReader(io.LimitReader(f, maxArchive))
	heads := map[string][]byte{}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("%w", err)
		}
		limit := int64(signed.MaxRoot)
		if strings.HasPrefix(h.Name, logEntry) {
			limit = signed.MaxLog
		}
		if h.Size > limit || h.Typeflag != tar.TypeReg {
			return bad("%q in it is too large, or no file", h.Name)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return bad("%w", err)
		}
		kind, name, _ := strings.Cut(h.Name, "/")
		switch kind + "/" {
		case rootEntry:
			a.roots = append(a.roots, body)
		case headEntry:
			heads[name] = body
		case logEntry:
			a.logs = append(a.logs, archived{heads[name], body})
		default:
			return bad("%q is in it", h.Name)
		}
	}
	if len(a.roots) == 0 {
		return bad("there is no root in it")
	}
	first, err := signed.ParseRoot(a.roots[0])
	if err != nil {
		return bad("%w", err)
	}
	a.Group, a.Kind = first.ID(), first.Kind
	return a, nil
}

// Into gives an archive's contents to a group, which takes what is signed and new. It says how many records came.
func (a *Archive) Into(ctx context.Context, g *Group) (records int64, err error) {
	if a.Group != g.ID() {
		return 0, fault.New(fault.Usage, "the export is of another group, %v", a.Group)
	}
	if err := g.AddRoots(ctx, a.roots); err != nil {
		return 0, err
	}
	for _, l := range a.logs {
		h, err := signed.OpenHead(l.head, g.ID())
		if err != nil {
			return records, err
		}
		from, news, err := g.Wants(h)
		if err != nil || !news {
			continue // a device that is frozen, or nothing new
		}
		lines := slices.Collect(signed.Lines(l.records))
		if from > int64(len(lines)) {
			continue
		}
		if err := g.AddLog(ctx, h, from, lines[from:]); err != nil {
			return records, err
		}
		records += int64(len(lines)) - from
	}
	return records, nil
}
