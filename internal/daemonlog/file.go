package daemonlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Names of the log's folder in the home, of the log and of the previous one.
const (
	folder  = "log"
	current = "daemon.log"
	old     = "daemon.log.1"
)

// Path returns the path of a home's log.
func Path(home string) string { return filepath.Join(home, folder, current) }

// File is a log open for writing. Its methods are safe for concurrent use. Only one process at a time may have a home's
// log open; the daemon's lock ensures that.
type File struct {
	path string
	max  int64

	mu     sync.Mutex
	f      *os.File // nil after Close
	info   fs.FileInfo
	size   int64
	part   []byte // an incomplete line
	opened func(*os.File) error
}

// Open opens the log of home, an existing folder, and appends to it. At maxBytes (0: MaxBytes) the file is rotated.
func Open(home string, maxBytes int64) (*File, error) {
	if maxBytes <= 0 {
		maxBytes = MaxBytes
	}
	dir := filepath.Join(home, folder)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("creating the folder of the log: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	if !info.IsDir() {
		return nil, fault.Hint(fmt.Errorf("opening the log: %q is not a folder", dir), "move it away; the daemon creates a folder there")
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fmt.Errorf("opening the log: %w", err)
		}
	}
	l := &File{path: filepath.Join(dir, current), max: maxBytes}
	return l, l.open()
}

// Path returns the path of the log.
func (l *File) Path() string { return l.path }

// OnOpen calls do with the file now and whenever a new one is opened, for a writer that bypasses this package:
// debug.SetCrashOutput has a descriptor of its own. do must not keep the file. OnOpen returns do's first error; later
// ones are ignored.
func (l *File) OnOpen(do func(*os.File) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = do
	if l.f == nil {
		return fs.ErrClosed
	}
	return do(l.f)
}

// Write accepts lines and parts of lines, which it buffers until their end. An error is one of writing the file; p
// counts as consumed all the same.
func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return 0, fs.ErrClosed
	}
	var errs []error
	for piece := range bytes.Lines(p) {
		l.part = append(l.part, piece...)
		if bytes.HasSuffix(piece, []byte("\n")) || len(l.part) >= maxLine {
			errs = append(errs, l.line(l.part))
			l.part = l.part[:0]
		}
	}
	return len(p), errors.Join(errs...)
}

// Close writes an incomplete line, if any, and closes the file. A second call does nothing.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	var err error
	if len(l.part) > 0 {
		err = l.line(l.part)
	}
	if l.f != nil {
		err = errors.Join(err, l.f.Close())
		l.f = nil
	}
	return err
}

// line writes one line, cleaned, to the file that has the log's name.
func (l *File) line(b []byte) error {
	b = clean(b[:min(len(b), maxLine)])
	now, err := os.Lstat(l.path)
	switch {
	case err != nil || !os.SameFile(now, l.info):
		err = l.reopen() // it was removed, or moved away
	case now.Size() > 0 && now.Size()+int64(len(b)) > l.max:
		l.size = now.Size() // a crash report may have been written to it as well
		err = l.rotate()
	default:
		l.size = now.Size()
	}
	if err != nil {
		return err
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	if err != nil && n > 0 {
		// Part of a line, on a full disk: remove it, or the next line would be appended to it.
		if l.f.Truncate(l.size-int64(n)) == nil {
			l.size -= int64(n)
		}
	}
	return err
}

// open opens the file, creating it if needed. A symlink in its place is removed, not followed.
func (l *File) open() error {
	info, err := os.Lstat(l.path)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		err = os.Remove(l.path)
	case err == nil && !info.Mode().IsRegular():
		return fault.Hint(fmt.Errorf("opening the log: %q is not a regular file", l.path), "move it away; the daemon creates a file there")
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|osfs.NoFollow, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	info, err = f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("opening the log: %w", err)
	}
	l.f, l.info, l.size = f, info, info.Size()
	if l.opened != nil {
		_ = l.opened(f)
	}
	return nil
}

// reopen switches to a new file. If that fails, lines still go to the previous one: whoever moved it may still read
// them.
func (l *File) reopen() error {
	was := l.f
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	if err := l.open(); err != nil {
		return err
	}
	return was.Close()
}

// rotate renames the file to the old name and begins a new one. Windows does not rename a file that is open for
// reading; then the file may grow to twice its limit, and is emptied.
func (l *File) rotate() error {
	if err := os.Rename(l.path, filepath.Join(filepath.Dir(l.path), old)); err != nil {
		if l.size < 2*l.max {
			return nil
		}
		if err := l.f.Truncate(0); err != nil {
			return fmt.Errorf("emptying the log: %w", err)
		}
		l.size = 0
		return nil
	}
	return l.reopen()
}
