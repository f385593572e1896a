package seeder

import (
	"container/list"
	"os"
	"sync"
)

// Pool bounds the files that sources keep open. One pool for all sources of a process keeps a thousand shares
// from using up its file descriptors.
type Pool struct {
	max int

	mu   sync.Mutex
	open map[poolKey]*handle
	used *list.List // of *handle, most recently used first
}

type poolKey struct {
	source *Source
	file   int
}

// handle is an open file of the pool.
type handle struct {
	key     poolKey
	f       *os.File
	readers int
	element *list.Element
	evicted bool // no longer in the pool; the last reader closes it
}

// NewPool makes a pool of at most max open files, at least 1. It exceeds max only while more files are being
// read at the same moment.
func NewPool(max int) *Pool {
	if max < 1 {
		max = 1
	}
	return &Pool{max: max, open: map[poolKey]*handle{}, used: list.New()}
}

// acquire returns the open file of key, calling open if necessary. The file stays open until release.
func (p *Pool) acquire(key poolKey, open func() (*os.File, error)) (*handle, error) {
	p.mu.Lock()
	h := p.take(key)
	p.mu.Unlock()
	if h != nil {
		return h, nil
	}
	// Open without the lock: a slow disk must not hold up other readers.
	f, err := open()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.take(key); h != nil {
		closeRead(f)
		return h, nil
	}
	h = &handle{key: key, f: f, readers: 1}
	h.element = p.used.PushFront(h)
	p.open[key] = h
	p.shrink()
	return h, nil
}

func (p *Pool) take(key poolKey) *handle {
	h := p.open[key]
	if h != nil {
		h.readers++
		p.used.MoveToFront(h.element)
	}
	return h
}

func (p *Pool) release(h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.readers--
	if h.evicted && h.readers == 0 {
		closeRead(h.f)
	}
	p.shrink()
}

// drop evicts the files of a source.
func (p *Pool) drop(s *Source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, h := range p.open {
		if key.source == s {
			p.remove(h)
		}
	}
}

// shrink closes the least recently used files that have no reader, down to the bound.
func (p *Pool) shrink() {
	for e := p.used.Back(); e != nil && len(p.open) > p.max; {
		h, before := e.Value.(*handle), e.Prev()
		if h.readers == 0 {
			p.remove(h)
		}
		e = before
	}
}

func (p *Pool) remove(h *handle) {
	delete(p.open, h.key)
	p.used.Remove(h.element)
	h.evicted = true
	if h.readers == 0 {
		closeRead(h.f)
	}
}

// closeRead closes a file that was only read, where an error of Close loses no data.
func closeRead(f *os.File) { _ = f.Close() }
