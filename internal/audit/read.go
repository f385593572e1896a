package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Query selects lines. Zero fields select everything.
type Query struct {
	User  string    // only lines of this account
	Since time.Time // only lines since then
	Lines int       // only the last Lines lines; at most MaxLines
}

// Read returns the lines in folder that q selects, the latest last; none if there is no audit. It reads no further back
// than needed.
func Read(folder string, q Query) ([]Line, error) {
	if q.Lines < 0 || q.Lines > MaxLines {
		return nil, fault.New(fault.Usage, "reading the audit: %d lines, want at most %d", q.Lines, MaxLines)
	}
	if q.Lines == 0 {
		q.Lines = MaxLines
	}
	files, err := openAll(Path(folder))
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	var out []Line
	for _, f := range files {
		got, err := last(f, q, q.Lines-len(out))
		if err != nil {
			return nil, fmt.Errorf("reading the audit: %w", err)
		}
		if out = append(got, out...); len(out) == q.Lines {
			break
		}
	}
	return out, nil
}

// openAll opens the files, the newest first. If a rotation in between makes one appear twice, under both its names, it
// counts once.
func openAll(path string) ([]*os.File, error) {
	var files []*os.File
	var infos []fs.FileInfo
	for i := range Old + 1 {
		if info, err := os.Lstat(numbered(path, i)); err == nil && !info.Mode().IsRegular() {
			continue // not ours
		}
		f, err := os.OpenFile(numbered(path, i), os.O_RDONLY|osfs.NoFollow, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return files, fmt.Errorf("reading the audit: %w", err)
		}
		info, err := f.Stat()
		if err != nil || slices.ContainsFunc(infos, func(o fs.FileInfo) bool { return os.SameFile(o, info) }) {
			f.Close()
			continue
		}
		files, infos = append(files, f), append(infos, info)
	}
	return files, nil
}

// last returns the last n lines of r that q selects.
func last(r io.Reader, q Query, n int) ([]Line, error) {
	var ring []Line
	next := 0
	in := bufio.NewReaderSize(r, maxLine)
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if err := skipLine(in); errors.Is(err, io.EOF) {
				return append(ring[next:], ring[:next]...), nil
			} else if err != nil {
				return nil, err
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case err == nil: // a complete line
			if l, ok := decode(bytes.TrimSuffix(b, []byte("\n"))); ok && q.wants(l) {
				if len(ring) < n {
					ring = append(ring, l)
				} else {
					ring[next] = l
					next = (next + 1) % n
				}
			}
			continue
		}
		return append(ring[next:], ring[:next]...), nil
	}
}

// skipLine reads to the end of a line.
func skipLine(in *bufio.Reader) error {
	for {
		if _, err := in.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func (q Query) wants(l Line) bool {
	return (q.User == "" || l.Account == q.User) && !l.Time.Before(q.Since)
}
