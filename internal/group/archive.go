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
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/plaintar"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// maxArchive bounds an archive that is read: a group's logs, of 20,000 devices at most, are far below it.
const maxArchive = 1 << 30

// maxArchived bounds the logs in it.
const maxArchived = 20_000

// maxRounds is how often Into reads an archive for logs that others in it vouch for: of who came by an invite, and has had two other
// keys since on one machine after the other, it is the fifth time. Each round has to bring something, and so whoever makes an
// archive could have it read once for each of its logs.
const maxRounds = 16

// Archive is what a group signed, in one file (tar): for machines that never meet, and for safe-keeping.
type Archive struct {
	Group signed.GroupID
	Kind  signed.Kind
	path  string
}

// The folders of an archive: the roots in their order, then the head and the log of each device, in the order of those, then the
// evidence against each that signed two histories, in that order.
const (
	rootEntry = "roots"
	headEntry = "heads"
	logEntry  = "logs"
	forkEntry = "forks"
)

// WriteArchive writes all that is here and vouched for to a file of a mode, and says how many logs and records that is.
func (g *Group) WriteArchive(path string, mode os.FileMode) (logs int, records int64, err error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if g.link.Kind == signed.Private {
		mode &= 0o600 // it names people, and holds the slots that their passwords open
	}
	put := func(name string, body []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := w.Write(body)
		return err
	}
	for i, r := range g.Roots(1) {
		if err := put(fmt.Sprintf("%s/%d", rootEntry, i+1), r); err != nil {
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
		if err := errors.Join(put(headEntry+"/"+h.Device.String(), h.Raw), put(logEntry+"/"+h.Device.String(), body)); err != nil {
			return 0, 0, err
		}
		logs++
		records += h.Size
	}
	for _, f := range g.log.Forks() {
		raw, err := f.Marshal()
		if err == nil {
			err = put(forkEntry+"/"+f.Device.String(), raw)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if err := w.Close(); err != nil {
		return 0, 0, err
	}
	return logs, records, state.WriteFile(path, b.Bytes(), mode)
}

// ReadArchive reads a file that WriteArchive made and verifies all of it: the chain of roots, and each log against the
// head that its device signed. Nothing of it is kept: Into reads it again. What the group thinks of the devices, Into says.
func ReadArchive(path string) (*Archive, error) {
	a := &Archive{path: path}
	var last *signed.SignedRoot
	err := a.read(func(raw []byte) (err error) {
		if last != nil {
			last, err = last.Next(raw)
			return err
		}
		first, err := signed.ParseRoot(raw)
		if err != nil {
			return err
		}
		a.Group, a.Kind = first.ID(), first.Kind
		last, err = signed.Genesis(raw, a.Group)
		return err
	}, func(raw []byte, body io.Reader) error {
		if last == nil {
			return errors.New("there is no root before its logs")
		}
		h, err := signed.OpenHead(raw, a.Group)
		if err != nil {
			return err
		}
		var tree signed.Tree
		for record, err := range signed.ReadLines(body) {
			if err != nil {
				return err
			}
			if tree.Append(record); tree.Size() > h.Size {
				break
			}
		}
		if tree.Size() != h.Size || tree.Root() != h.Root {
			return fmt.Errorf("the records of device %v are not those its head was signed over", h.Device)
		}
		return nil
	}, func(raw []byte) error {
		_, err := signed.OpenFork(raw, a.Group)
		return err
	})
	if err == nil && last == nil {
		err = errors.New("there is no root in it")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Hint(fault.New(fault.NotFound, "%q is neither a link nor a file", path), "a link begins with p2pshare:")
	case errors.As(err, new(*fs.PathError)):
		return nil, err
	case err != nil:
		return nil, fault.Hint(fault.New(fault.Usage, "%q is no export of a group: %w", path, err), "p2pshare catalog export makes one")
	}
	return a, nil
}

// read passes on the roots, logs and evidence of the file as they come. It refuses what WriteArchive does not write: entries of
// other names or in another order, one that is there twice, a head without its log.
func (a *Archive) read(root func(raw []byte) error, log func(head []byte, records io.Reader) error, fork func(raw []byte) error) error {
	f, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := plaintar.NewReader(f, plaintar.Limits{Files: signed.MaxRoots + 3*maxArchived, Bytes: maxArchive})
	roots, device, forked := 0, "", "" // the latest
	var head []byte
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && head == nil:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the log of device %s is missing", device)
		case err != nil:
			return err
		}
		kind, name, _ := strings.Cut(h.Name, "/")
		switch {
		case kind == rootEntry && device == "" && name == strconv.Itoa(roots+1) && h.Size <= signed.MaxRoot:
			roots++
			raw, err := io.ReadAll(r)
			if err == nil {
				err = root(raw)
			}
			if err != nil {
				return err
			}
		case kind == headEntry && head == nil && forked == "" && name > device && h.Size <= signed.MaxHead:
			device = name
			if head, err = io.ReadAll(r); err != nil {
				return err
			}
		case kind == logEntry && head != nil && name == device && h.Size <= signed.MaxLog:
			if err := log(head, r); err != nil {
				return err
			}
			head = nil
		case kind == forkEntry && head == nil && device != "" && name > forked && h.Size <= signed.MaxFork:
			forked = name
			raw, err := io.ReadAll(r)
			if err == nil {
				err = fork(raw)
			}
			if err != nil {
				return err
			}
		default:
			return fmt.Errorf("%.100q, of %d bytes, does not belong there", h.Name, h.Size)
		}
	}
}

// Into gives an archive's contents to a group, which takes what is signed and new. It says how many records came. A log
// that nobody vouches for yet is tried again after those that may, and left out if nobody does, or not within maxRounds: an older
// export holds those of machines that were removed since. Where the group has no log yet, and gets none, that is the error.
func (a *Archive) Into(ctx context.Context, g *Group) (records int64, err error) {
	if a.Group != g.ID() {
		return 0, fault.New(fault.Usage, "the export is of another group, %v", a.Group)
	}
	for round := 1; ; round++ {
		came, early := int64(0), error(nil)
		fresh := true // it costs to ask so: once a round
		err := a.read(func(raw []byte) error { return g.AddRoots(ctx, [][]byte{raw}) }, func(raw []byte, body io.Reader) error {
			n, err := g.addArchived(ctx, raw, body, fresh)
			came += n
			if errors.Is(err, signed.ErrUnsigned) {
				early, err, fresh = err, nil, false
			}
			return err
		}, func(raw []byte) error {
			if err := g.AddFork(ctx, raw); err != nil && !errors.Is(err, signed.ErrGap) {
				return err
			}
			return nil
		})
		records += came
		switch {
		case err != nil:
			return records, err
		case early != nil && records == 0 && len(g.log.Heads()) == 0:
			return 0, early
		case early == nil || came == 0 || round == maxRounds:
			return records, nil
		}
	}
}

// addArchived takes a log of an archive, and says how many of its records are new.
func (g *Group) addArchived(ctx context.Context, raw []byte, body io.Reader, fresh bool) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	h, err := signed.OpenHead(raw, g.ID())
	if err != nil {
		return 0, err
	}
	_, news, err := g.Wants(h)
	known, _ := g.log.Head(h.Device)
	if err != nil || !news && h.Size >= known.Size {
		return 0, nil // of a device of which nothing more is taken, or nothing new
	}
	// All of it is handed over, and of an older one too: it may be another history, which nobody can be asked for later.
	var lines [][]byte
	for record, err := range signed.ReadLines(body) {
		if err != nil {
			return 0, err
		}
		if len(lines) == 0 {
			if err := g.Vouched(h.Device, record, fresh); err != nil {
				return 0, err
			}
		}
		lines = append(lines, bytes.Clone(record))
	}
	if err := g.AddLog(ctx, h, 0, lines); err != nil {
		return 0, err
	}
	now, _ := g.log.Head(h.Device)
	return max(0, now.Size-known.Size), nil
}
