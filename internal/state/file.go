package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// WriteFile puts data at path with exactly perm, or leaves what was there: no reader and no crash
// ever sees a part. A symlink at path is replaced, not followed.
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
	return syncDir(dir)
}

// VersionError is a file of a version this program does not know.
type VersionError struct {
	Path      string
	Got, Want int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%q has version %d, and this p2pshare reads version %d", e.Path, e.Got, e.Want)
}

// WriteVersioned writes v, which must encode to a JSON object without a "version", as {"version":N,...}
// with mode 0600.
func WriteVersioned(path string, version int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %q: %w", path, err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil || keys == nil {
		return fmt.Errorf("encoding %q: %T is no JSON object", path, v)
	}
	if _, has := keys["version"]; has {
		return fmt.Errorf("encoding %q: %T has a version of its own", path, v)
	}
	out := fmt.Appendf(nil, `{"version":%d`, version)
	if len(keys) > 0 {
		out = append(out, ',')
	}
	out = append(out, body[1:]...)
	return WriteFile(path, append(out, '\n'), 0o600)
}

// ReadVersioned reads into v what WriteVersioned wrote. Errors: fs.ErrNotExist if there is no file, a
// *VersionError if it has another version, else what is wrong with it: a key that v does not
// know, a torn or foreign file.
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
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return damaged(path, err)
	}
	var got int
	if err := json.Unmarshal(keys["version"], &got); err != nil {
		return damaged(path, errors.New("it carries no version"))
	}
	if got != version {
		return fault.Hint(&VersionError{Path: path, Got: got, Want: version},
			"use the p2pshare that wrote it, or move the file away to begin anew")
	}
	delete(keys, "version")
	rest, err := json.Marshal(keys)
	if err != nil {
		return damaged(path, err)
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return damaged(path, err)
	}
	return nil
}

func damaged(path string, err error) error {
	return fault.Hint(fmt.Errorf("reading %q: not a file of ours, or damaged: %w", path, err), "move it away to begin anew")
}
