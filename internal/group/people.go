package group

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// NewAccount is an account of a private group that an admin makes.
type NewAccount struct {
	Name     string
	Role     acl.Role
	Teams    []string
	Until    time.Time
	Password string
	Devices  int64 // how many it may have; 0: acl.MaxDevices
}

// AddAccounts makes accounts, all or none of them, and gives each what it needs to read. made, which may be nil, is told how
// many passwords are hashed, about a second each; until all are, the end of ctx ends it.
func (g *Group) AddAccounts(ctx context.Context, list []NewAccount, work int, made func(n int)) error {
	s, err := g.AsAdmin("add an account")
	if err != nil {
		return err
	}
	var records []Record
	fresh := map[string]seal.Identity{}
	var read, mirror []string
	for i, a := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, slot, err := login(g.ID(), a.Name, a.Password, work)
		if err != nil {
			return err
		}
		key := l.Key.Public()
		c := acl.AccountChange{Name: a.Name, Role: a.Role, Key: &key, Seal: l.Seal.Recipient(), Slot: slot, Until: a.Until, Teams: a.Teams, Devices: a.Devices}
		fresh[a.Name] = l.Seal
		switch a.Role {
		case acl.Mirror:
			mirror = append(mirror, a.Name)
		case acl.Invite:
			c.Gives = acl.Member
			fallthrough
		default:
			read = append(read, a.Name)
		}
		records = append(records, c.Marshal)
		if made != nil {
			made(i + 1)
		}
	}
	for aud, names := range map[string][]string{everyone: read, mirrors: mirror} {
		if len(names) == 0 || aud == mirrors && len(epochs(s, mirrors)) == 0 {
			continue // of mirrors there is an epoch once Care has made it
		}
		grants, err := g.handOver(s, aud, names, fresh)
		if err != nil {
			return err
		}
		records = append(records, grants...)
	}
	if err := g.Append(records...); err != nil {
		return err
	}
	if len(mirror) > 0 {
		_, err = g.Care()
	}
	return err
}

// about are the records of a change of an account: of one that came by itself the name is its own first.
func about(s *acl.State, c acl.AccountChange) []Record {
	var out []Record
	for _, pin := range s.Pins([]string{c.Name}) {
		if c.Gone {
			pin.Seal = "" // the longest of it, and nothing is sealed to it any more
		}
		out = append(out, pin.Marshal)
	}
	return append(out, c.Marshal)
}

// ChangeAccount signs an admin's change of an account.
func (g *Group) ChangeAccount(s *acl.State, c acl.AccountChange) error {
	return g.Append(about(s, c)...)
}

// handOver grants what is held of an audience with a name to more accounts.
func (g *Group) handOver(s *acl.State, aud string, names []string, fresh map[string]seal.Identity) ([]Record, error) {
	epoch, _, err := g.current(s, aud)
	if err != nil {
		return nil, err
	}
	gen, ok := g.generation(s)
	if !ok {
		return g.deliver(s, aud, epoch, g.handed(s, aud), names, fresh, nil)
	}
	return g.deliver(s, aud, epoch, g.handed(s, aud), names, fresh, &gen)
}

// Removed is what came of a removal.
type Removed struct {
	Invite bool     // the group has another password
	Closed []string // other invites that the account knew: nobody has their passwords now
	Later  bool     // there was no room for the group's other key: a machine of another admin makes it
}

// RemoveAccount removes an account, for good and with all that it could use to come back: from then on the group has
// another key, another link and, if people join with one, another password. It is one Append: all of it or nothing.
// An admin has to be out of the root before: then gone is the account as it was.
func (g *Group) RemoveAccount(gone acl.Account, password string, work int) (Removed, error) {
	s, err := g.AsAdmin("remove an account")
	if err != nil {
		return Removed{}, err
	}
	name := gone.Name
	var out Removed
	var records []Record
	if _, there := s.Account(name); there || gone.Role != acl.Admin {
		c, err := s.Removal(name)
		if err != nil {
			return Removed{}, err
		}
		records = append(records, about(s, c)...)
	}
	fresh := map[string]seal.Identity{}
	if name != JoinInvite {
		reset, closed, err := g.newInvites(s, gone, password, work, fresh)
		if err != nil {
			return Removed{}, err
		}
		records = append(records, reset...)
		out.Closed, out.Invite = closed, !fresh[JoinInvite].IsZero()
	}
	again, err := g.rekey(s, map[string]bool{name: true}, fresh, false)
	if err != nil {
		return Removed{}, err
	}
	out.Later, err = g.remove(records, again)
	return out, err
}

