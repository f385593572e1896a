package group

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Care signs what others wait for and this machine may give: the names of who came; keys for them, for who has a new password,
// or may read more by now; another key of the group where who has it should not. It says whether anything was to be done;
// doing it again, until it says no, does nothing.
func (g *Group) Care() (bool, error) {
	if !g.MaySign() {
		return false, nil
	}
	if err := g.open(); err != nil {
		return false, err
	}
	s, err := g.opened()
	if err != nil {
		return false, err
	}
	me, err := s.Admit(g.device.Public(), g.now())
	if err != nil || g.Outdated() {
		return false, nil
	}
	if me.Role == acl.Admin {
		if names := g.confirm(s); len(names) > 0 {
			return true, g.Append(names...)
		}
	}
	if g.link.Kind != signed.Private {
		return false, nil
	}
	var records []Record
	if me.Role == acl.Admin {
		if slices.ContainsFunc([]string{everyone, mirrors, admins}, func(aud string) bool { return g.leaked(s, aud) }) {
			if err := g.newKeys(false); !errors.Is(err, errFull) {
				return true, err
			}
		}
		if records, err = g.ownSlot(me); err != nil {
			return false, err
		}
		first, err := g.firstMirrors(s)
		if err != nil {
			return false, err
		}
		records = append(records, first...)
	}
	if me.Role == acl.Admin || me.Role == acl.Backup {
		more, err := g.lacking(s, me)
		if err != nil {
			return false, err
		}
		records = append(records, more...)
	}
	shares, err := g.careForShares(s, me)
	if err != nil {
		return false, err
	}
	records = append(records, shares...)
	if g.shutOut(s, me) && s.MaySayAgain(me.Name, g.now()) {
		records = append(records, acl.AccountChange{Name: me.Name, Seal: me.Seal}.Marshal)
	}
	if len(records) == 0 {
		return false, nil
	}
	err = g.append(forPeople, records...)
	if errors.Is(err, errFull) {
		return false, nil // others' machines can; Used tells of it
	}
	return true, err
}

// shutOut says whether this machine was granted what it cannot open: by who had not heard of its account's new password. Who
// hears that the account says its recipient again grants it again. What others than admins and backups grant may be anything.
func (g *Group) shutOut(s *acl.State, me acl.Account) bool {
	if me.Role == acl.Admin {
		return false // whose recipient stays
	}
	for _, aud := range []string{everyone, mirrors} {
		e, _ := latest(s, aud)
		if _, held := g.keys.key(aud, e.Epoch); !held && e.N >= s.SealSince(me.Name) && slices.Contains(s.Below(e.Root), me.Name) {
			return true
		}
	}
	for _, gr := range s.Grants() {
		if !byKeeper(gr, s) || gr.By == me.Name || gr.N < s.SealSince(me.Name) || !slices.Contains(gr.To, me.Name) {
			continue
		}
		if _, held := g.keys.key(gr.Audience, gr.Epoch); !held {
			return true
		}
	}
	return false
}

// ownSlot signs an admin's password slot, which the root that made him an admin does not say.
func (g *Group) ownSlot(me acl.Account) ([]Record, error) {
	g.keys.mu.Lock()
	slot := g.keys.f.Slot
	g.keys.mu.Unlock()
	if me.Slot != nil || slot == nil {
		return nil, nil
	}
	return []Record{acl.AccountChange{Name: me.Name, Slot: slot}.Marshal}, nil
}

// firstMirrors begins the audience of mirrors when there is the first of them. They are handed the link of now with it.
func (g *Group) firstMirrors(s *acl.State) ([]Record, error) {
	if len(mirrorsOf(s, g.now())) == 0 || len(epochs(s, mirrors)) > 0 {
		return nil, nil
	}
	_, all, err := g.current(s, everyone)
	if err != nil {
		return nil, nil // another admin can
	}
	gen, ok := g.generation(s)
	if !ok {
		return nil, nil
	}
	to := g.audienceTo(s, mirrors)
	next, h, err := g.successor(s, mirrors, gen, plantTree(gen.secret, rooted(s, gen, to), recipients(s)))
	if err != nil {
		return nil, err
	}
	link, err := linkRecord(g.Link(), all.Recipient(), h.id.Recipient())
	return append(next, link), err
}

