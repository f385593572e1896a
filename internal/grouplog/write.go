package grouplog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Extend takes a head and the records between the log that is held and it; none, where the head is the same log
// signed later. It returns the new records as they are read. Refused, with nothing changed, are: what is older
// (signed.Old), of a future (signed.Future), does not fit together (signed.Disagrees: the peer's fault until Dispute
// says otherwise), contradicts a head that is known (signed.Forked: the evidence is kept, and the device frozen), or
// is of a frozen device. Anyone can make a device and sign a log: the caller extends logs of devices alone that
// somebody vouches for (acl.State.Welcome, for a new one).
func (s *Store) Extend(head signed.Head, records [][]byte, now time.Time) (signed.Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.judge(head, now); err != nil {
		return signed.Log{}, err
	}
	if err := s.frozen(head.Device); err != nil {
		return signed.Log{}, err
	}
	l := s.logs[head.Device]
	if l == nil {
		if len(s.logs) >= maxDevices {
			return signed.Log{}, refused("log", signed.TooLarge, "the group has the logs of %d devices, and more are not kept", maxDevices)
		}
		l = &log{tree: new(signed.Tree)}
	}
	known := l.known()
	switch head.Compare(known) {
	case signed.Conflict:
		return signed.Log{}, s.convict(known, head, nil)
	case signed.Earlier:
		return signed.Log{}, refused("head", signed.Old, "%d records of device %v signed %v, and %d signed %v are known",
			head.Size, head.Device, head.Time, known.Size, known.Time)
	case signed.Same:
		if l.floor.Size == 0 {
			return signed.Log{Device: head.Device}, nil
		}
	}
	tree, size, err := grow(l, head, records)
	if err != nil {
		return signed.Log{}, err
	}
	if size > signed.MaxLog {
		return signed.Log{}, refused("log", signed.TooLarge, "the log of device %v would have %d bytes, more than %d", head.Device, size, signed.MaxLog)
	}
	return s.write(l, head, tree, records, now)
}

// judge checks a head once more, and its time.
func (s *Store) judge(head signed.Head, now time.Time) error {
	if err := s.opened(head); err != nil {
		return err
	}
	return head.Judge(now)
}

// opened checks a head once more: what is kept must not hang on a caller having opened it.
func (s *Store) opened(head signed.Head) error {
	again, err := signed.OpenHead(head.Raw, s.group)
	if err != nil {
		return err
	}
	if again.Device != head.Device || again.Size != head.Size || again.Root != head.Root || !again.Time.Equal(head.Time) {
		return refused("head", signed.Disagrees, "the head of device %v is not what was signed", head.Device)
	}
	return nil
}

// grow verifies records as those that lead from l to head, and through the head that a damaged log remembers.
func grow(l *log, head signed.Head, records [][]byte) (*signed.Tree, int64, error) {
	size := l.bytes
	for i, r := range records {
		if bytes.IndexByte(r, '\n') >= 0 {
			return nil, 0, refused("record", signed.Malformed, "record %d of device %v holds a newline", l.tree.Size()+int64(i), head.Device)
		}
		size += int64(len(r)) + 1
	}
	tree := l.tree.Clone()
	if err := tree.VerifyRecords(head, records); err != nil {
		return nil, 0, err
	}
	if l.floor.Size > 0 {
		var before signed.Tree
		for _, r := range records[:l.floor.Size] {
			before.Append(r)
		}
		if before.Root() != l.floor.Root {
			return nil, 0, refused("log", signed.Disagrees, "the records of device %v are not those that were here before", head.Device)
		}
	}
	return tree, size, nil
}

// write puts records and then the head on disk, and then into memory.
func (s *Store) write(l *log, head signed.Head, tree *signed.Tree, records [][]byte, now time.Time) (signed.Log, error) {
	if len(records) > 0 {
		if err := s.writeRecords(head.Device, l.bytes, records); err != nil {
			return signed.Log{}, fmt.Errorf("keeping the log of device %v: %w", head.Device, err)
		}
	}
	if err := s.at("before the head"); err != nil {
		return signed.Log{}, err
	}
	if err := state.WriteFile(s.path(head.Device, ".head"), head.Raw, 0o600); err != nil {
		return signed.Log{}, fmt.Errorf("keeping the log of device %v: %w", head.Device, err)
	}
	if err := s.at("after the head"); err != nil {
		return signed.Log{}, err
	}
	read := signed.ParseLog(head.Device, l.tree.Size(), l.last, slices.Values(records), now)
	next := &log{head: head, tree: l.tree.Clone(), bytes: l.bytes, last: l.last, marks: l.marks}
	for _, r := range records {
		next.note(r)
		next.tree.Append(r)
		next.last = timeOf(r)
	}
	if next.tree.Root() != tree.Root() {
		return signed.Log{}, fmt.Errorf("keeping the log of device %v: the records changed under way", head.Device)
	}
	s.logs[head.Device] = next
	return read, nil
}

