package acl

import (
	"cmp"
	"errors"
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// hello brings a device in: for an admin, for an account that is there, or for one that it makes.
func (w *walk) hello(e event) error {
	h, device := e.part.hello, e.at.device
	d := &Device{Key: device, Account: h.Account, Label: h.Label, Since: e.at.n, Counts: -1}
	if keep, named := w.root.Keep[device]; named && w.names[h.Account] != nil {
		// The owners vouch for it themselves: the key that signed for it may be one that the account had before the root
		// named it with another.
		d.admin, d.Counts = true, keep
		w.devices[device] = d
		return nil
	}
	current := false
	for key, version := range w.names[h.Account] {
		now := version == w.root.Version
		current = current || now
		if now && w.memo.verify(key, e.part, h.Sig) {
			d.admin = true
			w.devices[device] = d
			return nil
		}
	}
	if current {
		return denied("the admin %q has not signed for device %v", h.Account, device)
	}
	a := w.accounts[h.Account].now()
	if h.Key != nil && (a == nil || a.Key != *h.Key) {
		return w.newcomer(e, d)
	}
	switch {
	case a == nil:
		return denied("there is no account %q that device %v could belong to", h.Account, device)
	case a.Gone || a.expired(e.at):
		return denied("the account %q was removed, or has ended", h.Account)
	case a.Role == Invite:
		return denied("the account %q is an invite, and has no devices", h.Account)
	case !w.memo.verify(a.Key, e.part, h.Sig):
		return denied("the account %q has not signed for device %v", h.Account, device)
	}
	if err := w.admit(d, voucher{a.Name, a.Key}); err != nil {
		return err
	}
	if h.Seal != "" && a.Seal == "" {
		// An admin whose clock is behind has confirmed the account before its own first record.
		next := *a
		next.Seal, next.By = h.Seal, h.Invite
		w.accounts[h.Account].put(version{at: e.at, Account: next})
	}
	return nil
}

// newcomer makes an account from a hello, by invite or because the group is open.
func (w *walk) newcomer(e event, d *Device) error {
	h := e.part.hello
	if w.names[h.Account] != nil {
		return denied("the name %q is an admin's", h.Account)
	}
	if err := CheckNew(h.Account, Member); err != nil {
		return denied("an account cannot be made by a hello: %w", err)
	}
	keys, pinned := w.pins[h.Account]
	by := []voucher{{h.Account, *h.Key}}
	role := Member
	if h.Invite != "" {
		inv := w.accounts[h.Invite].now()
		switch {
		case inv == nil || inv.Role != Invite:
			return denied("%q is no invite", h.Invite)
		case inv.Gone || inv.expired(e.at):
			return denied("the invite %q was removed, or has ended", h.Invite)
		case !w.memo.verify(inv.Key, e.part, h.ISig):
			return denied("the invite %q has not signed for %q", h.Invite, h.Account)
		}
		role = cmp.Or(inv.Gives, Member)
		by = append(by, voucher{inv.Name, inv.Key})
	} else if !w.openAt(e.at.n) || !w.root.Open && !pinned {
		// Once the group is closed only an admin's word says who had come before, for the times of others are their own.
		return denied("%q came without an invite, and the group is not open", h.Account)
	}
	if !w.memo.verify(*h.Key, e.part, h.Sig) {
		return denied("the account %q has not signed for device %v", h.Account, d.Key)
	}
	if w.limit(d, by...) == 0 {
		return denied("what brought %q in was closed before this was known", h.Account)
	}
	if err := w.room(h, w.accounts[h.Invite]); err != nil {
		return err
	}
	if err := w.claim(Claim{Name: h.Account, Key: *h.Key, Device: d.Key, Invite: h.Invite, role: role, seal: h.Seal}, keys, pinned); err != nil {
		w.leave(h, w.accounts[h.Invite])
		return err
	}
	t := &timeline{name: h.Account, keys: history{*h.Key: 1}}
	t.put(version{at: e.at, Account: Account{Name: h.Account, Role: role, Key: *h.Key, Seal: h.Seal, By: h.Invite, Since: e.at.n, First: *h.Key}})
	w.accounts[h.Account] = t
	return w.admit(d, by...)
}

// change is an admin's word about another account.
func (w *walk) change(at order, c AccountChange) error {
	for _, version := range w.names[c.Name] {
		if version == w.root.Version {
			return denied("%q is an admin, whom the root alone changes", c.Name)
		}
	}
	if !w.given {
		w.pin(c)
	}
	t := w.accounts[c.Name]
	was := t.now()
	if c.Gone {
		if was == nil {
			// What made the account may have been closed since, from the start: it stays removed by its keys.
			if t = w.removed(c.Name, at); t == nil {
				return denied("there is no account %q to remove", c.Name)
			}
			was = &Account{Name: c.Name}
		}
		next := *was
		next.Gone, next.Pinned = true, true
		t.put(version{at: at, Account: next})
		w.close(t, &closure{name: c.Name, keys: t.keys, upTo: len(t.keys), keep: c.kept, by: at}, &w.byAdmins)
		return nil
	}
	if c.Role == "" || c.Key == nil {
		return errors.New("an admin's record about an account says its role and key")
	}
	if w.names[c.Name] == nil { // who was an admin keeps the name
		if err := CheckNew(c.Name, c.Role); err != nil {
			return denied("an account cannot be made: %w", err)
		}
	}
	next := Account{Name: c.Name, Role: c.Role, Key: *c.Key, Seal: c.Seal, Slot: c.Slot, Until: c.Until, Teams: c.Teams, Gives: c.Gives, Devices: c.Devices, Since: at.n, Pinned: true, First: *c.Key}
	if c.Pin && was != nil && !t.keys.has(*c.Key) {
		switch {
		case was.Gone:
			return denied("%q was removed, and is not confirmed any more", c.Name)
		case was.Pinned:
			return denied("the name %q belongs to another key", c.Name)
		}
		was = nil // the first walk: who claimed the name with an earlier time has lost it
	}
	if was == nil {
		if len(w.accounts)-w.unpinned >= maxAccounts {
			return denied("the group has %d accounts, and more are not kept", maxAccounts)
		}
		t = &timeline{name: c.Name, keys: history{*c.Key: 1}}
		t.put(version{at: at, Account: next})
		w.accounts[c.Name] = t
		w.met = append(w.met, standing{c.Name, next.First})
		return nil
	}
	if was.Gone && t.keys.has(*c.Key) {
		return denied("%q was removed: it comes back with a new key alone", c.Name)
	}
	if !was.Gone {
		next.Since, next.By, next.First = was.Since, was.By, was.First
		if next.Slot == nil {
			next.Slot = was.Slot
		}
		if c.Pin && next.Seal == "" {
			next.Seal = was.Seal
		}
		// An admin who has not heard of a member's new key must not bring the old one back.
		if next.Key != was.Key && t.keys.has(next.Key) {
			next.Key, next.Seal = was.Key, was.Seal
		}
	}
	t.put(version{at: at, Account: next})
	w.met = append(w.met, standing{c.Name, next.First})
	if next.Key != was.Key {
		t.own, t.brought = quota{}, 0
	}
	if was.Gone {
		t.keys.add(next.Key) // the removal has closed all keys there were
		return nil
	}
	w.rekey(t, at, was.Key, next.Key, c.kept, &w.byAdmins)
	return nil
}

// removed is an account that an earlier pass has seen removed by the record at o, and that is not there in this one.
func (w *walk) removed(name string, o order) *timeline {
	for _, c := range w.before[name] {
		if c.by == o {
			t := &timeline{name: name, keys: c.closed()}
			w.accounts[name] = t
			return t
		}
	}
	return nil
}

// ownChange is an account's word about itself.
func (w *walk) ownChange(at order, a *Account, c AccountChange) error {
	if a.Name != c.Name {
		return denied("%q is no admin, and changes no account but its own", a.Name)
	}
	if c.Gone || c.Role != "" || !c.Until.IsZero() || c.Teams != nil || c.Gives != "" || c.Devices != 0 {
		return denied("%q changes nothing of its account but key, seal and slot", a.Name)
	}
	t := w.accounts[a.Name]
	was := t.now()
	if was == nil || a.Role == Admin && (was.Role != Admin || c.Key != nil || c.Seal != "" || len(c.kept) > 0) {
		return denied("an admin's key, seal and devices are changed by the root alone")
	}
	if len(c.kept) > maxOwnKeep {
		return denied("%q names %d devices, and an account's own record names at most %d", a.Name, len(c.kept), maxOwnKeep)
	}
	next := *was
	if c.Key != nil {
		if *c.Key != was.Key && t.keys.has(*c.Key) {
			return denied("%q had that key before", a.Name)
		}
		next.Key = *c.Key
	}
	again := next.Key == was.Key && c.Seal == was.Seal && c.Seal != ""
	if again && t.saidDay == day(at.n) {
		return denied("%q has said its recipient again on that day already", a.Name)
	}
	if a.Role != Admin && !t.own.take(at.n, maxOwn, maxOwnDaily) {
		return denied("%q has changed itself %d times on one day, or %d since an admin gave it a key, and more does not count", a.Name, maxOwnDaily, maxOwn)
	}
	if again {
		t.saidDay = day(at.n)
	}
	if c.Seal != "" {
		next.Seal = c.Seal
	}
	if c.Slot != nil {
		next.Slot = c.Slot
	}
	t.put(version{at, next, c.Seal != ""})
	w.rekey(t, at, was.Key, next.Key, c.kept, &w.byOwn)
	return nil
}

// rekey closes the keys an account had when it gets a new one, or else the devices that keep names.
func (w *walk) rekey(t *timeline, at order, was, now signed.Key, keep keeping, to *[]*closure) {
	switch {
	case now != was:
		w.close(t, &closure{name: t.name, keys: t.keys, upTo: len(t.keys), keep: keep, by: at}, to)
		t.keys.add(now)
	case len(keep) > 0:
		w.close(t, &closure{name: t.name, keep: keep, by: at}, to)
	}
}

func (w *walk) rule(at order, c RuleChange) error {
	var rules []*Rule
	for _, r := range w.ruled() {
		if r.ID != c.Rule.ID {
			rules = append(rules, r)
		}
	}
	if !c.Gone {
		c.Rule.meant = w.meant(c.Rule.Who)
		if len(rules) >= maxRules {
			return denied("the group has %d rules, and more are not kept", maxRules)
		}
		i, _ := slices.BinarySearchFunc(rules, &c.Rule, func(a, b *Rule) int {
			return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.ID, b.ID))
		})
		rules = slices.Insert(rules, i, &c.Rule)
	}
	w.rules = append(w.rules, ruleset{at, rules})
	return nil
}

// meant says who has the names that a rule allows something to, at its place.
func (w *walk) meant(who []string) map[string]signed.Key {
	out := map[string]signed.Key{}
	for _, name := range who {
		if a := w.accounts[name].now(); a != nil && !a.Gone {
			out[name] = a.First
		}
	}
	return out
}
