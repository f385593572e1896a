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

	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Extend takes a head and the records between the log that is held and it; none, where the head is the same log
// signed later. It returns the new records as they are read. Refused, with nothing changed, are: what is older
// (signed.ErrOld), of a future (signed.ErrFuture), does not fit together or contradicts what is known (signed.ErrDisagrees: the
// peer's fault until Dispute says otherwise), and what does not count of a frozen device (signed.ErrForked). Anyone can make a
// device and sign a log: the caller extends logs of devices alone that somebody vouches for (acl.State.Welcome, for a new one).
func (s *Store) Extend(head signed.Head, records [][]byte, now time.Time) (signed.Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.judge(head, now); err != nil {
		return signed.Log{}, err
	}
	l := s.logs[head.Device]
	if l == nil {
		if len(s.logs) >= MaxDevices {
			return signed.Log{}, refused("log", signed.ErrTooLarge, "the group has the logs of %d devices, and more are not kept", MaxDevices)
		}
		l = &log{tree: new(signed.Tree)}
	}
	f := s.forks[head.Device]
	switch {
	case f != nil && f.led:
		return signed.Log{}, forked(head.Device)
	case f != nil && l.head.Size >= f.Size:
		return signed.Log{}, refused("log", signed.ErrDisagrees, "device %v has signed two histories, and all of the other is wanted", head.Device)
	case f != nil && head.Size >= f.Size:
		// What leads to the records that count is taken, whatever else was known.
	default:
		known := l.known()
		switch head.Compare(known) {
		case signed.Conflict:
			return signed.Log{}, refused("log", signed.ErrDisagrees, "device %v has signed another log of %d records", head.Device, head.Size)
		case signed.Earlier:
			return signed.Log{}, refused("head", signed.ErrOld, "%d records of device %v signed %v, and %d signed %v are known",
				head.Size, head.Device, head.Time, known.Size, known.Time)
		case signed.Same:
			if l.floor.Size == 0 {
				return signed.Log{Device: head.Device}, nil
			}
		}
	}
	tree, size, err := grow(l, f, head, records)
	if err != nil {
		return signed.Log{}, err
	}
	if size > signed.MaxLog {
		return signed.Log{}, refused("log", signed.ErrTooLarge, "the log of device %v would have %d bytes, more than %d", head.Device, size, signed.MaxLog)
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
		return refused("head", signed.ErrDisagrees, "the head of device %v is not what was signed", head.Device)
	}
	return nil
}

// grow verifies records as those that lead from l to head, and on the way through what counts of a frozen device, or else
// through the head that a damaged log remembers.
func grow(l *log, f *fork, head signed.Head, records [][]byte) (*signed.Tree, int64, error) {
	size := l.bytes
	for i, r := range records {
		if bytes.IndexByte(r, '\n') >= 0 {
			return nil, 0, refused("record", signed.ErrMalformed, "record %d of device %v holds a newline", l.tree.Size()+int64(i), head.Device)
		}
		size += int64(len(r)) + 1
	}
	tree := l.tree.Clone()
	if err := tree.VerifyRecords(head, records); err != nil {
		return nil, 0, err
	}
	through, root := l.floor.Size, l.floor.Root
	if f != nil && head.Size >= f.Size {
		through, root = f.Size, f.Root
	}
	if through > 0 {
		before := l.tree.Clone()
		for _, r := range records[:through-before.Size()] {
			before.Append(r)
		}
		if before.Root() != root {
			return nil, 0, refused("log", signed.ErrDisagrees, "the records of device %v are not those that are known", head.Device)
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
	next := &log{head: head, tree: l.tree.Clone(), bytes: l.bytes, last: l.last, marks: l.marks, stages: l.stages}
	for _, r := range records {
		next.note(r)
		next.tree.Append(r)
		next.last = timeOf(r)
	}
	if next.tree.Root() != tree.Root() {
		return signed.Log{}, fmt.Errorf("keeping the log of device %v: the records changed under way", head.Device)
	}
	s.logs[head.Device] = next
	return read, s.settle(head.Device)
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
	return osfs.SyncDir(filepath.Dir(path))
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
	return s.settle(k)
}
