package node

import (
	"fmt"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// promote makes an account an admin: the owners sign that.
func (m *member) promote(x acl.Account, u ChangeUser, a *GroupAnswer) error {
	if x.Role == acl.Invite || x.Role == acl.Mirror {
		return fault.New(fault.Usage, "an account of the role %s does not become an admin", x.Role)
	}
	owner, err := m.OwnerKey(string(u.Passphrase))
	if err != nil {
		return err
	}
	s, err := m.State()
	if err != nil {
		return err
	}
	// The root names one key. Machines that came in by one that the account had before a change of its password go on
	// counting, with all they have shared, because the owners say so.
	keep := map[signed.Key]int64{}
	for _, d := range s.Devices() {
		if d.Account == x.Name {
			keep[d.Key] = d.Counts // and one that was removed stays so
		}
	}
	raw, err := m.NextRoot(owner, func(r *signed.Root) error {
		r.Admins = append(slices.Clone(r.Admins), signed.Admin{Name: x.Name, Key: x.Key, Seal: x.Seal})
		r.Keep = keepOf(r.Keep, keep)
		return nil
	})
	if err != nil {
		return err
	}
	if x.Slot != nil {
		a.Notes = append(a.Notes, x.Name+" logs other machines in again once p2pshare group passwd has set a password there")
	}
	return m.signRoot(raw, u.Draft, owner, owner, a)
}

// dropAdmin takes an admin out of the root. What his machines have signed so far counts, and nothing after.
func (m *member) dropAdmin(name, passphrase, draft string, a *GroupAnswer) error {
	s, err := m.State()
	if err != nil {
		return err
	}
	owner, err := m.OwnerKey(passphrase)
	if err != nil {
		return err
	}
	raw, err := m.NextRoot(owner, func(r *signed.Root) error {
		if len(r.Admins) == 1 {
			return fault.Hint(fault.New(fault.Usage, "%q is the only admin", name), "make another one first: p2pshare group user role GROUP NAME admin")
		}
		r.Admins = slices.DeleteFunc(slices.Clone(r.Admins), func(x signed.Admin) bool { return x.Name == name })
		r.Keep = keepOf(r.Keep, s.RootKeep(name))
		return nil
	})
	if err != nil {
		return err
	}
	return m.signRoot(raw, draft, owner, owner, a)
}

func keepOf(a, b map[signed.Key]int64) map[signed.Key]int64 {
	out := map[signed.Key]int64{}
	for k, n := range a {
		out[k] = n
	}
	for k, n := range b {
		out[k] = n
	}
	return out
}

// demote makes an admin an account like others.
func (m *member) demote(x acl.Account, u ChangeUser, a *GroupAnswer) error {
	to := acl.Role(*u.Role)
	if !slices.Contains([]acl.Role{acl.Publisher, acl.Member, acl.Backup}, to) || !m.private() && to == acl.Backup {
		return fault.New(fault.Usage, "an admin does not become a %q", to)
	}
	if me, err := m.Account(); err == nil && me.Name == x.Name {
		return fault.Hint(fault.New(fault.Usage, "%q is this machine's own account", x.Name), "another admin can change it")
	}
	if err := m.dropAdmin(x.Name, string(u.Passphrase), u.Draft, a); err != nil || a.Missing > 0 {
		return err
	}
	a.Notes = append(a.Notes, fmt.Sprintf("%s's machines have to join again: there p2pshare group leave %s, then p2pshare group join LINK --user %s; p2pshare group link %s prints the link", x.Name, m.Name(), x.Name, m.Name()))
	key := x.Key
	return m.Append(acl.AccountChange{Name: x.Name, Role: to, Key: &key, Seal: x.Seal, Slot: x.Slot}.Marshal)
}

// removeAdminDevice cuts off a machine of an admin: the owners sign that.
func (m *member) removeAdminDevice(d acl.Device, a *GroupAnswer) error {
	owner, err := m.OwnerKey("")
	if err != nil {
		return err
	}
	raw, err := m.NextRoot(owner, func(r *signed.Root) error {
		r.Keep = keepOf(r.Keep, map[signed.Key]int64{d.Key: d.Size})
		return nil
	})
	if err != nil {
		return err
	}
	if err := m.signRoot(raw, "", owner, owner, a); err != nil {
		return err
	}
	if m.private() {
		if err := m.Rekey(); err != nil {
			return err
		}
	}
	m.tellDevice(d, false, a)
	return nil
}
