package node

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// defaultStale is how long a group may be without news of an admin before readers are warned, in hours.
const defaultStale = 720

// Group carries out what is asked of groups.
func (n *Node) Group(ctx context.Context, r GroupRequest, on func(Event)) (*GroupAnswer, error) {
	on, end := n.hear(on)
	defer end()
	s, err := n.openGroups(ctx)
	if err != nil {
		return nil, err
	}
	if r.takesPassword(false) {
		if err := n.roomForPassword(); err != nil {
			return nil, err
		}
	}
	switch {
	case r.Create != nil:
		return s.create(r)
	case r.Join != nil:
		return s.join(ctx, r, on)
	case r.Restore != nil:
		return s.restore(ctx, r, on)
	case r.List != nil:
		return s.listed()
	}
	if r.Leave != nil && s.leaveBad(r.Group) {
		return &GroupAnswer{Groups: []Group{}}, nil
	}
	m, err := s.get(r.Group)
	if err != nil {
		return nil, err
	}
	if r.takesPassword(m.private()) {
		if err := n.roomForPassword(); err != nil {
			return nil, err
		}
	}
	a := &GroupAnswer{}
	switch {
	case r.Leave != nil:
		info := m.info()
		a.Groups = []Group{info}
		return a, s.leave(m)
	case r.Show != nil:
		return m.show()
	case r.Link != nil:
		a.Link, err = m.linkWith(r.Link.Hints)
		return a, err
	case r.Log != nil:
		a.Log, err = m.history()
		return a, err
	case r.TestRule != nil:
		a.Decision, err = m.testRule(*r.TestRule)
		return a, err
	case r.Follow != nil:
		return m.setFollow(*r.Follow)
	case r.Owners != nil && r.Owners.Own:
		return m.ownOwner()
	case r.Owners != nil && (r.Owners.Lock != nil || r.Owners.Export != "" || r.Owners.Import != ""):
		return m.ownerFiles(*r.Owners)
	case r.Audit != nil:
		return m.readAudit(*r.Audit)
	}
	if err := m.maySign(ctx, r.Offline, on); err != nil {
		return nil, err
	}
	switch {
	case r.Passwd != nil:
		err = m.passwd(*r.Passwd, a)
	case r.AddUser != nil:
		err = m.addUser(ctx, *r.AddUser, a)
	case r.AddUsers != nil:
		err = m.addUsers(ctx, *r.AddUsers, a, on)
	case r.ChangeUser != nil:
		err = m.changeUser(*r.ChangeUser, a)
	case r.RemoveUser != nil:
		err = m.removeUser(*r.RemoveUser, a)
	case r.RemoveDevice != nil:
		err = m.removeDevice(*r.RemoveDevice, r.Lost, a)
	case r.AddRule != nil:
		err = m.addRule(*r.AddRule, a)
	case r.RemoveRule != nil:
		err = m.removeRule(*r.RemoveRule)
	case r.Owners != nil:
		err = m.changeOwners(*r.Owners, a)
	default:
		return nil, fault.New(fault.Usage, "nothing is asked of the group")
	}
	if err != nil {
		return nil, err
	}
	m.care() // so that nobody waits for another machine to give him what this change has brought
	m.passOn(ctx, on)
	shown, err := m.show()
	if err != nil {
		return nil, err
	}
	shown.Wrote, shown.Missing, shown.Added, shown.AddedRule, shown.Link = a.Wrote, a.Missing, a.Added, a.AddedRule, a.Link
	shown.Password, shown.User, shown.Notes = a.Password, a.User, a.Notes
	return shown, nil
}

