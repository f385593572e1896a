package node

import (
	"errors"
	"strconv"
	"strings"
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
		k.rest(it, leftPrefix+strconv.Quote(m.Name())+leftSuffix)
	}
}

// A share rests with these words about the name of a group that was left.
const leftPrefix, leftSuffix = "the group ", " was left"

// backInGroup starts what rests because a group was left that this home is in again. It gives how many that are.
func (n *Node) backInGroup(m *member) (started int) {
	id := m.ID().String()
	_, err := n.edit(func(k *keeper) ([]Share, error) {
		k.mu.Lock()
		var list []*item
		for _, it := range k.items {
			if r := &it.rec; r.Group == id && r.Rests && strings.HasPrefix(r.Why, leftPrefix) && strings.HasSuffix(r.Why, leftSuffix) {
				list = append(list, it)
			}
		}
		k.mu.Unlock()
		for _, it := range list {
			if err := k.runOrRest(it, true); err != nil {
				return nil, err
			}
			started++
		}
		return nil, nil
	})
	if err != nil {
		n.log.Warn("starting what is shared in a group that was joined again", "group", m.Name(), "error", err)
	}
	return started
}
