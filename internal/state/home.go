package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Home is the folder that holds what outlives a run.
type Home struct {
	dir string
}

// Open returns the home at dir, an absolute path, and creates it, with its parents, if needed.
// A home that another user owns or may write to is refused: anyone who can write there can make us seed
// or overwrite files.
func Open(dir string) (*Home, error) {
	if !filepath.IsAbs(dir) {
		return nil, fault.New(fault.Usage, "the home %q is not an absolute path", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Hint(fmt.Errorf("creating the home: %w", err), "name another folder with --home or P2PSHARE_HOME")
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the home: %w", err)
	}
	if err := checkOwner(dir, info); err != nil {
		return nil, err
	}
	return &Home{dir: filepath.Clean(dir)}, nil
}

// checkOwner refuses a home that another user owns or could write to.
func checkOwner(dir string, info fs.FileInfo) error {
	if osfs.OthersMayWrite(info) {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the home %q (mode %04o)", dir, info.Mode().Perm()), "run: chmod 700 %q", dir)
	}
	if uid, ok := osfs.Owner(info); ok && uid != os.Geteuid() {
		return fault.Hint(fault.New(fault.Denied, "the home %q belongs to user %d, but you are user %d", dir, uid, os.Geteuid()),
			"run as its owner, or name another home with --home")
	}
	return nil
}

// Dir returns the home's absolute path.
func (h *Home) Dir() string { return h.dir }

// Path returns the path of a file in the home. The elements are names chosen by the program, never from outside.
func (h *Home) Path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

// MkdirAll creates a folder in the home, 0700, and returns its path.
func (h *Home) MkdirAll(elem ...string) (string, error) {
	dir := h.Path(elem...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("creating a folder in the home: %w", err)
	}
	return dir, nil
}

// Lock is held until Unlock or the end of the process, even if it is killed.
type Lock struct {
	file *os.File
	weak bool
}

// Weak reports that the file system has no locks: the process number in the file keeps other processes of this machine
// out, but nothing keeps out those of other machines.
func (l *Lock) Weak() bool { return l.weak }

// TryLock takes the lock called name, or fails at once with fault.InUse if another process, or another Lock of this
// one, holds it. The file stays when the lock is released: if it were removed, two processes could each lock a file of
// that name.
func (h *Home) TryLock(name string) (*Lock, error) {
	if name == "" || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("lock name %q is not a plain name", name)
	}
	path := h.Path(name + ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	err = osfs.Exclusive(f)
	weak := errors.Is(err, osfs.ErrNoLocks)
	if weak {
		err = nil
		if pid := holderOf(f); pid > 0 && pid != os.Getpid() && running(pid) {
			err = osfs.ErrHeld
		}
	}
	if err != nil {
		holder := ""
		if pid := holderOf(f); pid > 0 {
			holder = fmt.Sprintf(" (process %d)", pid)
		}
		f.Close()
		if errors.Is(err, osfs.ErrHeld) {
			return nil, fault.Hint(fault.New(fault.InUse, "%q is in use by another p2pshare%s", h.dir, holder),
				"stop that process, or use another home with --home")
		}
		return nil, fmt.Errorf("locking %q: %w", path, err)
	}
	// Where locks work, the number only serves the message above, and a stale one does no harm.
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("writing %q: %w", path, err)
		}
	}
	return &Lock{file: f, weak: weak}, nil
}

// Unlock releases the lock. A second call does nothing.
func (l *Lock) Unlock() error {
	if l.weak {
		_ = l.file.Truncate(0) // fails, harmlessly, in a second call
	}
	if err := l.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("releasing the lock: %w", err)
	}
	return nil
}

// holderOf returns the process number written in a lock file, or 0 if there is none.
func holderOf(f *os.File) int {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
