package fetcher

import (
	"container/list"
	"errors"
	"os"
	"sync"
)

// handles caches open files. A file that is in use stays open whatever the limit.
type handles struct {
	open func(slot int, write bool) (*os.File, error)
	max  int

	mu     sync.Mutex
	bySlot map[int]*handle
	order  *list.List // of *handle, the latest used in front
}

type handle struct {
	*os.File
	slot  int
	write bool
	refs  int
	gone  bool // to be closed by the last who uses it
	elem  *list.Element
}

func newHandles(max int, open func(slot int, write bool) (*os.File, error)) *handles {
	return &handles{open: open, max: max, bySlot: make(map[int]*handle), order: list.New()}
}

// get opens the file of a slot, or finds it open. The caller puts it back.
func (hs *handles) get(slot int, write bool) (*handle, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h := hs.bySlot[slot]; h != nil {
		if h.write || !write {
			h.refs++
			hs.order.MoveToFront(h.elem)
			return h, nil
		}
		_ = hs.remove(h) // it was only read from
	}
	f, err := hs.open(slot, write)
	if err != nil {
		return nil, err
	}
	h := &handle{File: f, slot: slot, write: write, refs: 1}
	h.elem = hs.order.PushFront(h)
	hs.bySlot[slot] = h
	for e := hs.order.Back(); e != nil && hs.order.Len() > hs.max; {
		prev := e.Prev()
		if old := e.Value.(*handle); old.refs == 0 {
			if err := hs.remove(old); err != nil {
				h.refs--
				return nil, err
			}
		}
		e = prev
	}
	return h, nil
}

func (hs *handles) put(h *handle) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h.refs--
	if h.gone && h.refs == 0 {
		_ = h.Close() // whoever removed it has been told what matters
	}
}

// remove forgets h and closes it once nobody uses it.
func (hs *handles) remove(h *handle) error {
	delete(hs.bySlot, h.slot)
	hs.order.Remove(h.elem)
	h.gone = true
	if h.refs > 0 {
		return nil
	}
	return h.Close()
}

// forget lets go of the file of a slot: the next get opens what is at its place then.
func (hs *handles) forget(slot int) error {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h := hs.bySlot[slot]; h != nil {
		return hs.remove(h)
	}
	return nil
}

// close forgets all files.
func (hs *handles) close() error {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	var errs []error
	for _, h := range hs.bySlot {
		errs = append(errs, hs.remove(h))
	}
	return errors.Join(errs...)
}
