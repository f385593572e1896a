package node

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// groupsHeardFile is groups-opening.json for what groups do with what their members send.
	groupsHeardFile = "groups-heard.json"
	// heardFor is how long after it took something a group may still be at work on it: its catalog is built, and Care looks at it.
	heardFor = 10 * time.Second
	// heardWithin is how far apart two deaths may be that a group is to blame for: who sends what ends the process may take his time.
	heardWithin = 24 * time.Hour
)

// hearing is whether a group is at work on what members sent. It is written down before it begins, so that the process after one
// that ended in the middle of it knows. What ends the process without a panic, which halts the group alone, is memory that ran
// out, and faults that Go does not let us recover from.
type hearing struct {
	mu    sync.Mutex
	busy  int
	noted bool
	idle  *time.Timer // ends it
}

// hears begins the work on something that a member sent. The function that it gives ends it.
func (m *member) hears() (done func()) {
	h, o, folder := &m.hearing, m.s.hearing, filepath.Base(m.Dir())
	if m.visit || o == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy++
	if h.idle != nil {
		h.idle.Stop()
	}
	if !h.noted {
		h.noted = true
		o.begin(folder)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.busy--; h.busy > 0 {
			return
		}
		h.idle = time.AfterFunc(heardFor, panics.Guard(func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.busy == 0 && h.noted {
				h.noted = false
				o.leave(folder)
			}
		}, panics.Logged(m.s.n.log, "noting that a group is done")))
	}
}

// AddLog, AddRoots, AddFork and Settle are the group's, for what comes from others.

func (m *member) AddLog(ctx context.Context, h signed.Head, from int64, records [][]byte) error {
	defer m.hears()()
	return m.Group.AddLog(ctx, h, from, records)
}

func (m *member) AddRoots(ctx context.Context, raw [][]byte) error {
	defer m.hears()()
	return m.Group.AddRoots(ctx, raw)
}

func (m *member) AddFork(ctx context.Context, raw []byte) error {
	defer m.hears()()
	return m.Group.AddFork(ctx, raw)
}

func (m *member) Settle() error {
	if m.Group.Waiting() {
		defer m.hears()()
	}
	return m.Group.Settle()
}