func (s *groups) create(r GroupRequest) (*GroupAnswer, error) {
	c := *r.Create
	if err := c.check(r.Group); err != nil {
		return nil, err
	}
	if c.User == "" {
		c.User = "admin"
	}
	if c.Stale == 0 {
		c.Stale = defaultStale
	}
	s.entering.Lock()
	defer s.entering.Unlock()
	if err := s.freeName(r.Group); err != nil {
		return nil, err
	}
	if err := acl.CheckAdmin(c.User); err != nil {
		return nil, fault.New(fault.Usage, "%q cannot be an account's name: %w", c.User, err)
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	g, err := group.Create(s.n.home.Path("groups"), group.Created{
		Name: r.Group, User: c.User, Label: hostLabel(""), Open: c.Open, Stale: int64(c.Stale),
		Kind: signed.Kind(c.Kind), Strict: c.Strict, Password: password, Work: s.n.passwordWork(),
	}, time.Now)
	if err != nil {
		return nil, err
	}
	m := s.add(g, false)
	if s.n.keeper != nil {
		if err := m.online(nil); err != nil {
			return nil, err
		}
	}
	a, err := m.show()
	if err != nil {
		return nil, err
	}
	a.Link = m.Link().String()
	a.Wrote = filepath.Join(g.Dir(), "owner.key")
	if c.Kind == string(signed.Private) {
		a.tellCreated(m.Name(), c, password)
	}
	return a, err
}

// hostLabel is what this machine is called in a group.
func hostLabel(label string) string {
	if label == "" {
		label, _ = os.Hostname() // no name is a name too
	}
	label = strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e {
			return -1
		}
		return c
	}, label)
	return label[:min(len(label), 32)]
}

func (s *groups) join(ctx context.Context, r GroupRequest, on func(Event)) (*GroupAnswer, error) {
	j := *r.Join
	link, archive, err := s.linkOf(r.Group)
	if err != nil {
		return nil, err
	}
	if link.Kind == signed.Private {
		return s.joinPrivate(ctx, r, link, archive, on)
	}
	if j.Password != "" || j.Account != "" {
		return nil, fault.Hint(fault.New(fault.Usage, "the group is public, and has no password"), "join it without; --key FILE joins as an account")
	}
	var account *group.Key
	if j.Key != "" {
		k, err := group.ReadKey(j.Key, group.KeyAccount)
		if err != nil {
			return nil, err
		}
		if k.Group != link.Group || j.User != "" && j.User != k.Account {
			return nil, fault.New(fault.Usage, "the key in %q is of %q in the group %v", j.Key, k.Account, k.Group)
		}
		account = &k
	}
	device, used, err := deviceKey(j.DeviceKey, link.Group)
	if err != nil {
		return nil, err
	}
	m, err := s.enter(link, group.Joined{Name: j.As, Device: device, Hints: s.callable(link.Hints)})
	if err != nil {
		return nil, err
	}
	if err := s.bring(ctx, m, j, used, archive, account, on); err != nil {
		return nil, errors.Join(err, s.leave(m)) // as if it had never been asked
	}
	return m.show()
}

// enter makes the folder of a group that is joined.
func (s *groups) enter(link signed.Link, j group.Joined) (*member, error) {
	s.entering.Lock()
	defer s.entering.Unlock()
	if j.Name != "" {
		if err := s.freeName(j.Name); err != nil {
			return nil, err
		}
	}
	g, err := group.Join(s.n.home.Path("groups"), link, j, time.Now)
	if err != nil {
		return nil, err
	}
	return s.add(g, false), nil
}

// linkOf reads a link, or the archive of a group: its first root says which group it is. The name of a group that this home is in stands
// for its link.
func (s *groups) linkOf(arg string) (signed.Link, *group.Archive, error) {
	if m, err := s.get(arg); err == nil && m.Name() == arg {
		return m.Link(), nil, nil
	}
	if strings.HasPrefix(strings.ToLower(arg), "p2pshare:") {
		link, err := signed.ParseLink(arg)
		return link, nil, err
	}
	a, err := group.ReadArchive(arg)
	if err != nil {
		return signed.Link{}, nil, err
	}
	return signed.Link{Group: a.Group, Kind: a.Kind}, a, nil
}

