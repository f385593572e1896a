package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func groupCreateCommand() command {
	return command{
		name: "group create", group: groupGroups, args: "NAME", min: 1, max: 1, run: groupCreateAction,
		summary: "make a group and print its link",
		about: "The group is yours: this home holds its owner key, and its first admin is USER on this machine. NAME is what members see; it may " +
			"have a to z, digits, dots, hyphens and underscores.\n\n" +
			"--public: whoever has the link can join, list and fetch; who may publish, you say with p2pshare group user add.\n\n" +
			"--private: a password is made and printed below the link, this once. Who has both joins as a member of their own; nobody else gets a " +
			"byte, a name or a hint. Hand the two on by different ways. Who joins so reads, and with --open publishes too. --no-join makes no such password: then you add each person with p2pshare group user add, " +
			"which prints a password of their own. " + passwordText + "\n\n" +
			"Keep a copy of the owner key (p2pshare group owner export), or add a second owner: when the only owner key is lost, nobody can change who administers the group.",
		examples: []example{
			{"a channel for releases", "p2pshare group create acme --public"},
			{"one that anyone may publish into", "p2pshare group create fair --public --open"},
			{"for the family, where everybody adds: prints the link, and below it the password", "p2pshare group create films --private --open"},
			{"for an office, where an admin adds everyone", "p2pshare group create office --private --no-join --strict --stale 168"},
		},
		exits: groupExits,
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "public", Category: groupEntry, Usage: "anyone who has the link may join and read"},
			&cli.BoolFlag{Name: "private", Category: groupEntry, Usage: "only who has a password may join, and only members may read"},
			&cli.StringFlag{Name: "user", Category: groupMember, Value: "admin", Usage: "call the first admin's account `USER`"},
			&cli.BoolFlag{Name: "open", Category: groupEntry, Usage: "anyone may publish; in a private group, everyone who joins by its password"},
			&cli.BoolFlag{Name: "no-join", Category: groupEntry, Usage: "no password to join by: admins add people; private groups"},
			&cli.BoolFlag{Name: "strict", Category: groupEntry, Usage: "who has not heard of an admin for the HOURS of --stale neither serves nor lets anyone in; private groups"},
			&cli.IntFlag{Name: "stale", Category: groupEntry, Value: 720, Usage: "warn when no admin was heard for `HOURS`"},
		}, choiceFlags()...),
	}
}

func groupCreateAction(ctx context.Context, s *session, c *cli.Context) error {
	name, stale := c.Args().First(), c.Int("stale")
	r := node.CreateGroup{Kind: "public", User: c.String("user"), Open: c.Bool("open"), Stale: stale, Strict: c.Bool("strict"), NoJoin: c.Bool("no-join")}
	if c.Bool("private") {
		r.Kind = "private"
	}
	if err := checkCreate(c, r); err != nil {
		return err
	}
	if err := signed.CheckName(name); err != nil {
		return namesLike(name, usagef("%w", err))
	}
	if err := checkAccount("--user", r.User); err != nil {
		return err
	}
	var err error
	if r.Password, err = s.newPassword(ctx, c, "of the group"); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: name, Create: &r})
	if err != nil {
		return err
	}
	s.created(a, r)
	return nil
}

// checkCreate refuses what contradicts itself.
func checkCreate(c *cli.Context, r node.CreateGroup) error {
	private := c.Bool("private")
	switch {
	case private && c.Bool("public"):
		return fault.Hint(usagef("--public and --private contradict each other"), "leave one of them out")
	case !private && !c.Bool("public"):
		return fault.Hint(usagef("group create needs to know who may read"), "add --public: anyone who has the link; or --private: only who has a password as well")
	case r.NoJoin && r.Open:
		return fault.Hint(usagef("--open is for who joins by a password of the group, and with --no-join nobody does"), "leave one of them out; p2pshare group user add says of each account what it may do")
	case r.NoJoin && (c.Bool("ask") || c.String("password-file") != ""):
		return fault.Hint(usagef("--no-join makes a group without a password to join by"), "leave --no-join out, or the password")
	case r.Stale < 1 || r.Stale > 24*3650:
		return usagef("--stale %d is not a number of hours", r.Stale)
	}
	for _, flag := range []string{"strict", "no-join", "ask", "password-file"} {
		if !private && c.IsSet(flag) {
			return fault.Hint(usagef("--%s is for private groups", flag), "leave it out, or make the group --private")
		}
	}
	return nil
}

// created tells of a new group, and what to hand on to whom.
func (s *session) created(a *node.GroupAnswer, r node.CreateGroup) {
	g := the(a)
	name := printable(g.Name)
	s.groupObject(a)
	s.labelled([][2]string{{"link", a.Link}, {"password", string(a.Password)}})
	s.out.say("made the %s group %s (%s); you own it, and administer it as %s", r.Kind, name, printable(g.ID), printable(cmp.Or(g.Account, r.User)))
	switch {
	case r.Kind == "public":
		if a.Wrote != "" {
			s.out.say("the owner key is %s: keep a copy elsewhere, or add a second owner", printable(a.Wrote))
		}
		s.out.say("others join it with p2pshare group join LINK; p2pshare publish PATH --group %s --as NAME@VERSION publishes into it", name)
	case r.NoJoin:
		s.out.say("p2pshare group user add %s NAME adds a person, and prints what to give to them", name)
	default:
		s.out.say("others join it with p2pshare group join LINK, which asks for the password%s", map[bool]string{true: "; it is shown this once"}[a.Password != ""])
		if r.Open {
			s.out.say("who joins may read and publish")
		} else {
			s.out.say("who joins may read; p2pshare group user role %s NAME publisher lets one of them publish", name)
		}
	}
	s.notes(a)
}

// labelled prints lines of an answer: for eyes each says what it is, for scripts there is the value alone. What is empty is left out.
func (s *session) labelled(lines [][2]string) {
	lines = slices.DeleteFunc(lines, func(l [2]string) bool { return l[1] == "" })
	if !s.eyes() || len(lines) < 2 {
		for _, l := range lines {
			s.out.answer(l[1])
		}
		return
	}
	var rows [][]string
	for _, l := range lines {
		rows = append(rows, []string{l[0], l[1]})
	}
	s.rows(rows)
}

// notes tell what the user should know of what was done.
func (s *session) notes(a *node.GroupAnswer) {
	for _, n := range a.Notes {
		s.out.say("%s", printable(n))
	}
}

// checkAccount judges the name of an account.
func checkAccount(what, name string) error {
	if err := signed.CheckName(name); err != nil {
		return namesLike(name, usagef("%s: %w", what, err))
	}
	return nil
}

// namesLike adds to what is wrong with a name one that is like it and can be.
func namesLike(name string, err error) error {
	like := strings.Map(func(c rune) rune {
		if c == ' ' {
			return '-'
		}
		return unicode.ToLower(c)
	}, strings.TrimSpace(name))
	if signed.CheckName(like) != nil {
		return err
	}
	return fault.Hint(err, "did you mean %s?", like)
}
