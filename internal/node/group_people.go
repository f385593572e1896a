package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
)

func (m *member) addUser(ctx context.Context, u AddUser, a *GroupAnswer) error {
	s, err := m.AsAdmin("add an account")
	if err != nil {
		return err
	}
	if err := m.mayAdd(s, u); err != nil {
		return err
	}
	if !m.private() {
		a.Wrote, err = m.addByKey(u)
		return err
	}
	password, made, err := m.newPassword(u.Password, u.Name)
	if err != nil {
		return err
	}
	list := []group.NewAccount{{Name: u.Name, Role: acl.Role(u.Role), Teams: u.Teams, Until: u.Until, Password: password, Devices: u.Devices}}
	if err := m.AddAccounts(ctx, list, m.s.n.passwordWork(), nil); err != nil {
		return err
	}
	a.Link, a.User = m.Link().String(), u.Name
	if made {
		a.Password = Secret(password)
	}
	return nil
}

// mayAdd refuses an account that cannot be.
func (m *member) mayAdd(s *acl.State, u AddUser) error {
	if err := acl.CheckNew(u.Name, acl.Member); err != nil && u.Name != group.JoinInvite {
		return fault.New(fault.Usage, "%q cannot be an account's name: %w", u.Name, err)
	}
	if err := checkTeams(u.Teams); err != nil {
		return err
	}
	roles := []acl.Role{acl.Publisher, acl.Member}
	if m.private() {
		roles = append(roles, acl.Backup, acl.Mirror, acl.Invite)
		if u.Name == group.JoinInvite {
			return fault.Hint(fault.New(fault.Usage, "%q is what people join by", u.Name), "p2pshare group passwd --group sets its password")
		}
	}
	if !slices.Contains(roles, acl.Role(u.Role)) {
		return fault.Hint(fault.New(fault.Usage, "an account of the role %q cannot be added", u.Role), "choose %s", joined(roles))
	}
	if a, there := s.Account(u.Name); there && !a.Gone {
		return fault.Hint(fault.New(fault.Usage, "there is an account %q already", u.Name), "choose another name; for another password: p2pshare group passwd %s --user %s", m.Name(), u.Name)
	}
	return nil
}

func checkTeams(teams []string) error {
	for _, t := range teams {
		if err := acl.CheckTeam(t); err != nil {
			return fault.New(fault.Usage, "%q cannot be a team's name: %w", t, err)
		}
	}
	return nil
}

