package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
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
	switch {
	case r.Create != nil:
		return s.create(r)
	case r.Join != nil:
		return s.join(ctx, r, on)
	case r.List != nil:
		return s.listed()
	}
	m, err := s.get(r.Group)
	if err != nil {
		return nil, err
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
		a.Link, err = m.linkWithHints()
		return a, err
	case r.Log != nil:
		a.Log, err = m.history()
		return a, err
	case r.TestRule != nil:
		a.Decision, err = m.testRule(*r.TestRule)
		return a, err
	case r.Follow != nil:
		return m.setFollow(*r.Follow)
	}
	if err := m.maySign(ctx, r.Offline, on); err != nil {
		return nil, err
	}
	switch {
	case r.AddUser != nil:
		a.Wrote, err = m.addUser(*r.AddUser)
	case r.RemoveUser != nil:
		err = m.removeUser(*r.RemoveUser)
	case r.RemoveDevice != nil:
		err = m.removeDevice(*r.RemoveDevice)
	case r.AddRule != nil:
		err = m.addRule(*r.AddRule)
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
	m.passOn(ctx, on)
	shown, err := m.show()
	if err != nil {
		return nil, err
	}
	shown.Wrote, shown.Missing = a.Wrote, a.Missing
	return shown, nil
}

func (s *groups) create(r GroupRequest) (*GroupAnswer, error) {
	c := *r.Create
	if c.Kind != string(signed.Public) {
		return nil, fault.Hint(fault.New(fault.Usage, "a group of the kind %q cannot be made", c.Kind), "public groups can")
	}
	if c.User == "" {
		c.User = "admin"
	}
	if c.Stale == 0 {
		c.Stale = defaultStale
	}
	if err := s.freeName(r.Group); err != nil {
		return nil, err
	}
	if err := signed.CheckName(c.User); err != nil {
		return nil, fault.New(fault.Usage, "%q cannot be an account's name: %w", c.User, err)
	}
	g, err := group.Create(s.n.home.Path("groups"), group.Created{
		Name: r.Group, User: c.User, Label: hostLabel(""), Open: c.Open, Stale: int64(c.Stale),
	}, time.Now)
	if err != nil {
		return nil, err
	}
	m := s.add(g)
	if s.n.keeper != nil {
		if err := m.online(nil); err != nil {
			return nil, err
		}
	}
	a, err := m.show()
	if err != nil {
		return nil, err
	}
	a.Link, err = m.linkWithHints()
	a.Wrote = filepath.Join(g.Dir(), "owner.key")
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
	if j.As != "" {
		if err := s.freeName(j.As); err != nil {
			return nil, err
		}
	}
	link, archive, err := s.linkOf(r.Group)
	if err != nil {
		return nil, err
	}
	if link.Kind != signed.Public {
		return nil, fault.New(fault.Usage, "the link is of a private group, which this version cannot join")
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
	device, err := deviceKey(j.DeviceKey, link.Group)
	if err != nil {
		return nil, err
	}
	g, err := group.Join(s.n.home.Path("groups"), link, group.Joined{Name: j.As, Device: device, Hints: link.Hints}, time.Now)
	if err != nil {
		return nil, err
	}
	m := s.add(g)
	if err := s.bring(ctx, m, j, archive, account, on); err != nil {
		return nil, errors.Join(err, s.leave(m)) // as if it had never been asked
	}
	return m.show()
}

// linkOf reads a link, or the archive of a group: its first root says which group it is.
func (s *groups) linkOf(arg string) (signed.Link, *group.Archive, error) {
	if strings.HasPrefix(strings.ToLower(arg), "p2pshare:") {
		link, err := signed.ParseLink(arg)
		return link, nil, err
	}
	a, err := group.ReadArchive(arg)
	if err != nil {
		return signed.Link{}, nil, err
	}
	return signed.Link{Group: a.Group, Kind: signed.Public}, a, nil
}

// deviceKey reads the key of a device, or makes one in a file that is not there yet.
func deviceKey(path string, id signed.GroupID) (*signed.Secret, error) {
	if path == "" {
		return nil, nil
	}
	k, err := group.ReadKey(path, group.KeyDevice)
	if fault.KindOf(err) == fault.NotFound {
		if k.Secret, err = group.NewSecret(); err != nil {
			return nil, err
		}
		return &k.Secret, group.WriteKey(path, group.Key{Kind: group.KeyDevice, Group: id, Secret: k.Secret})
	}
	if err == nil && k.Group != id {
		err = fault.New(fault.Usage, "the device key in %q is of another group", path)
	}
	return &k.Secret, err
}

// bring fills a group that was just joined.
func (s *groups) bring(ctx context.Context, m *member, j JoinGroup, archive *group.Archive, account *group.Key, on func(Event)) error {
	if archive != nil {
		if _, err := archive.Into(ctx, m.Group); err != nil {
			return err
		}
	}
	if err := m.online(j.Peers); err != nil {
		return err
	}
	tell(on, "looking for a member of the group")
	if archive == nil || account != nil {
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

func (s *groups) leave(m *member) error {
	m.offline()
	s.mu.Lock()
	delete(s.all, m.ID())
	s.mu.Unlock()
	return m.Group.Leave()
}

func (s *groups) listed() (*GroupAnswer, error) {
	a := &GroupAnswer{Groups: []Group{}}
	for _, m := range s.list() {
		a.Groups = append(a.Groups, m.info())
	}
	return a, nil
}

// linkWithHints is the link with addresses of this machine, if others can reach them.
func (m *member) linkWithHints() (string, error) { return m.Link().String(), nil }

// info says how the group stands, as far as it is known.
func (m *member) info() Group {
	c := m.Settings()
	out := Group{
		Name: c.Name, Title: c.Name, ID: m.ID().String(), Kind: string(m.Link().Kind), Device: m.Device().Public().String(), Warnings: []string{},
	}
	if o, ok := m.Owner(); ok {
		out.Owner = o.Public().String()
	}
	if f := c.Follow; f != nil {
		out.Follow = &Follow{Keep: f.Keep, Space: f.Space, Match: f.Match, Dir: f.Dir}
	}
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd != nil {
		for _, nb := range crowd.Neighbours() {
			if nb.Now {
				out.Members++
			}
		}
	}
	s, err := m.State()
	if err != nil {
		out.Warnings = append(out.Warnings, err.Error())
		return out
	}
	root := s.Root()
	out.Title, out.Version, out.Owners, out.Need = root.Name, root.Version, len(root.Owners), root.Need
	for _, a := range s.Accounts() {
		if !a.Gone {
			out.Accounts++
		}
	}
	out.Devices = len(s.Devices())
	if a, err := s.Admit(m.Device().Public(), time.Now()); err == nil {
		out.Account, out.Role = a.Name, string(a.Role)
	}
	if ix, err := m.Index(); err == nil {
		out.Entries = ix.Len()
	}
	out.Age = s.Age(m.headTimes(), time.Now()).String()
	out.Warnings = append(out.Warnings, m.warnings(s)...)
	return out
}

func (m *member) headTimes() map[signed.Key]time.Time {
	out := map[signed.Key]time.Time{}
	for _, h := range m.AllHeads() {
		out[h.Device] = h.Time
	}
	return out
}

// warnings are what a reader should know before trusting the catalog.
func (m *member) warnings(s *acl.State) (out []string) {
	if age := s.Age(m.headTimes(), time.Now()); age == signed.Stale {
		out = append(out, fmt.Sprintf("no admin was heard of for more than %d hours: what was removed or replaced since may still be shown", s.Root().Stale))
	}
	for _, f := range m.Forks() {
		who := ""
		if d, ok := s.Device(f.Small.Device); ok {
			who = fmt.Sprintf(" of %q", d.Account)
		}
		out = append(out, fmt.Sprintf("the device %v%s has signed two histories, and nothing new of it counts", f.Small.Device, who))
	}
	for _, d := range s.Devices() {
		if d.Broken != nil {
			out = append(out, fmt.Sprintf("the log of a device of %q is broken: %v", d.Account, d.Broken))
		}
	}
	for _, p := range m.Problems() {
		out = append(out, "set aside: "+p.String())
	}
	return out
}

func (m *member) show() (*GroupAnswer, error) {
	s, err := m.State()
	if err != nil {
		return nil, err
	}
	a := &GroupAnswer{Groups: []Group{m.info()}, Accounts: []GroupAccount{}, Devices: []GroupDevice{}, Rules: []GroupRule{}}
	for _, x := range s.Accounts() {
		a.Accounts = append(a.Accounts, GroupAccount{Name: x.Name, Role: string(x.Role), Teams: x.Teams, Until: x.Until, Gone: x.Gone})
	}
	seen := m.headTimes()
	for _, d := range s.Devices() {
		g := GroupDevice{Key: d.Key.String(), Account: d.Account, Label: d.Label, Since: time.UnixMilli(d.Since), Seen: seen[d.Key], Records: d.Size}
		switch {
		case d.Removed():
			g.Problem = "removed"
		case d.Frozen:
			g.Problem = "frozen: it has signed two histories"
		case d.Broken != nil:
			g.Problem = d.Broken.Error()
		}
		a.Devices = append(a.Devices, g)
	}
	for _, r := range s.Rules() {
		g := GroupRule{ID: r.ID, Rule: r.String()}
		for _, x := range s.Accounts() {
			if !x.Gone && r.Names(&x) {
				g.Matches = append(g.Matches, x.Name)
			}
		}
		a.Rules = append(a.Rules, g)
	}
	return a, nil
}

func (m *member) testRule(r TestRule) (*GroupDecision, error) {
	s, err := m.State()
	if err != nil {
		return nil, err
	}
	if r.Right != string(acl.Read) && r.Right != string(acl.Publish) {
		return nil, fault.New(fault.Usage, "%q is neither read nor publish", r.Right)
	}
	if _, ok := s.Account(r.User); !ok {
		return nil, fault.New(fault.NotFound, "%q has no account %q", m.Name(), r.User)
	}
	d := s.Test(r.User, acl.Right(r.Right), r.Path, time.Now())
	out := &GroupDecision{Allowed: d.Allowed, Why: d.Why}
	if d.Rule != nil {
		out.Rule = d.Rule.ID
	}
	return out, nil
}

func (m *member) addUser(u AddUser) (string, error) {
	s, err := m.AsAdmin("add an account")
	if err != nil {
		return "", err
	}
	if err := signed.CheckName(u.Name); err != nil {
		return "", fault.New(fault.Usage, "%q cannot be an account's name: %w", u.Name, err)
	}
	if !slices.Contains([]acl.Role{acl.Publisher, acl.Member}, acl.Role(u.Role)) {
		return "", fault.Hint(fault.New(fault.Usage, "an account of the role %q cannot be added", u.Role), "choose publisher or member")
	}
	if a, there := s.Account(u.Name); there && !a.Gone {
		return "", fault.Hint(fault.New(fault.Usage, "there is an account %q already", u.Name), "remove it first, or choose another name")
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
	change := acl.AccountChange{Name: u.Name, Role: acl.Role(u.Role), Key: &key, Until: u.Until, Teams: u.Teams}
	if err := m.Append(change.Marshal); err != nil {
		return "", errors.Join(err, os.Remove(u.Key))
	}
	return u.Key, nil
}

func (m *member) removeUser(name string) error {
	s, err := m.AsAdmin("remove an account")
	if err != nil {
		return err
	}
	c, err := s.Removal(name)
	if err != nil {
		return err
	}
	return m.Append(c.Marshal)
}

func (m *member) removeDevice(key string) error {
	s, err := m.AsAdmin("remove a device")
	if err != nil {
		return err
	}
	var hits []signed.Key
	for _, d := range s.Devices() {
		if len(key) >= minPrefix && strings.HasPrefix(d.Key.String(), strings.ToLower(key)) {
			hits = append(hits, d.Key)
		}
	}
	switch len(hits) {
	case 0:
		return fault.Hint(fault.New(fault.NotFound, "no device has a key that begins with %q", key), "p2pshare group device list shows them")
	case 1:
	default:
		return fault.New(fault.Usage, "%d devices have keys that begin with %q", len(hits), key)
	}
	c, err := s.WithoutDevice(hits[0])
	if err != nil {
		return err
	}
	return m.Append(c.Marshal)
}

// ruleStep is the distance between rules, so that others fit between them.
const ruleStep = 1 << 10

func (m *member) addRule(r AddRule) error {
	s, err := m.AsAdmin("add a rule")
	if err != nil {
		return err
	}
	rule, err := acl.ParseRule(r.Rule)
	if err != nil {
		return err
	}
	rules := s.Rules()
	at := len(rules)
	if r.Before != "" {
		if at = slices.IndexFunc(rules, func(x acl.Rule) bool { return x.ID == r.Before }); at < 0 {
			return fault.Hint(fault.New(fault.NotFound, "there is no rule %q", r.Before), "p2pshare group rule list shows them")
		}
	}
	switch {
	case len(rules) == 0:
	case at == len(rules):
		rule.Pos = rules[at-1].Pos + ruleStep
	case at == 0:
		rule.Pos = rules[0].Pos - ruleStep
	case rules[at].Pos-rules[at-1].Pos > 1:
		rule.Pos = rules[at-1].Pos + (rules[at].Pos-rules[at-1].Pos)/2
	default:
		return fault.Hint(fault.New(fault.Usage, "there is no room before the rule %q", r.Before), "remove it and add it again behind this one")
	}
	var records []func(int64) ([]byte, error)
	for _, pin := range s.Pins(rule.Who) {
		records = append(records, pin.Marshal)
	}
	return m.Append(append(records, func(n int64) ([]byte, error) {
		rule.ID = fmt.Sprintf("r%x", n)
		return acl.RuleChange{Rule: rule}.Marshal(n)
	})...)
}

func (m *member) removeRule(id string) error {
	s, err := m.AsAdmin("remove a rule")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Rules(), func(r acl.Rule) bool { return r.ID == id }) {
		return fault.Hint(fault.New(fault.NotFound, "there is no rule %q", id), "p2pshare group rule list shows them")
	}
	return m.Append(acl.RuleChange{Rule: acl.Rule{ID: id}, Gone: true}.Marshal)
}

// changeOwners signs the next root. If others have to sign it too, it goes into the draft for them.
func (m *member) changeOwners(r ChangeOwners, a *GroupAnswer) error {
	s, err := m.State()
	if err != nil {
		return err
	}
	owner, ok := m.Owner()
	if !ok {
		return fault.Hint(fault.New(fault.Denied, "this home holds no owner key of %q", m.Name()), "use the machine on which the group was made")
	}
	var raw []byte
	next := owner
	if r.Draft != "" {
		raw, err = os.ReadFile(r.Draft)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if raw != nil {
		raw, err = signed.AddSignature(raw, owner)
	} else {
		if r.Rotate {
			if next, err = group.NewSecret(); err != nil {
				return err
			}
		}
		raw, err = m.nextRoot(r, owner, next)
	}
	if err != nil {
		return err
	}
	missing := s.Root().Need - signatures(raw, s.Root().Owners)
	if missing > 0 {
		if r.Draft == "" {
			return fault.Hint(fault.New(fault.Denied, "%d more owners have to sign", missing), "--draft FILE writes what they are to sign")
		}
		a.Wrote, a.Missing = r.Draft, missing
		return state.WriteFile(r.Draft, raw, 0o600)
	}
	if r.Rotate && next.Public() != owner.Public() {
		// The new key is there before the root that needs it.
		if err := m.SetOwner(next); err != nil {
			return err
		}
	}
	if err := m.AddRoot(raw); err != nil {
		return errors.Join(err, m.SetOwner(owner))
	}
	return nil
}

func (m *member) nextRoot(r ChangeOwners, owner, next signed.Secret) ([]byte, error) {
	raw, _, err := m.NextRoot(func(root *signed.Root) error {
		root.Owners = slices.Clone(root.Owners)
		if r.Rotate {
			i := slices.Index(root.Owners, owner.Public())
			if i < 0 {
				return fault.New(fault.Denied, "the owner key that is held here is none of the group's any more")
			}
			root.Owners[i] = next.Public()
		}
		for _, text := range r.Add {
			k, err := signed.ParseKey(text)
			if err != nil {
				return fault.New(fault.Usage, "%q is no key: %w", text, err)
			}
			root.Owners = append(root.Owners, k)
		}
		for _, text := range r.Remove {
			i := slices.IndexFunc(root.Owners, func(k signed.Key) bool { return k.String() == text })
			if i < 0 {
				return fault.New(fault.NotFound, "%q is no owner", text)
			}
			root.Owners = slices.Delete(root.Owners, i, i+1)
		}
		if r.Need > 0 {
			root.Need = r.Need
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Rotate {
		return signed.AddSignature(raw, next)
	}
	return raw, nil
}

// signatures counts the owners of now who have signed a note: a line of each names the key. Whether they are good, the next
// root is judged by.
func signatures(raw []byte, owners []signed.Key) (n int) {
	for _, k := range owners {
		if strings.Contains(string(raw), "— p2pshare/v1/owner/"+k.String()+" ") {
			n++
		}
	}
	return n
}
