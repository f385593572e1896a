package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// today counts what was read of a log with times of the latest of its days.
type today struct {
	day     int64
	bytes   int64
	records int64
}

func dayOf(n int64) int64 { return n / (24 * time.Hour).Milliseconds() }

func (t *today) add(n int64, bytes int) {
	if d := dayOf(n); d != t.day {
		*t = today{day: d}
	}
	t.bytes += int64(bytes)
	t.records++
}

// full is why no more of a log is taken before a day.
type full struct {
	day int64
	why error
}

// closed says whether nothing more of a device's log is taken: nothing of it counts, or all that counts is here, or its account
// has had its share of the day. held is how many records are here. g.mu is held.
func (g *Group) closed(device signed.Key, held int64) error {
	if g.dropped[device] {
		return fmt.Errorf("device %v was removed, and nothing of it counts", device)
	}
	if f, yes := g.full[device]; yes && f.day == dayOf(g.now().UnixMilli()) {
		return f.why
	}
	if g.state == nil {
		return nil
	}
	if d, known := g.state.Device(device); known && d.Removed() && !d.Frozen && held >= d.Counts {
		return fmt.Errorf("device %v was removed, and all that counts of it is here", device)
	}
	return nil
}

// share refuses records of a device whose account has signed more than anybody needs: everybody keeps them, and for good. Who
// brought them is not to blame. What is refused for the day is taken from the next on. g.mu is held.
func (g *Group) share(device signed.Key, from int64, records [][]byte) error {
	s, err := g.folded()
	if err != nil {
		return err
	}
	d, known := s.Device(device)
	if !known && from == 0 { // its log begins here
		p := acl.NewPart(g.link.Group, device)
		p.Add(signed.ParseLog(device, 0, 0, slices.Values(records[:min(1, len(records))]), g.now()))
		d.Account = p.Account()
	}
	a, there := s.Account(d.Account)
	if !there {
		a = acl.Account{Name: d.Account} // it makes it
	}
	if from == 0 && g.devices[device] == nil {
		if left, others := grouplog.MaxDevices-g.log.Logs(), leftTo(a, len(s.DevicesOf(a.Name))); left <= others {
			return fmt.Errorf("the group has places for %d more devices, and they are for others than those of %q", left, a.Name)
		}
	}
	if a.Role == acl.Admin || a.Role == acl.Backup {
		return nil
	}
	now := today{day: dayOf(g.now().UnixMilli())}
	all := int64(0)
	for _, k := range s.DevicesOf(a.Name) {
		if p := g.devices[k]; p != nil {
			all += p.bytes
			if p.today.day == now.day {
				now.bytes += p.today.bytes
				now.records += p.today.records
			}
		}
	}
	for _, raw := range records {
		all += int64(len(raw)) + 1
		if r, err := signed.ParseRecord(raw); err == nil && dayOf(r.N) == now.day {
			now.bytes += int64(len(raw)) + 1
			now.records++
		}
	}
	switch most := a.MayHave() * maxDeviceBytes; {
	case all > most:
		err = fmt.Errorf("the devices of %q have signed more than %d MiB", a.Name, most>>20)
	case now.bytes > maxDayBytes || now.records > maxDayRecords:
		err = fmt.Errorf("the devices of %q have signed more than %d records or %d MiB today", a.Name, maxDayRecords, maxDayBytes>>20)
	default:
		return nil
	}
	g.full[device] = full{now.day, err}
	return err
}

// leftTo is how many places for devices are not for another one of an account that has so many.
func leftTo(a acl.Account, have int) int {
	switch {
	case a.Role == acl.Admin:
		return 0
	case a.Pinned && have == 0:
		return forAdmins
	}
	return forAdmins + forFirst
}

// sweep removes the logs of devices of which nothing counts any more: their places are free. g.mu is held.
func (g *Group) sweep(s *acl.State) error {
	for _, k := range s.Spent() {
		if k == g.device.Public() || g.devices[k] == nil {
			continue // the own one stays known here, as what it is
		}
		if err := g.log.Forget(k); err != nil {
			return err
		}
		delete(g.devices, k)
		delete(g.full, k)
		g.dropped[k] = true
	}
	return nil
}

// errFull is a log without room for records.
var errFull = errors.New("the log is full")

// fits refuses records that would leave less than so many bytes of this machine's log: what is signed every day leaves room
// to remove somebody.
func (g *Group) fits(leave int64, raw [][]byte) error {
	used, size := g.log.Bytes(g.device.Public()), int64(0)
	for _, r := range raw {
		size += int64(len(r)) + 1
	}
	if len(raw) == 0 || used+size <= signed.MaxLog-leave {
		return nil
	}
	return fault.Hint(fault.New(fault.Failed, "this machine has signed %d MiB in %q, of at most %d, the last of which are for removals: %w",
		used>>20, g.Name(), signed.MaxLog>>20, errFull), wayOut)
}

const wayOut = "sign on another machine of the account: join with it by p2pshare group join LINK --user NAME"

// Used is how much of its log this machine has signed, in bytes, of how many. From the half on another machine should sign.
func (g *Group) Used() (bytes, most int64) {
	return g.log.Bytes(g.device.Public()), signed.MaxLog
}

// mayJoin refuses another device of an account that has as many as it may.
func mayJoin(s *acl.State, account string) error {
	have, may := s.Places(account)
	if a, _ := s.Account(account); a.Role == acl.Admin || have < may {
		return nil
	}
	return fault.Hint(fault.New(fault.Denied, "%q has %d machines in the group, and may have no more", account, have),
		"an admin removes one with p2pshare group device remove, or allows more with p2pshare group user devices GROUP %s N", account)
}
