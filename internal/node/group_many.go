package node

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/state"
)

// addUsers adds accounts with passwords that are made, all or none, and writes who has which to a file.
func (m *member) addUsers(ctx context.Context, r AddUsers, a *GroupAnswer, on func(Event)) error {
	s, err := m.AsAdmin("add accounts")
	if err != nil {
		return err
	}
	switch {
	case !m.private():
		return fault.Hint(fault.New(fault.Usage, "many accounts are added to private groups"), "p2pshare group user add adds one, with a key")
	case len(r.Users) == 0:
		return fault.New(fault.Usage, "there are no accounts to add")
	}
	if _, err := os.Lstat(r.Out); err == nil {
		return fault.Hint(fault.New(fault.Usage, "%q is there already", r.Out), "name another file: passwords that are written over are lost")
	}
	users, there := newcomers(s, r.Users)
	switch {
	case len(there) > 0 && !r.Skip:
		return fault.Hint(fault.New(fault.Usage, "of the %d accounts %d are there already: %s", len(r.Users), len(there), some(there)),
			"nobody was added; --skip-existing leaves those as they are, and adds the others")
	case len(users) == 0:
		a.Notes = []string{fmt.Sprintf("all %d accounts are there already: nothing was done", len(there))}
		return nil
	}
	seen := map[string]bool{}
	var list []group.NewAccount
	for _, u := range users {
		if err := m.mayAdd(s, u); err != nil {
			return err
		}
		if seen[u.Name] {
			return fault.New(fault.Usage, "the account %q is in the list twice", u.Name)
		}
		seen[u.Name] = true
		password, _, err := m.newPassword(u.Password, u.Name)
		if err != nil {
			return err
		}
		list = append(list, group.NewAccount{Name: u.Name, Role: acl.Role(u.Role), Teams: u.Teams, Until: u.Until, Password: password})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// As with a key: the passwords are on disk before somebody has them.
	if err := m.writePasswords(r.Out, list); err != nil {
		return err
	}
	if err := m.AddAccounts(ctx, list, m.s.n.passwordWork(), progressOf(on, len(list), time.Now)); err != nil {
		return errors.Join(err, os.Remove(r.Out))
	}
	a.Wrote, a.Link, a.Added = r.Out, m.Link().String(), len(list)
	a.Notes = []string{"the passwords are in " + r.Out + " alone: hand each to its user, then remove the file"}
	if len(there) > 0 {
		a.Notes = append(a.Notes, "there already, and as they were: "+some(there))
	}
	if teams := teamsOf(s, users); teams != "" {
		a.Notes = append(a.Notes, "teams: "+teams)
	}
	return nil
}

// newcomers are those of a list who have no account, and the names of the others.
func newcomers(s *acl.State, list []AddUser) (users []AddUser, there []string) {
	for _, u := range list {
		if a, ok := s.Account(u.Name); ok && !a.Gone {
			there = append(there, u.Name)
			continue
		}
		users = append(users, u)
	}
	return users, there
}

// some names a few of many.
func some(names []string) string {
	const few = 10
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// teamsOf says how many of those who are added are in which team, and which of the teams nobody was in: a name that was
// mistyped is a team too, of which no rule speaks.
func teamsOf(s *acl.State, users []AddUser) string {
	known, in := map[string]bool{}, map[string]int{}
	for _, x := range s.Accounts() {
		for _, t := range x.Teams {
			known[t] = known[t] || !x.Gone
		}
	}
	for _, u := range users {
		for _, t := range u.Teams {
			in[t]++
		}
	}
	var words []string
	for _, t := range slices.Sorted(maps.Keys(in)) {
		w := fmt.Sprintf("%s %d", t, in[t])
		if !known[t] {
			w += " (new)"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}

// progressOf tells how many passwords are made, and how long the others take at that pace.
func progressOf(on func(Event), all int, now func() time.Time) func(made int) {
	begun := now()
	tellIt := func(made int) {
		p := Progress{Phase: PhasePasswords, Done: int64(made), Total: int64(all)}
		if made > 0 {
			p.ETA = now().Sub(begun) / time.Duration(made) * time.Duration(all-made)
		}
		on(Event{Progress: &p})
	}
	tellIt(0)
	return tellIt
}

func (m *member) writePasswords(path string, list []group.NewAccount) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"name", "password", "link"}) // into memory: errors are told at the end
	for _, x := range list {
		_ = w.Write([]string{x.Name, x.Password, m.Link().String()})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return state.WriteFile(path, []byte(b.String()), 0o600)
}
