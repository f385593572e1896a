package group

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Standing says what a key is to the group now, and whose it is. A strict group that is stale knows nobody but the
// devices of admins and of this machine's own account.
func (g *Group) Standing(k signed.Key) (access.Standing, acl.Account) {
	s, err := g.State()
	if err != nil {
		return access.Stranger, acl.Account{}
	}
	shut := g.Shut() != nil
	if a, err := s.Admit(k, g.now()); err == nil {
		if me, _ := g.keys.own(); shut && a.Role != acl.Admin && a.Name != me {
			return access.Stranger, acl.Account{}
		}
		return access.Member, a
	}
	if shut {
		return access.Stranger, acl.Account{}
	}
	if a, ok := g.byKey(s, k); ok && a.Active(g.now()) {
		return access.Login, a
	}
	if d, ok := s.Device(k); ok && d.Frozen && !d.Closed {
		// So that it hears of that, and its user joins anew.
		if a, ok := s.Account(d.Account); ok && a.Active(g.now()) {
			return access.Login, a
		}
	}
	if c, ok := s.Nameless(k); ok {
		// Its name is another's: so that it hears of that, it may what the invite may by which it came.
		if inv, ok := s.Account(c.Invite); ok && inv.Role == acl.Invite && inv.Active(g.now()) {
			return access.Login, inv
		}
	}
	if links := g.Links(); len(links) > 0 && links[0].Secret != [16]byte{} && links[0].Lobby().Public() == k {
		return access.Lobby, acl.Account{}
	}
	return access.Stranger, acl.Account{}
}

// doors are what is looked up for every connection, of one State.
type doors struct {
	state *acl.State
	keys  map[signed.Key]string // of accounts
	slots map[signed.Key][]lock // by tag
	// secret is known to all who read the logs, mirrors too, and to nobody who has the link alone.
	secret string
}

// lock is an account's password slot.
type lock struct {
	account string
	invite  bool
	seal.Slot
}

func (g *Group) doorsOf(s *acl.State) *doors {
	g.doorsMu.Lock()
	defer g.doorsMu.Unlock()
	if g.doors != nil && g.doors.state == s {
		return g.doors
	}
	d := &doors{state: s, keys: map[signed.Key]string{}, slots: map[signed.Key][]lock{}}
	if list := s.Epochs(everyone); len(list) > 0 {
		d.secret = string(list[0].Own)
	}
	for _, a := range s.Accounts() {
		if a.Gone {
			continue
		}
		d.keys[a.Key] = a.Name
		if slot, err := seal.ParseSlot(a.Slot); err == nil {
			d.slots[slot.Tag] = append(d.slots[slot.Tag], lock{a.Name, a.Role == acl.Invite, slot})
		}
	}
	g.doors = d
	return d
}

func (g *Group) byKey(s *acl.State, k signed.Key) (acl.Account, bool) {
	name, ok := g.doorsOf(s).keys[k]
	if !ok {
		return acl.Account{}, false
	}
	return s.Account(name)
}

// Slot is what opens with the password of a tag; where no account has it, something that looks like one.
func (g *Group) Slot(tag signed.Key) []byte {
	s, err := g.State()
	if err != nil {
		return nil
	}
	d := g.doorsOf(s)
	// Made in any case, so that the time tells nothing. It is the same each time, and at every member.
	fake := fakeSlot(expand(d.secret, "fake slot "+tag.String()))
	g.doorsMu.Lock()
	defer g.doorsMu.Unlock()
	if len(d.slots[tag]) > 1 {
		d.slots[tag] = rightful(d.slots[tag], g.ID())
	}
	if same := d.slots[tag]; len(same) > 0 {
		return same[0].Box
	}
	return fake
}

// rightful is the one slot that counts of those with the same tag: of those whose makers knew the password the first, but an
// invite's before others. Its password is known to all who came by it, and admins alone make invites.
func rightful(same []lock, id signed.GroupID) []lock {
	same = slices.DeleteFunc(same, func(l lock) bool { return !l.Owned(id, l.account) })
	if i := slices.IndexFunc(same, func(l lock) bool { return l.invite }); i > 0 {
		return same[i : i+1]
	}
	return same[:min(len(same), 1)]
}

// Shut is why this machine lets nobody in and serves nothing: in a strict group the owners prefer that to serving somebody
// of whose removal was not heard. nil: it does.
func (g *Group) Shut() error {
	s, err := g.State()
	if err != nil {
		return err
	}
	if !s.Root().Strict || s.Age(g.headTimes(), g.now()) != signed.Stale {
		return nil
	}
	return fault.Hint(fault.New(fault.Denied, "no admin of %q was heard of for more than %d hours, and the group is strict", g.Name(), s.Root().Stale),
		"it goes on when a machine of an admin is online")
}

// fakeSlot draws a slot's box from a seed.
func fakeSlot(seed []byte) []byte {
	b, err := hkdf.Expand(sha256.New, seed, "p2pshare/v1 fake slot", 16+32+32+16+slotBody)
	if err != nil {
		panic(err) // below 255 hashes
	}
	text := base64.RawStdEncoding.EncodeToString
	return append([]byte(fmt.Sprintf("age-encryption.org/v1\n-> scrypt %s 1\n%s\n--- %s\n", text(b[:16]), text(b[16:48]), text(b[48:80]))), b[80:]...)
}
