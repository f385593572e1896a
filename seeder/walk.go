package seeder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
)

// Skipped is a file in the folder that cannot be published and was left out.
type Skipped struct {
	Path   string // slash-separated, below the folder
	Reason string
}

// Trouble is a name that some system cannot hold. Anyone who fetches it on such a system gets the file under a
// substitute name.
type Trouble struct {
	Path string // slash-separated, below the folder; for the torrent's own name, that name
	Why  string // what is wrong with it
}

// entry is a file to publish.
type entry struct {
	disk  string   // slash-separated, below the root, as the disk spells it
	path  []string // below the torrent's name, composed; nil for a single file
	stamp content.Stamp
	exec  bool
}

// tree is the result of a walk.
type tree struct {
	root    string // absolute
	name    string // the base name of the given path, composed
	dir     bool
	entries []entry
	skipped []Skipped
	trouble []Trouble
	hiding  []Trouble // names that are not displayed as they are
	refused []Trouble
	size    int64

	secrets int      // number of files whose names look like secrets
	first   []string // the first of them
}

// walk finds the files to publish in the file or folder at an absolute path.
func walk(ctx context.Context, at string, exclude, own []string) (*tree, error) {
	fi, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "no file or folder at %q", at)
	case err != nil:
		return nil, fmt.Errorf("check %q: %w", at, plain(err))
	}
	var homes []fs.FileInfo
	for _, dir := range own {
		if fi, err := os.Stat(dir); err == nil {
			homes = append(homes, fi)
		}
	}
	if real, err := filepath.EvalSymlinks(at); err == nil && len(own) > 0 {
		if err := refuseOwn(real, homes); err != nil {
			return nil, err
		}
	}
	t := &tree{root: at, name: norm.NFC.String(filepath.Base(at)), dir: fi.IsDir()}
	switch {
	case fi.Mode().IsRegular():
		return t, t.single(at, fi)
	case !t.dir:
		return nil, fault.New(fault.Usage, "%q is a %s, and only files and folders can be published", at, kindOf(fi.Mode()))
	}
	ignore, err := newIgnoring(exclude)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, unreadable(at, err)
	}
	defer root.Close()
	w := &walker{ctx: ctx, tree: t, top: root, guarded: len(own) > 0, homes: homes}
	if err := w.folder(root, nil, nil, ignore, []fs.FileInfo{fi}); err != nil {
		return nil, err
	}
	if len(t.refused) > 0 {
		return nil, fault.Hint(fault.New(fault.Usage, "%s in %q cannot be published: %s", count(len(t.refused)), at, listed(t.refused)), "rename them, or --exclude them")
	}
	if len(t.entries) == 0 {
		return nil, fault.Hint(fault.New(fault.Usage, "there is nothing to publish in %q", at),
			"put files there, or look at what --exclude and %s leave out", IgnoreFile)
	}
	return t, nil
}

// single fills in the tree of one file. The given path may be a symlink to it, which the user chose to follow.
func (t *tree) single(at string, fi fs.FileInfo) error {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return fmt.Errorf("check %q: %w", at, plain(err))
	}
	t.root = filepath.Dir(real)
	root, err := os.OpenRoot(t.root)
	if err != nil {
		return unreadable(t.root, err)
	}
	defer root.Close()
	t.size = fi.Size()
	if secret([]string{filepath.Base(real)}) {
		t.secrets, t.first = 1, []string{filepath.Base(real)}
	}
	t.entries = []entry{{disk: filepath.Base(real), stamp: content.StampAt(root, filepath.Base(real), fi), exec: executable(fi)}}
	return nil
}

// walker walks a folder.
type walker struct {
	ctx  context.Context
	tree *tree
	top  *os.Root
	seen int

	guarded bool          // leave out p2pshare's own state
	homes   []fs.FileInfo // the homes it is kept in
}

