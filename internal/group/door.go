package group

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"

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
	slots map[[16]byte][]byte   // by tag
	work  string                // the work factor that the group's slots have
	// secret is known to all who read the logs, mirrors too, and to nobody who has the link alone.
	secret string
}

func (g *Group) doorsOf(s *acl.State) *doors {
	g.doorsMu.Lock()
	defer g.doorsMu.Unlock()
	if g.doors != nil && g.doors.state == s {
		return g.doors
	}
	d := &doors{state: s, keys: map[signed.Key]string{}, slots: map[[16]byte][]byte{}, work: strconv.Itoa(seal.MaxWork)}
	for _, gr := range s.Grants() {
		if gr.Audience == everyone && gr.Admin {
			d.secret = string(gr.Box)
			break
		}
	}
	for _, a := range s.Accounts() {
		if a.Gone {
			continue
		}
		d.keys[a.Key] = a.Name
		if a.Slot != nil {
			d.slots[signed.SlotTag(g.ID(), a.Name)] = a.Slot
			if m := slotWork.FindSubmatch(a.Slot); m != nil {
				d.work = string(m[1])
			}
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

// Slot is the password slot of a tag; where no account has it, something that looks like one.
func (g *Group) Slot(tag [16]byte) []byte {
	s, err := g.State()
	if err != nil {
		return nil
	}
	d := g.doorsOf(s)
	// Made in any case, so that the time tells nothing. It is the same each time, and at every member.
	fake := fakeSlot(expand(d.secret, "fake slot "+hex.EncodeToString(tag[:])), d.work)
	if b := d.slots[tag]; b != nil {
		return b
	}
	return fake
}

// slotWork finds the work factor in a slot.
var slotWork = regexp.MustCompile(`^age-encryption\.org/v1\n-> scrypt [A-Za-z0-9+/]{22} ([0-9]{1,2})\n`)

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

// fakeSlot draws a slot from a seed.
func fakeSlot(seed []byte, work string) []byte {
	b, err := hkdf.Expand(sha256.New, seed, "p2pshare/v1 fake slot", 16+32+32+16+slotBody)
	if err != nil {
		panic(err) // below 255 hashes
	}
	text := base64.RawStdEncoding.EncodeToString
	return append([]byte(fmt.Sprintf("age-encryption.org/v1\n-> scrypt %s %s\n%s\n--- %s\n", text(b[:16]), work, text(b[16:48]), text(b[48:80]))), b[80:]...)
}
