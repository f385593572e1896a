package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
		s.daemon = b.Daemon()
		if s.daemon {
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
			"What stays: files that were fetched or published, what was signed here, which the " +
			"other members keep, and shares until p2pshare remove; those of a private group stop, and start again when it is joined again. It asks first on a terminal, and needs --yes elsewhere. " + groupText,
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
	if the(a).Kind == "private" {
		s.out.say("files that were fetched or published stay; shares of this group are stopped, and listed until p2pshare remove")
	} else {
		s.out.say("files that were fetched or published stay, and shares go on until p2pshare remove")
	}
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
	if g.Kind == "private" {
		q += "\n         and the keys that open what it shares: to come back takes a password"
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
	stays := "files that were fetched or published, and shares, until p2pshare remove"
	if g.Kind == "private" {
		stays = "files that were fetched or published; shares of the group stop"
	}
	return q + "\n  stays: " + stays + "\nLeave it? [y/N] "
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