// remove appends what takes somebody's rights, with other keys for who stays. In the very last of the log it stands without
// them: then the next admin's machine that looks after the group makes them.
func (g *Group) remove(records, keys []Record) (later bool, err error) {
	err = g.append(forLast, slices.Concat(records, keys)...)
	if !errors.Is(err, errFull) {
		return false, err
	}
	return true, g.append(0, records...)
}

// newInvites gives other passwords to the invites that somebody who is removed knows: the group's, and the one he came by.
func (g *Group) newInvites(s *acl.State, gone acl.Account, password string, work int, fresh map[string]seal.Identity) (records []Record, closed []string, err error) {
	for _, name := range slices.Compact([]string{JoinInvite, gone.By}) {
		inv, ok := s.Account(name)
		if !ok || !inv.Active(g.now()) || inv.Role != acl.Invite || inv.Slot == nil {
			continue
		}
		secret := password
		if name != JoinInvite {
			if secret, err = seal.Password(); err != nil {
				return nil, nil, err
			}
			closed = append(closed, name)
		}
		l, slot, err := login(g.ID(), name, secret, work)
		if err != nil {
			return nil, nil, err
		}
		c, err := s.Reset(name, l.Key.Public(), l.Seal.Recipient(), slot)
		if err != nil {
			return nil, nil, err
		}
		records, fresh[name] = append(records, about(s, c)...), l.Seal
	}
	return records, closed, nil
}

// Rekey makes another key and another link for those who are there, and another secret for the admins: a machine of an admin's
// was cut off.
func (g *Group) Rekey() error { return g.newKeys(true) }

func (g *Group) newKeys(renew bool) error {
	s, err := g.AsAdmin("make another key")
	if err != nil {
		return err
	}
	records, err := g.rekey(s, nil, nil, renew)
	if err != nil {
		return err
	}
	return g.append(forLast, records...)
}

// RemoveDevice cuts a device off. Who has it has the account's keys of now too: the group has others from then on.
func (g *Group) RemoveDevice(device signed.Key) error {
	s, err := g.AsAdmin("remove a device")
	if err != nil {
		return err
	}
	c, err := s.WithoutDevice(device)
	if err != nil {
		return err
	}
	var keys []Record
	if g.link.Kind == signed.Private {
		d, _ := s.Device(device)
		if keys, err = g.rekey(s, nil, nil, slices.Contains(adminsOf(s), d.Account)); err != nil {
			return err
		}
	}
	_, err = g.remove(about(s, c), keys)
	return err
}

// LoseDevice removes a device that somebody else may have, and the keys of its account with it: those get others, and a
// password, before the group does. Of a device that is removed already it does that alone.
func (g *Group) LoseDevice(device signed.Key, password string, work int) error {
	s, err := g.AsAdmin("remove a device")
	if err != nil {
		return err
	}
	d, ok := s.Device(device)
	if !ok {
		return fault.New(fault.NotFound, "there is no device %v", device)
	}
	if err := g.ResetPassword(d.Account, password, work); err != nil {
		return err
	}
	if d.Removed() {
		return g.Rekey()
	}
	return g.RemoveDevice(device)
}

// End signs the removal of an account of a public group.
func (g *Group) End(s *acl.State, name string) error {
	c, err := s.Removal(name)
	if err != nil {
		return err
	}
	_, err = g.remove(about(s, c), nil)
	return err
}

// SetPassword gives this machine's account another password, and keys that the old one does not open. Its other devices go
// on, but open nothing new before they log in again. old is asked of admins alone, whose keys the root has and which stay:
// it is needed where the group was not made on this machine.
func (g *Group) SetPassword(password, old string, work int) error {
	s, err := g.opened()
	if err != nil {
		return err
	}
	me, err := s.Admit(g.device.Public(), g.now())
	if err != nil {
		return err
	}
	if me.Role == acl.Admin {
		return g.setAdminPassword(me, password, old, work)
	}
	l, slot, err := login(g.ID(), me.Name, password, work)
	if err != nil {
		return err
	}
	c, err := s.Rekeyed(me.Name, l.Key.Public(), l.Seal.Recipient(), slot)
	if err != nil {
		return err
	}
	records, err := g.regrant(s, me.Name, c.Seal, func(string) bool { return true })
	if err != nil {
		return err
	}
	// On disk before it is signed: without it this machine could not open what it grants to itself.
	if err := g.keys.become(me.Name, l.Seal); err != nil {
		return err
	}
	if err := g.Append(append([]Record{c.Marshal}, records...)...); err != nil {
		return g.keys.back(l.Seal, err)
	}
	return nil
}

