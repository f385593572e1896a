// Package payload makes the files that tests share, and compares the result. The bytes are random
// with a fixed seed: the same on every run, and incompressible.
package payload

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is the shape of a payload.
type Tree struct {
	Name  string // also the name of its top-level file or folder
	Title string // for people
	files map[string]int
}

// The shapes of the matrix of clients.
var (
	OneFile = Tree{"one.iso", "one file", map[string]int{"": 3_000_001}}
	Folder  = Tree{"folder", "folder with 50 files", fifty()}
	Unicode = Tree{"ünïcode 束", "folder with empty files and unicode names", map[string]int{
		"empty.txt": 0, "a/empty too": 0, "a/束 space.bin": 70_000, "Ω/größe.dat": 300_000, "Ω/Ж/deep.txt": 5, "zz last, empty": 0, "emoji 🎼.flac": 40_000,
	}}
)

// Large takes a while under a rate limit.
var Large = Tree{"large", "folder of 40 MB", map[string]int{"a.bin": 25_000_003, "b/c.bin": 14_000_000, "b/d.bin": 70_001, "e.bin": 1_000_000}}

// Trees returns all shapes of the matrix.
func Trees() []Tree { return []Tree{OneFile, Folder, Unicode} }

// Make writes the tree below dir and returns its path there.
func (t Tree) Make(dir string) (string, error) {
	root := filepath.Join(dir, t.Name)
	names := make([]string, 0, len(t.files))
	for n := range t.files {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		if err := Write(filepath.Join(root, filepath.FromSlash(n)), t.files[n], uint64(i)); err != nil {
			return "", err
		}
	}
	return root, nil
}

// Write writes a file of size random bytes that depend on seed.
func Write(path string, size int, seed uint64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, Bytes(size, seed), 0o644)
}

// Bytes returns size random bytes that depend on seed.
func Bytes(size int, seed uint64) []byte {
	b := make([]byte, size)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// Same returns an error for the first difference between two files or folders: a missing, additional or different file.
func Same(want, got string) error {
	w, err := list(want)
	if err != nil {
		return err
	}
	g, err := list(got)
	if err != nil {
		return err
	}
	for _, n := range w {
		if !slices.Contains(g, n) {
			return fmt.Errorf("%q is missing", n)
		}
		a, err := os.ReadFile(filepath.Join(want, n))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(got, n))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%q differs (%d bytes, want %d)", n, len(b), len(a))
		}
	}
	for _, n := range g {
		if !slices.Contains(w, n) {
			return fmt.Errorf("%q is there and should not be", n)
		}
	}
	return nil
}

// list returns the regular files below root, relative to it; "." if root is a file.
func list(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		out = append(out, rel)
		return err
	})
	return out, err
}

func fifty() map[string]int {
	files := map[string]int{}
	for i := range 50 {
		name := fmt.Sprintf("part-%d/file-%02d.bin", i%4, i)
		if i%10 == 0 {
			name = strings.TrimPrefix(name, "part-0/")
		}
		files[name] = 1 + (i*i*97)%90_000
	}
	return files
}
