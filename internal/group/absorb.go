package group

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// absorb opens what is granted to this machine's account, and the latest link. It says whether there are identities or a
// link that were not here before.
func (k *keyring) absorb(s *acl.State, now time.Time) (news, link bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var grants []grantText
	changed := false
	for again := true; again; {
		if len(k.seals) == 0 {
			return false, false, nil
		}
		changed = k.settle(s) || changed
		at, account, seals, read := k.became, k.f.Account, slices.Clone(k.seals), map[string]bool{}
		for _, id := range k.f.Read {
			read[id] = true
		}
		// Any member signs grants, a thousand a day of 768 KiB each: nobody waits meanwhile for what k holds.
		k.mu.Unlock()
		grants = openGrants(s, k.openBox, account, seals, read)
		k.mu.Lock()
		again = k.became != at // to another identity
	}
	for _, o := range grants {
		k.f.Read, changed = append(k.f.Read, o.id), true
		if o.text == nil {
			continue // it is to a password that was given up, or made to mislead
		}
		if key, ok := readLeaf(o.text); ok && o.Admin && o.Leaf != 0 && !slices.Contains(k.f.Leaves, key) {
			k.f.Leaves = slices.Insert(k.f.Leaves, 0, key)
			k.f.Leaves = k.f.Leaves[:min(len(k.f.Leaves), maxLeaves)]
		}
		list, err := readKeys(o.text, o.Epoch)
		if err != nil {
			continue
		}
		if !hasName(o.Audience) && !byKeeper(o.Grant, s) {
			// Anybody can sign a grant of anything: he is to fill neither this machine nor what it tries on a box.
			list = slices.DeleteFunc(list, func(h held) bool { return h.epoch != o.Epoch })
			for i := range list {
				list[i].by = o.By
			}
		}
		if k.hold(o.Audience, list) {
			news = true
		}
	}
	if k.absorbEpochs(s) {
		news, changed = true, true
	}
	if a, ok := s.Account(k.f.Account); ok && a.Slot != nil && !bytes.Equal(a.Slot, k.f.Slot) {
		k.f.Slot, changed = a.Slot, true
	}
	link = k.absorbLink(s.LinkBox(), now)
	if changed || link {
		err = k.save()
	}
	return news, link, err
}

// grantText is a grant that was looked into.
type grantText struct {
	acl.Grant
	id   string // by which it is noted
	text []byte // nil: it did not open
}

// openGrants opens what is granted to an account, but for what was looked into before.
func openGrants(s *acl.State, open openBox, account string, seals []seal.Identity, read map[string]bool) (out []grantText) {
	for _, g := range s.Grants() {
		place := slices.Index(g.To, account)
		if place < 0 || !trusted(g, account, s) {
			continue
		}
		sum := sha256.Sum256(g.Box)
		id := hex.EncodeToString(sum[:12])
		if read[id] {
			continue
		}
		read[id] = true
		text, err := openGrant(g, open, place, account, seals)
		if err != nil {
			text = nil
		}
		out = append(out, grantText{g, id, text})
	}
	return out
}

// openGrant opens a box that an account has a place in, or is the only one for.
func openGrant(g acl.Grant, open openBox, place int, account string, seals []seal.Identity) ([]byte, error) {
	text, err := open(g.Box, maxKeys, place, seals...)
	if err == nil || len(g.To) != 1 {
		return text, err
	}
	for _, id := range seals {
		if text, err := seal.Unwrap(id.Secret(), useGrant(g.Audience, g.Epoch, account), g.Box); err == nil {
			return text, nil
		}
	}
	return nil, err
}

