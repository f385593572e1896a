package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"aead.dev/minisign"
	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// maxReceipt bounds a receipt that is read: the largest has 100,000 files.
const maxReceipt = 64 << 20

// verifyReceipt holds content on disk against a receipt. No node is asked, but for the ID of a group by its local name.
func (s *session) verifyReceipt(ctx context.Context, c *cli.Context) error {
	file := s.abs(c.String("receipt"))
	raw, err := readAtMost(file, maxReceipt)
	if err != nil {
		return err
	}
	r, err := catalog.DecodeReceipt(raw)
	if err != nil {
		return fault.Hint(fmt.Errorf("%q: %w", file, err), "it was changed, or is no receipt of p2pshare fetch --receipt")
	}
	if g := c.String("group"); g != "" {
		if err := s.sameGroup(ctx, g, r.Group.ID); err != nil {
			return err
		}
	}
	path := s.abs(c.Args().First())
	if path == "" {
		path = filepath.Join(filepath.Dir(file), filepath.FromSlash(r.Entry.Content))
	}
	found, err := s.sums(ctx, path, r.Share().Size)
	if err != nil {
		return interrupted(ctx, err, "nothing was changed")
	}
	signedPaths := make([]string, len(r.Files))
	for i, f := range r.Files {
		signedPaths[i] = f.Path
	}
	own := node.OwnNames(path, signedPaths)
	for i, f := range found {
		found[i].Path = cmp.Or(own[f.Path], f.Path)
	}
	return s.showReceipt(r, path, r.Compare(found), c.String("group") != "", s.takenBack(ctx, r))
}

// takenBack asks the home, if it is in the receipt's group, whether the entry was taken back since; nil: not that it is known.
func (s *session) takenBack(ctx context.Context, r *catalog.Receipt) *node.Taken {
	home, err := s.home()
	if err != nil {
		return nil
	}
	if _, err := os.Stat(home); err != nil {
		return nil // and is not made for this
	}
	var taken *node.Taken
	ref := r.Share().Ref()
	err = s.with(ctx, func(b Backend) error {
		a, err := b.Catalog(ctx, node.CatalogRequest{Group: r.Group.ID.String(), Taken: &ref, Offline: true}, func(node.Event) {})
		if err == nil {
			taken = a.Taken
		}
		return err
	})
	if err != nil {
		s.log.Debug("whether the entry was taken back is not known", "reason", err)
	}
	return taken
}

func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no file %q", file)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", file, err)
	}
	if int64(len(raw)) > most {
		return nil, fault.New(fault.Unverified, "%q is larger than %d bytes", file, most)
	}
	return raw, nil
}

// sameGroup refuses a receipt of another group than the user means: a receipt proves what was signed in some group,
// and anybody can make one.
func (s *session) sameGroup(ctx context.Context, want string, got signed.GroupID) error {
	id, err := signed.ParseGroupID(want)
	if isLink(want) {
		var l signed.Link
		if l, err = signed.ParseLink(want); err != nil {
			return err
		}
		id = l.Group
	} else if err != nil {
		var a *node.GroupAnswer
		err = s.with(ctx, func(b Backend) (err error) {
			a, err = groupOf(b.Group(ctx, node.GroupRequest{Group: want, Show: &struct{}{}, Offline: true}, s.out.event))
			return err
		})
		if err != nil {
			return interrupted(ctx, err, "nothing was changed")
		}
		if id, err = signed.ParseGroupID(the(a).ID); err != nil {
			return err
		}
	}
	if id != got {
		return fault.New(fault.Unverified, "the receipt is of the group %v, and %q is %v", got, want, id)
	}
	return nil
}

