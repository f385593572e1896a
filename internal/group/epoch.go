package group

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// newEpoch is a number that no other epoch has, whoever makes one at the same moment. Identities are looked up by it: if two
// epochs had the same, machines would keep the identity of the first, which somebody who was removed since holds. Epochs are
// ordered by their records.
func newEpoch() (int64, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return 1 + int64(binary.BigEndian.Uint64(b[:])%acl.MaxEpoch), err
}

// epochs are those of an audience with a name in the order in which admins made them: the last is the one that counts.
// Their numbers say nothing of their order, for two admins may make one at a time.
func epochs(s *acl.State, aud string) (out []int64) {
	for _, e := range s.Epochs(aud) {
		out = append(out, e.Epoch)
	}
	return out
}

// latest is the epoch of an audience that counts.
func latest(s *acl.State, aud string) (acl.Epoch, bool) {
	list := s.Epochs(aud)
	if len(list) == 0 {
		return acl.Epoch{}, false
	}
	return list[len(list)-1], true
}

// tips are the epochs of an audience whose identities no other hands on: the latest, and those of admins who had not heard of
// each other.
func tips(s *acl.State, aud string) (out []int64) {
	handed := map[int64]bool{}
	for _, e := range s.Epochs(aud) {
		for _, b := range e.Before {
			handed[b] = true
		}
	}
	return slices.DeleteFunc(epochs(s, aud), func(e int64) bool { return handed[e] })
}

// current is the epoch of an audience that counts, and its key.
func (g *Group) current(s *acl.State, aud string) (int64, seal.Identity, error) {
	e, ok := latest(s, aud)
	if !ok {
		return 0, seal.Identity{}, ErrNoKey
	}
	id, ok := g.keys.key(aud, e.Epoch)
	if !ok {
		return 0, seal.Identity{}, ErrNoKey
	}
	return e.Epoch, id, nil
}

// audienceTo is who an audience with a name is for.
func (g *Group) audienceTo(s *acl.State, aud string) (all []string) {
	now := g.now()
	switch aud {
	case everyone:
		readers, invites := s.Everyone(now)
		return slices.Concat(readers, invites)
	case mirrors:
		return append(mirrorsOf(s, now), adminsOf(s)...)
	}
	return adminsOf(s)
}

// holders are the accounts that have had an audience's epoch, with whatever recipient. Grants of who is not believed are none.
func holders(s *acl.State, e acl.Epoch, aud string) map[string]bool {
	out := map[string]bool{}
	for _, name := range s.Below(e.Root) {
		out[name] = true
	}
	for _, gr := range s.Grants() {
		if gr.Audience == aud && gr.Epoch == e.Epoch && trusted(gr, "", s) || e.Gen != 0 && gr.Audience == admins && gr.Epoch == e.Gen && gr.Admin {
			for _, name := range gr.To {
				out[name] = true
			}
		}
	}
	return out
}

// leaked says whether somebody has the keys of now of an audience who should not: two admins who did not know of each other have
// removed one account each, or an account has ended.
func (g *Group) leaked(s *acl.State, aud string) bool {
	return beyond(s, aud, g.audienceTo(s, aud))
}

// beyond says whether somebody else than who may has the keys of now of an audience.
func beyond(s *acl.State, aud string, who []string) bool {
	e, ok := latest(s, aud)
	if !ok {
		return false
	}
	may := map[string]bool{}
	for _, name := range who {
		may[name] = true
	}
	for name := range holders(s, e, aud) {
		if _, known := s.Account(name); (known || s.Reserved(name)) && !may[name] {
			return true
		}
	}
	return false
}

// leaved are the accounts that were given their key in the trees of a generation, with the recipient that they have now.
func leaved(s *acl.State, gen int64) map[string]bool {
	out := map[string]bool{}
	for _, gr := range s.Grants() {
		if gr.Admin && gr.Leaf == gen && gr.N >= s.SealSince(gr.To[0]) {
			out[gr.To[0]] = true
		}
	}
	return out
}

// generation is a secret of the admins, which the keys of trees are made of.
type generation struct {
	epoch  int64
	secret string
}

// generation is that of now, if this machine is an admin's that was given it.
func (g *Group) generation(s *acl.State) (generation, bool) {
	epoch, id, err := g.current(s, admins)
	return generation{epoch, id.Secret()}, err == nil
}

// recipients are those of all accounts.
func recipients(s *acl.State) map[string]string {
	of := map[string]string{}
	for _, a := range s.Accounts() {
		of[a.Name] = a.Seal
	}
	return of
}

// rooted are those of names that have a place in the trees of a generation: who was given his key, and is no admin. The invite
// that each removal resets is not worth one.
func rooted(s *acl.State, gen generation, names []string) []string {
	has, boss := leaved(s, gen.epoch), adminsOf(s)
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !has[n] || slices.Contains(boss, n) || n == JoinInvite })
}

// trees are the records of the nodes that a removal would have to make and no removal changes: so the removal is small.
func (g *Group) trees(s *acl.State, aud string) []Record {
	gen, ok := g.generation(s)
	if !ok {
		return nil
	}
	return plantTree(gen.secret, rooted(s, gen, g.audienceTo(s, aud)), recipients(s)).missing(s)
}

