package group

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Record makes a record for its time.
type Record = func(n int64) ([]byte, error)

// Sealing is whom a share is sealed to.
type Sealing struct {
	Audience   string
	Epoch      int64
	Recipients []string // of age
	Grants     []Record // to append before the share, in the same Append

	id func(name, version string) string
}

// ErrNoKey is a group whose newest key this machine was not given yet.
var ErrNoKey = fault.Hint(fault.New(fault.Denied, "this machine was not given the group's newest key yet"),
	"it comes when an admin's or a backup's machine is online; after a change of the account's password: p2pshare group join LINK --user NAME")

// Audience finds the audience of those who may read what is shared at a path with those in read, or makes one.
func (g *Group) Audience(path string, read []string) (Sealing, error) {
	s, err := g.opened()
	if err != nil {
		return Sealing{}, err
	}
	if g.link.Kind != signed.Private {
		return Sealing{}, fault.New(fault.Usage, "%q is a public group, in which nothing is sealed", g.Name())
	}
	me, err := s.Admit(g.device.Public(), g.now())
	if err != nil {
		return Sealing{}, err
	}
	now := g.now()
	all, _ := s.Everyone(now)
	who := s.Readers(path, read, now)
	if !slices.Contains(who, me.Name) {
		who = append(who, me.Name) // who publishes something can take it back and see it, whoever may fetch it
	}
	slices.Sort(who)
	if slices.Equal(who, all) && forAll(s, path, read, now) {
		epoch, id, err := g.current(s, everyone)
		if err != nil {
			return Sealing{}, err
		}
		return g.sealing(everyone, epoch, id, nil), nil
	}
	if aud, epoch, id, ok := g.ownAudience(s, me.Name, who); ok {
		return g.sealing(aud, epoch, id, nil), nil
	}
	id, err := seal.NewAudience()
	if err != nil {
		return Sealing{}, err
	}
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		return Sealing{}, err
	}
	aud := "s" + hex.EncodeToString(b[:])
	grants, err := g.grants(s, aud, 1, keysText(aud, []held{{epoch: 1, id: id}}), who)
	if err != nil {
		return Sealing{}, err
	}
	// The author's own machine opens it without asking the log.
	g.keys.mu.Lock()
	defer g.keys.mu.Unlock()
	g.keys.hold(aud, []held{{epoch: 1, id: id}})
	return g.sealing(aud, 1, id, grants), g.keys.save()
}

// forAll says whether a share is meant for who comes later too. That those it names are everyone now does not make it so.
func forAll(s *acl.State, path string, read []string, now time.Time) bool {
	if len(read) > 0 && !slices.Contains(read, "*") {
		return false
	}
	return !slices.ContainsFunc(s.Rules(), func(r acl.Rule) bool {
		return r.Deny && r.May == acl.Read && (r.Until.IsZero() || now.Before(r.Until)) && r.Covers(path)
	})
}

func (g *Group) sealing(aud string, epoch int64, id seal.Identity, grants []Record) Sealing {
	return Sealing{Audience: aud, Epoch: epoch, Recipients: []string{id.Recipient()}, Grants: grants, id: g.ShareID}
}

// Share makes the record of a share that is sealed to the audience.
func (s Sealing) Share(share *catalog.Share) Record {
	return s.record(share, s.id(share.Name, share.Version))
}

// Drop makes the record that takes back the shares of an ID, with a note that is sealed to the audience.
func (s Sealing) Drop(id, note string) Record {
	return func(n int64) ([]byte, error) {
		body, err := catalog.NoteBody(note)
		if err != nil {
			return nil, err
		}
		box, err := seal.Box(body, s.Recipients)
		if err != nil {
			return nil, err
		}
		return (&catalog.Drop{ID: id, Audience: s.Audience, Epoch: s.Epoch, Box: box}).Marshal(n)
	}
}

func (s Sealing) record(share *catalog.Share, id string) Record {
	return func(n int64) ([]byte, error) {
		body, err := share.Body()
		if err != nil {
			return nil, err
		}
		box, err := seal.Box(body, s.Recipients)
		if err != nil {
			return nil, err
		}
		return (&catalog.Sealed{ID: id, Audience: s.Audience, Epoch: s.Epoch, Box: box, Hold: share.Hold()}).Marshal(n)
	}
}

