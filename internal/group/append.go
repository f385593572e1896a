package group

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Asked notes that n members were asked for everything they have, the own log too. From then on this machine may sign. Whose
// answers count is the caller's to judge.
func (g *Group) Asked(n int) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	c, err := g.log.Compare(g.device.Public(), n, nil)
	if err != nil {
		return err
	}
	g.compared, g.ready = c, true
	return nil
}

// NobodyToAsk is Asked for a group in which nobody has been met yet, or a user who says that this home was not restored
// from a copy.
func (g *Group) NobodyToAsk() error {
	g.writing.Lock()
	defer g.writing.Unlock()
	c, err := g.log.Offline(g.device.Public())
	if err != nil {
		return err
	}
	g.compared, g.ready = c, true
	return nil
}

// MaySign says whether members were asked, or there is nobody to ask.
func (g *Group) MaySign() bool {
	g.writing.Lock()
	defer g.writing.Unlock()
	return g.ready
}

// ErrNotAsked is an Append before Asked.
var ErrNotAsked = fault.Hint(errors.New("no confirmed member has been asked yet what it has of this machine's log"),
	"try again when one is online; if this home was not restored from a backup, --offline signs without")

// Append signs records, each made for its time, into this machine's log. None of them: the head is signed anew.
func (g *Group) Append(records ...func(n int64) ([]byte, error)) error {
	return g.append(forRemovals, records...)
}

// append is Append that leaves so many bytes of the log.
func (g *Group) append(leave int64, records ...Record) error {
	if err := g.sign(leave, records); err != nil {
		return err
	}
	return g.openOwn()
}

func (g *Group) sign(leave int64, records []Record) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	if !g.ready {
		return ErrNotAsked
	}
	now, last := g.now(), g.log.Last(g.device.Public())
	var admins, others int64
	if g.Ready() {
		s, err := g.State()
		if err != nil {
			return err
		}
		admins, others = s.Seen()
	}
	var raw [][]byte
	for _, record := range records {
		n, err := signed.NextTime(now, last, admins, others)
		if err != nil {
			return err
		}
		b, err := record(n)
		if err != nil {
			return err
		}
		raw, last = append(raw, b), n
	}
	if err := g.fits(leave, raw); err != nil {
		return err
	}
	l, next, err := g.log.Append(g.compared, g.device, now, raw...)
	if err != nil {
		return err
	}
	g.compared = next
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.take(l); err != nil {
		return err
	}
	g.tell()
	return nil
}

// nextTime is the time of the record that this machine would sign next.
func (g *Group) nextTime(s *acl.State) (int64, error) {
	admins, others := s.Seen()
	return signed.NextTime(g.now(), g.log.Last(g.device.Public()), admins, others)
}

// Refresh signs the own head anew if it is older than age: others see by it that we are there.
func (g *Group) Refresh(age time.Duration) error {
	h, whole := g.log.Head(g.device.Public())
	if h.Size == 0 || !whole || g.now().Sub(h.Time) < age {
		return nil
	}
	return g.Append()
}

// Account is this machine's, if its log has begun and somebody vouches for it.
func (g *Group) Account() (acl.Account, error) {
	s, err := g.State()
	if err != nil {
		return acl.Account{}, err
	}
	return s.Admit(g.device.Public(), g.now())
}

// need refuses what an account of these roles alone may do.
func (g *Group) need(what string, roles ...acl.Role) (*acl.State, error) {
	s, err := g.opened()
	if err != nil {
		return nil, err
	}
	a, err := s.Admit(g.device.Public(), g.now())
	if err != nil {
		return nil, g.WhyNot(what)
	}
	if !slices.Contains(roles, a.Role) {
		return nil, fault.Hint(fault.New(fault.Denied, "%q is a %s of %q, and cannot %s", a.Name, a.Role, g.Name(), what), "an admin can")
	}
	return s, nil
}

// AsAdmin gives the state to an admin of the group.
func (g *Group) AsAdmin(what string) (*acl.State, error) { return g.need(what, acl.Admin) }

// Created is what Create needs.
type Created struct {
	Name  string      // of the group, and locally
	User  string      // the first admin
	Label string      // of this machine
	Kind  signed.Kind // empty: public
	Open  bool        // anybody may publish; in a private group, who joins by its password
	Stale int64       // hours

	// Of a private group.
	Strict   bool
	Password string // to join; empty: nobody joins by himself
	Work     int    // of passwords: seal.MaxWork, but in tests
}

