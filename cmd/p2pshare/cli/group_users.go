package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func userRoleCommand() command {
	return command{
		name: "group user role", group: groupGroups, args: "GROUP NAME ROLE", min: 3, max: 3, run: userRoleAction,
		summary:  "give an account another role",
		about:    rolesText + " admin takes the owners, for who administers a group stands in its root: this home needs the owner key." + ownerText + " Admins alone can do this. " + groupText,
		examples: []example{{"bob may publish", "p2pshare group user role films bob publisher"}, {"and administer", "p2pshare group user role films bob admin"}},
		exits:    groupExits,
		flags:    ownerFlags(draftFlag()),
	}
}

func userRoleAction(ctx context.Context, s *session, c *cli.Context) error {
	role := c.Args().Get(2)
	if role != "admin" {
		if err := checkRole("the role", role); err != nil {
			return err
		}
	}
	name := c.Args().Get(1)
	if err := checkAccount("the name", name); err != nil {
		return err
	}
	draft, err := s.newDraft(c)
	if err != nil {
		return err
	}
	a, err := s.askOwner(ctx, c, func(b Backend) (bool, error) { // an admin is made and unmade by the owner, and nobody else
		a, err := groupOf(b.Group(ctx, node.GroupRequest{Group: c.Args().First(), Show: &struct{}{}}, func(node.Event) {}))
		if err != nil {
			return false, err
		}
		return role == "admin" || slices.Contains(admins(a), name), nil
	}, func(p node.Secret) node.GroupRequest {
		return node.GroupRequest{ChangeUser: &node.ChangeUser{Name: name, Role: &role, Passphrase: p, Draft: draft}}
	})
	switch {
	case err != nil:
		return err
	case a.Missing > 0:
		s.groupObject(a)
		s.drafted(a)
	default:
		s.changedUser(a, name)
	}
	return nil
}

