package fetcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// errPlanted is the cause of an error about a symlink or another thing where a file of ours should be.
var errPlanted = errors.New("it is not what p2pshare put there")

// planted says that somebody put something in the way.
func planted(name string, fi fs.FileInfo) error {
	return fault.Hint(fmt.Errorf("%q is %s: %w", name, kindOf(fi), errPlanted),
		"see who put it there, remove it, and run the same command")
}

// enter opens the folder name in root, which must be a real one and, if it is ours alone, of this user.
// It is made if make is set and it is not there.
func enter(root *os.Root, name string, perm fs.FileMode, create bool) (*os.Root, error) {
	if create {
		if err := root.Mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	seen, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	full := filepath.Join(root.Name(), name)
	if !seen.IsDir() {
		return nil, planted(full, seen)
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	// OpenRoot follows a symlink within root, so what was opened must be what was looked at.
	opened, err := sub.Stat(".")
	if err == nil && !os.SameFile(seen, opened) {
		err = planted(full, seen)
	}
	if err == nil && perm == privatePerm {
		err = checkPrivate(full, opened)
	}
	if err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// privatePerm is the mode of folders that are ours alone.
const privatePerm fs.FileMode = 0o700

// openPlain opens a regular file that is there, and follows no symlink as its last component.
func openPlain(root *os.Root, name string, flag int) (*os.File, error) {
	seen, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	full := filepath.Join(root.Name(), name)
	if !seen.Mode().IsRegular() {
		return nil, planted(full, seen)
	}
	f, err := root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(seen, opened) {
		err = planted(full, seen)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// folder opens the folder at a slash-separated path below root, making what is missing, through no
// symlink. The caller closes it.
func folder(root *os.Root, dir string, create bool) (*os.Root, error) {
	at, err := root.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	for _, name := range split(dir) {
		sub, err := enter(at, name, 0o755, create)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = sub
	}
	return at, nil
}

func split(dir string) []string {
	var parts []string
	for dir != "." && dir != "" && dir != "/" {
		parts = append([]string{path.Base(dir)}, parts...)
		dir = path.Dir(dir)
	}
	return parts
}

// syncFolder makes what was created or renamed in root last.
func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return osfs.SyncFolder(d)
}

// checkPrivate makes sure that nobody else can put things into the folder, now or between two looks.
func checkPrivate(name string, info fs.FileInfo) error {
	if uid, ok := osfs.Owner(info); ok && uid != os.Geteuid() {
		return fault.Hint(fault.New(fault.Denied, "%q belongs to user %d, and this is user %d", name, uid, os.Geteuid()), "choose another folder with -o")
	}
	if osfs.OthersMayWrite(info) {
		return fault.Hint(fault.New(fault.Denied, "other users may write to %q (mode %04o)", name, info.Mode().Perm()), "run: chmod 700 %q", name)
	}
	return nil
}