// Create makes a group below the folder dir: its root is signed, this machine is the first admin's device.
func Create(dir string, c Created, now func() time.Time) (*Group, error) {
	if c.Kind == signed.Private {
		return createPrivate(dir, c, now)
	}
	owner, err := NewSecret()
	if err != nil {
		return nil, err
	}
	admin, err := NewSecret()
	if err != nil {
		return nil, err
	}
	root := signed.Root{
		Version: 1, Name: c.Name, Kind: signed.Public, Need: 1, Owners: []signed.Key{owner.Public()},
		Admins: []signed.Admin{{Name: c.User, Key: admin.Public()}}, Open: c.Open, Stale: c.Stale,
		Time: time.Unix(now().Unix(), 0).UTC(),
	}
	raw, err := root.Sign(owner)
	if err != nil {
		return nil, fault.New(fault.Usage, "making the group %q: %w", c.Name, err)
	}
	first, err := signed.ParseRoot(raw)
	if err != nil {
		return nil, err
	}
	link := signed.Link{Group: first.ID(), Kind: signed.Public}
	return begin(dir, link, c.Name, now, func(g *Group) error {
		if _, err := g.log.AddRoot(raw); err != nil {
			return err
		}
		if err := WriteKey(filepath.Join(g.dir, ownerFile), Key{Kind: KeyOwner, Group: link.Group, Secret: owner}); err != nil {
			return err
		}
		if err := g.NobodyToAsk(); err != nil {
			return err
		}
		return g.hello(c.User, c.Label, admin, nil)
	})
}

// Joined is what Join needs beside a link.
type Joined struct {
	Name   string             // local; empty: the ID, until the root is here
	Device *signed.SigningKey // of this machine; nil: a new one
	Hints  []string
}

// Join makes the folder of a group that is not known yet but for its link.
func Join(dir string, link signed.Link, j Joined, now func() time.Time) (*Group, error) {
	name := j.Name
	if name == "" {
		name = link.Group.String()
	}
	return begin(dir, link, name, now, func(g *Group) error {
		if j.Device != nil {
			g.device = *j.Device
			if err := replaceKey(filepath.Join(g.dir, deviceFile), Key{Kind: KeyDevice, Group: link.Group, Secret: g.device}); err != nil {
				return err
			}
		}
		return g.Change(func(s *Settings) { s.Peers = append(s.Peers, j.Hints...) })
	})
}

// begin makes a group's folder under another name, has it filled, and puts it in its place: a crash leaves none or
// all of it.
func begin(dir string, link signed.Link, name string, now func() time.Time, fill func(g *Group) error) (*Group, error) {
	at := filepath.Join(dir, link.Group.String())
	if _, err := os.Lstat(at); err == nil {
		return nil, fault.Hint(fault.New(fault.Usage, "this home is in that group already"), "p2pshare group list shows it")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tmp := filepath.Join(dir, newPrefix+link.Group.String())
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	device, err := NewSecret()
	if err != nil {
		return nil, err
	}
	if err := WriteKey(filepath.Join(tmp, deviceFile), Key{Kind: KeyDevice, Group: link.Group, Secret: device}); err != nil {
		return nil, err
	}
	full := link
	full.Hints = nil
	if err := state.WriteVersioned(filepath.Join(tmp, settingsFile), settingsVersion, Settings{Name: name, Link: full.String()}); err != nil {
		return nil, err
	}
	g, err := Open(tmp, now)
	if err != nil {
		return nil, err
	}
	if err := fill(g); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, at); err != nil {
		return nil, err
	}
	if err := osfs.SyncDir(dir); err != nil {
		return nil, err
	}
	return Open(at, now)
}

// BecomeDevice makes this machine a device of an account, whose key is not kept.
func (g *Group) BecomeDevice(key Key, label string) error {
	if key.Group != g.ID() {
		return fault.New(fault.Usage, "the key is of another group")
	}
	if g.log.Last(g.device.Public()) != 0 {
		return fault.Hint(fault.New(fault.Usage, "this machine is a device of %q already", g.Name()), "leave the group first to join as another account")
	}
	s, err := g.State()
	if err != nil {
		return err
	}
	a, ok := s.Account(key.Account)
	if !ok || a.Gone || a.Key != key.Secret.Public() {
		return fault.Hint(fault.New(fault.Denied, "the key of %q does not open an account of %q", key.Account, g.Name()), "an admin makes a new one with p2pshare group user add")
	}
	if err := mayJoin(s, key.Account); err != nil {
		return err
	}
	return g.hello(key.Account, label, key.Secret, nil)
}

