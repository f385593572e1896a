package grouplog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// fork is what counts of a device that signed two histories: of all evidence that is known, the one that leaves least.
type fork struct {
	signed.Fork
	sum signed.Hash // of its bytes
	led bool        // the log that is held has all that counts
}

func byDevice(a, b signed.Key) int { return slices.Compare(a[:], b[:]) }

func (s *Store) openEvidence() error {
	list, err := s.clean("evidence")
	if err != nil {
		return err
	}
	for _, name := range list {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		raw, err := readFile(filepath.Join(s.dir, "evidence", name), signed.MaxFork)
		var f signed.Fork
		if err == nil {
			f, err = signed.OpenFork(raw, s.group)
		}
		if err != nil {
			s.problem(filepath.Join("evidence", name), nil, err)
			continue
		}
		s.convict(f, raw)
	}
	return nil
}

// convict freezes a device in memory, if the evidence leaves less of its log than what is known.
func (s *Store) convict(f signed.Fork, raw []byte) {
	if have := s.forks[f.Device]; have != nil {
		if !f.Before(have.Fork) {
			return
		}
		delete(s.evidence, have.sum)
	}
	s.forks[f.Device] = &fork{Fork: f, sum: signed.HashOf(raw)}
	s.evidence[signed.HashOf(raw)] = true
}

// settle looks whether the log of a frozen device has all that counts. It is asked whenever either has changed.
func (s *Store) settle(k signed.Key) error {
	f, l := s.forks[k], s.logs[k]
	if f == nil {
		return nil
	}
	f.led = f.Size == 0
	if f.led || l == nil || l.head.Size < f.Size {
		return nil
	}
	root, err := s.rootAt(l, f.Size)
	f.led = err == nil && root == f.Root
	return err
}

// rootAt is the root of the tree of the first records of a log that is whole.
func (s *Store) rootAt(l *log, size int64) (signed.Hash, error) {
	var from stage
	tree := new(signed.Tree)
	for _, st := range l.stages {
		if st.tree.Size() <= size {
			from, tree = st, st.tree.Clone()
		}
	}
	err := s.hashes(l, from.bytes, func(h signed.Hash) bool {
		if tree.Size() < size {
			tree.AppendHash(h)
		}
		return tree.Size() < size
	})
	return tree.Root(), err
}

// hashes gives those of the records of a log that begin at a byte or behind it, as long as they are wanted.
func (s *Store) hashes(l *log, from int64, take func(signed.Hash) bool) error {
	f, err := os.Open(s.path(l.head.Device, ".rec"))
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	defer f.Close()
	for r, err := range signed.ReadLines(io.NewSectionReader(f, from, l.bytes-from)) {
		if err != nil {
			return fmt.Errorf("reading a log: %w", err)
		}
		if !take(signed.RecordHash(r)) {
			break
		}
	}
	return nil
}

// Dispute judges a peer's whole log of a device against the one that is held, after Extend found that they disagree.
// records are all of the peer's, from the first. If the device has signed both, the evidence is kept, the device frozen, and the
// error is signed.ErrForked; otherwise it says what is wrong with what the peer sent, or is nil: it is one history.
func (s *Store) Dispute(head signed.Head, records [][]byte, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.judge(head, now); err != nil {
		return err
	}
	l := s.logs[head.Device]
	if l == nil {
		return nil
	}
	if err := new(signed.Tree).VerifyRecords(head, records); err != nil {
		return err
	}
	if l.floor.Size > 0 {
		return refused("log", signed.ErrGap, "the records of device %v that are held are damaged", head.Device)
	}
	held := make([]signed.Hash, 0, l.head.Size)
	if err := s.hashes(l, 0, func(h signed.Hash) bool { held = append(held, h); return true }); err != nil {
		return err
	}
	theirs := make([]signed.Hash, len(records))
	for i, r := range records {
		theirs[i] = signed.RecordHash(r)
	}
	f, err := signed.NewFork(l.head, head, held, theirs)
	switch {
	case errors.Is(err, signed.ErrDisagrees):
		return nil
	case err == nil:
		_, err = s.keepFork(f)
	}
	if err != nil {
		return err
	}
	return forked(head.Device)
}

func forked(k signed.Key) error {
	return fault.Hint(refused("log", signed.ErrForked, "device %v has signed two histories: what both begin with counts, and nothing more is signed", k),
		"a restored backup or a copied home does this, and so does a thief; p2pshare group leave and group join make this machine a new device")
}

// keepFork keeps evidence, if it leaves less of the device's log than what is known.
func (s *Store) keepFork(f signed.Fork) (news bool, err error) {
	if have := s.forks[f.Device]; have != nil && !f.Before(have.Fork) {
		return false, nil
	}
	raw, err := f.Marshal()
	if err != nil {
		return false, err
	}
	if err := state.WriteFile(filepath.Join(s.dir, "evidence", f.Device.String()+".json"), raw, 0o600); err != nil {
		return false, fmt.Errorf("keeping evidence: %w", err)
	}
	s.convict(f, raw)
	return true, s.settle(f.Device)
}

// AddFork takes evidence from a peer and freezes the device; news says whether it leaves less of its log than was known. It
// refuses evidence against devices without a log here (signed.ErrGap), of which anyone can make any amount.
func (s *Store) AddFork(raw []byte) (news bool, err error) {
	f, err := signed.OpenFork(raw, s.group)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[f.Device] == nil {
		return false, refused("fork", signed.ErrGap, "there is no log of device %v here", f.Device)
	}
	return s.keepFork(f)
}

// Common is how many records the histories of a frozen device have in common; -1: it is not frozen.
func (s *Store) Common(k signed.Key) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.forks[k]; f != nil {
		return f.Size
	}
	return -1
}

// Forks is what counts of the devices that are frozen, in their order, each with the evidence.
func (s *Store) Forks() []signed.Fork {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]signed.Fork, 0, len(s.forks))
	for _, k := range slices.SortedFunc(maps.Keys(s.forks), byDevice) {
		out = append(out, s.forks[k].Fork)
	}
	return out
}

// ForkSum tells what follows from the evidence, in a few letters: members who know the same have the same. Empty: there is none.
func (s *Store) ForkSum() string {
	all := s.Forks()
	if len(all) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, f := range all {
		fmt.Fprintf(sum, "%v %d %v\n", f.Device, f.Size, f.Root)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:16])
}

// Lacks says what is wanted of a frozen device's log from a peer who shows a head: the records from one on. Wanted is what
// leads to the records that count, and where others are held all of any other log: it tells what both begin with. frozen is
// false for a device that is not.
func (s *Store) Lacks(h signed.Head) (from int64, lacks, frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, l := s.forks[h.Device], s.logs[h.Device]
	switch {
	case f == nil:
		return 0, false, false
	case f.led:
		return 0, false, true
	case l == nil, l.floor.Size > 0:
		return 0, true, true
	case l.head.Size < f.Size && h.Size > l.head.Size:
		return l.head.Size, true, true
	case l.head.Size < f.Size && h.Size < l.head.Size:
		return 0, false, true
	}
	return 0, h.Size != l.head.Size || h.Root != l.head.Root, true
}

func (s *Store) frozen(k signed.Key) error {
	if s.forks[k] != nil {
		return forked(k)
	}
	return nil
}