// folder walks the folder dir, which has the given paths on disk and in the torrent. above are the folders that
// contain it, ending with dir itself, to detect links that lead back to them.
func (w *walker) folder(dir *os.Root, disk, composed []string, ignore *ignoring, above []fs.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	ignore, err := ignore.in(dir, disk)
	if err != nil {
		return err
	}
	list, err := entryNames(dir)
	if err != nil {
		return unreadable(w.abs(disk), err)
	}
	keys := make(map[string]string, len(list))
	for _, name := range list {
		if w.seen++; w.seen > maxEntries {
			return fault.New(fault.Usage, "%q holds more than %d files and folders", w.tree.root, maxEntries)
		}
		if name == IgnoreFile {
			continue
		}
		at := append(disk[:len(disk):len(disk)], name)
		fi, err := dir.Lstat(name)
		if err != nil {
			return unreadable(w.abs(at), err)
		}
		if ignore.excludes(at, fi.IsDir()) {
			continue
		}
		if strings.HasPrefix(name, ownPrefix) {
			w.tree.skipped = append(w.tree.skipped, Skipped{Path: path.Join(at...), Reason: "it belongs to p2pshare"})
			continue
		}
		if fi.Mode()&fs.ModeSymlink != 0 {
			if fi, err = w.follow(at); err != nil {
				return err
			}
		}
		if !fi.IsDir() && !fi.Mode().IsRegular() {
			w.tree.skipped = append(w.tree.skipped, Skipped{Path: path.Join(at...), Reason: "it is a " + kindOf(fi.Mode())})
			continue
		}
		to := append(composed[:len(composed):len(composed)], norm.NFC.String(name))
		if !fi.IsDir() && metafile.IsPadPath(to) { // readers of the torrent would take it for a pad file
			w.tree.skipped = append(w.tree.skipped, Skipped{Path: path.Join(at...), Reason: "its name is reserved for pad files, which clients discard"})
			continue
		}
		if !w.judgeName(at, to, keys) {
			continue
		}
		if fi.IsDir() {
			err = w.enter(dir, at, to, ignore, above, fi)
		} else {
			err = w.file(dir, at, to, fi)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enter walks a subfolder.
func (w *walker) enter(dir *os.Root, disk, composed []string, ignore *ignoring, above []fs.FileInfo, fi fs.FileInfo) error {
	if slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, fi) }) {
		return fault.Hint(fault.New(fault.Usage, "%q leads back to a folder that contains it", w.abs(disk)), "--exclude it")
	}
	sub, err := dir.OpenRoot(disk[len(disk)-1])
	if err != nil {
		// A link such as ../sibling leaves dir, but not the top folder.
		sub, err = w.top.OpenRoot(filepath.Join(disk...))
	}
	if err != nil {
		return unreadable(w.abs(disk), err)
	}
	defer sub.Close()
	own := w.guarded && groupFolder(func(name string) error { _, err := sub.Lstat(name); return err })
	for _, h := range w.homes {
		own = own || os.SameFile(h, fi)
	}
	if own {
		w.tree.skipped = append(w.tree.skipped, Skipped{Path: path.Join(disk...), Reason: "it belongs to a p2pshare home, which holds the keys of your groups"})
		return nil
	}
	return w.folder(sub, disk, composed, ignore, append(above[:len(above):len(above)], fi))
}

func (w *walker) file(dir *os.Root, disk, composed []string, fi fs.FileInfo) error {
	// Report a file that cannot be read now, not after an hour of hashing. A file that everybody may read
	// needs no test.
	if fi.Mode().Perm()&0o444 != 0o444 {
		f, _, err := content.OpenRegular(w.top, path.Join(disk...))
		if err != nil {
			return unreadable(w.abs(disk), err)
		}
		f.Close()
	}
	if len(w.tree.entries) >= metafile.MaxFiles {
		return fault.Hint(fault.New(fault.Usage, "%q holds more than %d files, the most that a torrent may have", w.tree.root, metafile.MaxFiles),
			"pack them into an archive, or --exclude some")
	}
	if secret(disk) {
		if w.tree.secrets++; len(w.tree.first) < shownSecrets {
			w.tree.first = append(w.tree.first, path.Join(disk...))
		}
	}
	w.tree.size += fi.Size()
	w.tree.entries = append(w.tree.entries, entry{
		disk: path.Join(disk...), path: composed, stamp: content.StampAt(w.top, path.Join(disk...), fi), exec: executable(fi),
	})
	return nil
}

