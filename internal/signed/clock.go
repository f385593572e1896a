package signed

import (
	"slices"
	"time"
)

// NextTime is the time of the next record of a log, in ms: the wall clock's, or the least that stands after the log's last
// record and after what was seen of others, so that what follows from a record stands behind it. admins and others are the
// latest times of records of admins' devices and of all other devices that count (0: none). Admins are followed as far as
// MaxLead and it refuses beyond: this clock is slow, or theirs fast. Others are followed no further than a member with a
// false clock may push the group.
func NextTime(now time.Time, last, admins, others int64) (int64, error) {
	ms := now.UnixMilli()
	n := max(ms, last+1, admins+1, min(others+1, ms+maxFollow.Milliseconds()))
	if ahead := time.Duration(n-ms) * time.Millisecond; ahead > MaxLead {
		return 0, refuse("clock", ErrClockOff, "the group's records are %v ahead of this clock", ahead.Round(time.Second))
	}
	return n, nil
}

// Skew is how far this clock is ahead of its peers', the median of theirs at the moment now was read. It refuses,
// beside telling, when that is more than MaxAhead: who signs with such a clock is not believed.
func Skew(now time.Time, peers []time.Time) (time.Duration, error) {
	if len(peers) == 0 {
		return 0, nil
	}
	sorted := slices.SortedFunc(slices.Values(peers), time.Time.Compare)
	d := now.Sub(sorted[len(sorted)/2])
	if d > MaxAhead || d < -MaxAhead {
		return d, refuse("clock", ErrClockOff, "this clock is %v off that of the other members", d.Abs().Round(time.Minute))
	}
	return d, nil
}

// Age is how believable it is that nothing newer is withheld.
type Age int

const (
	Fresh Age = iota // heard of within FreshFor
	Aging
	Stale // not heard of for longer than the group allows
)

func (a Age) String() string { return [...]string{"fresh", "old", "stale"}[a] }

// AgeOf judges the latest time that was heard of against the hours after which a group is stale.
func AgeOf(now, heard time.Time, stale int64) Age {
	switch d := now.Sub(heard); {
	case d > time.Duration(stale)*time.Hour:
		return Stale
	case d > FreshFor:
		return Aging
	}
	return Fresh
}