func joined(roles []acl.Role) string {
	var out []string
	for _, r := range roles[:len(roles)-1] {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ") + " or " + string(roles[len(roles)-1])
}

// newPassword judges the one that was chosen, or makes one.
func (m *member) newPassword(chosen Secret, known ...string) (password string, made bool, err error) {
	if chosen == "" {
		password, err = seal.Password()
		return password, true, err
	}
	return string(chosen), false, seal.CheckPassword(string(chosen), append(known, m.Name())...)
}

// addByKey adds an account to a public group, with its key in a file.
func (m *member) addByKey(u AddUser) (string, error) {
	if u.Password != "" {
		return "", fault.Hint(fault.New(fault.Usage, "in a public group accounts have keys, and no passwords"), "leave the password out")
	}
	secret, err := group.NewSecret()
	if err != nil {
		return "", err
	}
	// The key is in its file before the account is signed: the other way round a crash would leave one nobody can use.
	if err := group.WriteKey(u.Key, group.Key{Kind: group.KeyAccount, Group: m.ID(), Account: u.Name, Secret: secret}); err != nil {
		return "", err
	}
	key := secret.Public()
	change := acl.AccountChange{Name: u.Name, Role: acl.Role(u.Role), Key: &key, Until: u.Until, Teams: u.Teams, Devices: u.Devices}
	if err := m.Append(change.Marshal); err != nil {
		return "", errors.Join(err, os.Remove(u.Key))
	}
	return u.Key, nil
}

// passwd gives an account, or the group, another password.
func (m *member) passwd(r ChangePassword, a *GroupAnswer) error {
	if !m.private() {
		return fault.Hint(fault.New(fault.Usage, "%q is a public group, and has no passwords", m.Name()), "accounts of public groups have keys: p2pshare group user add")
	}
	if r.Group && r.User != "" {
		return fault.New(fault.Usage, "the password is either the group's or a user's")
	}
	me, err := m.Account()
	if err != nil {
		return err
	}
	password, made, err := m.newPassword(r.Password, r.User, me.Name)
	if err != nil {
		return err
	}
	work := m.s.n.passwordWork()
	switch {
	case r.Group:
		err = m.ResetPassword(group.JoinInvite, password, work)
		a.Link = m.Link().String()
		a.Notes = []string{"who is in stays in; who joins from now on needs this password, and the link (p2pshare group link " + m.Name() + ")"}
	case r.User == "" || r.User == me.Name:
		a.User = me.Name
		if m.Outdated() {
			return fault.Hint(fault.New(fault.Denied, "the password of %q was changed on another machine", me.Name), "log in again: p2pshare group join %s --user %s", m.Name(), me.Name)
		}
		err = m.SetPassword(password, string(r.Old), work)
		if me.Role != acl.Admin {
			a.Notes = m.otherDevices(me.Name)
		}
	default:
		a.User = r.User
		err = m.ResetPassword(r.User, password, work)
		a.Notes = m.otherDevices(r.User)
	}
	if err != nil {
		return err
	}
	if made {
		a.Password = Secret(password)
	}
	return nil
}

// otherDevices says what machines of an account with a new password have to do.
func (m *member) otherDevices(name string) []string {
	s, err := m.State()
	if err != nil {
		return nil
	}
	n := 0
	for _, d := range s.Devices() {
		if d.Account == name && !d.Removed() && d.Key != m.Device().Public() {
			n++
		}
	}
	who, has := fmt.Sprintf("the %d other machines of %s", n, name), "have"
	switch n {
	case 0:
		return nil
	case 1:
		who, has = "the other machine of "+name, "has"
		if me, err := m.Account(); err != nil || me.Name != name {
			who = name + "'s machine"
		}
	}
	return []string{fmt.Sprintf("%s %s to log in again before all that is shared from now on can be opened there: p2pshare group join %s --user %s", who, has, m.Name(), name)}
}

func (m *member) changeUser(u ChangeUser, a *GroupAnswer) error {
	s, err := m.AsAdmin("change an account")
	if err != nil {
		if x, ok := m.toPromote(u); ok {
			return m.promote(x, u, a)
		}
		return err
	}
	x, ok := s.Account(u.Name)
	if !ok || x.Gone {
		return fault.Hint(fault.New(fault.NotFound, "there is no account %q", u.Name), "p2pshare group user list shows them")
	}
	if u.Role != nil {
		switch to := acl.Role(*u.Role); {
		case to == x.Role:
			u.Role = nil
		case to == acl.Admin:
			return m.promote(x, u, a)
		case x.Role == acl.Admin:
			return m.demote(x, u, a)
		case x.Role == acl.Invite || to == acl.Invite:
			return fault.New(fault.Usage, "an invite is no account of a person, and does not become one")
		case !slices.Contains([]acl.Role{acl.Publisher, acl.Member}, to) && (!m.private() || to != acl.Backup && to != acl.Mirror):
			return fault.New(fault.Usage, "there is no role %q that an account of %q can have", to, m.Name())
		}
	}
	c, err := s.Change(u.Name)
	if err != nil {
		return err
	}
	if u.Role != nil {
		c.Role = acl.Role(*u.Role)
	}
	if u.Until != nil {
		c.Until = *u.Until
	}
	if u.Teams != nil {
		if err := checkTeams(*u.Teams); err != nil {
			return err
		}
		c.Teams = *u.Teams
	}
	if u.Devices != nil {
		c.Devices = *u.Devices
	}
	if err := m.ChangeAccount(s, c); err != nil {
		return err
	}
	if c.Role == acl.Mirror && x.Role != acl.Mirror {
		a.Notes = append(a.Notes, u.Name+" keeps what it has read; what is shared from now on it can only hold")
	}
	if !c.Until.IsZero() && c.Until.Before(time.Now()) {
		a.Notes = append(a.Notes, u.Name+" is not let in any more, and keeps what is fetched already")
	}
	return nil
}

// toPromote is the account that an owner makes an admin, on a machine that is no admin's: owners say who is, and there may be
// no admin left.
func (m *member) toPromote(u ChangeUser) (acl.Account, bool) {
	_, open := m.Owner()
	_, locked := m.OwnerLocked()
	s, err := m.State()
	if err != nil || !open && !locked || u.Role == nil || acl.Role(*u.Role) != acl.Admin {
		return acl.Account{}, false
	}
	x, ok := s.Account(u.Name)
	return x, ok && !x.Gone && x.Role != acl.Admin
}

func (m *member) removeUser(name string, a *GroupAnswer) error {
	s, err := m.AsAdmin("remove an account")
	if err != nil {
		return err
	}
	x, ok := s.Account(name)
	if !ok || x.Gone {
		return fault.Hint(fault.New(fault.NotFound, "there is no account %q", name), "p2pshare group user list shows them")
	}
	if me, err := m.Account(); err == nil && me.Name == name {
		return fault.Hint(fault.New(fault.Usage, "%q is this machine's own account", name), "another admin can remove it; p2pshare group leave leaves the group")
	}
	if x.Role == acl.Admin {
		if err := m.dropAdmin(name, "", "", a); err != nil {
			return fault.Hint(err, "p2pshare group user role %s %s member takes the admin's role away, with a passphrase or a draft for other owners; then remove the account", m.Name(), name)
		}
	}
	if !m.private() {
		if x.Role == acl.Admin {
			return nil
		}
		return m.End(s, name)
	}
	password, err := seal.Password()
	if err != nil {
		return err
	}
	out, err := m.RemoveAccount(x, password, m.s.n.passwordWork())
	if err != nil {
		return err
	}
	a.Link = m.Link().String()
	if out.Invite {
		a.Password = Secret(password)
	}
	if x.Role == acl.Invite {
		a.Notes = []string{"who came by " + name + " stays; nobody comes by it any more"}
		return nil
	}
	a.Notes = append(m.notJoined(),
		name+" keeps what is fetched already, and the keys to what was shared with that account until now",
		"members that are offline, or cut off from the others, let that account in until they hear of this",
	)
	if out.Later {
		a.Notes = append(a.Notes, "this machine's log is full: what is shared from now on can be read with the old key until a machine of another admin has made a new one")
	}
	for _, inv := range out.Closed {
		a.Notes = append(a.Notes, fmt.Sprintf("nobody can join by the invite %q, by which that account came, before p2pshare group passwd --user %s", inv, inv))
	}
	return nil
}

// notJoined says how many accounts the old link was given to that have not used it.
func (m *member) notJoined() []string {
	s, err := m.State()
	if err != nil {
		return nil
	}
	joined, n := map[string]bool{}, 0
	for _, d := range s.Devices() {
		joined[d.Account] = true
	}
	for _, x := range s.Accounts() {
		if x.Active(time.Now()) && x.Role != acl.Invite && x.Role != acl.Admin && !joined[x.Name] {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return []string{"1 account that was added has not joined yet, and needs the new link too: p2pshare group link " + m.Name()}
	}
	return []string{fmt.Sprintf("%d accounts that were added have not joined yet, and need the new link too: p2pshare group link %s", n, m.Name())}
}

func (m *member) removeDevice(key string, lost bool, a *GroupAnswer) error {
	s, err := m.AsAdmin("remove a device")
	if err != nil {
		return err
	}
	var hits []acl.Device
	for _, d := range s.Devices() {
		if len(key) >= minPrefix && strings.HasPrefix(d.Key.String(), strings.ToLower(key)) {
			hits = append(hits, d)
		}
	}
	switch len(hits) {
	case 0:
		return fault.Hint(fault.New(fault.NotFound, "no device has a key that begins with %q", key), "p2pshare group device list shows them")
	case 1:
	default:
		return fault.New(fault.Usage, "%d devices have keys that begin with %q", len(hits), key)
	}
	d := hits[0]
	if d.Key == m.Device().Public() {
		return fault.Hint(fault.New(fault.Usage, "that is this machine"), "p2pshare group leave leaves the group")
	}
	x, ok := s.Account(d.Account)
	admin := ok && x.Role == acl.Admin
	switch {
	case lost && !m.private():
		return fault.Hint(fault.New(fault.Usage, "in a public group the key of %q may be on the machine, and no password takes it back", d.Account),
			"p2pshare group user remove %s %s, and add another account", m.Name(), d.Account)
	case lost && admin:
		return fault.Hint(fault.New(fault.Usage, "%q is an admin, whose keys the owners alone change", d.Account),
			"p2pshare group user role %s %s member takes them away; then remove the machine with --lost", m.Name(), d.Account)
	case lost:
		password, _, err := m.newPassword("", d.Account)
		if err != nil {
			return err
		}
		if err := m.LoseDevice(d.Key, password, m.s.n.passwordWork()); err != nil {
			return fault.Hint(err, "the same command again gives %s another password, and removes the machine", d.Account)
		}
		a.User, a.Password = d.Account, Secret(password)
	case admin:
		return m.removeAdminDevice(d, a)
	default:
		if err := m.RemoveDevice(d.Key); err != nil {
			return err
		}
	}
	m.tellDevice(d, lost, a)
	return nil
}

func (m *member) tellDevice(d acl.Device, lost bool, a *GroupAnswer) {
	if !m.private() {
		return
	}
	a.Link = m.Link().String()
	a.Notes = append(m.notJoined(), "what is on the device stays there, with the keys to what was shared with "+d.Account+" until now")
	if lost {
		a.Notes = append(a.Notes, m.otherDevices(d.Account)...)
		return
	}
	a.Notes = append(a.Notes, fmt.Sprintf("if somebody else may have it, they may read what is shared from now on too: p2pshare group device remove %s %.12s --lost gives %s another password, and the group other keys", m.Name(), d.Key.String(), d.Account))
}
