package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// file is the current file of the audit.
type file struct {
	path string
	max  int64
	f    *os.File // nil if it could not be reopened
	info fs.FileInfo
	size int64
	torn bool // the last line has no line end
}

// openFile opens the file, creating it if needed. A symlink in its place is removed, not followed.
func openFile(path string, maxBytes int64) (*file, error) {
	f := &file{path: path, max: maxBytes}
	return f, f.open()
}

func (f *file) open() error {
	info, err := os.Lstat(f.path)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		err = os.Remove(f.path)
	case err == nil && !info.Mode().IsRegular():
		return fault.Hint(fmt.Errorf("opening the audit: %q is not a regular file", f.path), "move it away; a new file is created there")
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("opening the audit: %w", err)
	}
	g, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|osfs.NoFollow, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit: %w", err)
	}
	if info, err = g.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		err = g.Chmod(0o600)
	}
	if err != nil {
		g.Close()
		return fmt.Errorf("opening the audit: %w", err)
	}
	f.f, f.info, f.size, f.torn = g, info, info.Size(), false
	if f.size > 0 {
		var last [1]byte
		_, err := g.ReadAt(last[:], f.size-1)
		f.torn = err != nil || last[0] != '\n'
	}
	return nil
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// write appends a line, which ends with a line end. If the last line is torn, it first ends that one.
func (f *file) write(line []byte) error {
	now, err := os.Lstat(f.path)
	if f.f == nil || err != nil || !os.SameFile(now, f.info) {
		f.close() // it was removed, or moved away
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.size > 0 && f.size+int64(len(line)) > f.max {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	was := f.torn
	if was {
		line = append([]byte("\n"), line...)
	}
	n, err := f.f.Write(line)
	f.size += int64(n)
	switch {
	case err == nil:
		f.torn = false
	case n > 0:
		// Part of a line, on a full disk: remove it, or begin the next line below it.
		if f.f.Truncate(f.size-int64(n)) == nil {
			f.size -= int64(n)
		} else {
			f.torn = true
		}
	}
	return err
}

// rotate makes the file the first old one, and begins a new one. Where renaming fails, as on Windows while the file is
// open for reading, the file may grow to twice its limit, and is emptied then.
func (f *file) rotate() error {
	f.close()
	var failed error
	for i := Old - 1; i >= 0 && failed == nil; i-- {
		if err := os.Rename(numbered(f.path, i), numbered(f.path, i+1)); !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	if err := f.open(); err != nil {
		return err
	}
	if failed != nil && f.size >= 2*f.max {
		if err := f.f.Truncate(0); err != nil {
			return fmt.Errorf("beginning a new audit: %w", err)
		}
		f.size, f.torn = 0, false
	}
	return nil
}

// numbered returns the path of the i-th old file, or of the current one if i is 0.
func numbered(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}
