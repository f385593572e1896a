package grouplog

import (
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Compared is the knowledge that the log that is held of the own device is the latest there is. It holds for one
// Append, which returns the next.
type Compared struct {
	device signed.Key
	size   int64
	root   signed.Hash
}

// BehindError is what Compare finds when a peer has more of the own log than this home: a disk that was restored, or
// a copy of the home that went on. Fetch the records, Extend, and compare again.
type BehindError struct {
	Head signed.Head
	Held int64
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("this home holds %d records of its own log, and a member has %d", e.Held, e.Head.Size)
}

// Compare holds the own log against the heads that peers have of it: one for each peer that has one. asked is how
// many peers answered, those without one included, and must not be 0. Errors: a *BehindError; signed.ErrForked, when a
// peer shows another history, whose records tell what follows from it; signed.ErrGap where the own records are damaged.
func (s *Store) Compare(k signed.Key, asked int, heads []signed.Head) (Compared, error) {
	if asked < 1 || asked < len(heads) {
		return Compared{}, fault.Hint(fault.New(fault.Failed, "no member was asked for this device's log"),
			"try again when a member is online; an admin at work offline says so")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.own(k)
	if err != nil {
		return Compared{}, err
	}
	for _, h := range heads {
		if err := s.opened(h); err != nil {
			return Compared{}, err
		}
		if h.Device != k {
			return Compared{}, refused("head", signed.ErrWrongDevice, "it is of the device %v", h.Device)
		}
		switch {
		case h.Size > l.head.Size:
			return Compared{}, &BehindError{Head: h, Held: l.head.Size}
		case h.Compare(l.head) == signed.Conflict:
			return Compared{}, refused("log", signed.ErrForked, "a member has another log of the own device, of %d records too", h.Size)
		}
	}
	return compared(k, l), nil
}

// Offline is Compare for who has nobody to ask: the first record of a new device, or an admin at work without a
// network. The caller answers for it that this home was not restored from a copy. If it was, the device forks, and
// is frozen when the others hear of it.
func (s *Store) Offline(k signed.Key) (Compared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.own(k)
	if err != nil {
		return Compared{}, err
	}
	return compared(k, l), nil
}

func (s *Store) own(k signed.Key) (*log, error) {
	if err := s.frozen(k); err != nil {
		return nil, err
	}
	l := s.logs[k]
	if l == nil {
		return &log{tree: new(signed.Tree)}, nil
	}
	if l.floor.Size > 0 {
		return nil, fault.Hint(refused("log", signed.ErrGap, "the records of the own device %v are damaged", k), "a member who is online has them")
	}
	return l, nil
}

func compared(k signed.Key, l *log) Compared {
	return Compared{device: k, size: l.head.Size, root: l.tree.Root()}
}

// Append signs records, which rise in time from Last, into the own log; without any it signs the log anew, as
// devices do every day. It refuses records that others would not read, and a clock that is not behind them all.
func (s *Store) Append(c Compared, by signed.SigningKey, now time.Time, records ...[]byte) (signed.Log, Compared, error) {
	none := func(err error) (signed.Log, Compared, error) { return signed.Log{}, Compared{}, err }
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.device != by.Public() {
		return none(fault.New(fault.Failed, "appending to a log that was not compared with the members'"))
	}
	l, err := s.own(c.device)
	if err != nil {
		return none(err)
	}
	if c.size != l.head.Size || c.root != l.tree.Root() {
		return none(fault.New(fault.Failed, "appending to a log that has %d records, and was compared at %d", l.head.Size, c.size))
	}
	if l.head.Size > 0 && !now.After(l.head.Time) && len(records) == 0 || now.Before(l.head.Time.Add(-signed.MaxAhead)) {
		return none(refused("clock", signed.ErrClockOff, "this clock shows %v, and the log was signed at %v", now.UTC(), l.head.Time))
	}
	at := func(yield func([]byte) bool) {
		for _, r := range records {
			if !yield(r) {
				return
			}
		}
	}
	if read := signed.ParseLog(c.device, l.head.Size, l.last, at, now); read.Broken != nil {
		return none(read.Broken)
	}
	tree, size := l.tree.Clone(), l.bytes
	for _, r := range records {
		tree.Append(r)
		size += int64(len(r)) + 1
	}
	if size > signed.MaxLog || tree.Size() > signed.MaxRecords || tree.Size() == 0 {
		return none(refused("log", signed.ErrTooLarge, "the log would have %d records of %d bytes", tree.Size(), size))
	}
	head, err := signed.SignHead(s.group, by, tree.Size(), tree.Root(), now)
	if err != nil {
		return none(err)
	}
	read, err := s.write(l, head, tree, records, now)
	if err != nil {
		return none(err)
	}
	return read, compared(c.device, s.logs[c.device]), nil
}
