package node

import (
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Who was removed from a private group is told nothing: the records that say so are sealed to those who stay, and members hang up
// as they do on a stranger. But whom this machine knows as a member still shows its key before that. So it can tell by itself that it
// is let in no more, from what every machine that was removed hears anyway.

// out is how members, by the keys that they have shown, have last met this machine.
type out struct {
	mu   sync.Mutex
	last map[signed.Key]meeting
}

type meeting struct {
	in bool // it let us in, or called us
	at time.Time
}

// letInFor is how long it counts that a member has let this machine in: one that does still answers within it.
const letInFor = 2 * time.Minute

// whatOut says what this machine concludes.
const whatOut = "no member lets this machine in any more: its account was removed, or this device was"

// letIn notes that a machine speaks with this one as with a member.
func (m *member) letIn(by signed.Key) {
	if !m.private() || !m.counts(by) {
		return
	}
	m.out.mu.Lock()
	m.out.note(by, true)
	m.out.mu.Unlock()
	m.setOut(false)
}

// turnedAway notes how a call has ended.
func (m *member) turnedAway(addr string, err error) {
	if !m.private() || !groupnet.TurnedAway(err) || m.as.Load() != nil {
		return
	}
	m.at.mu.Lock()
	by, known := m.at.keys[addr]
	m.at.mu.Unlock()
	if !known || !m.counts(by) || m.resting() != nil { // who rests in a strict group lets nobody in
		return
	}
	m.out.mu.Lock()
	m.out.note(by, false)
	is := true
	for k, x := range m.out.last {
		is = is && !(x.in && time.Since(x.at) < letInFor && m.counts(k))
	}
	m.out.mu.Unlock()
	if is {
		m.setOut(true)
	}
}

// note keeps how it was with a member. mu is held.
func (o *out) note(by signed.Key, in bool) {
	if o.last == nil || len(o.last) >= maxWords {
		o.last = map[signed.Key]meeting{}
	}
	o.last[by] = meeting{in, time.Now()}
}

func (m *member) setOut(is bool) {
	if m.Settings().Out == is {
		return
	}
	if err := m.Change(func(c *group.Settings) { c.Out = is }); err != nil {
		m.s.n.log.Warn("the settings of a group", "group", m.Name(), "error", err)
	}
}

// isOut says whether members turn this machine away though nothing that it knows is a reason.
func (m *member) isOut() bool {
	if !m.Settings().Out {
		return false
	}
	s, err := m.State()
	if err != nil {
		return false
	}
	_, err = s.Admit(m.Device().Public(), time.Now())
	return err == nil // else it knows the reason
}

// errOut is isOut as the reason of what cannot be done; nil: it is in.
func (m *member) errOut() error {
	if !m.isOut() {
		return nil
	}
	return fault.Hint(fault.New(fault.Denied, "no member lets this machine into %s any more: its account was removed, or this device was", m.Name()), "ask an admin")
}
