package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
)

const (
	// carePause and careSpread are how long a machine waits before it does what several may do: admins first, then others.
	carePause  = time.Second
	careSpread = 4 * time.Second
	// attendEvery is how often rights are looked at that end by themselves.
	attendEvery = time.Minute
)

// attend acts on what changes in a group: connections of who has lost a right are cut, a private group is met under its new
// link, what others wait for is signed, and alarms are logged.
func (m *member) attend(ctx context.Context) {
	var state *acl.State
	var link [16]byte
	var care <-chan time.Time // when to look after others; nil: there is nothing to do
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for {
		changed, _ := m.Changed()
		if m.Ready() {
			now, err := m.State()
			if err != nil {
				m.s.n.log.Error("reading a group", "group", m.Name(), "error", err)
			}
			if now != nil && now != state {
				first := state == nil
				state = now
				if !first {
					m.cut()
				}
				if care == nil {
					care = time.After(m.carePause(now))
				}
			}
			m.sound()
			if l := m.Link().Secret; l != link {
				if link != [16]byte{} {
					m.moved()
				}
				link = l
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
			m.cut() // somebody's time may have ended
			if care == nil && state != nil {
				care = time.After(m.carePause(state))
			}
		case <-care:
			care = nil
			m.care()
		}
	}
}

// cut ends what is open to those who may not have it any more.
func (m *member) cut() {
	m.s.server.Recheck()
	m.crowd.Drop(func(addr string) bool {
		m.at.mu.Lock()
		k, met := m.at.keys[addr]
		m.at.mu.Unlock()
		return met && m.removed(k)
	})
	for _, f := range m.watch {
		f()
	}
}

// moved is after a new link: the group is met and answers under that, and for some time under the ones before.
func (m *member) moved() {
	select {
	case m.relink <- struct{}{}:
	default:
	}
}

// carePause is how long this machine leaves it to others to do what several may.
func (m *member) carePause(s *acl.State) time.Duration {
	pause := carePause + rand.N(careSpread)
	if a, err := s.Admit(m.Device().Public(), time.Now()); err == nil && a.Role == acl.Admin {
		return rand.N(carePause)
	}
	return pause
}

// care signs what others wait for and this machine may give.
func (m *member) care() {
	if m.as.Load() != nil {
		return // it is not a device yet
	}
	before, err := m.State()
	if err != nil {
		return // nothing of the group is here yet
	}
	did, err := m.Care()
	if after, serr := m.State(); serr == nil {
		for _, name := range before.Unconfirmed() {
			if a, ok := after.Account(name); ok && a.Pinned && did {
				m.s.n.log.Info("confirmed an account", "group", m.Name(), "account", name)
			}
		}
	}
	switch {
	case errors.Is(err, group.ErrNotAsked):
	case err != nil:
		m.s.n.log.Warn("looking after the members of a group", "group", m.Name(), "error", err)
	case did:
		m.s.n.log.Info("gave members of a group what they lacked", "group", m.Name())
	}
}
