package acl

import (
	"errors"
	"maps"
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// ErrTaken is in the error of State.Taken: the log claims a name that belongs to another key.
var ErrTaken = errors.New("the name is another's")

// Claim is a hello that makes an account of a name.
type Claim struct {
	Name   string
	Key    signed.Key // the account's
	Device signed.Key
	Invite string // empty: the group is open

	role Role
	seal string
}

// claim judges a valid hello's claim to a name. A name belongs to the key that an admin pinned; before that to the one
// key that claims it; of several that do nobody has it, whatever times their hellos carry.
func (w *walk) claim(c Claim, keys map[signed.Key]bool, pinned bool) error {
	if pinned && !keys[c.Key] {
		w.nameless[c.Device] = c
		return denied("an admin gave the name %q to another key: %w", c.Name, ErrTaken)
	}
	w.claims[c.Name] = append(w.claims[c.Name], c)
	if w.contested[c.Name] != nil {
		w.nameless[c.Device] = c
		return denied("several ask for the name %q, and no admin has given it to one of them", c.Name)
	}
	if w.accounts[c.Name].now() != nil {
		return denied("the name %q is taken: %w", c.Name, ErrTaken)
	}
	return nil
}

// contestants are the names that more than one key claims, without those that an admin has pinned.
func (w *walk) contestants() map[string][]Claim {
	out := map[string][]Claim{}
	for name, list := range w.claims {
		_, pinned := w.pins[name]
		if !pinned && slices.ContainsFunc(list, func(c Claim) bool { return c.Key != list[0].Key }) {
			out[name] = list
		}
	}
	return out
}

// pin notes the key that an admin's record gives a name. Of records that confirm a key that was there the first counts:
// another admin, who had heard of somebody else first, takes nothing away.
func (w *walk) pin(c AccountChange) {
	keys, there := w.pins[c.Name]
	if !there {
		keys = map[signed.Key]bool{}
		w.pins[c.Name] = keys
	}
	if c.Key != nil && (!c.Pin || !there) {
		keys[*c.Key] = true
	}
}

// Free says whether nobody has, had or asks for a name.
func (s *State) Free(name string) bool {
	_, pinned := s.pins[name]
	return !pinned && s.contested[name] == nil && s.accounts[name].now() == nil && !s.Reserved(name) && name != Join
}

// Contested are the claims to names that several ask for and that no admin has given to one of them, by name: nobody
// has such a name.
func (s *State) Contested() (out []Claim) {
	for _, name := range slices.Sorted(maps.Keys(s.contested)) {
		out = append(out, s.contested[name]...)
	}
	return out
}

// Nameless says which name a device asked for that came by an invite or into an open group, and whose name is another's
// by an admin's word, or contested.
func (s *State) Nameless(device signed.Key) (Claim, bool) {
	c, ok := s.nameless[device]
	return c, ok
}

// Taken says whether the log that begins with p's hello claims a name that belongs, or may belong, to another key. It is
// asked before a new device's log is taken, whether or not the hello would count: a name that is known stays where it is.
func (s *State) Taken(p *Part) error {
	name, k, claims := p.Claim()
	if !claims {
		return nil
	}
	taken := denied("the name %q: %w", name, ErrTaken)
	for _, r := range s.roots { // who was made an admin keeps the machine that it came with
		if slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == name && a.Key == k }) {
			return nil
		}
	}
	if s.Reserved(name) || name == Join {
		return taken
	}
	if list := s.contested[name]; list != nil {
		if slices.ContainsFunc(list, func(c Claim) bool { return c.Key == k }) {
			return nil
		}
		return taken
	}
	if keys, pinned := s.pins[name]; pinned && !keys[k] {
		return taken
	}
	if t := s.accounts[name]; t.now() != nil && !t.keys.has(k) {
		return taken
	}
	return nil
}

// Claim is the name that the log's hello makes an account of, and with which key; false: it makes none.
func (p *Part) Claim() (name string, key signed.Key, ok bool) {
	if p.hello == nil || p.hello.Key == nil {
		return "", signed.Key{}, false
	}
	return p.hello.Account, *p.hello.Key, true
}

// Speaks says whether the log claims a name for another key than k, or gives it to one. Nothing of it is judged.
func (p *Part) Speaks(name string, k signed.Key) bool {
	if claimed, other, ok := p.Claim(); ok && claimed == name && other != k {
		return true
	}
	return slices.ContainsFunc(p.ops, func(o op) bool {
		c, ok := o.body.(AccountChange)
		return ok && c.Name == name && (c.Key == nil && c.Gone || c.Key != nil && *c.Key != k)
	})
}