// ShareID is the ID of the record of a name and version: the same each time, so that the later takes the place of the
// earlier, and one that tells nobody else the name.
func (g *Group) ShareID(name, version string) string {
	_, id := g.keys.own()
	h := hmac.New(sha256.New, expand(id.Secret(), "share"))
	h.Write([]byte(name + "\x00" + version))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func mirrorsOf(s *acl.State, now time.Time) (out []string) {
	for _, a := range s.Accounts() {
		if a.Active(now) && a.Seal != "" && (a.Role == acl.Mirror || a.Role == acl.Invite && a.Gives == acl.Mirror) {
			out = append(out, a.Name)
		}
	}
	return out
}

// ownAudience is one that this account has made for the same readers before.
func (g *Group) ownAudience(s *acl.State, me string, who []string) (aud string, epoch int64, id seal.Identity, ok bool) {
	type key struct {
		aud   string
		epoch int64
	}
	to := map[key]map[string]bool{}
	mine := map[key]bool{}
	var order []key
	// The group has another key since somebody or a machine was put out: who went with it holds the keys from before.
	all, _ := latest(s, everyone)
	since := all.N
	for _, gr := range s.Grants() {
		if hasName(gr.Audience) || gr.N < since {
			continue
		}
		k := key{gr.Audience, gr.Epoch}
		if to[k] == nil {
			to[k] = map[string]bool{}
			mine[k] = gr.By == me // who granted it first has made it
			order = append(order, k)
		}
		for _, name := range gr.To {
			// Who has another identity since does not hold it, but may be given it again; who is gone still has it.
			to[k][name] = true
		}
	}
	for _, k := range slices.Backward(order) {
		if !mine[k] || len(to[k]) != len(who) || slices.ContainsFunc(who, func(n string) bool { return !to[k][n] }) {
			continue
		}
		if id, ok := g.keys.key(k.aud, k.epoch); ok {
			return k.aud, k.epoch, id, true
		}
	}
	return "", 0, seal.Identity{}, false
}

// grants are the records that hand a text with keys to accounts, in boxes that fit into records. An account whose
// recipient is of no use goes without.
func (g *Group) grants(s *acl.State, aud string, epoch int64, text []byte, names []string) ([]Record, error) {
	return marshalers(grantTo(aud, epoch, text, names, recipients(s)))
}

func marshalers(list []acl.Grant, err error) (out []Record, _ error) {
	for _, gr := range list {
		out = append(out, gr.Marshal)
	}
	return out, err
}

func grantTo(aud string, epoch int64, text []byte, names []string, seals map[string]string) ([]acl.Grant, error) {
	var out []acl.Grant
	for chunk := range slices.Chunk(names, maxTo) {
		to := slices.DeleteFunc(slices.Clone(chunk), func(n string) bool { return seals[n] == "" })
		for len(to) > 0 {
			var recipients []string
			for _, n := range to {
				recipients = append(recipients, seals[n])
			}
			box, err := seal.Box(text, recipients)
			var bad *seal.RecipientError
			if errors.As(err, &bad) {
				to = slices.DeleteFunc(to, func(n string) bool { return seals[n] == bad.Recipient })
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("granting %q: %w", aud, err)
			}
			out = append(out, acl.Grant{Audience: aud, Epoch: epoch, To: to, Box: box})
			break
		}
	}
	return out, nil
}

// ContentKeys are what an entry's encrypted content may open with: the key of whom the share is sealed to first. One that was
// sealed anew since, for others, has content for those before.
func (g *Group) ContentKeys(e *catalog.Entry) ([]seal.Identity, error) {
	p, err := g.audienceOf(e)
	if err != nil {
		return nil, err
	}
	var out []seal.Identity
	if id, ok := g.keys.key(p.Audience, p.Epoch); ok {
		out = append(out, id)
	}
	g.keys.mu.Lock()
	defer g.keys.mu.Unlock()
	for _, list := range g.keys.ids {
		for _, h := range list[max(0, len(list)-seal.MaxIdentities):] {
			out = append(out, h.id)
		}
	}
	return out[:min(len(out), maxContentKeys)], nil
}
