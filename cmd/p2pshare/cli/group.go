package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// memberNames are the network's flags that matter to who meets the members of a group.
var memberNames = []string{"listen", "port", "peer", "no-dht", "dht-node", "no-lan", "no-upnp"}

// signFlags are those of commands that sign something, for which members are asked first.
func signFlags() []cli.Flag {
	return append([]cli.Flag{&cli.BoolFlag{Name: "offline", Category: groupNetwork, Usage: "sign though no member can be asked first; it goes out when one is met"}}, memberFlags()...)
}

// memberFlags are those of commands that meet members.
func memberFlags() []cli.Flag {
	var flags []cli.Flag
	for _, f := range networkFlags("") {
		if slices.Contains(memberNames, f.Names()[0]) {
			flags = append(flags, f)
		}
	}
	return flags
}

var groupExits = []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitDenied, exitInterrupted}

const groupText = "GROUP is the local name, the ID or the link of a group that was joined."

// withGroups opens a backend with the network's settings, and refuses those that a daemon cannot take from a request.
// Commands without such flags read what the home has, and meet nobody.
func (s *session) withGroups(ctx context.Context, c *cli.Context, do func(Backend) error) error {
	set, err := s.readNetwork(c)
	if err != nil {
		return err
	}
	return s.withSettings(ctx, Settings{Network: set}, func(b Backend) error {
		if b.Daemon() {
			var barred []string
			for _, name := range memberNames {
				if s.onLine(name) && !(name == "peer" && c.Command.Name == "group join") { // whose request has peers
					barred = append(barred, "--"+name)
				}
			}
			if len(barred) > 0 {
				return fault.Hint(usagef("a daemon runs, and %s is for it to be started with", strings.Join(barred, ", ")),
					"give it to p2pshare daemon or write it into the configuration file")
			}
		}
		return do(b)
	})
}

// askGroup carries a request about groups out.
func (s *session) askGroup(ctx context.Context, c *cli.Context, r node.GroupRequest) (a *node.GroupAnswer, err error) {
	r.Offline = c.Bool("offline")
	err = s.withGroups(ctx, c, func(b Backend) (err error) {
		a, err = groupOf(b.Group(ctx, r, s.out.event))
		return err
	})
	return a, interrupted(ctx, err, "p2pshare group show says what holds now")
}

// groupOf keeps an answer that is none from being taken for one.
func groupOf(a *node.GroupAnswer, err error) (*node.GroupAnswer, error) {
	if err == nil && a == nil {
		err = errors.New("there was no answer")
	}
	return a, err
}

// the is the group that was asked of.
func the(a *node.GroupAnswer) node.Group {
	if len(a.Groups) == 0 {
		return node.Group{}
	}
	return a.Groups[0]
}

func groupCreateCommand() command {
	return command{
		name: "group create", group: groupGroups, args: "NAME", min: 1, max: 1, run: groupCreateAction,
		summary: "make a group and print its link",
		about: "The group is yours: this home holds its owner key, and its first admin is USER on this machine. Whoever has the link can " +
			"join, list and fetch; who may publish, you say with p2pshare group user add. NAME is what members see; it may " +
			"have a to z, digits, dots, hyphens and underscores.\n\n" +
			"Keep a copy of the home, or add a second owner: when the only owner key is lost, nobody can change who administers the group.",
		examples: []example{
			{"a channel for releases", "p2pshare group create acme --public"},
			{"one that anyone may publish into", "p2pshare group create fair --public --open"},
		},
		exits: groupExits,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "public", Category: groupEntry, Usage: "anyone who has the link may join and read"},
			&cli.BoolFlag{Name: "private", Category: groupEntry, Usage: "members alone may read (not in this version)"},
			&cli.StringFlag{Name: "user", Category: groupMember, Value: "admin", Usage: "call the first admin's account `USER`"},
			&cli.BoolFlag{Name: "open", Category: groupEntry, Usage: "anyone may publish"},
			&cli.IntFlag{Name: "stale", Category: groupEntry, Value: 720, Usage: "warn when no admin was heard for `HOURS`"},
		},
	}
}

