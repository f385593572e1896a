package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
)

func dropCommand() command {
	return command{
		name: "drop", group: groupGroups, args: "GROUP/NAME[@VERSION]", min: 1, max: 1, run: dropAction,
		summary: "take an entry out of a group's catalog",
		about: "Members no longer list it or fetch it by name once they hear of it. It cannot be unpublished: whoever has the content keeps it, the signed history still names it, and " +
			"its magnet link works as long as somebody shares it. Here the share stays too, until p2pshare remove. Publishers drop what " +
			"is theirs, admins anything. Without a version, the latest is meant. --note says why: whoever asks for the entry later, still has it or verifies a receipt of it reads that, " +
			"in a private group those who could read the entry. It asks first on a terminal, and needs --yes elsewhere.",
		examples: []example{
			{"a release that was broken", "p2pshare drop acme/app@1.4.2 --note 'crashes on start, take 1.4.3'"},
			{"in a script", "p2pshare drop acme/app@1.4.2 --yes"},
		},
		exits: groupExits,
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "note", Category: groupEntry, Usage: "say why in `TEXT`, for those who ask for it or have it"},
			yesFlag(),
		}, signFlags()...),
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
	err = s.withGroups(ctx, c, func(b Backend) (err error) {
		if !c.Bool("yes") {
			shown, err := catalogOf(b.Catalog(ctx, node.CatalogRequest{Group: group, Show: &name}, s.out.event))
			if err != nil {
				return err
			}
			if err := s.confirm(ctx, c, dropQuestion(shown.Entries), "nothing was dropped"); err != nil {
				return err
			}
			if len(shown.Entries) == 1 && shown.Entries[0].Version != "" { // what was asked about, whatever is the latest by now
				name = shown.Entries[0].Name + "@" + shown.Entries[0].Version
			}
		}
		a, err = catalogOf(b.Catalog(ctx, node.CatalogRequest{Group: group, Drop: &name, Note: c.String("note"), Offline: c.Bool("offline")}, s.out.event))
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

func dropQuestion(list []node.Entry) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "  %s  (%s, by %s)\n", printable(e.Ref), counted(e.Files, e.Size), printable(e.Account))
	}
	return b.String() + "Take it out of the catalog? [y/N] "
}
