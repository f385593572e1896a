package signed

import (
	"slices"
	"time"
)

// NextTime returns the time in ms for the next record of a log: that of the wall clock, or if greater, the least time
// after the log's last record and after the records of others, so that a record comes after those that it depends on.
// admins and others are the latest times of records of admins' devices and of all other devices that count (0: none).
// If admins are more than MaxLead ahead it refuses: this clock is slow, or theirs is fast. Others are followed only as
// far as a member with a wrong clock may push the group.
func NextTime(now time.Time, last, admins, others int64) (int64, error) {
	ms := now.UnixMilli()
	n := max(ms, last+1, admins+1, min(others+1, ms+maxFollow.Milliseconds()))
	if ahead := time.Duration(n-ms) * time.Millisecond; ahead > MaxLead {
		return 0, refuse("clock", ErrClockOff, "the group's records are %v ahead of this clock", ahead.Round(time.Second))
	}
	return n, nil
}

// Skew returns how far this clock is ahead of its peers': of the median of their clocks at the moment that now was
// read. If it is more than MaxAhead off it also returns a refusal: what is signed with such a clock is not accepted.
func Skew(now time.Time, peers []time.Time) (time.Duration, error) {
	if len(peers) == 0 {
		return 0, nil
	}
	sorted := slices.SortedFunc(slices.Values(peers), time.Time.Compare)
	d := now.Sub(sorted[len(sorted)/2])
	if d > MaxAhead || d < -MaxAhead {
		return d, refuse("clock", ErrClockOff, "this clock differs by %v from those of the other members", d.Abs().Round(time.Minute))
	}
	return d, nil
}

// Age says how likely it is that something newer is being withheld.
type Age int

const (
	Fresh Age = iota // heard of within FreshFor
	Aging
	Stale // not heard of for longer than the group permits
)

func (a Age) String() string { return [...]string{"fresh", "old", "stale"}[a] }

// AgeOf returns the age for heard, the latest time of any news, given the hours after which a group is stale.
func AgeOf(now, heard time.Time, stale int64) Age {
	switch d := now.Sub(heard); {
	case d > time.Duration(stale)*time.Hour:
		return Stale
	case d > FreshFor:
		return Aging
	}
	return Fresh
}
