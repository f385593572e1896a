package acl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/spelling"
)

// Join is the name of the invite that the password of a private group is.
const Join = "join"

// everybody are words that people write for *, which is the one that means everybody.
var everybody = []string{"everyone", "everybody", "all", "any", "anyone", "anybody"}

// reserved are names that no account takes: they would be read as something else in a rule or a command.
var reserved = slices.Concat(everybody, []string{Join, "owner", "owners", string(Admin), "admins"}, words(given))

func words(roles []Role) (out []string) {
	for _, r := range roles {
		out = append(out, string(r))
	}
	return out
}

// CheckNew judges the name of an account that is to be made. Join is the name of an invite alone; admins, whom a
// root names, may be called as the owners like.
func CheckNew(name string, role Role) error {
	if err := signed.CheckName(name); err != nil {
		return err
	}
	if slices.Contains(reserved, name) && !(name == Join && role == Invite) {
		return fmt.Errorf("the name %q is reserved", name)
	}
	return nil
}

// CheckTeam judges the name of a team: not that of a role, nor a word for everybody.
func CheckTeam(name string) error {
	if slices.Contains(reserved, name) {
		return fmt.Errorf("the name %q is reserved", name)
	}
	return signed.CheckName(name)
}

// CheckAdmin judges the name of an admin that a root is to name: not that of the invite, nor a word for everybody.
func CheckAdmin(name string) error {
	if name == Join || slices.Contains(everybody, name) {
		return fmt.Errorf("the name %q is reserved", name)
	}
	return signed.CheckName(name)
}

// meansEverybody says whether a word of a rule stands for *, and is not it.
func meansEverybody(w string) bool {
	bare := strings.ToLower(strings.TrimPrefix(w, "@"))
	return w != "*" && (bare == "*" || slices.Contains(everybody, bare))
}

// CheckWho refuses a list of a rule or of readers that names somebody who is not there: an account that is not known or gone,
// a team that nobody is in. A rule that denies nobody looks like one that denies. Errors are of fault.Usage,
// with a hint.
func (s *State) CheckWho(who []string) error {
	var accounts, teams []string
	for _, a := range s.Accounts() {
		if a.Gone {
			continue
		}
		accounts = append(accounts, a.Name)
		for _, t := range a.Teams {
			if !slices.Contains(teams, "@"+t) {
				teams = append(teams, "@"+t)
			}
		}
	}
	roles := []string{"@" + string(Admin)}
	for _, r := range given {
		roles = append(roles, "@"+string(r))
	}
	known := slices.Concat(accounts, teams, roles, []string{"*"})
	for _, w := range who {
		if slices.Contains(known, w) {
			continue
		}
		err := fault.New(fault.Usage, "%q names nobody in the group", w)
		bare := strings.ToLower(strings.TrimPrefix(w, "@"))
		if meansEverybody(w) {
			return fault.Hint(err, "write * for everybody")
		}
		if c := closest(w, bare, known); c != "" {
			return fault.Hint(err, "did you mean %s? write * for everybody; p2pshare group user list shows accounts and teams", c)
		}
		if strings.HasPrefix(w, "@") {
			return fault.Hint(err, "put somebody into the team first: p2pshare group user teams GROUP NAME %s; write * for everybody", bare)
		}
		return fault.Hint(err, "add the account first: p2pshare group user add; write * for everybody")
	}
	return nil
}

// closest is the known name that was meant: the same but for the @ or case, or one that is spelled nearly so.
func closest(w, bare string, known []string) string {
	for _, c := range []string{bare, "@" + bare} {
		if slices.Contains(known, c) {
			return c
		}
	}
	return spelling.Closest(strings.ToLower(w), known)
}

// Reserved says whether a name was an admin's in any root: no hello takes it.
func (s *State) Reserved(name string) bool {
	return slices.ContainsFunc(s.roots, func(r *signed.SignedRoot) bool {
		return slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == name })
	})
}
