package node

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
)

// alarm is something about a group that its people have to act on.
type alarm struct {
	what, do string
	grave    bool // what others have signed is in doubt, or nothing is signed any more
}

func (a alarm) String() string { return a.what + ": " + a.do }

// alarms are what has to be acted on in the group. They stand in what is shown of it, in status, in doctor's findings and in
// the log.
func (m *member) alarms() (out []alarm) {
	if m.isOut() {
		out = append(out, alarm{whatOut, "ask an admin", true})
	}
	if used, most := m.Used(); used > most/2 {
		out = append(out, alarm{
			fmt.Sprintf("this machine has signed %d of the %d MiB that one may in a group", used>>20, most>>20),
			fmt.Sprintf("before they are full, sign on another machine of %q; p2pshare group join LINK --user %s makes one", m.OwnName(), m.OwnName()), false,
		})
	}
	for _, f := range m.Forked() {
		out = append(out, m.forkAlarm(f))
	}
	return out
}

func (m *member) forkAlarm(f group.Forked) alarm {
	two := fmt.Sprintf("has signed two histories, as a copy or a thief of it does: the %d records that both begin with count, and of those that are here %d do not any more", f.Common, f.Lost)
	switch {
	case f.Own:
		return alarm{"this machine " + two, fmt.Sprintf("it signs nothing more; p2pshare group leave %s, then p2pshare group join LINK --user %s: it is a new machine of the account then", m.Name(), f.Account), true}
	case f.Admin:
		return alarm{fmt.Sprintf("the device %v of the admin %q %s", f.Device, f.Account, two),
			fmt.Sprintf("whom it had added, it has not, and whom it had removed is in again: see p2pshare group show %s, and have another admin do it anew", m.Name()), true}
	}
	who := ""
	if f.Account != "" {
		who = fmt.Sprintf(" of %q", f.Account)
	}
	return alarm{fmt.Sprintf("the device %v%s %s", f.Device, who, two),
		fmt.Sprintf("ask whose it is; p2pshare group device remove %s %v ends it, and a new one signs anew", m.Name(), f.Device), false}
}

// sound logs the alarms that were not there when it was last called.
func (m *member) sound() {
	now := map[string]bool{}
	list := m.alarms()
	if f := m.followed(); f != nil {
		_, more := m.mirrorInfo(*f)
		list = append(list, more...)
	}
	for _, a := range list {
		now[a.what] = true
		if m.sounded[a.what] {
			continue
		}
		say := m.s.n.log.Warn
		if a.grave {
			say = m.s.n.log.Error
		}
		say("a group needs somebody", "group", m.Name(), "what", a.what, "do", a.do)
	}
	m.sounded = now
}

// groupAlarms are the alarms of all groups, each with its group's name.
func (n *Node) groupAlarms() (out []alarm) {
	s := n.groups.Load()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	for _, folder := range slices.Sorted(maps.Keys(s.bad)) {
		out = append(out, alarm{fmt.Sprintf("the group %q cannot be opened: %v", folder, s.bad[folder]),
			cmp.Or(fault.HintOf(s.bad[folder]), "restore its folder in the home from a backup, or leave the group and join it again"), true})
	}
	s.mu.Unlock()
	for _, m := range s.list() {
		list := m.alarms()
		if f := m.followed(); f != nil {
			_, more := m.mirrorInfo(*f)
			list = append(list, more...)
		}
		for _, a := range list {
			a.what = fmt.Sprintf("the group %q: %s", m.Name(), a.what)
			out = append(out, a)
		}
	}
	return out
}
