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

// Torrent is what a torrent's own bytes prove, as opposed to what entries claim about it.
type Torrent struct {
	Info signed.Hash    // SHA-256 of the info: the v2 infohash, if there is one
	V1   *metainfo.Hash // nil for v2 only
	Salt []byte         // nil if it is not of a private group
}

// Of returns the Torrent of a parsed .torrent.
func Of(t *metafile.Torrent) Torrent {
	return Torrent{Info: t.InfoSHA256(), V1: t.V1, Salt: t.Salt}
}

// is reports whether an entry is for this torrent; all hashes that either has must match.
func (t Torrent) is(e *catalog.Entry) bool {
	return e.Info == t.Info && (e.V1 == nil) == (t.V1 == nil) && (t.V1 == nil || *e.V1 == *t.V1)
}

// Policy is a private group at a point in time, as this machine knows it.
type Policy struct {
	Group signed.GroupID
	State *acl.State
	Now   time.Time
	Self  acl.Role // the role of this machine's account; empty if it has none
}

// Reads decides whether an account may read an entry: by its readers, by the rules, and because it published it.
func (p Policy) Reads(account string, e *catalog.Entry) acl.Decision {
	d := p.State.MayRead(account, e.Path(), e.Read, e.N, p.Now)
	if a, ok := p.State.Account(account); !d.Allowed && account == e.Account && ok && a.Active(p.Now) && a.First == p.State.Came(account, e.N) {
		return acl.Decision{Allowed: true, Rank: d.Rank, Why: "the account published it"}
	}
	return d
}

// Vouches refuses an entry, signed by author at time n, unless the torrent proves that author made it. An admin may sign
// an entry for any torrent.
func (p Policy) Vouches(author string, n int64, t Torrent) error {
	if madeBy(t.Salt, p.Group, p.State.Came(author, n)) {
		return nil
	}
	if a, ok := p.State.Account(author); ok && a.Role == acl.Admin && a.Active(p.Now) {
		return nil
	}
	return fault.New(fault.Unverified, "the torrent was not made by %q, and no admin signed the entry", author)
}

// Counts reports whether an entry can give a torrent to anybody: the entry is for that torrent, and was signed by the account
// that made it or by an admin.
func (p Policy) Counts(e *catalog.Entry, t Torrent) bool {
	return t.is(e) && p.Vouches(e.Account, e.N, t) == nil
}

// For reports whether an account may have what an entry gives: its .torrent, the index of its chunks, its metadata and
// pieces.
func (p Policy) For(a *acl.Account, e *catalog.Entry) bool {
	switch {
	case !a.Active(p.Now) || a.Role == acl.Invite:
		return false
	case a.Role == acl.Mirror:
		return e.Sealed != ""
	}
	return p.Reads(a.Name, e).Allowed
}

// Gives reports whether an entry gives an account the torrent: Counts and For.
func (p Policy) Gives(a *acl.Account, e *catalog.Entry, t Torrent) bool {
	return p.Counts(e, t) && p.For(a, e)
}

// Keeps reports whether an account is given ciphertext that this machine keeps as a mirror. The mirror cannot read whom a
// share is for, but nobody else can decrypt it.
func (p Policy) Keeps(a *acl.Account) bool {
	return p.Self == acl.Mirror && a.Active(p.Now) && a.Role != acl.Invite
}

// Holds reports whether an account is given the ciphertext of a share.
func (p Policy) Holds(a *acl.Account, h catalog.Held, t Torrent) bool {
	return p.Keeps(a) && p.Vouches(h.Account, h.N, t) == nil
}

// Until returns when the next rule or account expires, or zero if none does.
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
