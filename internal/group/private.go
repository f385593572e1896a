package group

import (
	"crypto/rand"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// JoinInvite is the invite whose password is the group's.
const JoinInvite = acl.Join

const adminFile = "admin.key"

// login makes new keys for an account, and the slot that opens them.
func login(id signed.GroupID, account, password string, work int) (seal.Login, []byte, error) {
	key, err := NewSecret()
	if err != nil {
		return seal.Login{}, nil, err
	}
	ident, err := seal.NewAccount()
	if err != nil {
		return seal.Login{}, nil, err
	}
	l := seal.Login{Account: account, Group: id, Key: key, Seal: ident}
	slot, err := seal.MakeSlot(l, password, work)
	return l, slot, err
}

// createPrivate makes a private group below the folder dir.
func createPrivate(dir string, c Created, now func() time.Time) (*Group, error) {
	owner, err := NewSecret()
	if err != nil {
		return nil, err
	}
	admin, err := NewSecret()
	if err != nil {
		return nil, err
	}
	ident, err := seal.NewAccount()
	if err != nil {
		return nil, err
	}
	root := signed.Root{
		Version: 1, Name: c.Name, Kind: signed.Private, Need: 1, Owners: []signed.Key{owner.Public()},
		Admins: []signed.Admin{{Name: c.User, Key: admin.Public(), Seal: ident.Recipient()}}, Stale: c.Stale, Strict: c.Strict,
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
	link := signed.Link{Group: first.ID(), Kind: signed.Private}
	if _, err := rand.Read(link.Secret[:]); err != nil {
		return nil, err
	}
	fresh := map[string]seal.Identity{}
	var invite []Record
	if c.Password != "" {
		l, slot, err := login(link.Group, JoinInvite, c.Password, c.Work)
		if err != nil {
			return nil, err
		}
		key, gives := l.Key.Public(), acl.Member
		if c.Open {
			gives = acl.Publisher
		}
		invite = []Record{acl.AccountChange{Name: JoinInvite, Role: acl.Invite, Gives: gives, Key: &key, Seal: l.Seal.Recipient(), Slot: slot}.Marshal}
		fresh[JoinInvite] = l.Seal
	}
	return begin(dir, link, c.Name, now, func(g *Group) error {
		if _, err := g.log.AddRoot(raw); err != nil {
			return err
		}
		for file, k := range map[string]Key{
			ownerFile: {Kind: KeyOwner, Group: link.Group, Secret: owner},
			adminFile: {Kind: KeyAccount, Group: link.Group, Account: c.User, Secret: admin},
		} {
			if err := WriteKey(filepath.Join(g.dir, file), k); err != nil {
				return err
			}
		}
		if err := g.NobodyToAsk(); err != nil {
			return err
		}
		if err := g.keys.become(c.User, ident); err != nil {
			return err
		}
		s, err := g.State()
		if err != nil {
			return err
		}
		keys, gen, err := g.newGeneration(s, []string{c.User})
		if err != nil {
			return err
		}
		first, all, err := g.successor(s, everyone, gen, nil)
		if err != nil {
			return err
		}
		grants, err := g.deliver(s, everyone, all.epoch, keysText(everyone, []held{all}), slices.Sorted(maps.Keys(fresh)), fresh, &gen)
		if err != nil {
			return err
		}
		keys = slices.Concat(keys, first, grants)
		newLink, err := linkRecord(link, all.id.Recipient())
		if err != nil {
			return err
		}
		hello := func(n int64) ([]byte, error) {
			return acl.NewHello(g.ID(), g.device.Public(), acl.Hello{Account: c.User, Label: c.Label}, n, admin, nil)
		}
		return g.Append(slices.Concat([]Record{hello}, invite, keys, []Record{newLink})...)
	})
}

// linkRecord hands the link to who holds the recipients' keys: as text, so that `age -d` shows it.
func linkRecord(l signed.Link, recipients ...string) (Record, error) {
	l.Hints = nil
	box, err := seal.Box([]byte(l.String()+"\n"), recipients)
	return acl.NewLink{Box: box}.Marshal, err
}

// Links are the group's links that are answered to: the current one first.
func (g *Group) Links() []signed.Link {
	if g.link.Kind != signed.Private {
		return []signed.Link{g.link}
	}
	var out []signed.Link
	for _, s := range g.keys.links(g.now()) {
		l := g.link
		l.Secret = s
		out = append(out, l)
	}
	return out
}

// Login is what a password opens of a slot that the group's log holds, or fault.Denied. The work is the one that the
// password was made with.
func (g *Group) Login(account, password string, work int) (seal.Login, error) {
	s, err := g.State()
	if err != nil {
		return seal.Login{}, err
	}
	a, ok := s.Account(account)
	if !ok || a.Slot == nil || !a.Active(g.now()) {
		return seal.Login{}, seal.WrongPassword()
	}
	slot, err := seal.ParseSlot(a.Slot)
	if err != nil {
		return seal.Login{}, err
	}
	p, err := seal.Stretch(g.ID(), account, password, work)
	if err != nil {
		return seal.Login{}, err
	}
	return p.Open(slot.Box)
}

// LogIn makes this machine a device of an account, whose key is forgotten after. A machine that is one already takes the
// account's identity anew: its password was changed elsewhere.
func (g *Group) LogIn(l seal.Login, label string) error {
	s, err := g.State()
	if err != nil {
		return err
	}
	a, ok := s.Account(l.Account)
	if !ok || !a.Active(g.now()) || a.Key != l.Key.Public() {
		return fault.Hint(fault.New(fault.Denied, "the account %q has another password by now", l.Account), "use the new one; an admin gives it with p2pshare group passwd")
	}
	if a.Role == acl.Invite {
		return fault.Hint(fault.New(fault.Usage, "%q is an invite, and nobody's account", l.Account), "join without --user, and with the password that came with the link")
	}
	d, known := s.Device(g.device.Public())
	if known && (d.Removed() || d.Account != l.Account) {
		return fault.Hint(fault.New(fault.Denied, "this machine is a device of %q that was removed, or somebody else's", d.Account), "p2pshare group leave, then join again")
	}
	if !known {
		if err := mayJoin(s, l.Account); err != nil {
			return err
		}
	}
	if err := g.keys.become(l.Account, l.Seal); err != nil {
		return err
	}
	if known {
		return g.Absorb()
	}
	return g.hello(l.Account, label, l.Key, nil)
}

// JoinBy makes an account of this machine's own with the key of an invite, and gives its name: the one that is asked for,
// with a number where somebody has it.
func (g *Group) JoinBy(l seal.Login, name, label string) (string, error) {
	s, err := g.State()
	if err != nil {
		return "", err
	}
	inv, ok := s.Account(l.Account)
	if !ok || !inv.Active(g.now()) || inv.Role != acl.Invite || inv.Key != l.Key.Public() {
		return "", fault.Hint(fault.New(fault.Denied, "the group has another password by now"), "ask who invited you for the new one")
	}
	account, err := NewSecret()
	if err != nil {
		return "", err
	}
	ident, err := seal.NewAccount()
	if err != nil {
		return "", err
	}
	name = freeAccount(s, name)
	keys, err := g.invited(s, l)
	if err != nil {
		return "", err
	}
	if err := g.keys.become(name, ident); err != nil {
		return "", err
	}
	key := account.Public()
	records := []Record{func(n int64) ([]byte, error) {
		return acl.NewHello(g.ID(), g.device.Public(), acl.Hello{Account: name, Label: label, Key: &key, Seal: ident.Recipient(), Invite: l.Account}, n, account, &l.Key)
	}}
	for aud, text := range keys {
		e, _ := latest(s, aud)
		grants, err := marshalers(grantTo(aud, e.Epoch, text, []string{name}, map[string]string{name: ident.Recipient()}))
		if err != nil {
			return "", err
		}
		records = append(records, grants...)
	}
	return name, g.Append(records...)
}

// invited is what was granted to an invite, by audience: who comes by it grants it to himself.
func (g *Group) invited(s *acl.State, l seal.Login) (map[string][]byte, error) {
	tmp := &keyring{ids: map[string][]held{}, f: keysOnDisk{Account: l.Account, Audiences: map[string][]heldKey{}}, seals: []seal.Identity{l.Seal}, openBox: seal.OpenBoxAt}
	if _, _, err := tmp.absorb(s, g.now()); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for aud := range tmp.ids {
		if order := tips(s, aud); len(order) > 0 {
			out[aud] = tmp.file(aud, order)
		}
	}
	return out, nil
}

// freeAccount is the name that is wanted, or one like it that is nobody's.
func freeAccount(s *acl.State, want string) string {
	if s.Free(want) {
		return want
	}
	for i := 2; ; i++ {
		end := "-" + strconv.Itoa(i)
		name := want[:min(len(want), signed.MaxName-len(end))] + end
		if s.Free(name) {
			return name
		}
	}
}

// Absorb takes what the latest records hand to this machine's account, and reads what can be opened since.
func (g *Group) Absorb() error {
	if !g.Ready() {
		return nil
	}
	g.mu.Lock()
	g.absorbed = nil
	g.mu.Unlock()
	return g.open()
}

// AdminKey is the key of this machine's account, if that is an admin's and was made here.
func (g *Group) AdminKey() (Key, bool) {
	k, err := ReadKey(filepath.Join(g.dir, adminFile), KeyAccount)
	return k, err == nil
}

// Begun says whether this machine was given, or has made, an account of a private group.
func (g *Group) Begun() bool {
	_, id := g.keys.own()
	return !id.IsZero()
}

// OwnName is the account that this machine's keys are of; empty before there is one.
func (g *Group) OwnName() string {
	name, _ := g.keys.own()
	return name
}
