package access

import (
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Torrent is what the bytes of a torrent say of it, which entries merely claim.
type Torrent struct {
	Info signed.Hash    // SHA-256 of the info: the v2 infohash where there is one
	V1   *metainfo.Hash // nil for one of v2 alone
	Salt []byte         // nil: it is of no private group
}

// Of reads a torrent.
func Of(t *metafile.Torrent) Torrent {
	return Torrent{Info: t.InfoSHA256(), V1: t.V1, Salt: t.Salt}
}

// is says whether an entry is of this torrent, by every hash that it has.
func (t Torrent) is(e *catalog.Entry) bool {
	return e.Info == t.Info && (e.V1 == nil) == (t.V1 == nil) && (t.V1 == nil || *e.V1 == *t.V1)
}

// Policy is a private group at a time, as this machine knows it.
type Policy struct {
	Group signed.GroupID
	State *acl.State
	Now   time.Time
	Self  acl.Role // of this machine's account; empty: it has none
}

// Reads says whether an account may read an entry: who it is for, by the rules, and who published it.
func (p Policy) Reads(account string, e *catalog.Entry) acl.Decision {
	d := p.State.MayRead(account, e.Path(), e.Read, e.N, p.Now)
	if a, ok := p.State.Account(account); !d.Allowed && account == e.Account && ok && a.Active(p.Now) && a.First == p.State.Came(account, e.N) {
		return acl.Decision{Allowed: true, Rank: d.Rank, Why: "the account published it"}
	}
	return d
}

// Vouches refuses an entry, signed at the time n, with a torrent that its author did not make: the torrent tells who did. An
// admin may sign any.
func (p Policy) Vouches(author string, n int64, t Torrent) error {
	if madeBy(t.Salt, p.Group, p.State.Came(author, n)) {
		return nil
	}
	if a, ok := p.State.Account(author); ok && a.Role == acl.Admin && a.Active(p.Now) {
		return nil
	}
	return fault.New(fault.Unverified, "the torrent is not one that %q made, and no admin has signed the entry", author)
}

// Counts says whether an entry gives a torrent to anybody: it is of that torrent, and by who made it or an admin.
func (p Policy) Counts(e *catalog.Entry, t Torrent) bool {
	return t.is(e) && p.Vouches(e.Account, e.N, t) == nil
}

// For says whether what an entry gives is for an account: its .torrent, the index of its chunks, its metadata and pieces.
func (p Policy) For(a *acl.Account, e *catalog.Entry) bool {
	switch {
	case !a.Active(p.Now) || a.Role == acl.Invite:
		return false
	case a.Role == acl.Mirror:
		return e.Sealed != ""
	}
	return p.Reads(a.Name, e).Allowed
}

// Gives says whether an entry gives an account the torrent.
func (p Policy) Gives(a *acl.Account, e *catalog.Entry, t Torrent) bool {
	return p.Counts(e, t) && p.For(a, e)
}

// Keeps says whether an account is given ciphertext that this machine keeps as a mirror: it cannot read who a share is for,
// and what it keeps opens for nobody else.
func (p Policy) Keeps(a *acl.Account) bool {
	return p.Self == acl.Mirror && a.Active(p.Now) && a.Role != acl.Invite
}

// Holds says whether an account is given the ciphertext of a share.
func (p Policy) Holds(a *acl.Account, h catalog.Held, t Torrent) bool {
	return p.Keeps(a) && p.Vouches(h.Account, h.N, t) == nil
}

// Until is when a right ends next by its time: a rule's, or an account's. Zero: none does.
func (p Policy) Until() (next time.Time) {
	at := func(t time.Time) {
		if t.After(p.Now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, r := range p.State.Rules() {
		at(r.Until)
	}
	for _, a := range p.State.Accounts() {
		at(a.Until)
	}
	return next
}
