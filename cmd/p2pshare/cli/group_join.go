package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func groupJoinCommand() command {
	return command{
		name: "group join", group: groupGroups, args: "LINK|FILE|GROUP", min: 1, max: 1, run: groupJoinAction,
		summary: "join a group by its link",
		about: "Finds a member on the LAN, by the DHT, at an address in the link or at --peer, and gets the catalog from it. " +
			"FILE is what p2pshare catalog export wrote: with it no member has to be met. From then on p2pshare fetch GROUP/NAME " +
			"fetches by name.\n\n" +
			"A private group asks for its password, and makes you an account with the name of this system's user, or --account. With --user the password is " +
			"that of an account which an admin has made for you, and this machine becomes one of it. The password never leaves this machine: what it opens comes " +
			"from the group, from any member that is there. GROUP is one that this home is in already: it logs in again, which is what a changed password takes. " + passwordText +
			" --keyring takes it from the desktop's keyring, and puts it there the first time.\n\n" +
			"In a public group, --user and --key-file make this machine one of an account that an admin has added: the key is used once and not kept. " +
			"--device-key keeps this machine's own key in a file, or takes it from there: so a job that begins on an " +
			"empty disk every time is always the same machine.",
		examples: []example{
			{"join, and see what there is", "p2pshare group join p2pshare:ah3x... && p2pshare catalog list acme"},
			{"a private group, as the person an admin has added", "p2pshare group join p2pshare:ai7q... --user bob"},
			{"in a script", "p2pshare group join p2pshare:ai7q... --user nas --password-file /root/nas.password"},
			{"a public group, as a publisher with the key that an admin gave", "p2pshare group join p2pshare:ah3x... --user bob --key-file bob.key"},
			{"again, after an admin has given you another password", "p2pshare group join films"},
			{"from a file that a friend brought", "p2pshare group join acme.p2pshare"},
		},
		exits: append(slices.Clone(groupExits), exitUnverified, exitTimeout),
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "as", Category: groupEntry, Usage: "call the group `NAME` here", DefaultText: "its own name"},
			&cli.StringFlag{Name: "user", Category: groupMember, Usage: "become a machine of the account `USER`, by its password, or in a public group by --key-file"},
			&cli.StringFlag{Name: "account", Category: groupMember, Usage: "call the account that is made `NAME`; private groups", DefaultText: "the system's user"},
			passwordFileFlag(),
			&cli.BoolFlag{Name: "keyring", Category: groupMember, Usage: "take the password from the desktop's keyring; ask and put it there if it has none"},
			&cli.StringFlag{Name: "key-file", Category: groupMember, Usage: "read the account's key from `FILE`; public groups"},
			&cli.StringFlag{Name: "device-key", Category: groupMember, Usage: "be the machine whose key is in `FILE`, which is written if it is not there"},
			&cli.StringFlag{Name: "label", Category: groupMember, Usage: "call this machine `NAME` in the group", DefaultText: "its host name"},
			&cli.DurationFlag{Name: "timeout", Category: groupNetwork, Value: 2 * time.Minute, Usage: "look for a member for `TIME` at most; 0 for ever"},
		}, memberFlags()...),
	}
}

func groupJoinAction(ctx context.Context, s *session, c *cli.Context) error {
	what, link, err := s.linkOrFile(c.Args().First())
	j := node.JoinGroup{
		As: c.String("as"), User: c.String("user"), Key: s.abs(c.String("key-file")), DeviceKey: s.abs(c.String("device-key")),
		Label: c.String("label"), Timeout: c.Duration("timeout"), Peers: c.StringSlice("peer"), Account: c.String("account"),
	}
	if err != nil {
		if signed.CheckName(what) != nil {
			return err
		}
		// It may be the name of a group that this home is in.
		g, there, lerr := s.joinedGroup(ctx, c, what)
		if lerr != nil || !there {
			return cmp.Or(lerr, err)
		}
		if g.Kind != "private" {
			return fault.Hint(usagef("this home is in %s already", printable(g.Name)), "p2pshare catalog list %s shows what there is", printable(g.Name))
		}
		id, err := signed.ParseGroupID(g.ID)
		if err != nil {
			return err
		}
		if link = (&signed.Link{Group: id, Kind: signed.Private}); j.User == "" && j.Account == "" {
			j.User = g.Account
		}
	}
	if err := checkJoin(c, j, link); err != nil {
		return err
	}
	var a *node.GroupAnswer
	var from kept
	err = s.tries(c, func() (err error) {
		if j.Password, from, err = s.joinPassword(ctx, c, j, link); err == nil {
			a, err = s.askGroup(ctx, c, node.GroupRequest{Group: what, Join: &j})
		}
		return err
	})
	if err != nil {
		return from.explain(err)
	}
	s.joined(a)
	s.keep(from, j.Password)
	return nil
}