// adminsOf are the admins: they hold the mirrors' key too, to hand it on.
func adminsOf(s *acl.State) (out []string) {
	for _, a := range s.Accounts() {
		if a.Role == acl.Admin {
			out = append(out, a.Name)
		}
	}
	return out
}

// lacking are grants of what everyone has to those who lack it, and of an admin's machine their keys in the trees, and the trees.
func (g *Group) lacking(s *acl.State, me acl.Account) (out []Record, err error) {
	early := g.early(s)
	gen, boss := g.generation(s)
	boss = boss && me.Role == acl.Admin
	for _, aud := range []string{admins, everyone, mirrors} {
		epoch, _, err := g.current(s, aud)
		if err != nil || aud == admins && !boss {
			continue // there is none, or it was not given to us
		}
		has, with := granted(s, aud, epoch), &gen
		if !boss || aud == admins {
			with = nil
		} else {
			rooted := leaved(s, gen.epoch)
			for name := range has {
				has[name] = rooted[name] || slices.Contains(adminsOf(s), name)
			}
		}
		often := g.often(s, aud, epoch, nil)
		names := slices.DeleteFunc(g.audienceTo(s, aud), func(n string) bool { return has[n] || often[n] || early(n) })
		if len(names) > 0 {
			grants, err := g.deliver(s, aud, epoch, g.handed(s, aud), names, nil, with)
			if err != nil {
				return nil, err
			}
			out = append(out, grants...)
		}
		if with != nil {
			out = append(out, g.trees(s, aud)...)
		}
	}
	return out, nil
}

// handed is what is handed on of an audience with a name: the identities that open all the others.
func (g *Group) handed(s *acl.State, aud string) []byte {
	if aud == admins {
		e, _ := latest(s, aud)
		return g.keys.file(aud, []int64{e.Epoch})
	}
	return g.keys.file(aud, tips(s, aud))
}

// granted are the accounts that hold an audience's epoch with the identity they have now. authors are those of what is sealed
// to it: whoever else says that he has handed it on may have handed on anything, so that nobody does it any more.
func granted(s *acl.State, aud string, epoch int64, authors ...string) map[string]bool {
	out := map[string]bool{}
	gens := map[int64]bool{}
	for _, e := range s.Epochs(aud) {
		if e.Epoch != epoch {
			continue
		}
		if e.Gen != 0 {
			gens[e.Gen] = true
		}
		for _, name := range s.Below(e.Root) {
			if e.N >= s.SealSince(name) {
				out[name] = true
			}
		}
	}
	for _, gr := range s.Grants() {
		own := gr.Audience == aud && gr.Epoch == epoch
		if !own && !(gr.Audience == admins && gens[gr.Epoch] && gr.Admin) {
			continue
		}
		for _, name := range gr.To {
			if gr.N >= s.SealSince(name) && (gr.By == name || byKeeper(gr, s) || slices.Contains(authors, gr.By)) {
				out[name] = true
			}
		}
	}
	return out
}

// often are the accounts that were granted an audience's epoch as often as Care does, today or in all: whoever says again and
// again that he needs it fills no log but his own.
func (g *Group) often(s *acl.State, aud string, epoch int64, authors []string) map[string]bool {
	all, today := map[string]int{}, map[string]int{}
	now := dayOf(g.now().UnixMilli())
	out := map[string]bool{}
	for _, gr := range s.Grants() {
		if gr.Audience != aud || gr.Epoch != epoch {
			continue
		}
		for _, name := range gr.To {
			if gr.By == name || !byKeeper(gr, s) && !slices.Contains(authors, gr.By) {
				continue
			}
			all[name]++
			if dayOf(gr.N) == now {
				today[name]++
			}
			if all[name] >= maxGiven || today[name] >= maxGivenDaily {
				out[name] = true
			}
		}
	}
	return out
}

