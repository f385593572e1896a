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
	Lines  int           // how many of the last lines; 0: none, below 0: all there are
	Follow bool          // go on with what is written from then on, until ctx ends
	Every  time.Duration // how often a follower looks; 0: four times a second
}

// Read gives emit the lines of home's log, without their ends. Following goes on through rotation, removal and
// a daemon's end, and waits for a log that is not there yet. The error wraps fault.NotFound if there is no
// log, and is emit's if that fails; the end of ctx is none.
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

// reader is at a place in the log.
type reader struct {
	dir  string
	emit func([]byte) error
	f    *os.File // the one being read; nil if there is none
	off  int64
	part []byte // of a line whose end is not written yet

	// before is what the old file was when f was opened; nil: there was none. It is held open so that no other
	// file can come to look like it.
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

// last emits the last n lines of both files, and stays at the end. A last line without an end counts if whole.
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

// open goes over to the beginning of the file called name, and notes the old one. The error wraps
// fs.ErrNotExist if it is not there; the reader then stays where it is.
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
			f.Close() // it was rotated between the two
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

// more emits what was written since, and goes over to the file that has the log's name if it is another.
func (r *reader) more() error {
	for {
		// Looked at before the end is read: what is in this file by then is all it will ever have.
		now, err := os.Lstat(filepath.Join(r.dir, current))
		still := err == nil && same(r.f, now)
		if r.f != nil {
			if err := r.drain(); err != nil {
				return err
			}
		}
		if still || err != nil { // or removed: it will be made anew
			return nil
		}
		next := current
		if r.f != nil {
			if err := r.flush(); err != nil {
				return err
			}
			// After two rotations since the last look there is one file between.
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

// drain emits the whole lines up to the end of the file.
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
		case err == nil || len(r.part) >= 2*maxLine: // a trace that crashed, cut
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

// openRegular opens a file that is no symlink and nothing that a reader would wait on.
func openRegular(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the log: %q is no file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|osfs.NoFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return f, nil
}
