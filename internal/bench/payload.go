package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// noise writes n incompressible bytes that depend only on seed.
func noise(path string, seed uint64, n int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return write(path, io.LimitReader(source(seed), n))
}

func source(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

func write(path string, r io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 1<<20))
	return errors.Join(err, w.Flush(), f.Close())
}

// release writes a folder like a typical software release: an image of half its size, six archives, and small files.
func release(dir string, size int64) error {
	image, archive := size/2, size/14
	small := size - image - 6*archive
	if err := noise(filepath.Join(dir, "image.iso"), 1, image); err != nil {
		return err
	}
	for i := range 6 {
		if err := noise(filepath.Join(dir, fmt.Sprintf("build-%d.tar.gz", i)), uint64(10+i), archive); err != nil {
			return err
		}
	}
	return smallFiles(filepath.Join(dir, "docs"), small)
}

// smallFiles writes files of up to 64 KB.
func smallFiles(dir string, size int64) error {
	sizes := rand.New(rand.NewPCG(7, 7))
	for i := 0; size > 0; i++ {
		n := min(size, 1+sizes.Int64N(64_000))
		if err := noise(filepath.Join(dir, fmt.Sprint(i/100), fmt.Sprintf("f%d.html", i)), uint64(1000+i), n); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// smallest is the size from which files are changed inside; smaller files are either new or unchanged.
const smallest = 1 << 20

// nextRelease writes the next version of the release in old, with same percent of its bytes unchanged. Large files get new
// blocks inserted at unaligned offsets, so that everything after them moves; of the small files some are new and the others
// unchanged.
func nextRelease(old, dir string, same int) error {
	number, small := uint64(1<<20), 0
	return filepath.WalkDir(old, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(old, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		number++
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if info.Size() >= smallest {
			return insertInto(path, to, info.Size(), info.Size()*int64(100-same)/int64(same), number)
		}
		small++
		if small%100 >= same { // the last of every hundred
			return noise(to, number, info.Size())
		}
		return insertInto(path, to, info.Size(), 0, number)
	})
}

// insertInto copies a file and inserts added new bytes: in one place, or in four if the file is large.
func insertInto(from, to string, size, added int64, seed uint64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	places := int64(1)
	if size > 8<<20 {
		places = 4
	}
	fresh := source(seed)
	var parts []io.Reader
	at := int64(0)
	for i := range places {
		next := size*(2*i+1)/(2*places) | 1
		next = min(next, size)
		parts = append(parts, io.NewSectionReader(f, at, next-at), io.LimitReader(fresh, added/places))
		at = next
	}
	parts = append(parts, io.NewSectionReader(f, at, size-at))
	return write(to, io.MultiReader(parts...))
}

// sameTree describes the first difference between the shared tree and the fetched one; empty if there is none. Additional
// files are ignored, because clients keep their own files there.
func sameTree(want, got string) string {
	different := ""
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		same, err := sameFile(path, filepath.Join(got, rel))
		if err != nil {
			return err
		}
		if !same {
			different = fmt.Sprintf("%q differs from what was shared", rel)
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return different
}

func sameFile(a, b string) (bool, error) {
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	ba, bb := make([]byte, 1<<18), make([]byte, 1<<18)
	for {
		na, ea := io.ReadFull(fa, ba)
		nb, eb := io.ReadFull(fb, bb)
		if !bytes.Equal(ba[:na], bb[:nb]) {
			return false, nil
		}
		if ea != nil || eb != nil {
			end := func(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
			if end(ea) && end(eb) {
				return true, nil
			}
			return false, errors.Join(ea, eb)
		}
	}
}

// treeSize returns the total size in bytes and the number of files below a folder, or of a file.
func treeSize(path string) (total int64, files int, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total, files = total+info.Size(), files+1
		}
		return err
	})
	return total, files, err
}
