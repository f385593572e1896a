package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Claimant is a device that asked for a name that is another's, and was refused.
type Claimant struct {
	Device signed.Key
	Name   string
	At     time.Time // when it asked first
}

// confirm are the records that give names to the keys that they came with: of several that ask for one name, to whom this
// machine heard of first.
func (g *Group) confirm(s *acl.State) (out []Record) {
	for _, c := range s.Pins(s.Unconfirmed()) {
		out = append(out, c.Marshal)
	}
	first := map[string]acl.Claim{}
	g.mu.Lock()
	defer g.mu.Unlock()
	heard := func(c acl.Claim) uint64 {
		if p := g.devices[c.Device]; p != nil {
			return p.since
		}
		return ^uint64(0)
	}
	for _, c := range s.Contested() {
		if was, there := first[c.Name]; !there || heard(c) < heard(was) {
			first[c.Name] = c
		}
	}
	for _, c := range first {
		out = append(out, s.PinTo(c).Marshal)
	}
	return out
}

// door refuses the log of a device that is not known yet, if its hello claims a name that is another's, or is of a time to
// come: so that a name stays with who has it, whatever times others sign. g.mu is held.
func (g *Group) door(device signed.Key, first []byte) error {
	if first == nil || g.devices[device] != nil {
		return nil
	}
	p := acl.NewPart(g.link.Group, device)
	p.Add(signed.ParseLog(device, 0, 0, slices.Values([][]byte{first}), g.now()))
	if p.Waits() {
		return p.Broken
	}
	name, key, claims := p.Claim()
	if !claims || !g.spokenFor(name, key) {
		return nil
	}
	s, err := g.folded()
	if err != nil {
		return err
	}
	if err := s.Taken(p); !errors.Is(err, acl.ErrTaken) {
		return err
	}
	g.claimed(Claimant{Device: device, Name: name, At: g.now()})
	return &signed.Refusal{What: "log", Reason: signed.ErrTaken, Detail: fmt.Sprintf("the name %q that device %v asks for is another's", name, device)}
}

// spokenFor says whether a name may belong to another key: only then a state has to be folded to know. g.mu is held.
func (g *Group) spokenFor(name string, key signed.Key) bool {
	roots, err := g.log.Roots()
	if err != nil || name == acl.Join {
		return true
	}
	for _, r := range roots {
		if slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == name }) {
			return true
		}
	}
	for _, p := range g.devices {
		if p.acl.Speaks(name, key) {
			return true
		}
	}
	return false
}

// claimed remembers who was refused. g.mu is held.
func (g *Group) claimed(c Claimant) {
	if slices.ContainsFunc(g.refused, func(o Claimant) bool { return o.Device == c.Device }) {
		return
	}
	g.refused = append(g.refused, c)
	g.refused = g.refused[max(0, len(g.refused)-maxClaimants):]
	g.untold = append(g.untold, c)
}

// tellClaims hands who was refused to OnClaim. g.mu is not held.
func (g *Group) tellClaims() {
	g.mu.Lock()
	list := g.untold
	g.untold = nil
	g.mu.Unlock()
	if g.OnClaim == nil {
		return
	}
	for _, c := range list {
		g.OnClaim(c)
	}
}

// Claimants are the latest devices that asked for names that are others', since this program runs.
func (g *Group) Claimants() []Claimant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refused)
}

// Unnamed is the name that this machine's account asked for and does not have: it is another's, or several ask for it.
// It is empty for an account that has its name.
func (g *Group) Unnamed() string {
	s, err := g.State()
	if err != nil {
		return ""
	}
	c, _ := s.Nameless(g.device.Public())
	return c.Name
}