// successor are the records of another epoch of an audience: its identity for who is in the tree and for the admins, who have
// gen, and in it those of the epochs before.
func (g *Group) successor(s *acl.State, aud string, gen generation, tree *branch) (out []Record, h held, err error) {
	if h.id, err = seal.NewAudience(); err != nil {
		return nil, held{}, err
	}
	if h.epoch, err = newEpoch(); err != nil {
		return nil, held{}, err
	}
	e := acl.Epoch{Audience: aud, Epoch: h.epoch, Gen: gen.epoch}
	text := keysText(aud, []held{h})
	if e.Own, err = seal.Wrap(gen.secret, useEpoch(e), text); err != nil {
		return nil, held{}, err
	}
	if tree != nil {
		out = tree.missing(s)
		e.Root = tree.id
		if e.Box, err = seal.Wrap(tree.key, useEpoch(e), text); err != nil {
			return nil, held{}, err
		}
	}
	var old []byte
	for _, b := range slices.Backward(tips(s, aud)) {
		if text := g.keys.file(aud, []int64{b}); len(text) > 0 && len(e.Before) < maxBefore {
			e.Before, old = append(e.Before, b), append(old, text...)
		}
	}
	if len(old) > 0 {
		if e.Old, err = seal.Wrap(h.id.Secret(), useBefore(e), old); err != nil {
			return nil, held{}, err
		}
	}
	return append(out, e.Marshal), h, nil
}

func useEpoch(e acl.Epoch) string  { return fmt.Sprintf("epoch %s %d", e.Audience, e.Epoch) }
func useBefore(e acl.Epoch) string { return fmt.Sprintf("epochs before %s %d", e.Audience, e.Epoch) }

// newGeneration are the records of another secret for admins.
func (g *Group) newGeneration(s *acl.State, to []string) ([]Record, generation, error) {
	id, err := seal.NewAudience()
	if err != nil {
		return nil, generation{}, err
	}
	epoch, err := newEpoch()
	if err != nil {
		return nil, generation{}, err
	}
	out := []Record{acl.Epoch{Audience: admins, Epoch: epoch}.Marshal}
	grants, err := g.grants(s, admins, epoch, keysText(admins, []held{{epoch: epoch, id: id}}), to)
	return append(out, grants...), generation{epoch, id.Secret()}, err
}

// deliver hands an audience's epoch to accounts of which some are fresh, with the identities that this machine has just made for
// them. With gen each but the admins is given his key in the trees too, in a box of his own.
func (g *Group) deliver(s *acl.State, aud string, epoch int64, text []byte, names []string, fresh map[string]seal.Identity, gen *generation) (out []Record, err error) {
	of, boss := recipients(s), adminsOf(s)
	for name, id := range fresh {
		of[name] = id.Recipient()
	}
	var plain []string
	for _, name := range names {
		id, known := fresh[name]
		if gen == nil || slices.Contains(boss, name) {
			plain = append(plain, name)
			continue
		}
		key := leafKey(gen.secret, name, of[name])
		mine := slices.Concat(text, []byte(leafLine(key)))
		if !known {
			grants, err := grantTo(aud, epoch, mine, []string{name}, of)
			if err != nil {
				return nil, err
			}
			for _, r := range grants {
				r.Leaf = gen.epoch
				out = append(out, r.Marshal)
			}
			continue
		}
		box, err := seal.Wrap(id.Secret(), useGrant(aud, epoch, name), mine)
		if err != nil {
			return nil, err
		}
		out = append(out, acl.Grant{Audience: aud, Epoch: epoch, To: []string{name}, Box: box, Leaf: gen.epoch}.Marshal)
	}
	more, err := marshalers(grantTo(aud, epoch, text, plain, of))
	return append(out, more...), err
}

func useGrant(aud string, epoch int64, name string) string {
	return fmt.Sprintf("grant %s %d %s", aud, epoch, name)
}

// rekey makes another key and another link for all who are there but those in without. fresh are the identities of accounts that
// this machine resets with it. renew makes another secret for the admins, which costs a box for each account: it is made anyway
// where somebody has it who is no admin any more.
func (g *Group) rekey(s *acl.State, without map[string]bool, fresh map[string]seal.Identity, renew bool) ([]Record, error) {
	stays := func(aud string) []string {
		return slices.DeleteFunc(g.audienceTo(s, aud), func(n string) bool { return without[n] })
	}
	boss := stays(admins)
	gen, ok := g.generation(s)
	var records []Record
	var err error
	if renew = renew || !ok || beyond(s, admins, boss); renew {
		if records, gen, err = g.newGeneration(s, boss); err != nil {
			return nil, err
		}
	}
	secret := granted(s, admins, gen.epoch)
	var links []string
	for _, aud := range []string{everyone, mirrors} {
		to := stays(aud)
		if aud == mirrors && len(to) == len(boss) && !beyond(s, aud, to) {
			continue // there are none any more
		}
		in := slices.DeleteFunc(rooted(s, gen, to), func(n string) bool { _, reset := fresh[n]; return reset })
		next, h, err := g.successor(s, aud, gen, plantTree(gen.secret, in, recipients(s)))
		if err != nil {
			return nil, err
		}
		direct := slices.DeleteFunc(to, func(n string) bool {
			return slices.Contains(in, n) || slices.Contains(boss, n) && (renew || secret[n])
		})
		grants, err := g.deliver(s, aud, h.epoch, keysText(aud, []held{h}), direct, fresh, &gen)
		if err != nil {
			return nil, err
		}
		records, links = slices.Concat(records, next, grants), append(links, h.id.Recipient())
	}
	link := g.link
	if _, err := rand.Read(link.Secret[:]); err != nil {
		return nil, err
	}
	next, err := linkRecord(link, links...)
	return append(records, next), err
}