// passwordTries is how often a password is asked for.
const passwordTries = 3

// tries does what takes a password, again where one was typed that is wrong.
func (s *session) tries(c *cli.Context, do func() error) error {
	typed := s.env.Secret != nil && c.String("password-file") == "" && !c.Bool("keyring")
	for n := 1; ; n++ {
		err := do()
		if !errors.Is(err, seal.ErrPassword) || !typed || n == passwordTries {
			return err
		}
		s.out.say("%s; once more, or Ctrl-C", printable(err.Error()))
	}
}

// joinedGroup is a group that this home is in, by its name or ID.
func (s *session) joinedGroup(ctx context.Context, c *cli.Context, name string) (g node.Group, there bool, err error) {
	err = s.withGroups(ctx, c, func(b Backend) error {
		all, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}, Offline: true}, func(node.Event) {}))
		if err == nil {
			g, there = named(all.Groups, name)
		}
		return err
	})
	return g, there, err
}

// checkJoin refuses flags that are of the other kind of group, and such as contradict each other. link is nil for a file,
// whose kind the node will see.
func checkJoin(c *cli.Context, j node.JoinGroup, link *signed.Link) error {
	private, public := link != nil && link.Kind == signed.Private, link != nil && link.Kind == signed.Public
	for _, flag := range []string{"account", "password-file", "keyring"} {
		if public && c.IsSet(flag) {
			return fault.Hint(usagef("--%s is for private groups, and the link is of a public one", flag), "leave it out; a public group needs no password")
		}
	}
	switch {
	case private && j.Key != "":
		return fault.Hint(usagef("--key-file is for public groups, and the link is of a private one"), "an account of a private group has a password: leave --key-file out, and type it or add --password-file FILE")
	case private && j.DeviceKey != "":
		return fault.Hint(usagef("--device-key is for public groups, and the link is of a private one"), "leave it out: the home keeps this machine's key")
	case public && (j.User == "") != (j.Key == ""), link == nil && j.Key != "" && j.User == "":
		return fault.Hint(usagef("--user and --key-file belong together"), "an admin writes the key with p2pshare group user add; without both, you join as a reader")
	case j.User != "" && j.Account != "":
		return fault.Hint(usagef("--user is an account that there is, and --account the name of one that is made"), "leave one of them out")
	case c.Bool("keyring") && c.String("password-file") != "":
		return fault.Hint(usagef("--keyring and --password-file are two sources of one password"), "leave one of them out")
	case c.Bool("keyring") && link == nil:
		return fault.Hint(usagef("--keyring is for a join by link"), "add --password-file FILE, or leave it out and type the password")
	case j.Timeout < 0:
		return usagef("--timeout %v is negative", j.Timeout)
	}
	for _, x := range [][2]string{{"--as", j.As}, {"--user", j.User}, {"--account", j.Account}} {
		if x[1] != "" {
			if err := checkAccount(x[0], x[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// joinPassword is the password that a join takes; empty where it takes none.
func (s *session) joinPassword(ctx context.Context, c *cli.Context, j node.JoinGroup, link *signed.Link) (node.Secret, kept, error) {
	question := "Password of the group: "
	if j.User != "" {
		question = "Password of " + j.User + ": "
	}
	switch {
	case link != nil && link.Kind == signed.Public, link == nil && (j.Key != "" || j.User == "" && !c.IsSet("password-file")):
		return "", kept{}, nil
	case c.Bool("keyring"):
		return s.keyringPassword(ctx, link.Group.String()+"/"+cmp.Or(j.User, "join"), question)
	}
	p, err := s.password(ctx, c, question)
	return p, kept{}, err
}

// joined tells what this machine is in a group that it came into.
func (s *session) joined(a *node.GroupAnswer) {
	g := the(a)
	s.groupObject(a)
	s.out.answer(g.Name)
	as := "as a reader"
	if g.Account != "" {
		as = "as " + g.Account + ", " + g.Role
	}
	s.out.say("joined %s (%s) %s: %s", printable(g.Title), printable(g.ID), printable(as), entriesText(g.Entries))
	s.notes(a)
	s.warn(g)
	s.out.say("p2pshare catalog list %s shows what there is", printable(g.Name))
}

// linkOrFile tells a link from an export's path, which becomes absolute.
func (s *session) linkOrFile(arg string) (string, *signed.Link, error) {
	arg = strings.TrimSpace(arg)
	if isLink(arg) {
		l, err := signed.ParseLink(arg)
		return arg, &l, err
	}
	path := s.abs(arg)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || arg == "" {
		return arg, nil, fault.Hint(fault.New(fault.NotFound, "%q is neither a link nor a file, nor a group that this home is in", arg), "a link begins with p2pshare: and comes from a member (p2pshare group link GROUP)")
	}
	return path, nil, nil
}

func isLink(arg string) bool { return len(arg) > 9 && strings.EqualFold(arg[:9], "p2pshare:") }

func groupRestoreCommand() command {
	return command{
		name: "group restore", group: groupGroups, args: "DIR", min: 1, max: 1, run: groupRestoreAction,
		summary: "bring a private group back from a backup's folder",
		about: "DIR is the folder that a backup keeps (an account of the role backup, with p2pshare group follow GROUP -o DIR). This machine becomes one of the " +
			"account USER, by its password, with the group's whole history and catalog, and nobody has to be met for it. What DIR holds is verified; the content in it can be fetched " +
			"with --reuse or served by the backup. With --follow this machine goes on as the backup in DIR.\n\n" +
			"An account that was an admin's is one again. The owner key is in no backup: p2pshare group owner import brings it from where you keep it. " + passwordText,
		examples: []example{
			{"a new machine for the backup", "p2pshare group restore /srv/films --user nas --follow"},
			{"the admin's machine has burned down", "p2pshare group restore /mnt/nas/films --user admin"},
		},
		exits: append(slices.Clone(groupExits), exitUnverified),
		flags: []cli.Flag{
			&cli.StringFlag{Name: "user", Category: groupMember, Usage: "become a machine of the account `USER`"},
			passwordFileFlag(),
			&cli.StringFlag{Name: "as", Category: groupEntry, Usage: "call the group `NAME` here", DefaultText: "its own name"},
			&cli.StringFlag{Name: "label", Category: groupMember, Usage: "call this machine `NAME` in the group", DefaultText: "its host name"},
			&cli.BoolFlag{Name: "follow", Category: groupEntry, Usage: "go on as the backup in DIR"},
		},
	}
}

func groupRestoreAction(ctx context.Context, s *session, c *cli.Context) error {
	dir := s.abs(c.Args().First())
	r := node.RestoreGroup{As: c.String("as"), User: c.String("user"), Label: c.String("label"), Follow: c.Bool("follow")}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.Hint(fault.New(fault.NotFound, "there is no folder %q", dir), "name the folder that a backup keeps; p2pshare group follow GROUP -o DIR makes it one")
	}
	if r.User == "" {
		return fault.Hint(usagef("group restore needs to know as whom"), "add --user USER, an account of the group whose password you have")
	}
	for _, x := range [][2]string{{"--as", r.As}, {"--user", r.User}} {
		if x[1] != "" {
			if err := checkAccount(x[0], x[1]); err != nil {
				return err
			}
		}
	}
	var a *node.GroupAnswer
	err := s.tries(c, func() (err error) {
		if r.Password, err = s.password(ctx, c, "Password of "+r.User+": "); err == nil {
			a, err = s.askGroup(ctx, c, node.GroupRequest{Group: dir, Restore: &r})
		}
		return err
	})
	if err != nil {
		return err
	}
	s.joined(a)
	return nil
}
