package acl

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Readers are the accounts that may read what is shared now, at path, with those in read, sorted: whom a share is sealed to.
// Accounts without a recipient are left out.
func (s *State) Readers(path string, read []string, now time.Time) (out []string) {
	rules := s.ruled()
	for name, t := range s.accounts {
		if a := t.now(); a != nil && a.Seal != "" && s.reads(a, rules, path, read, math.MaxInt64, now).Allowed {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Everyone is whom what is shared with all is sealed to, each list sorted: the accounts that read, whatever the rules keep
// from them, and the invites that make such accounts, which hand it on. Accounts without a recipient are left out.
func (s *State) Everyone(now time.Time) (readers, invites []string) {
	for _, name := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[name].now()
		switch {
		case a == nil || !a.Active(now) || a.Seal == "" || a.Role == Mirror:
		case a.Role != Invite:
			readers = append(readers, name)
		case a.Gives != Mirror:
			invites = append(invites, name)
		}
	}
	return readers, invites
}

// SealSince is the time of the record from which on an account has the recipient that it has now, or of that in which it last
// said so itself: what was sealed to the account before, it may not open any more. An account says so again that was granted
// something by who had not heard of its new recipient yet. 0: there is no such account.
func (s *State) SealSince(name string) int64 {
	t := s.accounts[name]
	if t.now() == nil {
		return 0
	}
	return t.sealed
}