// writeRecords puts records behind the signed ones and waits until they are on disk.
func (s *Store) writeRecords(k signed.Key, at int64, records [][]byte) (err error) {
	path := s.path(k, ".rec")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	// What a write that failed has left behind the signed records is nobody's.
	if err := f.Truncate(at); err != nil {
		return err
	}
	b := append(bytes.Join(records, []byte("\n")), '\n')
	half := len(b) / 2
	for _, part := range [][]byte{b[:half], b[half:]} {
		if _, err := f.WriteAt(part, at); err != nil {
			return err
		}
		at += int64(len(part))
		if err := s.at("in the records"); err != nil {
			return err
		}
	}
	if err := s.sync(f); err != nil {
		return err
	}
	if err := s.at("after the records"); err != nil {
		return err
	}
	return state.SyncDir(filepath.Dir(path))
}

// Dispute judges a peer's whole log of a device against the one that is held, after Extend found that they disagree.
// records are all of the peer's, from the first. If the device has signed both, the evidence is kept, the device
// frozen, and the error is signed.Forked; otherwise it says what is wrong with what the peer sent, or is nil.
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
	known := l.known()
	hashes := make([]signed.Hash, len(records))
	for i, r := range records {
		hashes[i] = signed.RecordHash(r)
	}
	if known.Size <= head.Size {
		return s.convict(known, head, hashes)
	}
	// The peer's log is the smaller: the proof is made from the records that are held.
	b, err := readFile(s.path(head.Device, ".rec"), signed.MaxLog+signed.MaxRecord)
	if err != nil || l.floor.Size > 0 {
		return refused("log", signed.Gap, "the records of device %v that are held are damaged", head.Device)
	}
	hashes = hashes[:0]
	for r := range signed.Lines(b[:min(int64(len(b)), l.bytes)]) {
		hashes = append(hashes, signed.RecordHash(r))
	}
	return s.convict(head, known, hashes)
}

// convict keeps the evidence that two heads of a device are a fork; nil if they belong to one history.
func (s *Store) convict(a, b signed.Head, hashes []signed.Hash) error {
	f, err := signed.NewFork(a, b, hashes)
	if err != nil {
		if a.Group == b.Group && errors.Is(err, signed.Disagrees) {
			return nil
		}
		return err
	}
	if err := s.keepFork(f); err != nil {
		return err
	}
	return forked(a.Device)
}

func forked(k signed.Key) error {
	return fault.Hint(refused("log", signed.Forked, "device %v has signed two histories; its log is frozen", k),
		"an admin looks at it: a restored backup or a copied home does this, and so does a thief; `p2pshare group device remove` ends it")
}

func (s *Store) keepFork(f signed.Fork) error {
	if _, have := s.forks[f.Small.Device]; have {
		return nil
	}
	raw, err := f.Marshal()
	if err != nil {
		return err
	}
	if err := state.WriteFile(filepath.Join(s.dir, "evidence", f.Small.Device.String()+".json"), raw, 0o600); err != nil {
		return fmt.Errorf("keeping evidence: %w", err)
	}
	s.forks[f.Small.Device] = f
	s.evidence[signed.HashOf(raw)] = true
	return nil
}

// AddFork takes evidence from a peer and freezes the device. It refuses evidence against devices without a log here
// (signed.Gap), which anyone can make any amount of.
func (s *Store) AddFork(raw []byte) (signed.Fork, error) {
	f, err := signed.OpenFork(raw, s.group)
	if err != nil {
		return signed.Fork{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[f.Small.Device] == nil {
		return signed.Fork{}, refused("fork", signed.Gap, "there is no log of device %v here", f.Small.Device)
	}
	return f, s.keepFork(f)
}

// Forks is the evidence, in the order of the devices: what peers are told, and what acl.Part.Frozen is set from.
func (s *Store) Forks() []signed.Fork {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []signed.Fork
	for _, f := range s.forks {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b signed.Fork) int { return slices.Compare(a.Small.Device[:], b.Small.Device[:]) })
	return out
}

func (s *Store) frozen(k signed.Key) error {
	if _, yes := s.forks[k]; yes {
		return forked(k)
	}
	return nil
}

// Forget removes the log of a device, for which nobody vouches: what it had is not known any more, nor is its latest head.
// Evidence against it stays.
func (s *Store) Forget(k signed.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without its head a log is none: a crash in between leaves records that Open sets aside.
	for _, ext := range []string{".head", ".rec"} {
		if err := os.Remove(s.path(k, ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the log of device %v: %w", k, err)
		}
	}
	delete(s.logs, k)
	return nil
}
