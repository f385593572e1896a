package node

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// LimitsNow is what holds of l at a moment.
func LimitsNow(l Limits, at time.Time) (up, down int64) { return l.now(at) }

// PanicIn has a loop of a group panic, and waits until the group has ended.
func PanicIn(n *Node, group string) {
	m, err := n.groups.Load().get(group)
	if err != nil {
		panic(err)
	}
	m.loop(func() { panic("a bug that was planted") })
	m.wg.Wait()
}

// WriteGroupsOpening leaves in a home what a process that ended at once leaves which was opening groups.
func WriteGroupsOpening(home, boot string, ids ...string) error {
	return state.WriteVersioned(filepath.Join(home, groupsOpeningFile), openingVersion, openingDoc{Boot: boot, Now: ids})
}

// WriteGroupsDeaths writes that a group was being opened when the process ended, and so often before.
func WriteGroupsDeaths(home, id string, before int) error {
	return state.WriteVersioned(filepath.Join(home, groupsOpeningFile), openingVersion,
		openingDoc{Boot: bootID(), Now: []string{id}, Deaths: map[string]int{id: before}})
}

// WriteGroupsHeard leaves in a home what a process that ended at once leaves in which groups were at work on what members had sent,
// and which had ended so often before, the last time at a moment.
func WriteGroupsHeard(home string, before int, last time.Time, ids ...string) error {
	d := openingDoc{Boot: bootID(), Now: ids, Deaths: map[string]int{}, Last: map[string]int64{}}
	for _, id := range ids {
		if before > 0 {
			d.Deaths[id], d.Last[id] = before, last.Unix()
		}
	}
	return state.WriteVersioned(filepath.Join(home, groupsHeardFile), openingVersion, d)
}

// BootID is that of the machine.
func BootID() string { return bootID() }

// WriteOpening leaves in a home what a process that ended at once leaves which was starting shares.
func WriteOpening(home, boot string, ids ...string) error {
	return state.WriteVersioned(filepath.Join(home, openingFile), openingVersion, openingDoc{Boot: boot, Now: ids})
}

// LeaveOut has a group's mirror leave out so many things.
func LeaveOut(n *Node, name string, things int) {
	m, err := n.groups.Load().get(name)
	if err != nil {
		panic(err)
	}
	err = m.Change(func(c *group.Settings) {
		for i := range things - 1 {
			c.Skip = append(c.Skip, strconv.Itoa(i))
		}
	})
	if err := errors.Join(err, m.leaveOut("the last")); err != nil {
		panic(err)
	}
}

// Doubt does what a verify does that has found a share wrong.
func Doubt(n *Node, ref string) {
	k := n.keeper
	k.mu.Lock()
	items, err := k.find([]string{ref}, false)
	k.mu.Unlock()
	if err != nil {
		panic(err)
	}
	m, err := k.torrentOf(items[0])
	if err != nil {
		panic(err)
	}
	k.doubt(m, items[0].rec.Path)
}

// HaveOf is what a device hears of what a node has of a group.
func HaveOf(n *Node, group string, device signed.Key) [][20]byte {
	m, err := n.groups.Load().get(group)
	if err != nil {
		panic(err)
	}
	return m.haveOf(context.Background(), device)
}
