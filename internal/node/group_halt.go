package node

import (
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// loop runs a part of what a group does while it is online. A panic in it halts the group, and nothing else.
func (m *member) loop(f func()) { m.wg.Go(panics.Guard(f, m.halt)) }

// halt takes a group offline that has met a bug, until the daemon is started again: what it met once, it would meet again.
func (m *member) halt(bug *panics.Error) {
	err := fault.Hint(fmt.Errorf("the group %q is halted: it has met a bug in p2pshare: %v", m.Name(), bug.Value),
		"p2pshare log has the trace, please report it; the group is online again when the daemon is started again")
	bug.Log(m.s.n.log, "a group", "group", m.Name())
	if !m.halted.CompareAndSwap(nil, &err) {
		return // by another of its loops, which has ended the rest
	}
	m.s.mu.Lock()
	cancel := m.cancel
	m.s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if k := m.s.n.keeper; k != nil {
		k.problem(err.Error())
	}
}
