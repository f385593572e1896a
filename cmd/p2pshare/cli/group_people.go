package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func userAddCommand() command {
	return command{
		name: "group user add", group: groupGroups, args: "GROUP NAME", min: 2, max: 2, run: userAddAction,
		summary: "add an account and write its key",
		about: "Makes the account NAME and writes its key to FILE, which is for that person or machine alone: whoever has it can publish in that name. " +
			"They join with it (p2pshare group join LINK --user NAME --key-file FILE) on as many machines as they like. Admins alone can do this. " + groupText,
		examples: []example{
			{"a publisher", "p2pshare group user add acme bob --role publisher --key-file bob.key"},
			{"one of a team, until the end of the year", "p2pshare group user add acme eve --team crew --until 2027-01-01 --key-file eve.key"},
		},
		exits: groupExits,
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "role", Category: groupMember, Value: "publisher", Usage: "may do what a `ROLE` may: publisher or member"},
			&cli.StringSliceFlag{Name: "team", Category: groupMember, Usage: "belongs to `TEAM`, which rules can name as @TEAM; may be repeated"},
			&cli.StringFlag{Name: "until", Category: groupMember, Usage: "may do so until `DATE` (2027-01-01, at its beginning in UTC)", DefaultText: "for ever"},
			&cli.StringFlag{Name: "key-file", Category: groupOutput, Usage: "write the key to `FILE`, which must not be there yet"},
		}, signFlags()...),
	}
}

func userAddAction(ctx context.Context, s *session, c *cli.Context) error {
	u := node.AddUser{Name: c.Args().Get(1), Role: c.String("role"), Key: s.abs(c.String("key-file"))}
	if err := checkAccount("the name", u.Name); err != nil {
		return err
	}
	for _, t := range c.StringSlice("team") {
		u.Teams = append(u.Teams, strings.TrimPrefix(t, "@"))
		if err := checkAccount("--team", strings.TrimPrefix(t, "@")); err != nil {
			return err
		}
	}
	switch {
	case u.Role != "publisher" && u.Role != "member":
		return fault.Hint(usagef("--role %q is not known", u.Role), "choose publisher or member; who administers a group stands in its root")
	case u.Key == "":
		return fault.Hint(usagef("group user add needs a file for the key"), "add --key-file %s.key, and give that file to %s alone", u.Name, u.Name)
	}
	var err error
	if u.Until, err = s.dateFlag(c, "until"); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), AddUser: &u})
	if err != nil {
		return err
	}
	wrote := cmp.Or(a.Wrote, u.Key)
	s.groupObject(a)
	if !s.out.json {
		s.out.path(wrote)
	}
	s.out.say("added %s (%s) to %s; give the key file to them alone, and they join with", printable(u.Name), u.Role, printable(cmp.Or(the(a).Name, c.Args().First())))
	s.out.say("p2pshare group join %s --user %s --key-file FILE", printable(cmp.Or(a.Link, "LINK")), printable(u.Name))
	return nil
}

// dateFlag reads a day or a time that is still to come.
func (s *session) dateFlag(c *cli.Context, flag string) (time.Time, error) {
	v := c.String(flag)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		t, err = time.Parse(time.RFC3339, v)
	}
	if err != nil {
		return t, fault.Hint(usagef("--%s %q is not a date", flag, v), "write 2027-01-01, or 2027-01-01T12:00:00Z")
	}
	if !t.After(s.env.Now()) {
		return t, usagef("--%s %q is past", flag, v)
	}
	return t.UTC(), nil
}

func userListCommand() command {
	return command{
		name: "group user list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: userListAction,
		summary:  "list the accounts",
		about:    "Prints name, role, teams and the end of each account. With --quiet, the names of those that are not gone. " + groupText,
		examples: []example{{"all of them", "p2pshare group user list acme"}},
		exits:    groupExits,
	}
}

func userListAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Show: &struct{}{}})
	if err != nil {
		return err
	}
	s.accounts(a)
	return nil
}

