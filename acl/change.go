package acl

import (
	"maps"
	"slices"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// current is an admin's record that says what is so already.
func (a *Account) current() AccountChange {
	key := a.Key
	return AccountChange{Name: a.Name, Role: a.Role, Key: &key, Until: a.Until, Teams: a.Teams, Gives: a.Gives, Devices: a.Devices, Pin: true}
}

// Change is the record an admin begins with to change an account: what is so already, to be edited. It pins the
// account's key.
func (s *State) Change(name string) (AccountChange, error) {
	a := s.accounts[name].now()
	if a == nil || a.Gone {
		return AccountChange{}, fault.New(fault.NotFound, "there is no account %q", name)
	}
	if a.Role == Admin {
		return AccountChange{}, fault.Hint(fault.New(fault.Usage, "%q is an admin", name), "p2pshare group user role GROUP %s publisher first, which takes the owners", name)
	}
	return a.current(), nil
}

// Removal is the record that removes an account. Of its devices what is known now goes on to count, and no more;
// people whom an invite brought in stay.
func (s *State) Removal(name string) (AccountChange, error) {
	c, err := s.Change(name)
	if err != nil {
		return AccountChange{}, err
	}
	return AccountChange{Name: c.Name, Gone: true, Keep: s.keep(name, false)}, nil
}

// Reset is the admin's record of a new key for an account: a new password for a person, or for the group where the
// account is an invite. Devices that it brought in go on.
func (s *State) Reset(name string, key signed.Key, seal string, slot []byte) (AccountChange, error) {
	c, err := s.Change(name)
	c.Key, c.Seal, c.Slot, c.Keep, c.Pin = &key, seal, slot, s.keep(name, true), false
	return c, err
}

// Rekeyed is the account's own record of a new key: its devices go on.
func (s *State) Rekeyed(name string, key signed.Key, seal string, slot []byte) (AccountChange, error) {
	a := s.accounts[name].now()
	if a == nil || a.Gone {
		return AccountChange{}, fault.New(fault.NotFound, "there is no account %q", name)
	}
	keep := s.keep(name, true)
	if len(keep) > maxOwnKeep {
		return AccountChange{}, fault.Hint(fault.New(fault.Failed, "%q has had %d devices, more than its own record may name", name, len(keep)),
			"an admin gives it the new password: p2pshare group passwd")
	}
	return AccountChange{Name: name, Key: &key, Seal: seal, Slot: slot, Keep: keep}, nil
}

// WithoutDevice is the admin's record that cuts off one device: what is known of its log goes on to count.
func (s *State) WithoutDevice(device signed.Key) (AccountChange, error) {
	d := s.devices[device]
	if d == nil || d.Closed {
		return AccountChange{}, fault.New(fault.NotFound, "there is no device %v", device)
	}
	c, err := s.Change(d.Account)
	c.Keep = map[signed.Key]int64{device: d.Size}
	return c, err
}

// keep is the complete list for an account: its own devices go on, or count as far as they are known.
func (s *State) keep(name string, goOn bool) map[signed.Key]int64 {
	out := map[signed.Key]int64{}
	for _, d := range s.devices {
		for _, v := range d.vouched {
			if v.name != name {
				continue
			}
			switch {
			case d.Counts == 0:
			case d.Removed():
				out[d.Key] = d.Counts
			case goOn || d.Account != name:
				out[d.Key] = -1
			case d.Size == 1 && d.silent:
				// It has signed nothing: its place is free again.
			default:
				out[d.Key] = d.Size
			}
		}
	}
	return out
}

// RootKeep is what the next root's Keep has to name when it drops an admin: the admin's devices, as far as known.
func (s *State) RootKeep(admin string) map[signed.Key]int64 {
	out := map[signed.Key]int64{}
	for _, d := range s.devices {
		if d.admin && d.Account == admin {
			out[d.Key] = lower(d.Counts, d.Size)
		}
	}
	return out
}

// Unconfirmed are the accounts that came by themselves and that no admin has confirmed yet, by name. A name that several
// ask for is not among them: Contested has those.
func (s *State) Unconfirmed() (out []string) {
	for _, name := range slices.Sorted(maps.Keys(s.accounts)) {
		if a := s.accounts[name].now(); a != nil && !a.Gone && !a.Pinned && a.Role != Admin {
			out = append(out, name)
		}
	}
	return out
}

// PinTo is the record by which an admin gives a contested name to one of those who claim it.
func (s *State) PinTo(c Claim) AccountChange {
	key := c.Key
	return AccountChange{Name: c.Name, Role: c.role, Key: &key, Seal: c.seal, Pin: true}
}

// Pins are the records by which an admin gives names to the keys that they came with, so that nobody else can claim them
// with whatever time. They stand before a rule or role that names accounts by name, and before any other change of one, so
// that a record with a later key takes nothing from what was signed before.
func (s *State) Pins(who []string) []AccountChange {
	var out []AccountChange
	for _, name := range who {
		t := s.accounts[name]
		a := t.now()
		if a == nil || a.Gone || a.Pinned || a.Role == Admin {
			continue
		}
		c := a.current()
		first := t.versions[0].Key // where the account has another by now, it keeps that
		c.Key = &first
		out = append(out, c)
	}
	return out
}
