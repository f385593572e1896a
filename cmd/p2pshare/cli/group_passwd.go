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
			"(p2pshare group join LINK --user NAME). An admin's own keys stay, so an admin gives the old password too, but on the machine where the group was made. To shut somebody out, remove them: p2pshare group user remove. " + passwordText + " " + groupText,
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
			&cli.StringFlag{Name: "old-password-file", Category: groupMember, Usage: "read the password that you have now from `FILE`; admins, whom it is asked otherwise"},
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
	if file := c.String("old-password-file"); file != "" {
		if r.Group || r.User != "" {
			return fault.Hint(usagef("--old-password-file is for the password of your own account"), "leave it out")
		}
		if r.Old, err = s.secretFile("--old-password-file", file); err != nil {
			return err
		}
	}
	if r.Password, err = s.newPassword(ctx, c, whose); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Passwd: &r})
	if own := !r.Group && r.User == ""; own && r.Old == "" && s.env.Secret != nil && fault.KindOf(err) == fault.Denied {
		s.out.say("%s", printable(err.Error()))
		var askErr error
		if r.Old, askErr = s.askSecret(ctx, "The password that you have now (empty: leave it as it is): ", ""); askErr != nil || r.Old == "" {
			return cmp.Or(askErr, err)
		}
		a, err = s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Passwd: &r})
	}
	if err != nil {
		return err
	}
	s.groupObject(a)
	if a.Password != "" {
		s.out.answer(string(a.Password))
	}
	g, once := the(a), map[bool]string{true: "; it is shown this once"}[a.Password != ""]
	if r.Group {
		s.out.say("changed the password that people join %s by%s", printable(g.Name), once)
	} else {
		s.out.say("changed the password of %s in %s%s", printable(cmp.Or(a.User, r.User, g.Account)), printable(g.Name), once)
	}
	s.notes(a)
	return nil
}