func userExpireCommand() command {
	return command{
		name: "group user expire", group: groupGroups, args: "GROUP NAME DATE|never", min: 3, max: 3, run: userExpireAction,
		summary:  "say until when an account may do what it may",
		about:    "From DATE on (2027-01-01, at its beginning in UTC, or 2027-01-01T12:00:00Z) the account is let in nowhere and what it signs does not count; what it fetched stays with it. never ends that. Admins alone can do this. " + groupText,
		examples: []example{{"a guest, until the new year", "p2pshare group user expire films guest 2027-01-01"}, {"after all", "p2pshare group user expire films guest never"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func userExpireAction(ctx context.Context, s *session, c *cli.Context) error {
	until := time.Time{}
	if v := c.Args().Get(2); v != "never" {
		var err error
		if until, err = comingDate(s.env.Now(), "the date", v); err != nil {
			return err
		}
	}
	return s.changeUser(ctx, c, node.ChangeUser{Until: &until})
}

func userTeamsCommand() command {
	return command{
		name: "group user teams", group: groupGroups, args: "GROUP NAME TEAM,...|none", min: 3, max: 3, run: userTeamsAction,
		summary:  "say which teams an account is in",
		about:    "Rules and --for name a team as @TEAM. The account is in these teams from then on, and in no other. Admins alone can do this. " + groupText,
		examples: []example{{"bob is of the crew and of the office", "p2pshare group user teams films bob crew,office"}, {"of no team", "p2pshare group user teams films bob none"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func userTeamsAction(ctx context.Context, s *session, c *cli.Context) error {
	teams := []string{}
	if v := c.Args().Get(2); v != "none" {
		var err error
		if teams, err = readTeams("the team", []string{v}); err != nil {
			return err
		}
		if len(teams) == 0 {
			return fault.Hint(usagef("%q names no team", v), "write crew,office, or none")
		}
	}
	return s.changeUser(ctx, c, node.ChangeUser{Teams: &teams})
}

func userDevicesCommand() command {
	return command{
		name: "group user devices", group: groupGroups, args: "GROUP NAME N", min: 3, max: 3, run: userDevicesAction,
		summary: "say how many machines an account may have",
		about: "An account has at most 32 machines at a time, unless an admin allows it more, up to 10,000; everybody keeps what they have signed, 4 MiB for each that it may have. " +
			"One that is removed with p2pshare group device remove frees its place. Those of admins are not counted. Admins alone can do this. " + groupText,
		examples: []example{{"a build service with many runners", "p2pshare group user devices acme ci 100"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func userDevicesAction(ctx context.Context, s *session, c *cli.Context) error {
	n, err := readDevices("the number", c.Args().Get(2))
	if err != nil {
		return err
	}
	return s.changeUser(ctx, c, node.ChangeUser{Devices: &n})
}

// readDevices reads how many machines an account may have.
func readDevices(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 10_000 {
		return 0, fault.Hint(usagef("%s %q is not from 1 to 10000", what, text), "32 is what an account may have without it")
	}
	return n, nil
}

// changeUser carries a change of the account that the line names out, and shows the account as it is then.
func (s *session) changeUser(ctx context.Context, c *cli.Context, u node.ChangeUser) error {
	u.Name = c.Args().Get(1)
	if err := checkAccount("the name", u.Name); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), ChangeUser: &u})
	if err != nil {
		return err
	}
	s.changedUser(a, u.Name)
	return nil
}

// admins are the names of a group's admins.
func admins(a *node.GroupAnswer) (names []string) {
	for _, x := range a.Accounts {
		if x.Role == "admin" && !x.Gone {
			names = append(names, x.Name)
		}
	}
	return names
}

func (s *session) changedUser(a *node.GroupAnswer, name string) {
	s.groupObject(a)
	if i := slices.IndexFunc(a.Accounts, func(x node.GroupAccount) bool { return x.Name == name }); i >= 0 {
		s.rows(append(s.head(1, accountHead()...), accountRow(a.Accounts[i], s.env.Now())))
	}
	s.notes(a)
}

const rolesText = "Roles: publisher publishes and reads; member reads; backup reads, keeps everything and can restore the group; mirror keeps what was published with --seal and can " +
	"read nothing; invite has a password by which others make themselves accounts. Public groups have publisher and member."

func checkRole(what, role string) error {
	switch role {
	case "publisher", "member", "backup", "mirror", "invite":
		return nil
	case "admin":
		return fault.Hint(usagef("%s cannot be admin: who administers a group stands in its root", what), "add them as publisher, then p2pshare group user role GROUP NAME admin")
	}
	return fault.Hint(usagef("%s %q is not known", what, role), "choose publisher or member, in a private group also backup, mirror or invite")
}

// readTeams takes lists of teams apart, with or without @.
func readTeams(what string, lists []string) ([]string, error) {
	var teams []string
	for _, list := range lists {
		for _, t := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; ", r) }) {
			t = strings.TrimPrefix(t, "@")
			if err := checkAccount(what, t); err != nil {
				return nil, err
			}
			teams = append(teams, t)
		}
	}
	return teams, nil
}

// comingDate reads a day or a time that is still to come.
func comingDate(now time.Time, what, v string) (time.Time, error) {
	t, err := parseDate(v)
	if err != nil {
		return t, fault.Hint(usagef("%s %q is not a date", what, v), "write 2027-01-01, or 2027-01-01T12:00:00Z")
	}
	if !t.After(now) {
		return t, usagef("%s %q is past", what, v)
	}
	return t, nil
}

// parseDate reads a day, which is its beginning in UTC, or a time.
func parseDate(v string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		t, err = time.Parse(time.RFC3339, v)
	}
	return t.UTC(), err
}

// machines is how many an account has, and of how many where that is bounded.
func machines(x node.GroupAccount) string {
	if x.Places == 0 {
		return strconv.Itoa(x.Devices)
	}
	return fmt.Sprintf("%d/%d", x.Devices, x.Places)
}

func accountHead() []string {
	return []string{"NAME", "ROLE", "TEAMS", "UNTIL", "MACHINES", "LAST SIGNED"}
}

// accountRow is an account in a table: name, role, teams, until, machines, when one signed last.
func accountRow(x node.GroupAccount, now time.Time) []string {
	until := "for ever"
	switch {
	case x.Gone:
		until = "removed"
	case !x.Until.IsZero() && !now.Before(x.Until):
		until = "ended " + timeText(x.Until)
	case !x.Until.IsZero():
		until = timeText(x.Until)
	}
	role := x.Role
	if x.Unconfirmed {
		role += ", unconfirmed"
	}
	return []string{x.Name, role, cmp.Or(strings.Join(x.Teams, ","), "-"), until, machines(x), timeText(x.Seen)}
}
