package node

import "time"

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