// deviceKey reads the key of a device, which may have signed before then, or makes one in a file that is not there yet.
func deviceKey(path string, id signed.GroupID) (device *signed.SigningKey, used bool, err error) {
	if path == "" {
		return nil, false, nil
	}
	k, err := group.ReadKey(path, group.KeyDevice)
	if fault.KindOf(err) == fault.NotFound {
		if k.Secret, err = group.NewSecret(); err != nil {
			return nil, false, err
		}
		return &k.Secret, false, group.WriteKey(path, group.Key{Kind: group.KeyDevice, Group: id, Secret: k.Secret})
	}
	if err == nil && k.Group != id {
		err = fault.New(fault.Usage, "the device key in %q is of another group", path)
	}
	return &k.Secret, true, err
}

// bring fills a group that was just joined. used says that the device may have signed in it before.
func (s *groups) bring(ctx context.Context, m *member, j JoinGroup, used bool, archive *group.Archive, account *group.Key, on func(Event)) error {
	if archive != nil {
		if _, err := archive.Into(ctx, m.Group); err != nil {
			return err
		}
		if err := m.callByTitle(); err != nil {
			return err
		}
	}
	if used {
		if err := m.Change(func(c *group.Settings) { c.Met = true }); err != nil {
			return err
		}
	} else if err := m.NobodyToAsk(); err != nil {
		return err
	}
	if err := m.online(j.Peers); err != nil {
		return err
	}
	if archive == nil || account != nil {
		defer m.lookingFor(on)()
		limited := ctx
		if j.Timeout > 0 {
			var cancel context.CancelFunc
			limited, cancel = context.WithTimeout(ctx, j.Timeout)
			defer cancel()
		}
		if err := m.crowd.UpToDate(limited); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fault.Hint(fault.New(fault.Timeout, "no member of the group was found within %v", j.Timeout),
				"see that one is online, or name its address with --peer HOST:PORT")
		}
		if err := m.met(); err != nil {
			return err
		}
		if used && account != nil {
			// What the device signed before is to be here before it says hello.
			if err := m.heardOut(limited); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return group.ErrNotAsked
			}
			if err := m.asked(); err != nil {
				return err
			}
		}
	}
	if account == nil {
		return nil
	}
	if m.HasLog() {
		return nil // its device key was used before
	}
	if err := m.BecomeDevice(*account, hostLabel(j.Label)); err != nil {
		return err
	}
	m.passOn(ctx, on)
	return nil
}

// callByTitle gives a group that was joined without a local name the one its owners use, if no other has it here.
func (m *member) callByTitle() error {
	st, err := m.State()
	if err != nil {
		return err
	}
	title := strings.ToLower(st.Root().Name)
	if m.Name() != m.ID().String() || m.s.freeName(title) != nil {
		return nil
	}
	return m.Change(func(c *group.Settings) { c.Name = title })
}

// leaveBad removes the folder of a group that cannot be read, if that is what it is.
func (s *groups) leaveBad(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad[dir] == nil {
		return false
	}
	if err := group.Remove(filepath.Join(s.n.home.Path("groups"), dir)); err != nil {
		s.n.log.Error("leaving a group that cannot be read", "folder", dir, "error", err)
		return false
	}
	delete(s.bad, dir)
	return true
}

func (s *groups) listed() (*GroupAnswer, error) {
	a := &GroupAnswer{Groups: []Group{}}
	for _, m := range s.list() {
		a.Groups = append(a.Groups, m.info())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dir := range slices.Sorted(maps.Keys(s.bad)) {
		a.Groups = append(a.Groups, Group{Name: dir, ID: dir, Warnings: []string{"it cannot be read: " + s.bad[dir].Error()}})
	}
	return a, nil
}

// linkWith is the link with addresses at which members are found without DHT and LAN.
func (m *member) linkWith(hints []string) (string, error) {
	l := m.Link()
	l.Hints = slices.Clone(hints)
	s := l.String()
	again, err := signed.ParseLink(s) // as others will read it
	if err == nil && !slices.Equal(again.Hints, l.Hints) {
		err = errors.New("not an address")
	}
	if err != nil {
		return "", fault.Hint(fault.New(fault.Usage, "--hint: %w", err), "write each as HOST:PORT, at most eight of them")
	}
	return s, nil
}
