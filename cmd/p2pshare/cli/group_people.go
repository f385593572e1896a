package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func userAddCommand() command {
	return command{
		name: "group user add", group: groupGroups, args: "GROUP [NAME]", min: 1, max: 2, run: userAddAction,
		summary: "add an account, or many",
		about: "In a private group it prints what the person gets: the link, their name and a password that is made and shown this once. They join with p2pshare group join LINK --user NAME, " +
			"on up to 32 machines, or --devices. Give them the password by another way than the link.\n\n" +
			"With --csv everyone in FILE is added, or nobody. Its first line names the columns, in any order: name, role, teams, until; all but name may be missing or empty, and teams have spaces or " +
			"semicolons between them. With --skip-existing the same list can be fed again when it has grown. Names, the link and the passwords are written to the file of --out, which nobody else can read.\n\n" +
			"In a public group the account's key is written to the file of --key-file, which is for that person or machine alone: they join with p2pshare group join LINK --user NAME --key-file FILE.\n\n" +
			rolesText + " Admins alone can add accounts. " + groupText,
		examples: []example{
			{"a person who publishes, in a private group", "p2pshare group user add films bob"},
			{"a guest, until the end of the year", "p2pshare group user add films guest --role member --until 2027-01-01"},
			{"a machine that keeps everything", "p2pshare group user add films nas --role backup"},
			{"everyone in the office", "p2pshare group user add office --csv people.csv --out invites.csv"},
			{"a publisher of a public group", "p2pshare group user add acme bob --team crew --key-file bob.key"},
		},
		exits: groupExits,
		flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "role", Category: groupMember, Value: "publisher", Usage: "may do what a `ROLE` may: publisher, member, backup, mirror or invite"},
			&cli.StringSliceFlag{Name: "team", Category: groupMember, Usage: "belongs to `TEAM`, which rules can name as @TEAM; may be repeated"},
			&cli.StringFlag{Name: "until", Category: groupMember, Usage: "may do so until `DATE` (2027-01-01, at its beginning in UTC)", DefaultText: "for ever"},
			&cli.StringFlag{Name: "devices", Category: groupMember, Usage: "may have `N` machines at a time", DefaultText: "32"},
			&cli.StringFlag{Name: "csv", Category: groupMember, Usage: "add the accounts in `FILE`; - is stdin; private groups"},
			&cli.BoolFlag{Name: "skip-existing", Category: groupMember, Usage: "with --csv: leave those as they are who have an account, and add the others"},
			&cli.StringFlag{Name: "out", Category: groupOutput, Usage: "write their passwords to `FILE`, which must not be there yet"},
			&cli.StringFlag{Name: "key-file", Category: groupOutput, Usage: "write the key to `FILE`, which must not be there yet; public groups"},
		}, choiceFlags(), signFlags()),
	}
}

