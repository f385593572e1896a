// Package plaintar reads tars that hold files as they are, and nothing else: what a tar can make of few bytes (sparse
// files, links, devices, headers that do not end) is refused before anything of it is written or kept. It is a package of
// its own because groups' exports and sealed content both come from strangers as tars.
//
//	NewReader  with the bounds; Next and Read are those of archive/tar
//
// Guaranteed: a file gives as many bytes as were read for it, the bytes of all files stay within Limits.Bytes, the files
// within Limits.Files, and no header takes more than 16 KiB, whoever wrote it. The caller judges names and what is in the files.
package plaintar

import (
	"archive/tar"
	"errors"
	"io"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// maxHeader bounds what stands before a file: its header, and a PAX header with a long path.
const maxHeader = 16 << 10

// block is what a tar is divided into.
const block = 512

// Limits of a tar.
type Limits struct {
	Files int
	Bytes int64 // of all files
}

// Reader reads the files of a tar one after the other.
type Reader struct {
	tar  *tar.Reader
	src  *source
	most Limits
	left Limits
	rest int64 // bytes of the current file that were not read yet, with what fills its last block
}

// NewReader reads from r what stays within l.
func NewReader(r io.Reader, l Limits) *Reader {
	src := &source{r: r}
	return &Reader{tar: tar.NewReader(src), src: src, most: l, left: l}
}

// Next goes to the next file; io.EOF: there is none. Its errors are of fault.Unverified, or those of the source.
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
		return fault.New(fault.Unverified, "%.300q is no file (kind %q)", h.Name, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "size" {
			return fault.New(fault.Unverified, "%.300q has the attribute %.100q, which no file here has", h.Name, key)
		}
	}
	if r.left.Files--; r.left.Files < 0 {
		return fault.New(fault.Unverified, "it holds more than the %d files that it may", r.most.Files)
	}
	if h.Size > r.left.Bytes {
		return fault.New(fault.Unverified, "its files have more than the %d bytes that they may", r.most.Bytes)
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

// failed tells what is wrong with the tar from what is wrong with its source.
func (r *Reader) failed(err error) error {
	switch {
	case errors.Is(r.src.err, errHeader):
		return fault.New(fault.Unverified, "a header in it takes more than %d bytes", maxHeader)
	case r.src.err != nil:
		return r.src.err
	}
	return fault.New(fault.Unverified, "it is damaged: %w", err)
}

var errHeader = errors.New("a header that does not end")

// source lets as much through as is left, and keeps the error of what is read from.
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
