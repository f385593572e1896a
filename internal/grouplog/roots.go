package grouplog

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

func (s *Store) rootPath(v int64) string {
	return filepath.Join(s.dir, "roots", strconv.FormatInt(v, 10)+".note")
}

func (s *Store) openRoots() error {
	list, err := s.clean("roots")
	if err != nil {
		return err
	}
	for _, name := range list {
		n, err := strconv.ParseInt(strings.TrimSuffix(name, ".note"), 10, 64)
		if err == nil && n > 0 && n <= signed.MaxRoots && name == strconv.FormatInt(n, 10)+".note" {
			s.floor = max(s.floor, n)
		}
	}
	return s.readOn()
}

// readOn takes the roots on disk that follow the last known one.
func (s *Store) readOn() error {
	for v := int64(len(s.roots) + 1); v <= s.floor; v++ {
		raw, err := readFile(s.rootPath(v), signed.MaxRoot)
		var r *signed.SignedRoot
		if err == nil {
			r, err = s.judgeRoot(raw)
		}
		if err != nil {
			s.problem(filepath.Join("roots", filepath.Base(s.rootPath(v))), nil, err)
			return nil // what stands behind cannot be judged; Roots tells that it is missing
		}
		s.roots = append(s.roots, r)
	}
	return nil
}

// Holds says whether a note is a root that is here, or the latest head of a log that is, or evidence that is kept: what comes
// again and again is known without the cost of judging its signatures.
func (s *Store) Holds(raw []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _, note := bytes.Cut(raw, []byte("\n\n"))
	if !note {
		return s.evidence[signed.HashOf(raw)]
	}
	origin, _, _ := bytes.Cut(text, []byte("\n"))
	if k, err := signed.ParseKey(string(origin[bytes.LastIndexByte(origin, '/')+1:])); err == nil {
		l := s.logs[k]
		return l != nil && bytes.Equal(l.head.Raw, raw)
	}
	sum := signed.HashOf(raw[:len(text)+1])
	return slices.ContainsFunc(s.roots, func(r *signed.SignedRoot) bool { return r.Hash == sum })
}

func (s *Store) judgeRoot(raw []byte) (*signed.SignedRoot, error) {
	if len(s.roots) == 0 {
		return signed.Genesis(raw, s.group)
	}
	return s.roots[len(s.roots)-1].Next(raw)
}

// Roots is the chain from version 1 on. It is refused as long as it ends before a version that was known: damage
// must not bring back an owner or admin that was rotated out. AddRoot mends it with what peers have.
func (s *Store) Roots() ([]*signed.SignedRoot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(len(s.roots)) < s.floor || len(s.roots) == 0 {
		return nil, fault.Hint(refused("root", signed.ErrGap, "version %d is wanted, and cannot be read", len(s.roots)+1),
			"a member who is online has it")
	}
	return slices.Clone(s.roots), nil
}

// NextRoot is the version that AddRoot wants: a peer is asked from there on.
func (s *Store) NextRoot() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.roots) + 1)
}

// AddRoot takes the next version of the root. Another root of a known version is kept as evidence against the
// owners, and refused.
func (s *Store) AddRoot(raw []byte) (*signed.SignedRoot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.judgeRoot(raw)
	if errors.Is(err, signed.ErrForked) {
		return nil, errors.Join(err, s.keepRootFork(raw))
	}
	if err != nil {
		return nil, err
	}
	if err := state.WriteFile(s.rootPath(r.Version), r.Raw, 0o600); err != nil {
		return nil, fmt.Errorf("keeping a root: %w", err)
	}
	s.roots = append(s.roots, r)
	s.floor = max(s.floor, r.Version)
	return r, s.readOn()
}

func (s *Store) keepRootFork(raw []byte) error {
	r, err := signed.ParseRoot(raw)
	if err != nil {
		return err
	}
	kept, err := filepath.Glob(filepath.Join(s.dir, "evidence", "root-*.note"))
	if err != nil || len(kept) >= maxRootForks {
		return err
	}
	return state.WriteFile(filepath.Join(s.dir, "evidence", fmt.Sprintf("root-%d-%.16v.note", r.Version, r.Hash)), r.Raw, 0o600)
}