func groupCreateAction(ctx context.Context, s *session, c *cli.Context) error {
	name, stale := c.Args().First(), c.Int("stale")
	switch {
	case c.Bool("private"):
		return fault.Hint(usagef("private groups are not in this version of p2pshare"), "--public makes one that anyone with the link can read; do not publish secrets there")
	case !c.Bool("public"):
		return fault.Hint(usagef("group create needs to know who may read"), "add --public: anyone who has the link; private groups come later")
	case stale < 1 || stale > 24*3650:
		return usagef("--stale %d is not a number of hours", stale)
	}
	if err := signed.CheckName(name); err != nil {
		return fault.Hint(usagef("%q cannot be the name of a group: %w", name, err), "write lower-case letters, digits, dots, hyphens and underscores")
	}
	if err := checkAccount("--user", c.String("user")); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: name, Create: &node.CreateGroup{Kind: "public", User: c.String("user"), Open: c.Bool("open"), Stale: stale}})
	if err != nil {
		return err
	}
	g := the(a)
	s.groupObject(a)
	s.out.answer(a.Link)
	if a.Wrote != "" {
		s.out.say("the owner key is %s: keep a copy elsewhere, or add a second owner", printable(a.Wrote))
	}
	s.out.say("made the public group %s (%s); you own it, and administer it as %s", printable(g.Name), printable(g.ID), printable(cmp.Or(g.Account, c.String("user"))))
	s.out.say("others join it with p2pshare group join LINK; p2pshare publish PATH --group %s --as NAME@VERSION publishes into it", printable(g.Name))
	return nil
}

// checkAccount judges the name of an account.
func checkAccount(what, name string) error {
	if err := signed.CheckName(name); err != nil {
		return fault.Hint(usagef("%s: %w", what, err), "write lower-case letters, digits, dots, hyphens and underscores")
	}
	return nil
}

func groupJoinCommand() command {
	return command{
		name: "group join", group: groupGroups, args: "LINK|FILE", min: 1, max: 1, run: groupJoinAction,
		summary: "join a group by its link",
		about: "Finds a member on the LAN, by the DHT, at an address in the link or at --peer, and gets the catalog from it. " +
			"FILE is what p2pshare catalog export wrote: with it no member has to be met. From then on p2pshare fetch GROUP/NAME " +
			"fetches by name.\n\n" +
			"--user and --key-file make this machine one of an account that an admin has added: the key is used once and not kept. " +
			"--device-key keeps this machine's own key in a file, or takes it from there: so a job that begins on an " +
			"empty disk every time is always the same machine.",
		examples: []example{
			{"join, and see what there is", "p2pshare group join p2pshare:ah3x... && p2pshare catalog list acme"},
			{"as a publisher, with the key that an admin gave", "p2pshare group join p2pshare:ah3x... --user bob --key-file bob.key"},
			{"from a file that a friend brought", "p2pshare group join acme.p2pshare"},
		},
		exits: append(slices.Clone(groupExits), exitUnverified, exitTimeout),
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "as", Category: groupEntry, Usage: "call the group `NAME` here", DefaultText: "its own name"},
			&cli.StringFlag{Name: "user", Category: groupMember, Usage: "become a machine of the account `USER`; needs --key-file"},
			&cli.StringFlag{Name: "key-file", Category: groupMember, Usage: "read the account's key from `FILE`"},
			&cli.StringFlag{Name: "device-key", Category: groupMember, Usage: "be the machine whose key is in `FILE`, which is written if it is not there"},
			&cli.StringFlag{Name: "label", Category: groupMember, Usage: "call this machine `NAME` in the group", DefaultText: "its host name"},
			&cli.DurationFlag{Name: "timeout", Category: groupNetwork, Value: 2 * time.Minute, Usage: "look for a member for `TIME` at most; 0 for ever"},
		}, memberFlags()...),
	}
}

func groupJoinAction(ctx context.Context, s *session, c *cli.Context) error {
	what, err := s.linkOrFile(c.Args().First())
	if err != nil {
		return err
	}
	j := node.JoinGroup{
		As: c.String("as"), User: c.String("user"), Key: s.abs(c.String("key-file")), DeviceKey: s.abs(c.String("device-key")),
		Label: c.String("label"), Timeout: c.Duration("timeout"), Peers: c.StringSlice("peer"),
	}
	switch {
	case (j.User == "") != (j.Key == ""):
		return fault.Hint(usagef("--user and --key-file belong together"), "an admin writes the key with p2pshare group user add; without both, you join as a reader")
	case j.Timeout < 0:
		return usagef("--timeout %v is negative", j.Timeout)
	}
	for flag, name := range map[string]string{"--as": j.As, "--user": j.User} {
		if name != "" {
			if err := checkAccount(flag, name); err != nil {
				return err
			}
		}
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: what, Join: &j})
	if err != nil {
		return err
	}
	g := the(a)
	s.groupObject(a)
	s.out.answer(g.Name)
	as := "as a reader"
	if g.Account != "" {
		as = "as " + g.Account + ", " + g.Role
	}
	s.out.say("joined %s (%s) %s: %s", printable(g.Title), printable(g.ID), printable(as), entriesText(g.Entries))
	s.warn(g)
	s.out.say("p2pshare catalog list %s shows what there is", printable(g.Name))
	return nil
}