// sums hashes the files of content: one file, or all below a folder. A link counts as what it leads to, as long as
// that is within the folder.
func (s *session) sums(ctx context.Context, path string, total int64) ([]catalog.ReceiptFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Hint(fault.New(fault.NotFound, "there is no %q", path), "name the content behind the receipt: p2pshare verify --receipt FILE PATH")
	}
	if err != nil {
		return nil, err
	}
	meter := node.Progress{Phase: "checking", Name: filepath.Base(path), Total: total}
	tell := func(n int64) {
		meter.Done += n
		s.out.event(node.Event{Progress: &meter})
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		one, err := sumOf(ctx, f, "", tell)
		return []catalog.ReceiptFile{one}, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var found []catalog.ReceiptFile
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
			return nil // what is missing because of it is told so
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		one, err := sumOf(ctx, f, name, tell)
		found = append(found, one)
		return err
	})
	return found, err
}

// sumOf hashes an open file and closes it.
func sumOf(ctx context.Context, f *os.File, name string, tell func(int64)) (r catalog.ReceiptFile, err error) {
	defer f.Close()
	h, buf := sha256.New(), make([]byte, 1<<20)
	r.Path = name
	for {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		r.Size += int64(n)
		tell(int64(n))
		if errors.Is(err, io.EOF) {
			r.SHA256 = signed.Hash(h.Sum(nil))
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("reading %q: %w", f.Name(), err)
		}
	}
}

type receiptObject struct {
	Path    string               `json:"path"`
	Group   catalog.ReceiptGroup `json:"group"`
	Entry   catalog.ReceiptEntry `json:"entry"`
	Account string               `json:"account"`
	Device  string               `json:"device"`
	Time    time.Time            `json:"time"`
	Files   int                  `json:"files"`
	Size    int64                `json:"size"`
	OK      bool                 `json:"ok"`
	Known   bool                 `json:"group_checked"` // that the group is the one the user means
	Bad     []node.VerifiedFile  `json:"bad"`
	Taken   *node.Taken          `json:"taken,omitempty"` // the entry was taken back since
}

func (s *session) showReceipt(r *catalog.Receipt, path string, bad []catalog.Difference, known bool, taken *node.Taken) error {
	o := receiptObject{Path: path, Group: r.Group, Entry: r.Entry, Account: r.Account, Device: r.Device.String(), Time: r.Time,
		Files: len(r.Files), Size: r.Share().Size, OK: len(bad) == 0, Known: known, Taken: taken, Bad: []node.VerifiedFile{}}
	for _, d := range bad {
		o.Bad = append(o.Bad, node.VerifiedFile{Path: d.Path, Problem: d.Problem})
	}
	if s.out.json {
		s.out.object("receipt", o)
	}
	s.out.say("signed by the machine %v as %s in the group %v (%s)", r.Device, printable(r.Share().Ref()), r.Group.ID, printable(r.Group.Name))
	if !known {
		s.out.say("whether that is the group you mean, the receipt cannot say; --group GROUP compares it")
	}
	if taken != nil {
		s.out.say("warning: %s was taken back by %s", printable(r.Share().Ref()), takenText(taken))
	}
	if o.OK {
		s.out.answer(fmt.Sprintf("OK %s: %s", path, counted(o.Files, o.Size)))
		return nil
	}
	for _, d := range o.Bad {
		s.out.answer(cmp.Or(d.Path, path) + ": " + d.Problem)
	}
	err := fault.New(fault.Unverified, "%s not as the receipt says: %q", plural(len(bad), "file")+is(len(bad)), path)
	return fault.Hint(err, "p2pshare fetch of the same entry into another folder gets good ones")
}

// takenText says by whom, when and why something was taken back.
func takenText(t *node.Taken) string {
	text := printable(t.By) + " on " + t.Time.Local().Format(time.DateOnly)
	if t.Note != "" {
		text += ": " + printable(t.Note)
	}
	return text
}

func is(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// minisignKey reads the value of --minisign-key: a public key, or a file that holds one.
func (s *session) minisignKey(v string) (string, error) {
	text := []byte(v)
	if raw, err := readAtMost(s.abs(v), 4096); err == nil {
		text = bytes.TrimSpace(raw)
	}
	var key minisign.PublicKey
	if err := key.UnmarshalText(text); err != nil {
		return "", fault.Hint(usagef("--minisign-key %q is neither a minisign public key nor a file that holds one", v), "a key begins with RW and has 56 characters; minisign writes it to minisign.pub")
	}
	return key.String(), nil
}
