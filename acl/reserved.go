package acl

import (
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Reserved says whether a name was an admin's in any root: no hello takes it.
func (s *State) Reserved(name string) bool {
	return slices.ContainsFunc(s.roots, func(r *signed.SignedRoot) bool {
		return slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == name })
	})
}
