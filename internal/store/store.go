package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/state"
)

// recordFile holds the value of a record in its folder.
const recordFile = "record.json"

// Prefixes of folders that are being added or removed. An ID cannot begin with a dot.
const (
	adding   = ".new-"
	removing = ".gone-"
)

// fileHead begins every file of a record; the SHA-256 of the content follows, then the content.
const fileHead = "p2pshare file 1\n"

// Store is a folder of records with values of type R. Its methods may be called from several goroutines, but
// not for the same record at the same time.
type Store[R any] struct {
	dir     string
	version int
}

// Item is a record that was read.
type Item[R any] struct {
	ID    string
	Value R
}

// Bad is a record that could not be read.
type Bad struct {
	ID  string
	Err error
}

// Open creates the folder if needed, cleans up what a crash left half done, and reads every record. version is the
// version of R's encoding.
func Open[R any](dir string, version int) (*Store[R], []Item[R], []Bad, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, nil, fmt.Errorf("creating the folder of shares: %w", err)
	}
	s := &Store[R]{dir: dir, version: version}
	if err := s.tidy(); err != nil {
		return nil, nil, nil, err
	}
	items, bad, err := s.load()
	return s, items, bad, err
}

// Read reads what is in the folder and changes nothing, for a caller without the lock. A record that is removed at the
// same time may be missing or Bad.
func Read[R any](dir string, version int) (*Store[R], []Item[R], []Bad, error) {
	s := &Store[R]{dir: dir, version: version}
	items, bad, err := s.load()
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil, nil
	}
	return s, items, bad, err
}

// Add adds a record with value and files, which are keyed by name. After an error there is no such record.
func (s *Store[R]) Add(id string, value R, files map[string][]byte) (err error) {
	if err := checkID(id); err != nil {
		return err
	}
	if _, err := os.Lstat(s.path(id)); err == nil {
		return fmt.Errorf("adding %q: it exists already", id)
	}
	tmp := s.path(adding + id)
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("adding %q: %w", id, err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("adding %q: %w", id, err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(tmp) // the next Open removes what is left
		}
	}()
	for name, b := range files {
		if err := state.WriteFile(filepath.Join(tmp, name), seal(b), 0o600); err != nil {
			return err
		}
	}
	if err := state.WriteVersioned(filepath.Join(tmp, recordFile), s.version, value); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.path(id)); err != nil {
		return fmt.Errorf("adding %q: %w", id, err)
	}
	return osfs.SyncDir(s.dir)
}

// Put replaces a record's value. After an error it still has the old one.
func (s *Store[R]) Put(id string, value R) error {
	return state.WriteVersioned(filepath.Join(s.path(id), recordFile), s.version, value)
}

// PutFile adds or replaces a file of a record. After an error it still has the old one.
func (s *Store[R]) PutFile(id, name string, b []byte) error {
	return state.WriteFile(filepath.Join(s.path(id), name), seal(b), 0o600)
}

// File reads a file of a record. The error wraps fs.ErrNotExist if the record has none of that name.
func (s *Store[R]) File(id, name string) ([]byte, error) {
	path := filepath.Join(s.path(id), name)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	body, err := unseal(b)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reading %q: %w", path, err), "remove the share and add it again")
	}
	return body, nil
}

// Remove removes a record, damaged or not. Removing one that does not exist is not an error.
func (s *Store[R]) Remove(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	gone := s.path(removing + id)
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("removing %q: %w", id, err)
	}
	if err := os.Rename(s.path(id), gone); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("removing %q: %w", id, err)
	}
	if err := osfs.SyncDir(s.dir); err != nil {
		return err
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("removing %q: %w", id, err)
	}
	return nil
}

// Path is where a file of a record is that the caller writes and reads, under a name that PutFile is not given. It goes with the
// record; what begins with a dot and ends with .tmp goes with the next Open.
func (s *Store[R]) Path(id, name string) string { return filepath.Join(s.path(id), name) }

func (s *Store[R]) path(name string) string { return filepath.Join(s.dir, name) }

// tidy removes what was being added or removed when the last process ended.
func (s *Store[R]) tidy() error {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("reading the folder of shares: %w", err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), adding) || strings.HasPrefix(e.Name(), removing) {
			if err := os.RemoveAll(s.path(e.Name())); err != nil {
				return fmt.Errorf("removing a folder that a crash left: %w", err)
			}
		} else if e.IsDir() {
			_ = state.Sweep(s.path(e.Name())) // a folder that cannot be read becomes Bad; the others are still read
		}
	}
	return nil
}

func (s *Store[R]) load() (items []Item[R], bad []Bad, err error) {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the folder of shares: %w", err)
	}
	for _, e := range list {
		id := e.Name()
		if strings.HasPrefix(id, ".") {
			continue // being added or removed, or not ours
		}
		i := Item[R]{ID: id}
		if err := checkID(id); err != nil {
			bad = append(bad, Bad{id, err})
		} else if err := state.ReadVersioned(filepath.Join(s.path(id), recordFile), s.version, &i.Value); err != nil {
			bad = append(bad, Bad{id, err})
		} else {
			items = append(items, i)
		}
	}
	return items, bad, nil
}

func seal(b []byte) []byte {
	sum := sha256.Sum256(b)
	return slices.Concat([]byte(fileHead), sum[:], b)
}

func unseal(b []byte) ([]byte, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	rest, ok := bytes.CutPrefix(b, []byte(fileHead))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("damaged, or not written by p2pshare")
	}
	body := rest[sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(rest) {
		return nil, errors.New("damaged: its checksum does not match")
	}
	return body, nil
}

// checkID keeps a record's folder inside the store's.
func checkID(id string) error {
	if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fmt.Errorf("%q is not the ID of a share", id)
	}
	return nil
}
