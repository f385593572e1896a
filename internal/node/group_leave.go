package node

import (
	"errors"
	"fmt"
)

// leave ends all that moves for a group, and forgets it.
func (s *groups) leave(m *member) error {
	m.offline()
	s.mu.Lock()
	if s.all[m.ID()] == m { // not one that was joined while this one was visited
		delete(s.all, m.ID())
	}
	s.mu.Unlock()
	m.left.Store(true)
	s.server.Recheck() // who is connected would be answered on
	if k := s.n.keeper; k != nil && m.private() {
		k.leftGroup(m)
	}
	return errors.Join(m.endPrivate(), m.Group.Leave())
}

// leftGroup stops what was shared in a private group, or is being fetched from it: there is nobody any more whom it is for.
// The records stay: who joins again can start them again.
func (k *keeper) leftGroup(m *member) {
	id := m.ID().String()
	k.mu.Lock()
	var list []*item
	for _, it := range k.items {
		if it.rec.Group == id && !it.rec.Finish && !it.leaving {
			list = append(list, it)
		}
	}
	k.mu.Unlock()
	for _, it := range list {
		k.rest(it, fmt.Sprintf("the group %q was left", m.Name()))
	}
}