// linkOrFile tells a link from an export's path, which becomes absolute.
func (s *session) linkOrFile(arg string) (string, error) {
	arg = strings.TrimSpace(arg)
	if isLink(arg) {
		_, err := signed.ParseLink(arg)
		return arg, err
	}
	path := s.abs(arg)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || arg == "" {
		return "", fault.Hint(fault.New(fault.NotFound, "%q is neither a link nor a file", arg), "a link begins with p2pshare: and comes from a member (p2pshare group link GROUP)")
	}
	return path, nil
}

func isLink(arg string) bool { return len(arg) > 9 && strings.EqualFold(arg[:9], "p2pshare:") }

func entriesText(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return plural(n, "entrie")
}

func groupLeaveCommand() command {
	return command{
		name: "group leave", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupLeaveAction,
		summary: "leave a group",
		about: "What goes: the catalog as this machine has it, this machine's key, the owner key if there is one here, and a mirror's further work. " +
			"What stays: files that were fetched or published, shares until p2pshare remove, and what was signed here, which the " +
			"other members keep. It asks first on a terminal, and needs --yes elsewhere. " + groupText,
		examples: []example{{"leave it", "p2pshare group leave acme"}},
		exits:    groupExits,
		flags:    []cli.Flag{yesFlag()},
	}
}

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Category: groupOutput, Usage: "do not ask"}
}

func groupLeaveAction(ctx context.Context, s *session, c *cli.Context) error {
	name := c.Args().First()
	if err := s.canAsk(c, "leaving a group forgets its keys"); err != nil {
		return err
	}
	var a *node.GroupAnswer
	err := s.withGroups(ctx, c, func(b Backend) error {
		// The list has groups too that are damaged and can only be left.
		all, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}}, s.out.event))
		if err != nil {
			return err
		}
		g, there := named(all.Groups, name)
		if there {
			if err := s.confirm(ctx, c, leaveQuestion(g), "the group was not left"); err != nil {
				return err
			}
			name = g.ID
		}
		if a, err = groupOf(b.Group(ctx, node.GroupRequest{Group: name, Leave: &struct{}{}}, s.out.event)); err == nil && len(a.Groups) == 0 {
			a.Groups = []node.Group{g}
		}
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare group list shows whether it was left")
	}
	s.groupObject(a)
	s.out.answer("left " + the(a).Name)
	s.out.say("files that were fetched or published stay, and so do shares, until p2pshare remove")
	return nil
}

// named finds a group by its local name, ID or link.
func named(list []node.Group, name string) (node.Group, bool) {
	id := name
	if l, err := signed.ParseLink(name); err == nil {
		id = l.Group.String()
	}
	i := slices.IndexFunc(list, func(g node.Group) bool { return g.Name == name || g.ID == id })
	if i < 0 {
		return node.Group{}, false
	}
	return list[i], true
}

func leaveQuestion(g node.Group) string {
	q := fmt.Sprintf("Leaving %s (%s).\n  goes:  its catalog here (%s), and this machine's key", printable(g.Name), printable(g.ID), entriesText(g.Entries))
	if g.Account != "" {
		q += ", which signs for " + printable(g.Account)
	}
	if g.Follow != nil {
		q += "\n         the mirror ends; what it has fetched stays"
	}
	if g.Owner != "" {
		q += "\n  goes:  the OWNER KEY. "
		if g.Owners <= 1 {
			q += "It is the only one: without a copy, nobody can ever change who administers the group."
		} else {
			q += fmt.Sprintf("The group has %d, and needs %d to sign.", g.Owners, g.Need)
		}
	}
	return q + "\n  stays: files that were fetched or published, and shares, until p2pshare remove\nLeave it? [y/N] "
}

// canAsk refuses what has to be asked where nobody can answer, before anything is done.
func (s *session) canAsk(c *cli.Context, why string) error {
	if !c.Bool("yes") && s.env.Ask == nil {
		return fault.Hint(usagef("%s, and nobody is here to be asked", why), "add --yes if that is what you want")
	}
	return nil
}

// confirm asks, unless --yes has answered already. undone says what was not done if the answer is no.
func (s *session) confirm(ctx context.Context, c *cli.Context, question, undone string) error {
	if c.Bool("yes") {
		return nil
	}
	answer, err := s.env.Ask(ctx, question)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("%s: the answer was not yes", undone)
}
