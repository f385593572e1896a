package group

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// WhyNot says why this machine cannot do something for which it takes an account: it never had one, was cut off, or the account
// was removed or has ended. It is for who was refused by the State already.
func (g *Group) WhyNot(what string) error {
	s, err := g.State()
	if err != nil {
		return err
	}
	d, known := s.Device(g.device.Public())
	if !known {
		hint := "an admin adds an account with p2pshare group user add"
		if g.link.Kind == signed.Public {
			hint += "; then p2pshare group join LINK --user NAME --key-file FILE"
		}
		return fault.Hint(fault.New(fault.Denied, "this machine is a reader of %q, and cannot %s", g.Name(), what), "%s", hint)
	}
	if d.Frozen {
		return fault.Hint(fault.New(fault.Denied, "this machine has signed two histories in %q, as a copy of it does, and cannot %s", g.Name(), what),
			"p2pshare group leave %s, then p2pshare group join LINK --user %s: it is a new machine of yours then", g.Name(), d.Account)
	}
	a, there := s.Account(d.Account)
	why := fmt.Sprintf("this machine (%.12s) was cut off", d.Key.String())
	switch {
	case there && !a.Gone && !a.Active(g.now()):
		return fault.Hint(fault.New(fault.Denied, "this machine is not in %q any more, and cannot %s: the account %q ended on %s", g.Name(), what, d.Account, a.Until.Local().Format(time.DateOnly)),
			"an admin can let it go on: p2pshare group user expire %s %s never", g.Name(), d.Account)
	case !there || a.Gone:
		why = fmt.Sprintf("the account %q was removed", d.Account)
	}
	if by, at, ok := g.endedBy(s, d); ok {
		why += fmt.Sprintf(" by %s on %s", by, at.Local().Format(time.DateOnly))
	}
	return fault.Hint(fault.New(fault.Denied, "this machine is not in %q any more, and cannot %s: %s", g.Name(), what, why), "ask an admin")
}

// endedBy finds who removed a device or its account, and when: the last who did.
func (g *Group) endedBy(s *acl.State, d acl.Device) (by string, at time.Time, ok bool) {
	for _, h := range g.AllHeads() {
		who, known := s.Device(h.Device)
		if a, ok := s.Account(who.Account); !known || !ok || a.Role != acl.Admin && a.Name != d.Account {
			continue // whose word does not count
		}
		l, err := g.Log(h.Device)
		if err != nil {
			continue
		}
		for _, r := range l.Records {
			var c struct {
				Name string           `json:"name"`
				Gone bool             `json:"gone"`
				Keep map[string]int64 `json:"keep"`
			}
			if r.Op != "acct" || json.Unmarshal(r.Raw, &c) != nil || c.Name != d.Account {
				continue
			}
			if size, cut := c.Keep[d.Key.String()]; !c.Gone && (!cut || size < 0) {
				continue
			}
			if t := time.UnixMilli(r.N); t.After(at) {
				by, at, ok = who.Account, t, true
			}
		}
	}
	return by, at, ok
}
