package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// WriteFile writes data to path with exactly perm, or leaves what was there: no reader and no crash
// ever sees a part of it. A symlink at path is replaced, not followed.
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing %q: %w", path, err)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return osfs.SyncDir(dir)
}

// Sweep removes from dir the temporary files of a killed WriteFile: those of the named files, or all if no names are
// given. The caller must be the only one that writes these files.
func Sweep(dir string, names ...string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for files that a crash left: %w", err)
	}
	for _, e := range list {
		base, ok := strings.CutSuffix(e.Name(), ".tmp")
		base, digits, ok2 := cutLast(strings.TrimPrefix(base, "."))
		if !ok || !ok2 || e.Name()[0] != '.' || strings.Trim(digits, "0123456789") != "" || len(names) > 0 && !slices.Contains(names, base) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a file that a crash left: %w", err)
		}
	}
	return nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// VersionError is returned for a file of a version that this program does not know.
type VersionError struct {
	Path      string
	Got, Want int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%q has version %d, but this p2pshare reads version %d", e.Path, e.Got, e.Want)
}

// WriteVersioned writes v, which must encode to a JSON object without a "version" or "sum", with mode 0600, as
// {"version":N,"sum":"S",...}: S is the SHA-256, in hex, of N in decimal and v's JSON, so that a torn file or a flipped
// bit is always noticed.
func WriteVersioned(path string, version int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %q: %w", path, err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil || keys == nil {
		return fmt.Errorf("encoding %q: %T is not a JSON object", path, v)
	}
	for _, ours := range []string{"version", "sum"} {
		if _, has := keys[ours]; has {
			return fmt.Errorf("encoding %q: %T has a %s of its own", path, v, ours)
		}
	}
	out := fmt.Appendf(nil, `{"version":%d,"sum":"%s"`, version, sumOf(version, body))
	if len(keys) > 0 {
		out = append(out, ',')
	}
	out = append(out, body[1:]...)
	return WriteFile(path, append(out, '\n'), 0o600)
}

func sumOf(version int, body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d", version)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// sealed matches the start of what WriteVersioned writes. It allows no other spelling: the sum covers the bytes, not
// their meaning.
var sealed = regexp.MustCompile(`^{"version":([0-9]{1,9}),"sum":"([0-9a-f]{64})"(,?)`)

// ReadVersioned reads into v what WriteVersioned wrote. Its error is fs.ErrNotExist if there is no file, a
// *VersionError if it has another version, and otherwise says what is wrong: a sum that does not match, a key that v
// does not have, a torn or foreign file.
func ReadVersioned(path string, version int, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStateFile+1))
	if err != nil {
		return fmt.Errorf("reading %q: %w", path, err)
	}
	if len(data) > maxStateFile {
		return damaged(path, fmt.Errorf("larger than %d bytes", maxStateFile))
	}
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return damaged(path, err)
	}
	switch {
	case head.Version == nil:
		return damaged(path, errors.New("it has no version"))
	case *head.Version != version:
		return fault.Hint(&VersionError{Path: path, Got: *head.Version, Want: version},
			"use the p2pshare version that wrote it, or move the file away to start over")
	}
	m := sealed.FindSubmatch(data)
	if m == nil {
		return damaged(path, errors.New("it has no checksum"))
	}
	body := append([]byte("{"), bytes.TrimSuffix(data[len(m[0]):], []byte("\n"))...)
	if sumOf(version, body) != string(m[2]) {
		return damaged(path, errors.New("its checksum does not match"))
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return damaged(path, err)
	}
	return nil
}

func damaged(path string, err error) error {
	return fault.Hint(fmt.Errorf("reading %q: damaged, or not written by p2pshare: %w", path, err), "move it away to start over")
}