func userAddAction(ctx context.Context, s *session, c *cli.Context) error {
	if c.String("csv") != "" || c.String("out") != "" {
		return s.addUsers(ctx, c)
	}
	if c.NArg() < 2 {
		return fault.Hint(usagef("group user add needs GROUP NAME"), "or GROUP --csv FILE --out FILE, for many")
	}
	u := node.AddUser{Name: c.Args().Get(1), Role: c.String("role"), Key: s.abs(c.String("key-file"))}
	if err := checkAccount("the name", u.Name); err != nil {
		return err
	}
	if err := checkRole("--role", u.Role); err != nil {
		return err
	}
	var err error
	if u.Teams, err = readTeams("--team", c.StringSlice("team")); err != nil {
		return err
	}
	if v := c.String("until"); v != "" {
		if u.Until, err = comingDate(s.env.Now(), "--until", v); err != nil {
			return err
		}
	}
	if v := c.String("devices"); v != "" {
		if u.Devices, err = readDevices("--devices", v); err != nil {
			return err
		}
	}
	if u.Key != "" && (c.Bool("ask") || c.String("password-file") != "") {
		return fault.Hint(usagef("--key-file is for public groups, and a password for private ones"), "leave one of them out")
	}
	if u.Password, err = s.newPassword(ctx, c, "of "+u.Name); err != nil {
		return err
	}
	var a *node.GroupAnswer
	err = s.withGroups(ctx, c, func(b Backend) (err error) {
		if err := s.fits(ctx, b, c.Args().First(), u); err != nil {
			return err
		}
		a, err = groupOf(b.Group(ctx, node.GroupRequest{Group: c.Args().First(), Offline: c.Bool("offline"), AddUser: &u}, s.out.event))
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare group user list says whether the account is there")
	}
	s.added(c, a, u)
	return nil
}

// fits refuses an account that is of the other kind of group. What is in no list, the node judges.
func (s *session) fits(ctx context.Context, b Backend, group string, u node.AddUser) error {
	all, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}, Offline: true}, func(node.Event) {}))
	if err != nil {
		return err
	}
	g, there := named(all.Groups, group)
	switch public := g.Kind == "public"; {
	case !there:
	case public && u.Password != "":
		return fault.Hint(usagef("%s is a public group, whose accounts have keys and no passwords", g.Name), "add --key-file %s.key instead", u.Name)
	case public && u.Key == "":
		return fault.Hint(usagef("%s is a public group, and its accounts need a file for the key", g.Name), "add --key-file %s.key, and give that file to %s alone", u.Name, u.Name)
	case public && u.Role != "publisher" && u.Role != "member":
		return fault.Hint(usagef("--role %s is for private groups", u.Role), "choose publisher or member")
	case !public && u.Key != "":
		return fault.Hint(usagef("%s is a private group, whose accounts have passwords and no key files", g.Name), "leave --key-file out: a password is made and printed")
	}
	return nil
}

// added tells of a new account, and what to give to whom it is for.
func (s *session) added(c *cli.Context, a *node.GroupAnswer, u node.AddUser) {
	s.groupObject(a)
	group, link := printable(cmp.Or(the(a).Name, c.Args().First())), printable(cmp.Or(a.Link, "LINK"))
	if u.Key != "" {
		if !s.out.json {
			s.out.path(cmp.Or(a.Wrote, u.Key))
		}
		s.out.say("added %s (%s) to %s; give the key file to them alone, and they join with", printable(u.Name), u.Role, group)
		s.out.say("p2pshare group join %s --user %s --key-file FILE", link, printable(u.Name))
		s.notes(a)
		return
	}
	s.labelled([][2]string{{"link", a.Link}, {"user", u.Name}, {"password", string(a.Password)}})
	s.out.say("added %s (%s) to %s; they join with p2pshare group join LINK --user %s, which asks for the password", printable(u.Name), u.Role, group, printable(u.Name))
	if a.Password != "" {
		s.out.say("give them the password, which is shown this once, by another way than the link")
	}
	if u.Role == "backup" || u.Role == "mirror" {
		s.out.say("on that machine, p2pshare group follow %s -o DIR then makes it keep what is shared", group)
	}
	s.notes(a)
}