func (g *Group) setAdminPassword(me acl.Account, password, old string, work int) error {
	_, ident := g.keys.own()
	l := seal.Login{Account: me.Name, Group: g.ID(), Seal: ident}
	if k, ok := g.AdminKey(); ok && k.Secret.Public() == me.Key {
		l.Key = k.Secret
	} else {
		if old == "" {
			return fault.Hint(fault.New(fault.Denied, "%q is an admin, whose keys stay when the password changes", me.Name),
				"give the old password too, or change it on the machine on which the group was made")
		}
		var err error
		if l, err = g.Login(me.Name, old, work); err != nil {
			return err
		}
	}
	slot, err := seal.MakeSlot(l, password, work)
	if err != nil {
		return err
	}
	return g.Append(acl.AccountChange{Name: me.Name, Slot: slot}.Marshal)
}

// regrant hands to an account with another recipient what it has held, as far as it is here and which says so.
func (g *Group) regrant(s *acl.State, name, recipient string, which func(aud string) bool) ([]Record, error) {
	type key struct {
		aud   string
		epoch int64
	}
	var done []key
	var out []Record
	for _, gr := range s.Grants() {
		if !slices.Contains(gr.To, name) || !which(gr.Audience) {
			continue
		}
		k := key{gr.Audience, gr.Epoch}
		var text []byte
		if hasName(gr.Audience) {
			e, ok := latest(s, gr.Audience)
			if !ok {
				continue
			}
			k.epoch = e.Epoch
			text = g.handed(s, gr.Audience)
		} else {
			text = g.keys.file(gr.Audience, []int64{gr.Epoch})
		}
		if slices.Contains(done, k) || len(text) == 0 {
			continue
		}
		done = append(done, k)
		grants, err := marshalers(grantTo(k.aud, k.epoch, text, []string{name}, map[string]string{name: recipient}))
		if err != nil {
			return nil, err
		}
		out = append(out, grants...)
	}
	return out, nil
}

// ResetPassword gives somebody's account, or an invite, another password and keys.
func (g *Group) ResetPassword(name, password string, work int) error {
	s, err := g.AsAdmin("set the password of another account")
	if err != nil {
		return err
	}
	if a, ok := s.Account(name); name == JoinInvite && (!ok || a.Gone) {
		return g.AddAccounts(context.Background(), []NewAccount{{Name: JoinInvite, Role: acl.Invite, Password: password}}, work, nil)
	}
	l, slot, err := login(g.ID(), name, password, work)
	if err != nil {
		return err
	}
	c, err := s.Reset(name, l.Key.Public(), l.Seal.Recipient(), slot)
	if err != nil {
		return err
	}
	// That a grant names him does not say that he was to have the key: anybody can sign one, and his role may have been another.
	readers, invites := s.Everyone(g.now())
	records, err := g.regrant(s, name, c.Seal, func(aud string) bool {
		switch aud {
		case everyone:
			return slices.Contains(readers, name) || slices.Contains(invites, name)
		case mirrors:
			return slices.Contains(mirrorsOf(s, g.now()), name)
		}
		return false
	})
	if err != nil {
		return err
	}
	if err := g.Append(append(about(s, c), records...)...); err != nil {
		return err
	}
	_, err = g.Care() // what is for some, as far as he may read it
	return err
}

// back forgets an identity that was taken for a record that then was not signed.
func (k *keyring) back(id seal.Identity, cause error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.f.Seals) > 0 && k.f.Seals[0] == id.Secret() {
		k.f.Seals, k.seals = k.f.Seals[1:], k.seals[1:]
		k.became++
		if err := k.save(); err != nil {
			return err
		}
	}
	return cause
}

// Outdated says whether the account's password was changed on another machine: what is granted from then on this one
// cannot open.
func (g *Group) Outdated() bool {
	s, err := g.State()
	if err != nil || g.link.Kind != signed.Private {
		return false
	}
	a, err := s.Admit(g.device.Public(), g.now())
	if err != nil {
		return false
	}
	name, id := g.keys.own()
	return name != a.Name || id.Recipient() != a.Seal
}