func (g *Group) hello(account, label string, by signed.SigningKey, invite *signed.SigningKey) error {
	return g.Append(func(n int64) ([]byte, error) {
		return acl.NewHello(g.ID(), g.device.Public(), acl.Hello{Account: account, Label: label}, n, by, invite)
	})
}

// Owner is the owner key that this home holds; false: none. Of several that of an owner of the latest root.
func (g *Group) Owner() (signed.SigningKey, bool) {
	k, _, ok := g.owner()
	return k, ok
}

// owner is Owner with the file of the key.
func (g *Group) owner() (signed.SigningKey, string, bool) {
	paths := append([]string{filepath.Join(g.dir, ownerFile)}, g.nextOwners()...)
	var owners []signed.Key
	if s, err := g.State(); err == nil {
		owners = s.Root().Owners
	}
	for _, path := range paths {
		if k, err := ReadKey(path, KeyOwner); err == nil && slices.Contains(owners, k.Secret.Public()) {
			return k.Secret, path, true
		}
	}
	k, err := ReadKey(paths[0], KeyOwner)
	return k.Secret, paths[0], err == nil
}

func (g *Group) nextOwners() []string {
	list, _ := filepath.Glob(filepath.Join(g.dir, nextOwnerFile+"*")) // the pattern is well formed
	return list
}

// NextOwner keeps an owner key beside the one that is held, until SettleOwner. The one is lost to the group before the
// root that names the other is signed by enough, and the other if that never comes: so both are there until then.
func (g *Group) NextOwner(s signed.SigningKey) error {
	return replaceKey(filepath.Join(g.dir, nextOwnerFile+s.Public().String()[:16]), Key{Kind: KeyOwner, Group: g.ID(), Secret: s})
}

// SettleOwner forgets all owner keys but that of an owner of the latest root, if one is.
func (g *Group) SettleOwner() error {
	s, err := g.State()
	if err != nil {
		return err
	}
	k, path, ok := g.owner()
	if !ok || !slices.Contains(s.Root().Owners, k.Public()) {
		return nil
	}
	if path != filepath.Join(g.dir, ownerFile) {
		if err := os.Rename(path, filepath.Join(g.dir, ownerFile)); err != nil {
			return err
		}
	}
	for _, old := range g.nextOwners() {
		if err := os.Remove(old); err != nil {
			return err
		}
	}
	if old, locked := g.OwnerLocked(); locked && !slices.Contains(s.Root().Owners, old) {
		return g.forgetLocked()
	}
	return osfs.SyncDir(g.dir)
}

// NextRoot signs the next root with an owner key.
func (g *Group) NextRoot(owner signed.SigningKey, edit func(r *signed.Root) error) (raw []byte, err error) {
	s, err := g.State()
	if err != nil {
		return nil, err
	}
	next := s.Root().Successor(g.now())
	if err := edit(&next); err != nil {
		return nil, err
	}
	if raw, err = next.Sign(owner); err != nil {
		return nil, fault.New(fault.Usage, "making the next root: %w", err)
	}
	return raw, nil
}

// AddRoot takes the next root.
func (g *Group) AddRoot(raw []byte) error {
	if _, err := g.log.AddRoot(raw); err != nil {
		return err
	}
	g.mu.Lock()
	g.seq++
	g.stale()
	g.tell()
	g.mu.Unlock()
	return g.open()
}

// Leave forgets a group: its folder is removed.
func (g *Group) Leave() error { return Remove(g.dir) }

// Remove removes the folder of a group, which may be one that cannot be opened.
func Remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), gonePrefix+filepath.Base(dir))
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil {
		return fmt.Errorf("leaving the group: %w", err)
	}
	return os.RemoveAll(gone)
}

// HasLog says whether this machine's device has ever signed anything.
func (g *Group) HasLog() bool {
	h, _ := g.log.Head(g.device.Public())
	return h.Size > 0
}
