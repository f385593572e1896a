package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Sum identifies the bytes of a chunk: the first half of their SHA-256.
type Sum [16]byte

// SumOf returns the sum of a chunk's bytes.
func SumOf(b []byte) Sum {
	full := sha256.Sum256(b)
	return Sum(full[:16])
}

// Chunk is a run of a file that begins where the previous one ends.
type Chunk struct {
	Length int32 // bytes, more than 0
	Sum    Sum
}

// File holds the chunks of a file. The sum of their lengths is the file's length.
type File struct {
	Length int64 // bytes
	Chunks []Chunk
}

// Index holds the chunks of a torrent's files, in the torrent's order without pads.
type Index struct {
	Info    [32]byte // SHA-256 of the info of the torrent that it was made for
	Average int      // bytes, a power of two
	Files   []File
}

const (
	magic   = "p2pshare chunks\n"
	version = 1
	header  = len(magic) + 4 + 32 + 2*4
)

// Encode returns the bytes that Decode reads. Each index has exactly one encoding.
func (x *Index) Encode() []byte {
	b := []byte(magic)
	b = binary.BigEndian.AppendUint32(b, version)
	b = append(b, x.Info[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(x.Average))
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.Files)))
	for _, f := range x.Files {
		b = binary.AppendUvarint(b, uint64(f.Length))
		for _, c := range f.Chunks {
			b = binary.AppendUvarint(b, uint64(c.Length))
			b = append(b, c.Sum[:]...)
		}
	}
	return b
}

// Decode reads an index from an untrusted source. Errors are of kind Unverified.
func Decode(b []byte) (*Index, error) {
	x, err := decode(b)
	if err != nil {
		return nil, fault.New(fault.Unverified, "reading a chunk index: %w", err)
	}
	return x, nil
}

func decode(b []byte) (*Index, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxBytes)
	}
	if len(b) < header || string(b[:len(magic)]) != magic {
		return nil, errors.New("not a chunk index")
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != version {
		return nil, fmt.Errorf("it has version %d, and this p2pshare reads version %d", v, version)
	}
	average, files := binary.BigEndian.Uint32(b[header-8:]), binary.BigEndian.Uint32(b[header-4:])
	if !validAverage(int64(average)) {
		return nil, fmt.Errorf("chunks of %d bytes", average)
	}
	if files > maxFiles || int64(files) > int64(len(b)) {
		return nil, fmt.Errorf("%d files", files)
	}
	r := reader{b: b[header:], least: int64(average) / leastShare, most: int64(average) * mostShare}
	x := &Index{Info: [32]byte(b[len(magic)+4:]), Average: int(average), Files: make([]File, files)}
	for i := range x.Files {
		if err := r.file(&x.Files[i]); err != nil {
			return nil, fmt.Errorf("file %d: %w", i, err)
		}
	}
	if len(r.b) > 0 {
		return nil, fmt.Errorf("%d bytes after the end", len(r.b))
	}
	return x, nil
}

// reader parses an index.
type reader struct {
	b           []byte
	least, most int64 // bounds of a chunk's length; the last chunk of a file may be shorter
	chunks      int
}

func (r *reader) file(f *File) error {
	length, err := r.number(maxFile)
	if err != nil {
		return err
	}
	f.Length = length
	if length == 0 {
		return nil
	}
	// The remaining bytes bound the allocation.
	f.Chunks = make([]Chunk, 0, min(length*mostShare/r.most+1, int64(len(r.b)/(len(Sum{})+1)+1)))
	for length > 0 {
		if r.chunks++; r.chunks > maxChunks {
			return fmt.Errorf("more than %d chunks", maxChunks)
		}
		n, err := r.number(min(r.most, length))
		if err != nil {
			return err
		}
		if n == 0 || n < r.least && n < length {
			return fmt.Errorf("a chunk of %d bytes", n)
		}
		if len(r.b) < len(Sum{}) {
			return errors.New("it is cut off")
		}
		f.Chunks = append(f.Chunks, Chunk{int32(n), Sum(r.b[:len(Sum{})])})
		r.b = r.b[len(Sum{}):]
		length -= n
	}
	return nil
}

// number reads a varint in its shortest form.
func (r *reader) number(most int64) (int64, error) {
	v, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		return 0, errors.New("it is cut off")
	case n < 0 || n > 1 && r.b[n-1] == 0:
		return 0, errors.New("a malformed number")
	case v > uint64(most):
		return 0, fmt.Errorf("a length of %d bytes, want at most %d", v, most)
	}
	r.b = r.b[n:]
	return int64(v), nil
}

func validAverage(n int64) bool {
	return n >= leastAverage && n <= mostAverage && n&(n-1) == 0
}

// Fits returns an error if the index does not have the files of t, or not the chunk size for content of t's size. Errors
// are of kind Unverified.
func (x *Index) Fits(t *metafile.Torrent) error {
	same := len(x.Files) == len(t.Files)
	for i := 0; same && i < len(t.Files); i++ {
		same = x.Files[i].Length == t.Files[i].Length
	}
	if !same {
		return fault.New(fault.Unverified, "the chunk index does not match the torrent %q", t.Name)
	}
	// Larger chunks take as much memory at whoever cuts with this size, and only one size is right.
	if want := AverageFor(t.Size); x.Average != want {
		return fault.New(fault.Unverified, "the chunk index of %q has chunks of %d bytes, want %d for its size", t.Name, x.Average, want)
	}
	return nil
}
