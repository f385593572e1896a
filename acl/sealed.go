package acl

import (
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// SealSince is the time of the record from which on an account has the recipient that it has now: what was sealed to
// the account before, it may not open any more. 0: there is no such account.
func (s *State) SealSince(name string) int64 {
	t := s.accounts[name]
	if t.now() == nil {
		return 0
	}
	if a := t.now(); a.Role == Admin {
		since := int64(0)
		for _, r := range s.roots { // the first of the last roots that all have it
			i := slices.IndexFunc(r.Admins, func(o signed.Admin) bool { return o.Name == name && o.Seal == a.Seal })
			switch {
			case i < 0:
				since = 0
			case since == 0:
				since = r.Time.UnixMilli()
			}
		}
		return since
	}
	since := int64(0)
	for i, v := range t.versions {
		if i == 0 || v.Seal != t.versions[i-1].Seal || t.versions[i-1].Gone {
			since = v.at.n
		}
	}
	return since
}

// Reserved says whether a name was an admin's in any root: no hello takes it.
func (s *State) Reserved(name string) bool {
	return slices.ContainsFunc(s.roots, func(r *signed.SignedRoot) bool {
		return slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == name })
	})
}