// absorbEpochs opens the epochs that the account's key in a tree, or the admins' secret, opens, and those before them, the latest
// first. k.mu is held.
func (k *keyring) absorbEpochs(s *acl.State) (news bool) {
	gens := map[int64][]held{}
	for _, h := range k.ids[admins] {
		gens[h.epoch] = append(gens[h.epoch], h)
	}
	var leaves []string
	for _, l := range k.f.Leaves {
		if b, err := hex.DecodeString(l); err == nil {
			leaves = append(leaves, string(b))
		}
	}
	climb := newClimber(s, k.f.Account, leaves)
	for _, aud := range []string{everyone, mirrors} {
		have := map[int64][]held{}
		for _, h := range k.ids[aud] {
			have[h.epoch] = append(have[h.epoch], h)
		}
		take := func(text []byte, err error, of ...int64) {
			if err != nil {
				return
			}
			list, err := readKeys(text, 0)
			if err != nil {
				return
			}
			list = slices.DeleteFunc(list, func(h held) bool { return !slices.Contains(of, h.epoch) })
			for _, h := range list {
				have[h.epoch] = append(have[h.epoch], h)
			}
			news = k.hold(aud, list) || news
		}
		for _, e := range slices.Backward(s.Epochs(aud)) {
			if len(have[e.Epoch]) == 0 {
				for _, h := range gens[e.Gen] {
					text, err := seal.Unwrap(h.id.Secret(), useEpoch(e), e.Own)
					take(text, err, e.Epoch)
				}
			}
			if len(have[e.Epoch]) == 0 && e.Box != nil {
				if key, ok := climb.key(e.Root, maxClimb); ok {
					text, err := seal.Unwrap(key, useEpoch(e), e.Box)
					take(text, err, e.Epoch)
				}
			}
			if slices.ContainsFunc(e.Before, func(b int64) bool { return len(have[b]) == 0 }) {
				for _, h := range have[e.Epoch] {
					text, err := seal.Unwrap(h.id.Secret(), useBefore(e), e.Old)
					take(text, err, e.Before...)
				}
			}
		}
	}
	return news
}

// settle puts the account's identity first that the group knows. Of a change of the password that a crash kept from being
// signed there is another one before it. k.mu is held.
func (k *keyring) settle(s *acl.State) (changed bool) {
	a, ok := s.Account(k.f.Account)
	if !ok || k.seals[0].Recipient() == a.Seal {
		return false
	}
	i := slices.IndexFunc(k.seals, func(id seal.Identity) bool { return id.Recipient() == a.Seal })
	if i < 0 {
		return false
	}
	now := k.seals[i]
	k.seals = slices.Insert(slices.Delete(k.seals, i, i+1), 0, now)
	k.f.Seals = slices.Insert(slices.Delete(k.f.Seals, i, i+1), 0, now.Secret())
	return true
}

// absorbLink takes the link secret of the group's latest link record. k.mu is held.
func (k *keyring) absorbLink(box []byte, now time.Time) bool {
	if box == nil {
		return false
	}
	sum := sha256.Sum256(box)
	id := "link " + hex.EncodeToString(sum[:12])
	if slices.Contains(k.f.Read, id) {
		return false
	}
	var ids []seal.Identity
	for _, aud := range []string{everyone, mirrors} {
		for _, h := range slices.Backward(k.ids[aud]) {
			ids = append(ids, h.id)
		}
	}
	text, err := seal.OpenBox(box, maxKeys, ids...)
	if err != nil {
		return false // its key may come with the next grant
	}
	k.f.Read = append(k.f.Read, id)
	l, err := signed.ParseLink(string(text))
	if err != nil || l.Kind != signed.Private || l.Secret == [16]byte{} {
		return true
	}
	secret := hex.EncodeToString(l.Secret[:])
	if len(k.f.Links) > 0 && k.f.Links[0].Secret == secret {
		return true
	}
	for i := range k.f.Links {
		if k.f.Links[i].Until == 0 {
			k.f.Links[i].Until = now.Add(linkLife).Unix()
		}
	}
	k.f.Links = slices.DeleteFunc(k.f.Links, func(o heldLink) bool { return o.Secret == secret || o.Until != 0 && o.Until <= now.Unix() })
	k.f.Links = slices.Insert(k.f.Links, 0, heldLink{Secret: secret})
	k.f.Links = k.f.Links[:min(len(k.f.Links), 1+maxOldLinks)]
	return true
}