func userListCommand() command {
	return command{
		name: "group user list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: userListAction,
		summary:  "list the accounts",
		about:    "Prints name, role, teams and the end of each account, how many machines it has and may have, and when one of them signed something last: a member that runs does so once a day at least. Who came by a password or into an open group is unconfirmed until an admin's machine has heard of it, within seconds if one is online: such an account has the rights of every member, and none that are given to its name. With --quiet, the names of those that are not gone. " + groupText,
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
	rows := s.head(len(a.Accounts), accountHead()...)
	for _, x := range a.Accounts {
		rows = append(rows, accountRow(x, s.env.Now()))
	}
	s.rows(rows)
}

func userRemoveCommand() command {
	return command{
		name: "group user remove", group: groupGroups, args: "GROUP NAME", min: 2, max: 2, run: userRemoveAction,
		summary: "remove an account",
		about: "The account and its machines can sign nothing more that counts, with whatever date; what they published before stands, and " +
			"p2pshare drop takes it back. Others hear of it when they meet this machine or one that has heard.\n\n" +
			"In a private group the same command shuts them out: their connections are cut, what is shared from now on is sealed with new keys, and the link is a new one, which is printed for whom you " +
			"invite next (members learn it by themselves). If they could know the group's password, a new one is made and printed too. What they have fetched stays with them. " + groupText,
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
	s.removed(a, name)
	return nil
}

// removed tells what was removed, and what is new because of it.
func (s *session) removed(a *node.GroupAnswer, what string) {
	s.groupObject(a)
	s.out.answer("removed " + what)
	if the(a).Kind == "private" && a.Link != "" {
		s.labelled([][2]string{{"new link", a.Link}, {"new password", string(a.Password)}})
		also := ""
		switch {
		case a.Password != "" && a.User != "":
			s.out.say("the new password is that of %s, and is shown this once: give it to them by another way than the link", printable(a.User))
		case a.Password != "":
			also = ", and the new password of the group, which is shown this once"
		}
		s.out.say("whom you invite from now on needs the new link%s; members go on as they are", also)
	}
	s.notes(a)
}

func deviceListCommand() command {
	return command{
		name: "group device list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: deviceListAction,
		summary:  "list the machines",
		about:    "Prints key, account, label, when each machine came and signed something last, how many records it has signed, and what is wrong with it. With --quiet, the keys. " + groupText,
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
	rows := s.head(len(a.Devices), "KEY", "ACCOUNT", "LABEL", "SINCE", "LAST SIGNED", "RECORDS", "")
	for _, d := range a.Devices {
		rows = append(rows, []string{short(d.Key), d.Account, cmp.Or(d.Label, "-"), timeText(d.Since), timeText(d.Seen), fmt.Sprint(d.Records), d.Problem})
	}
	s.rows(rows)
	return nil
}

func deviceRemoveCommand() command {
	return command{
		name: "group device remove", group: groupGroups, args: "GROUP KEY", min: 2, max: 2, run: deviceRemoveAction,
		summary: "cut off one machine of an account",
		about: "What it signs from now on does not count, and the account goes on with its other machines. In a private group it is cut off, what is shared from now on is sealed with new keys, and the link is a new one.\n\n" +
			"For a laptop that was lost add --lost: whoever has its disk may have the account's keys, so the account gets another password first, which is printed this once, and then the machine is removed. Its other " +
			"machines have to log in again with that password. Without --lost a terminal asks. It may be added later too, when the machine is removed already. " +
			"KEY is the machine's, or its first digits (p2pshare group device list). " + groupText,
		examples: []example{{"a machine that was given back", "p2pshare group device remove acme 3f9a2c41"}, {"a lost laptop", "p2pshare group device remove office 3f9a2c41 --lost"}},
		exits:    groupExits,
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "lost", Category: groupMember, Usage: "somebody else may have it: give its account another password first; private groups"},
		}, signFlags()...),
	}
}

func deviceRemoveAction(ctx context.Context, s *session, c *cli.Context) error {
	key := c.Args().Get(1)
	if len(key) < 4 || len(key) > 64 || strings.Trim(key, "0123456789abcdefABCDEF") != "" {
		return fault.Hint(usagef("%q is no key of a machine, nor the first digits of one (four at least)", key), "p2pshare group device list shows them")
	}
	key = strings.ToLower(key)
	r := node.GroupRequest{Group: c.Args().First(), RemoveDevice: &key, Lost: c.Bool("lost"), Offline: c.Bool("offline")}
	var a *node.GroupAnswer
	err := s.withGroups(ctx, c, func(b Backend) (err error) {
		if !r.Lost && s.env.Ask != nil {
			if r.Lost, err = s.askLost(ctx, b, r.Group); err != nil {
				return err
			}
		}
		a, err = groupOf(b.Group(ctx, r, s.out.event))
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare group device list says whether it is there")
	}
	s.removed(a, key)
	return nil
}

// askLost asks whether a machine that is removed from a private group may be in other hands.
func (s *session) askLost(ctx context.Context, b Backend, group string) (bool, error) {
	all, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}, Offline: true}, func(node.Event) {}))
	if err != nil {
		return false, err
	}
	if g, there := named(all.Groups, group); !there || g.Kind != "private" {
		return false, nil
	}
	answer, err := s.env.Ask(ctx, "May somebody else have that machine, or its disk? Its account then gets another password first. [y/N] ")
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
