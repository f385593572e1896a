package groupsync_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// shelf is a vault in memory that judges what a log store judges: that records fit their head.
type shelf struct {
	group signed.GroupID

	mu      sync.Mutex
	roots   [][]byte
	logs    map[signed.Key]*shelved
	seq     uint64
	changed chan struct{}
	forks   [][]byte
	unknown bool // the devices that evidence is against
	refused int
}

type shelved struct {
	head    signed.Head
	tree    signed.Tree
	records [][]byte
	at      uint64
}

func newShelf(g signed.GroupID) *shelf {
	return &shelf{group: g, logs: map[signed.Key]*shelved{}, changed: make(chan struct{})}
}

func (s *shelf) touch() {
	s.seq++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) Changed() (<-chan struct{}, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed, s.seq
}

func (s *shelf) Roots(first int64) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first > int64(len(s.roots)) {
		return nil
	}
	return append([][]byte{}, s.roots[first-1:]...)
}

func (s *shelf) Heads(since uint64) (out []signed.Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		if l.at > since {
			out = append(out, l.head)
		}
	}
	return out
}

func (s *shelf) Records(d signed.Key, from int64, max int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[d]
	if l == nil || from < 0 || from > int64(len(l.records)) {
		return nil, fmt.Errorf("no such record")
	}
	var out []byte
	for _, r := range l.records[from:] {
		if len(out)+len(r)+1 > max {
			break
		}
		out = append(append(out, r...), '\n')
	}
	return out, nil
}

func (s *shelf) AddRoots(_ context.Context, raw [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range raw {
		if len(s.roots) > 0 && bytes.Equal(s.roots[len(s.roots)-1], r) {
			continue
		}
		if !bytes.HasPrefix(r, []byte("root")) {
			s.refused++
			return &signed.Refusal{What: "root", Reason: signed.ErrMalformed, Detail: "no root"}
		}
		s.roots = append(s.roots, r)
		s.touch()
	}
	return nil
}

// evidence is a fork of a shelf.
const evidence = "fork"

func (s *shelf) Evidence(from, most int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.forks[min(from, len(s.forks)):]
	return slices.Clone(all[:min(most, len(all))])
}

func (s *shelf) ForkSum() string {
	all := s.Evidence(0, 1<<20)
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, bytes.Compare)
	return fmt.Sprintf("%x", sha256.Sum256(bytes.Join(all, nil)))
}

func (s *shelf) AddFork(_ context.Context, raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.HasPrefix(raw, []byte(evidence)) {
		s.refused++
		return &signed.Refusal{What: "fork", Reason: signed.ErrMalformed, Detail: "no fork"}
	}
	if s.unknown {
		return &signed.Refusal{What: "fork", Reason: signed.ErrGap, Detail: "of nobody"}
	}
	if !slices.ContainsFunc(s.forks, func(f []byte) bool { return bytes.Equal(f, raw) }) {
		s.forks = append(s.forks, bytes.Clone(raw))
		s.touch()
	}
	return nil
}

func (s *shelf) Wants(h signed.Head) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[h.Device]
	if l == nil {
		return 0, true, nil
	}
	return l.tree.Size(), h.Compare(l.head) == signed.Later, nil
}

func (s *shelf) Holds(raw []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		if bytes.Equal(l.head.Raw, raw) {
			return true
		}
	}
	return false
}

func (s *shelf) Vouched(signed.Key, []byte, bool) error { return nil }

func (s *shelf) AddLog(_ context.Context, h signed.Head, from int64, records [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[h.Device]
	if l == nil {
		l = &shelved{}
	}
	if from > l.tree.Size() {
		s.refused++
		return &signed.Refusal{What: "log", Reason: signed.ErrGap, Detail: "gap"}
	}
	if skip := l.tree.Size() - from; skip > int64(len(records)) {
		return nil
	} else if skip > 0 {
		records = records[skip:]
	}
	if err := l.tree.VerifyRecords(h, records); err != nil {
		s.refused++
		return err
	}
	for _, r := range records {
		l.records = append(l.records, bytes.Clone(r))
	}
	s.logs[h.Device] = l
	l.head = h
	s.touch()
	l.at = s.seq
	return nil
}

func (s *shelf) count(d signed.Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[d]; l != nil {
		return len(l.records)
	}
	return 0
}

// device writes a log.
type device struct {
	t      *testing.T
	group  signed.GroupID
	secret signed.SigningKey
	tree   signed.Tree
	n      int64
}

func newDevice(t *testing.T, g signed.GroupID) *device {
	t.Helper()
	s, err := signed.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &device{t: t, group: g, secret: s}
}

func (d *device) key() signed.Key { return d.secret.Public() }

// write makes n records and the head over them.
func (d *device) write(n int) (signed.Head, int64, [][]byte) {
	d.t.Helper()
	from := d.tree.Size()
	var out [][]byte
	for range n {
		d.n++
		r := fmt.Appendf(nil, `{"n":%d,"op":"test"}`, d.n)
		d.tree.Append(r)
		out = append(out, r)
	}
	h, err := signed.SignHead(d.group, d.secret, d.tree.Size(), d.tree.Root(), time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	return h, from, out
}

func (d *device) into(s *shelf, n int) {
	d.t.Helper()
	h, from, records := d.write(n)
	if err := s.AddLog(d.t.Context(), h, from, records); err != nil {
		d.t.Fatal(err)
	}
}
