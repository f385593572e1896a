package cli

import (
	"cmp"
	"context"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func groupPasswdCommand() command {
	return command{
		name: "group passwd", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupPasswdAction,
		summary: "change a password of a private group",
		about: "Without more, the password of your own account. --user gives an account another one, for who has forgotten it; --group changes the password that people join " +
			"by. Admins alone can do these two. A password is made and printed, this once, unless one is chosen (12 characters at least).\n\n" +
			"Who has joined stays joined: a new password of the group is for newcomers. After a new password of an account, its other machines log in again " +
			"(p2pshare group join LINK --user NAME). To shut somebody out, remove them: p2pshare group user remove. " + passwordText + " " + groupText,
		examples: []example{
			{"your own", "p2pshare group passwd films"},
			{"one that you choose", "p2pshare group passwd films --ask"},
			{"bob has forgotten his", "p2pshare group passwd films --user bob"},
			{"what people join by", "p2pshare group passwd films --group"},
		},
		exits: groupExits,
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "group", Category: groupMember, Usage: "the password that people join by"},
			&cli.StringFlag{Name: "user", Category: groupMember, Usage: "the password of the account `USER`", DefaultText: "your own"},
		}, append(choiceFlags(), signFlags()...)...),
	}
}

func groupPasswdAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.ChangePassword{User: c.String("user"), Group: c.Bool("group")}
	whose := "of your account"
	switch {
	case r.Group && r.User != "":
		return fault.Hint(usagef("--group and --user are two passwords"), "leave one of them out")
	case r.Group:
		whose = "of the group"
	case r.User != "":
		if err := checkAccount("--user", r.User); err != nil {
			return err
		}
		whose = "of " + r.User
	}
	var err error
	if r.Password, err = s.newPassword(ctx, c, whose); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Passwd: &r})
	if err != nil {
		return err
	}
	s.groupObject(a)
	if a.Password != "" {
		s.out.answer(string(a.Password))
	}
	g := the(a)
	switch name := printable(g.Name); {
	case r.Group:
		s.out.say("this is what people join %s by from now on; who has joined stays", name)
	default:
		s.out.say("changed the password of %s in %s%s", printable(cmp.Or(a.User, r.User, g.Account)), name, map[bool]string{true: "; it is shown this once"}[a.Password != ""])
	}
	s.notes(a)
	return nil
}
