package acl

import (
	"bytes"
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// history is the keys that an account has or had, with the place of each in their order, from 1. What closes keys says up
// to which place: to copy them for each change would cost as much again as all changes before.
type history map[signed.Key]int

func (h history) has(k signed.Key) bool { return h[k] > 0 }

func (h history) add(k signed.Key) {
	if !h.has(k) {
		h[k] = len(h) + 1
	}
}

// keeping is a Keep that waits in memory for as long as the group is open, in less than a map takes and less than the record
// had: by device.
type keeping []kept

type kept struct {
	device signed.Key
	size   int64
}

func newKeeping(keep map[signed.Key]int64) keeping {
	out := make(keeping, 0, len(keep))
	for k, n := range keep {
		out = append(out, kept{k, n})
	}
	slices.SortFunc(out, func(a, b kept) int { return bytes.Compare(a.device[:], b.device[:]) })
	return out
}

func (k keeping) of(device signed.Key) (size int64, named bool) {
	i, named := slices.BinarySearchFunc(k, device, func(a kept, d signed.Key) int { return bytes.Compare(a.device[:], d[:]) })
	if !named {
		return 0, false
	}
	return k[i].size, true
}

// closure takes rights from devices: those that name's key vouched for before.
type closure struct {
	name string
	keys history // of the account, shared with it
	upTo int     // the keys up to this place are closed; 0: it cuts off the devices of keep alone
	keep keeping
	by   order
}

// closed are the keys that are.
func (c *closure) closed() history {
	out := history{}
	for k, place := range c.keys {
		if place <= c.upTo {
			out[k] = place
		}
	}
	return out
}

// limit is how many records of a device the closure leaves; -1: all. vouched is the key that brought the device in.
func (c *closure) limit(device, vouched signed.Key) int64 {
	if size, named := c.keep.of(device); named {
		return size
	}
	if place := c.keys[vouched]; place > 0 && place <= c.upTo {
		return 0
	}
	return -1
}

// lower is the smaller of two numbers of records that count, of which -1 is all.
func lower(a, b int64) int64 {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// limit is how many records of a device count that these accounts and keys vouch for.
func (w *walk) limit(d *Device, by ...voucher) int64 {
	least := d.Counts
	for _, v := range by {
		lists := [][]*closure{w.before[v.name]}
		if t := w.accounts[v.name]; t != nil {
			lists = append(lists, t.closures)
		}
		for _, list := range lists {
			for _, c := range list {
				if least = lower(least, c.limit(d.Key, v.key)); least == 0 {
					return 0
				}
			}
		}
	}
	return least
}

// admit adds a device that was vouched for, if its account has a place for it. One of which nothing counts stays known, to
// be refused by name; it takes no place, and neither does one that is cut off later.
func (w *walk) admit(d *Device, by ...voucher) error {
	d.vouched, d.Counts = by, w.limit(d, by...)
	t := w.accounts[d.Account]
	if d.Counts < 0 {
		// The first walk gathers what admins have taken away, and leaves out nothing that they may have meant.
		if may := t.now().MayHave(); w.given && int64(t.open) >= may {
			return denied("the account %q has %d devices, and more do not count", d.Account, may)
		}
		t.open++
	}
	w.devices[d.Key] = d
	if d.Counts != 0 {
		for _, v := range by {
			w.vouched[v.name] = append(w.vouched[v.name], d)
		}
	}
	return nil
}

// close takes effect at once, and goes to those that will hold from the start.
func (w *walk) close(t *timeline, c *closure, to *[]*closure) {
	t.closures = append(t.closures, c)
	*to = append(*to, c)
	w.vouched[t.name] = slices.DeleteFunc(w.vouched[t.name], func(d *Device) bool {
		for _, v := range d.vouched {
			if v.name != t.name {
				continue
			}
			was := d.Counts
			d.Counts = lower(d.Counts, c.limit(d.Key, v.key))
			if was < 0 && d.Counts >= 0 {
				w.accounts[d.Account].open--
			}
		}
		return d.Counts == 0
	})
}
