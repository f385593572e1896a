package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// info says how the group stands, as far as it is known.
func (m *member) info() Group {
	c := m.Settings()
	out := Group{
		Name: c.Name, Title: c.Name, ID: m.ID().String(), Kind: string(m.Link().Kind), Device: m.Device().Public().String(), Warnings: []string{},
	}
	if o, ok := m.Owner(); ok {
		out.Owner = o.Public().String()
	} else if k, locked := m.OwnerLocked(); locked {
		out.Owner, out.Locked = k.String(), true
	}
	if f := m.followed(); f != nil {
		out.Follow = &Follow{Keep: f.Keep, Space: f.Space, Match: f.Match, Dir: f.Dir}
		var alarms []alarm
		out.Mirror, alarms = m.mirrorInfo(*f)
		for _, a := range alarms {
			out.Warnings = append(out.Warnings, a.String())
		}
	}
	out.Members, out.Heard = len(m.connected()), m.heardAt()
	if why := m.halted.Load(); why != nil {
		out.Warnings = append(out.Warnings, (*why).Error())
	}
	s, err := m.State()
	if err != nil {
		out.Warnings = append(out.Warnings, err.Error())
		return out
	}
	root := s.Root()
	out.Title, out.Version, out.Owners, out.Need = root.Name, root.Version, len(root.Owners), root.Need
	for _, a := range s.Accounts() {
		if !a.Gone && a.Role != acl.Invite { // which is a password, and nobody
			out.Accounts++
		}
	}
	for _, d := range s.Devices() {
		if !d.Removed() {
			out.Devices++
		}
	}
	if a, err := s.Admit(m.Device().Public(), time.Now()); err == nil {
		out.Account, out.Role = a.Name, string(a.Role)
	}
	if ix, err := m.Index(); err == nil {
		out.Entries = ix.Len()
	}
	out.Strict = root.Strict
	heads := m.headTimes()
	out.Age, out.AdminSigned = s.Age(heads, time.Now()).String(), s.Heard(heads, time.Now())
	out.Warnings = append(out.Warnings, m.warnings(s)...)
	return out
}

// groupInfos says how every group stands that this process has open.
func (n *Node) groupInfos() (out []Group) {
	s := n.groups.Load()
	if s == nil {
		return nil
	}
	for _, m := range s.list() {
		out = append(out, m.info())
	}
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
	if err := m.resting(); err != nil {
		out = append(out, err.Error())
	}
	if m.Outdated() {
		out = append(out, fmt.Sprintf("the password of %q was changed on another machine: not all that is shared since can be opened here before it logs in again: p2pshare group join %s --user %s", m.OwnName(), m.Name(), m.OwnName()))
	}
	if err := m.clockOff(); err != nil {
		out = append(out, err.Error())
	}
	for _, a := range m.alarms() {
		out = append(out, a.String())
	}
	out = append(out, m.nameWarnings(s)...)
	for _, d := range s.Devices() {
		if d.Broken != nil && !errors.Is(d.Broken, signed.ErrFuture) {
			out = append(out, fmt.Sprintf("the log of a device of %q is broken: %v", d.Account, d.Broken))
		}
	}
	for _, p := range m.Problems() {
		out = append(out, "set aside: "+p.String())
	}
	return out
}

// places is how many machines an account may have; 0: as many as it likes, or none at all.
func places(x acl.Account) int64 {
	if x.Role == acl.Admin || x.Role == acl.Invite || x.Gone {
		return 0
	}
	return x.MayHave()
}

func (m *member) show() (*GroupAnswer, error) {
	s, err := m.State()
	if err != nil {
		return nil, err
	}
	a := &GroupAnswer{Groups: []Group{m.info()}, Accounts: []GroupAccount{}, Devices: []GroupDevice{}, Rules: []GroupRule{}}
	seen := m.headTimes()
	devices, latest := map[string]int{}, map[string]time.Time{}
	for _, d := range s.Devices() {
		if d.Removed() {
			continue
		}
		devices[d.Account]++
		if seen[d.Key].After(latest[d.Account]) {
			latest[d.Account] = seen[d.Key]
		}
	}
	for _, x := range s.Accounts() {
		a.Accounts = append(a.Accounts, GroupAccount{
			Name: x.Name, Role: string(x.Role), Teams: x.Teams, Until: x.Until, Gone: x.Gone,
			Unconfirmed: !x.Pinned && !x.Gone,
			Devices:     devices[x.Name], Places: places(x), Seen: latest[x.Name], Locked: x.Slot != nil && !x.Gone,
		})
	}
	for _, d := range s.Devices() {
		g := GroupDevice{Key: d.Key.String(), Account: d.Account, Label: d.Label, Since: time.UnixMilli(d.Since), Seen: seen[d.Key], Records: d.Size}
		switch {
		case d.Closed:
			g.Problem = "removed"
		case d.Frozen:
			g.Problem = fmt.Sprintf("frozen: it has signed two histories, and counts up to record %d", d.Counts)
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
	path := r.Path
	if name, version, err := catalog.SplitName(path); err == nil {
		path = (&catalog.Share{Name: name, Version: version}).Path() // NAME@VERSION, as entries are asked for
	}
	d := s.Test(r.User, acl.Right(r.Right), path, time.Now())
	out := &GroupDecision{Allowed: d.Allowed, Why: d.Why}
	if d.Rule != nil {
		out.Rule = d.Rule.ID
	}
	return out, nil
}
