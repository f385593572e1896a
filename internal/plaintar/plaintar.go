// Package plaintar reads tars that hold regular files and nothing else: constructs that expand a few bytes into much more
// or are not files (sparse files, links, devices, headers that never end) are refused before anything of them is written
// or kept. It is a package of its own because groups' exports and sealed content both come from strangers as tars.
//
//	NewReader  takes the limits; Next and Read work as in archive/tar
//
// Guaranteed for any input: a file yields as many bytes as were read for it, the sizes of all files add up to at most
// Limits.Bytes, there are at most Limits.Files files, and no header takes more than 16 KiB. The caller
// checks names and contents.
package plaintar

import (
	"archive/tar"
	"errors"
	"io"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// maxHeader bounds what precedes a file, in bytes: its header, and a PAX header with a long path.
const maxHeader = 16 << 10

// block is the size of a tar's blocks, in bytes.
const block = 512

// Limits bound a tar.
type Limits struct {
	Files int
	Bytes int64 // of all files
}

// Reader reads the files of a tar one after another.
type Reader struct {
	tar  *tar.Reader
	src  *source
	most Limits
	left Limits
	rest int64 // unread bytes of the current file, with the padding of its last block
}

// NewReader returns a Reader of r that enforces l.
func NewReader(r io.Reader, l Limits) *Reader {
	src := &source{r: r}
	return &Reader{tar: tar.NewReader(src), src: src, most: l, left: l}
}

// Next advances to the next file; its error is io.EOF at the end. Other errors are fault.Unverified, or those of r.
func (r *Reader) Next() (*tar.Header, error) {
	r.src.left = r.rest + maxHeader
	h, err := r.tar.Next()
	if errors.Is(err, io.EOF) && r.src.err == nil {
		return nil, io.EOF
	}
	if err != nil {
		return nil, r.failed(err)
	}
	if err := r.judge(h); err != nil {
		return nil, err
	}
	r.rest = (h.Size + block - 1) / block * block
	r.src.left = r.rest
	return h, nil
}

func (r *Reader) judge(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return fault.New(fault.Unverified, "%.300q is not a regular file (type %q)", h.Name, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "size" {
			return fault.New(fault.Unverified, "%.300q has the attribute %.100q, which is not allowed here", h.Name, key)
		}
	}
	if r.left.Files--; r.left.Files < 0 {
		return fault.New(fault.Unverified, "it holds more than the allowed %d files", r.most.Files)
	}
	if h.Size > r.left.Bytes {
		return fault.New(fault.Unverified, "its files have more than the allowed %d bytes", r.most.Bytes)
	}
	r.left.Bytes -= h.Size
	return nil
}

// Read reads from the current file.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.tar.Read(p)
	r.rest -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.failed(err)
	}
	return n, err
}

// failed returns the error of the source if that is the cause, otherwise what is wrong with the tar.
func (r *Reader) failed(err error) error {
	switch {
	case errors.Is(r.src.err, errHeader):
		return fault.New(fault.Unverified, "it has a header of more than %d bytes", maxHeader)
	case r.src.err != nil:
		return r.src.err
	}
	return fault.New(fault.Unverified, "it is damaged: %w", err)
}

var errHeader = errors.New("a header that never ends")

// source lets at most left bytes through, and keeps the first error of the reader below other than io.EOF.
type source struct {
	r    io.Reader
	left int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if s.left <= 0 {
		s.err = errHeader
		return 0, s.err
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