// early says whether an account has said its recipient at a time before which this machine would sign: a grant would not be
// behind that, so it waits.
func (g *Group) early(s *acl.State) func(name string) bool {
	n, err := g.nextTime(s)
	return func(name string) bool { return err == nil && s.SealSince(name) > n }
}

// careForShares looks at what is sealed to audiences of its own: who may read all of what an audience is for by now is
// given it; where he may read a part, whoever published that seals it anew.
func (g *Group) careForShares(s *acl.State, me acl.Account) (out []Record, err error) {
	ix, err := g.Index()
	if err != nil {
		return nil, err
	}
	type key struct {
		aud   string
		epoch int64
	}
	sealed := map[key][]*catalog.Entry{}
	for _, e := range ix.Entries() {
		k, err := g.audienceOf(e)
		if err != nil {
			return nil, err
		}
		if k.Audience != everyone {
			at := key{k.Audience, k.Epoch}
			sealed[at] = append(sealed[at], e)
		}
	}
	keys := slices.SortedFunc(maps.Keys(sealed), func(a, b key) int { return strings.Compare(a.aud, b.aud) })
	readers, _ := s.Everyone(g.now())
	helper := me.Role == acl.Admin || me.Role == acl.Backup
	early := g.early(s)
	own := func(e *catalog.Entry) bool { return e.Account == me.Name && s.Came(me.Name, e.N) == me.First }
	for _, k := range keys {
		var authors []string
		for _, e := range sealed[k] {
			authors = append(authors, e.Account)
		}
		has := granted(s, k.aud, k.epoch, authors...)
		for name := range g.often(s, k.aud, k.epoch, authors) {
			has[name] = true // not again today, or ever
		}
		var more []string
		var part []*catalog.Entry
		for _, name := range readers {
			if has[name] || early(name) {
				continue
			}
			may := 0
			for _, e := range sealed[k] {
				if s.MayRead(name, e.Path(), e.Read, e.N, g.now()).Allowed {
					may++
					if own(e) {
						part = append(part, e)
					}
				}
			}
			if may == len(sealed[k]) {
				more = append(more, name)
				part = nil
			}
		}
		if len(more) > 0 && (helper || own(sealed[k][0])) {
			grants, err := g.grants(s, k.aud, k.epoch, g.keys.file(k.aud, []int64{k.epoch}), more)
			if err != nil {
				return nil, err
			}
			out = append(out, grants...)
			continue
		}
		again, err := g.sealAgain(part)
		if err != nil {
			return nil, err
		}
		out = append(out, again...)
	}
	return out, nil
}

// sealAgain publishes own entries anew, to who may read them now.
func (g *Group) sealAgain(list []*catalog.Entry) (out []Record, err error) {
	done := map[string]bool{}
	for _, e := range list {
		if done[e.Ref()] || e.Sealed != "" {
			continue // encrypted content is for whom it was encrypted for: it is to be published anew
		}
		done[e.Ref()] = true
		share, _, err := g.Share(e)
		if err != nil {
			return nil, err
		}
		to, err := g.Audience(e.Path(), e.Read)
		if err != nil {
			return nil, err
		}
		out = append(append(out, to.Grants...), to.record(share, share.ID))
	}
	return out, nil
}

// placed is whom an entry is sealed to.
type placed struct {
	Audience string
	Epoch    int64
}

func (g *Group) audienceOf(e *catalog.Entry) (placed, error) {
	k := place{e.Device, e.Index}
	g.doorsMu.Lock()
	p, ok := g.placed[k]
	g.doorsMu.Unlock()
	if ok {
		return p, nil
	}
	raw, err := g.log.Lines(e.Device, e.Index, signed.MaxRecord+1)
	if err != nil {
		return placed{}, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	sealed, err := catalog.ReadSealed([]byte(line))
	if err != nil {
		return placed{}, err
	}
	p = placed{sealed.Audience, sealed.Epoch}
	g.doorsMu.Lock()
	defer g.doorsMu.Unlock()
	g.placed[k] = p
	return p, nil
}

// place is where a record is; records do not change.
type place struct {
	device signed.Key
	index  int64
}