// follow returns the file or folder that a symlink points to, which must be inside the folder: a link that
// points outside might publish a private key.
func (w *walker) follow(disk []string) (fs.FileInfo, error) {
	rel := filepath.Join(disk...)
	fi, err := w.top.Stat(rel)
	if err == nil {
		return fi, nil
	}
	target, linkErr := w.top.Readlink(rel)
	if linkErr != nil {
		target = "?"
	}
	why := "points outside the published folder"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "points to nothing"
	case errors.Is(err, fs.ErrPermission):
		why = "points to something that you may not read"
	case isLoop(err):
		why = "forms a loop"
	case filepath.IsAbs(target):
		why = "points to an absolute path, which is a different file on other machines"
	}
	return nil, fault.Hint(fault.New(fault.Usage, "symlink %q to %q %s", w.abs(disk), target, why),
		"--exclude it, or put the file itself in its place")
}

// isLoop recognizes a loop of symlinks. os.Root follows links itself and returns its own text.
func isLoop(err error) bool {
	return strings.Contains(err.Error(), "too many")
}

func (w *walker) abs(disk []string) string {
	return filepath.Join(append([]string{w.tree.root}, disk...)...)
}

// judgeName says whether a name can be published, and records names that cannot or that some system does not
// accept. keys are the names of the folder so far.
func (w *walker) judgeName(at, composed []string, keys map[string]string) bool {
	t, name := w.tree, composed[len(composed)-1]
	where := path.Join(at...)
	if err := names.CheckPath(composed); err != nil {
		t.refused = append(t.refused, Trouble{where, whyOf(err)})
		return false
	}
	key := names.Key(name)
	other, rival := keys[key]
	if rival && norm.NFC.String(other) == name {
		t.refused = append(t.refused, Trouble{where, fmt.Sprintf("it is the same as %q in composed form (NFC)", other)})
		return false
	}
	if !rival {
		keys[key] = at[len(at)-1]
	}
	if err := names.Shows(name); err != nil {
		t.hiding = append(t.hiding, Trouble{where, whyOf(err)})
	}
	if err := names.Portable(name); err != nil {
		t.trouble = append(t.trouble, Trouble{where, whyOf(err)})
	} else if rival {
		t.trouble = append(t.trouble, Trouble{where, fmt.Sprintf("it is the same name as %q on some systems", other)})
	}
	return true
}

func count(n int) string {
	if n == 1 {
		return "1 name"
	}
	return fmt.Sprintf("%d names", n)
}

// listed joins troubles into one line, at most maxListed of them.
func listed(list []Trouble) string {
	var parts []string
	for i, x := range list {
		if i == maxListed {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%q (%s)", x.Path, x.Why))
	}
	return strings.Join(parts, ", ")
}

// portable returns an error that lists all names that some system cannot hold.
func portable(name string, trouble []Trouble) error {
	if len(trouble) == 0 {
		return nil
	}
	return fault.Hint(fault.New(fault.Usage, "%s in %q cannot be used on every system: %s", count(len(trouble)), name, listed(trouble)),
		"rename them, or --exclude them")
}

// obscure returns a warning about names that are not displayed as they are, the torrent's own first; empty if there are none.
func (t *tree) obscure(name string) string {
	list := t.hiding
	if err := names.Shows(name); err != nil {
		list = append([]Trouble{{name, whyOf(err)}}, list...)
	}
	switch len(list) {
	case 0:
		return ""
	case 1:
		return "1 name is not displayed as it is: " + listed(list)
	}
	return count(len(list)) + " are not displayed as they are: " + listed(list)
}

// named adds the problem of the torrent's own name, if it has one.
func (t *tree) named(name string) []Trouble {
	if err := names.Portable(name); err != nil {
		return append([]Trouble{{name, whyOf(err)}}, t.trouble...)
	}
	return t.trouble
}

// whyOf returns what is wrong with a name, without the name.
func whyOf(err error) string {
	if e, is := errors.AsType[*names.Error](err); is {
		return e.Why
	}
	return err.Error()
}

func unreadable(at string, err error) error {
	return fault.Hint(fault.New(fault.Failed, "read %q: %w", at, plain(err)), "make it readable, or --exclude it")
}

func entryNames(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	slices.Sort(list) // so that which of two errors is reported does not depend on the disk
	return list, err
}

// executable says whether the owner may execute a file, the same test as libtorrent's.
func executable(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o100 != 0 }

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
