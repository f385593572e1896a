package daemonlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Options of Read.
type Options struct {
	Lines  int           // how many of the last lines; 0: none, negative: all
	Follow bool          // then follow what is written, until ctx ends
	Every  time.Duration // how often to poll; 0: four times a second
}

// Read passes the lines of home's log to emit, without their ends. Following continues across rotation, removal and
// restarts of the daemon, and waits for a log that does not exist yet. The error is a fault.NotFound if there is no
// log, or emit's; the end of ctx is not an error.
func Read(ctx context.Context, home string, o Options, emit func(line []byte) error) error {
	r := &reader{dir: filepath.Join(home, folder), emit: emit}
	defer r.close()
	err := r.last(o.Lines, !o.Follow)
	if errors.Is(err, fs.ErrNotExist) && !o.Follow {
		return fault.Hint(fault.New(fault.NotFound, "no daemon has written a log in %q", home),
			"start one with p2pshare daemon --detach, or name its home with --home")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !o.Follow {
		return nil
	}
	return r.follow(ctx, o)
}

// follow emits what is written from now on, until ctx ends.
func (r *reader) follow(ctx context.Context, o Options) error {
	if o.Every <= 0 {
		o.Every = readEvery
	}
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		if err := r.more(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reader is a position in the log.
type reader struct {
	dir  string
	emit func([]byte) error
	f    *os.File // the file being read, or nil
	off  int64
	part []byte // an incomplete line

	// before is the old file as of when f was opened, or nil. It is kept open so that no other file can get its inode
	// and be mistaken for it.
	before *os.File
}

func (r *reader) close() {
	for _, f := range []*os.File{r.f, r.before} {
		if f != nil {
			f.Close()
		}
	}
	r.f, r.before = nil, nil
}

// last emits the last n lines of both files and stays at the end. If whole, a last line without an end counts.
func (r *reader) last(n int, whole bool) error {
	if err := r.open(current); err != nil {
		return err
	}
	if n < 0 || n > MaxLines {
		n = MaxLines
	}
	ring := make([][]byte, 0, min(n, 1024))
	next := 0
	keep := func(line []byte) error {
		switch {
		case n == 0:
		case len(ring) < n:
			ring = append(ring, bytes.Clone(line))
		default:
			ring[next] = append(ring[next][:0], line...)
			next = (next + 1) % n
		}
		return nil
	}
	emit := r.emit
	r.emit = keep
	if r.before != nil {
		now := reader{f: r.before, emit: keep}
		if err := errors.Join(now.drain(), now.flush()); err != nil {
			return err
		}
	}
	if err := r.drain(); err != nil {
		return err
	}
	if whole {
		_ = r.flush() // keep has no error
	}
	r.emit = emit
	for i := range ring {
		if err := emit(ring[(next+i)%len(ring)]); err != nil {
			return err
		}
	}
	return nil
}

// open moves to the beginning of the file called name, and opens the old one as before. The error wraps fs.ErrNotExist
// if there is no such file; the reader then stays where it is.
func (r *reader) open(name string) error {
	for {
		f, err := openRegular(filepath.Join(r.dir, name))
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return fmt.Errorf("reading the log: %w", err)
		}
		before, err := openRegular(filepath.Join(r.dir, old))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Close()
			return err
		}
		if before != nil && name == current && same(before, info) {
			f.Close() // the log was rotated in between
			before.Close()
			continue
		}
		r.close()
		r.f, r.off, r.part, r.before = f, 0, nil, before
		return nil
	}
}

func same(f *os.File, info fs.FileInfo) bool {
	if f == nil {
		return false
	}
	mine, err := f.Stat()
	return err == nil && os.SameFile(mine, info)
}

// more emits what was written since, and switches to the file that has the log's name if it is another one.
func (r *reader) more() error {
	for {
		// Check before reading to the end: if it is another file by now, this one gets no more lines.
		now, err := os.Lstat(filepath.Join(r.dir, current))
		still := err == nil && same(r.f, now)
		if r.f != nil {
			if err := r.drain(); err != nil {
				return err
			}
		}
		if still || err != nil { // or removed: it will be recreated
			return nil
		}
		next := current
		if r.f != nil {
			if err := r.flush(); err != nil {
				return err
			}
			// After two rotations since the last look there is one file in between.
			if was, err := os.Lstat(filepath.Join(r.dir, old)); err == nil && !same(r.f, was) && !same(r.before, was) {
				next = old
			}
		}
		if err := r.open(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		} else if err != nil {
			return nil
		}
	}
}

// drain emits the complete lines up to the end of the file.
func (r *reader) drain() error {
	info, err := r.f.Stat()
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	if info.Size() < r.off {
		r.off, r.part = 0, nil // it was emptied
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r.f, r.off, info.Size()-r.off), 64<<10)
	for {
		b, err := in.ReadSlice('\n')
		r.off += int64(len(b))
		r.part = append(r.part, b...)
		switch {
		case err == nil || len(r.part) >= 2*maxLine: // the second case cuts a crash report without line ends
			line := bytes.TrimRight(r.part, "\r\n")
			r.part = r.part[:0]
			if err := r.emit(line); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("reading the log: %w", err)
		}
	}
}

// flush emits a line that a crash left without an end.
func (r *reader) flush() error {
	if len(r.part) == 0 {
		return nil
	}
	line := r.part
	r.part = nil
	return r.emit(line)
}

// openRegular opens a regular file: no symlink, and nothing that a reader would block on.
func openRegular(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the log: %q is not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|osfs.NoFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return f, nil
}
