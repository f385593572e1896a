package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func dropCommand() command {
	return command{
		name: "drop", group: groupGroups, args: "GROUP/NAME[@VERSION]", min: 1, max: 1, run: dropAction,
		summary: "take an entry out of a group's catalog",
		about: "Members no longer list it or fetch it by name once they hear of it. It cannot be unpublished: whoever has the content keeps it, the signed history still names it, and " +
			"its magnet link works as long as somebody shares it. Here the share stays too, until p2pshare remove. Publishers drop what " +
			"is theirs, admins anything. Without a version, every version of the name is dropped. It asks first on a terminal, and needs --yes elsewhere.",
		examples: []example{
			{"a release that was broken", "p2pshare drop acme/app@1.4.2"},
			{"a name with all its versions", "p2pshare drop acme/app"},
		},
		exits: groupExits,
		flags: append([]cli.Flag{yesFlag()}, memberFlags()...),
	}
}

func dropAction(ctx context.Context, s *session, c *cli.Context) error {
	group, name, err := splitEntry(c.Args().First())
	if err != nil {
		return err
	}
	if err := s.canAsk(c, "what is dropped is gone from the catalog"); err != nil {
		return err
	}
	var a *node.CatalogAnswer
	err = s.withGroups(ctx, c, func(b groupBackend) (err error) {
		offline := c.Bool("offline")
		if !c.Bool("yes") {
			shown, err := s.toDrop(ctx, b, group, name, offline)
			if err != nil {
				return err
			}
			if err := s.confirm(ctx, c, dropQuestion(shown), "nothing was dropped"); err != nil {
				return err
			}
			offline = true // the members were asked a moment ago
		}
		a, err = catalogOf(b.Catalog(ctx, node.CatalogRequest{Group: group, Drop: &name, Offline: offline}, s.out.event))
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare catalog list shows what is left")
	}
	if s.out.json {
		s.out.object("dropped", struct {
			Entries []node.Entry `json:"entries"`
		}{append([]node.Entry{}, a.Entries...)})
		return nil
	}
	for _, e := range a.Entries {
		s.out.answer("dropped " + e.Ref)
	}
	if len(a.Entries) == 0 {
		s.out.answer("dropped " + group + "/" + name)
	}
	s.out.say("whoever has the content keeps it; shares on this machine stay until p2pshare remove")
	return nil
}

// toDrop finds the entries that would go.
func (s *session) toDrop(ctx context.Context, b groupBackend, group, name string, offline bool) ([]node.Entry, error) {
	r := node.CatalogRequest{Group: group, Offline: offline}
	all := !strings.Contains(name, "@")
	if all {
		r.List = &node.ListCatalog{All: true}
	} else {
		r.Show = &name
	}
	a, err := catalogOf(b.Catalog(ctx, r, s.out.event))
	if err != nil {
		return nil, err
	}
	var found []node.Entry
	for _, e := range a.Entries {
		if !all || strings.EqualFold(e.Name, name) {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return nil, fault.Hint(fault.New(fault.NotFound, "there is no %q in %s", name, group), "p2pshare catalog list %s shows what there is", group)
	}
	return found, nil
}

func dropQuestion(list []node.Entry) string {
	const most = 10
	var b strings.Builder
	for i, e := range list {
		if i == most {
			fmt.Fprintf(&b, "  and %d more\n", len(list)-most)
			break
		}
		fmt.Fprintf(&b, "  %s  (%s, by %s)\n", printable(e.Ref), counted(e.Files, e.Size), printable(e.Account))
	}
	return b.String() + "Take " + map[bool]string{true: "it", false: "them"}[len(list) == 1] + " out of the catalog? [y/N] "
}