func (s *session) accounts(a *node.GroupAnswer) {
	if s.out.json {
		s.out.object("users", struct {
			Group string              `json:"group"`
			Users []node.GroupAccount `json:"users"`
		}{the(a).Name, append([]node.GroupAccount{}, a.Accounts...)})
		return
	}
	if s.out.quiet {
		for _, x := range a.Accounts {
			if !x.Gone {
				s.out.answer(x.Name)
			}
		}
		return
	}
	rows := s.head(len(a.Accounts), "NAME", "ROLE", "TEAMS", "UNTIL")
	for _, x := range a.Accounts {
		until := "for ever"
		switch {
		case x.Gone:
			until = "removed"
		case !x.Until.IsZero():
			until = timeText(x.Until)
		}
		rows = append(rows, []string{x.Name, x.Role, cmp.Or(strings.Join(x.Teams, ","), "-"), until})
	}
	s.rows(rows)
}

func userRemoveCommand() command {
	return command{
		name: "group user remove", group: groupGroups, args: "GROUP NAME", min: 2, max: 2, run: userRemoveAction,
		summary: "remove an account",
		about: "The account and its machines can sign nothing more that counts, with whatever date; what they published before stands, and " +
			"p2pshare drop takes it back. Others hear of it when they meet this machine or one that has heard. " + groupText,
		examples: []example{{"remove one", "p2pshare group user remove acme bob"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func userRemoveAction(ctx context.Context, s *session, c *cli.Context) error {
	name := c.Args().Get(1)
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), RemoveUser: &name})
	if err != nil {
		return err
	}
	s.groupObject(a)
	s.out.answer("removed " + name)
	return nil
}

func deviceListCommand() command {
	return command{
		name: "group device list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: deviceListAction,
		summary:  "list the machines",
		about:    "Prints key, account, label, when each machine came and was last heard, how many records it has signed, and what is wrong with it. With --quiet, the keys. " + groupText,
		examples: []example{{"all of them", "p2pshare group device list acme"}},
		exits:    groupExits,
	}
}

func deviceListAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Show: &struct{}{}})
	if err != nil {
		return err
	}
	switch {
	case s.out.json:
		s.out.object("devices", struct {
			Group   string             `json:"group"`
			Devices []node.GroupDevice `json:"devices"`
		}{the(a).Name, append([]node.GroupDevice{}, a.Devices...)})
		return nil
	case s.out.quiet:
		for _, d := range a.Devices {
			s.out.answer(d.Key)
		}
		return nil
	}
	rows := s.head(len(a.Devices), "KEY", "ACCOUNT", "LABEL", "SINCE", "SEEN", "RECORDS", "")
	for _, d := range a.Devices {
		rows = append(rows, []string{short(d.Key), d.Account, cmp.Or(d.Label, "-"), timeText(d.Since), timeText(d.Seen), fmt.Sprint(d.Records), d.Problem})
	}
	s.rows(rows)
	return nil
}

func deviceRemoveCommand() command {
	return command{
		name: "group device remove", group: groupGroups, args: "GROUP KEY", min: 2, max: 2, run: deviceRemoveAction,
		summary:  "cut off one machine of an account",
		about:    "For a laptop that was lost: what it signs from now on does not count, and the account goes on with its other machines. KEY is the machine's, or its first digits (p2pshare group device list). " + groupText,
		examples: []example{{"a lost laptop", "p2pshare group device remove acme 3f9a2c41"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func deviceRemoveAction(ctx context.Context, s *session, c *cli.Context) error {
	key := c.Args().Get(1)
	if len(key) < 4 || len(key) > 64 || strings.Trim(key, "0123456789abcdefABCDEF") != "" {
		return fault.Hint(usagef("%q is no key of a machine, nor the first digits of one (four at least)", key), "p2pshare group device list shows them")
	}
	key = strings.ToLower(key)
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), RemoveDevice: &key})
	if err != nil {
		return err
	}
	s.groupObject(a)
	s.out.answer("removed " + key)
	return nil
}
