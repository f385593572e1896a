package fetcher

import (
	"os"
	"sync"

	"github.com/p2pshare/p2pshare/internal/content"
)

// mark is how a staged file looked when we last changed it. Whatever else has changed it since shows against that, and
// what was proven of the file is hashed again.
type mark struct {
	mu    sync.Mutex    // held while we change the file, so that what differs before and after is ours
	stamp content.Stamp // zero: we have not seen the file
	doubt bool          // others changed it
}

// marks are those of all slots.
type marks struct {
	mu sync.Mutex
	m  map[int]*mark
}

func (ms *marks) of(slot int) *mark {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m := ms.m[slot]
	if m == nil {
		m = new(mark)
		ms.m[slot] = m
	}
	return m
}

// set notes how a slot looks now that its bytes are known.
func (ms *marks) set(slot int, stamp content.Stamp) {
	m := ms.of(slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stamp, m.doubt = stamp, false
}

// knows says whether we have seen the file of a slot.
func (ms *marks) knows(slot int) bool { return ms.stamp(slot) != (content.Stamp{}) }

func (ms *marks) stamp(slot int) content.Stamp {
	m := ms.of(slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stamp
}

// sure are the stamps of the slots that nobody else has changed as far as we have seen.
func (ms *marks) sure() map[int]content.Stamp {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	sure := make(map[int]content.Stamp, len(ms.m))
	for slot, m := range ms.m {
		m.mu.Lock()
		if !m.doubt && m.stamp != (content.Stamp{}) {
			sure[slot] = m.stamp
		}
		m.mu.Unlock()
	}
	return sure
}

// change changes the file of a slot by do.
func (ms *marks) change(slot int, f *os.File, do func() error) error {
	m := ms.of(slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	before, err := stampOf(f)
	if err != nil {
		return err
	}
	if !same(before, m.stamp) {
		m.doubt = true
	}
	if err := do(); err != nil {
		return err
	}
	m.stamp, err = stampOf(f)
	return err
}

// made notes a file that we made a moment ago. One that we had before is gone, with what was proven of it.
func (ms *marks) made(slot int, f *os.File) error {
	m := ms.of(slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubt = m.doubt || m.stamp != (content.Stamp{})
	var err error
	m.stamp, err = stampOf(f)
	return err
}

func stampOf(f *os.File) (content.Stamp, error) {
	fi, err := f.Stat()
	if err != nil {
		return content.Stamp{}, err
	}
	return content.StampOf(f, fi), nil
}

// is says whether a slot is as it was left.
func (ms *marks) is(slot int, now content.Stamp) bool {
	m := ms.of(slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.doubt && same(now, m.stamp)
}

// same compares what a file is known by while we write to it.
func same(a, b content.Stamp) bool {
	if timesLag {
		a.MTime, a.CTime = b.MTime, b.CTime
	}
	return a.Same(b)
}
