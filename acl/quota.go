package acl

import (
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// quota counts what an account did, in all and on the day of the last of it, by the times of the records: which of them
// count is then the same for all members, whenever they hear of them.
type quota struct {
	all   int
	day   int64
	today int
}

// take counts one more of the time n, if there is room for it. Calls come in the order of n.
func (q *quota) take(n int64, all, daily int) bool {
	if d := day(n); d != q.day {
		q.day, q.today = d, 0
	}
	if q.all >= all || q.today >= daily {
		return false
	}
	q.all++
	q.today++
	return true
}

// day is the day of a record's time, in UTC.
func day(n int64) int64 { return n / (24 * time.Hour).Milliseconds() }

// MayHave is how many devices the account may have at a time.
func (a *Account) MayHave() int64 {
	if a.Devices > 0 {
		return a.Devices
	}
	return MaxDevices
}

// room refuses a newcomer for whom there is none. The first walk makes all: a removal is of whom it names, whoever has
// pushed in before.
func (w *walk) room(h *Hello, invite *timeline) error {
	if !w.given {
		return nil
	}
	_, pinned := w.pins[h.Account]
	switch {
	case pinned:
		if invite != nil {
			invite.brought++
		}
		return nil
	case invite != nil && invite.brought >= maxBrought:
		return denied("the invite %q has brought in %d accounts: an admin gives it another password", h.Invite, maxBrought)
	case w.unpinned >= maxUnpinned:
		return denied("the group has %d accounts that no admin has named, and more are not kept", maxUnpinned)
	}
	w.unpinned++
	if invite != nil {
		invite.brought++
	}
	return nil
}

// leave gives back the room of a newcomer who has no name.
func (w *walk) leave(h *Hello, invite *timeline) {
	if !w.given {
		return
	}
	if _, pinned := w.pins[h.Account]; !pinned {
		w.unpinned--
	}
	if invite != nil {
		invite.brought--
	}
}

// Places says how many devices of an account there are that are not removed, and how many there may be. Those of admins are
// not counted.
func (s *State) Places(name string) (have, may int64) {
	t := s.accounts[name]
	a := t.now()
	if a == nil {
		return 0, 0
	}
	return int64(t.open), a.MayHave()
}

// DevicesOf are the devices of an account, as far as anything of them counts. Those of admins are not among them.
func (s *State) DevicesOf(name string) (out []signed.Key) {
	for _, d := range s.vouched[name] {
		if d.Account == name {
			out = append(out, d.Key)
		}
	}
	return out
}

// MaySayAgain says whether a record in which the account says its recipient again would count at a time: once a day does.
func (s *State) MaySayAgain(name string, now time.Time) bool {
	t := s.accounts[name]
	return t.now() != nil && t.saidDay != day(now.UnixMilli())
}

// Spent are the devices of which nothing counts any more, and without whose logs all else would be as it is: they are not to
// be kept.
func (s *State) Spent() []signed.Key {
	var out []signed.Key
	for k, d := range s.devices {
		if d.Counts == 0 && d.silent && !d.admin {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b signed.Key) int { return slices.Compare(a[:], b[:]) })
	return out
}
