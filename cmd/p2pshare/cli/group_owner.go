package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const ownerText = " With --draft FILE, the change is written there for owners whose signatures it needs as well; each signs it with p2pshare group owner sign."

func draftFlag() cli.Flag {
	return &cli.StringFlag{Name: "draft", Category: groupOutput, Usage: "write the change to `FILE` for other owners to sign"}
}

// ownerFlags are those of commands that sign as an owner.
func ownerFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat(more, []cli.Flag{passphraseFileFlag("read the passphrase of the owner key, if it has one, from `FILE`; - is stdin")}, signFlags())
}

func ownerKeyCommand() command {
	return command{
		name: "group owner key", group: groupGroups, args: "GROUP", min: 1, max: 1, run: ownerKeyAction,
		summary:  "print this home's owner key, for the owners to add",
		about:    "Makes a key if there is none; its secret half stays in the home. It counts once an owner has added it with p2pshare group owner add. " + groupText,
		examples: []example{{"become an owner: send them this", "p2pshare group owner key acme"}},
		exits:    groupExits,
	}
}

func ownerKeyAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Owners: &node.ChangeOwners{Own: true}})
	if err != nil {
		return err
	}
	s.groupObject(a)
	s.out.answer(the(a).Owner)
	if a.Wrote != "" {
		s.out.say("made it: %s; keep a copy elsewhere", printable(a.Wrote))
	}
	return nil
}

func ownerAddCommand() command {
	return command{
		name: "group owner add", group: groupGroups, args: "GROUP KEY", min: 2, max: 2, run: ownerAddAction,
		summary:  "add an owner",
		about:    "KEY is an owner's public key, 64 hex digits, which p2pshare group owner key prints on that owner's machine." + ownerText + " " + groupText,
		examples: []example{{"a second owner", "p2pshare group owner add acme 5d1c...9e"}},
		exits:    groupExits,
		flags:    ownerFlags(draftFlag()),
	}
}

func ownerAddAction(ctx context.Context, s *session, c *cli.Context) error {
	key, err := keyArgument(c.Args().Get(1))
	if err != nil {
		return err
	}
	return s.owners(ctx, c, node.ChangeOwners{Add: []string{key}})
}

func keyArgument(arg string) (string, error) {
	k, err := signed.ParseKey(strings.ToLower(arg))
	if err != nil {
		return "", fault.Hint(usagef("%q is no key: %w", arg, err), "a key has 64 hex digits; p2pshare group owner key prints it on the owner's machine")
	}
	return k.String(), nil
}

func ownerRemoveCommand() command {
	return command{
		name: "group owner remove", group: groupGroups, args: "GROUP KEY", min: 2, max: 2, run: ownerRemoveAction,
		summary:  "remove an owner",
		about:    "What that owner signs from then on does not count." + ownerText + " " + groupText,
		examples: []example{{"one who left", "p2pshare group owner remove acme 5d1c...9e"}},
		exits:    groupExits,
		flags:    ownerFlags(draftFlag()),
	}
}

func ownerRemoveAction(ctx context.Context, s *session, c *cli.Context) error {
	key, err := keyArgument(c.Args().Get(1))
	if err != nil {
		return err
	}
	return s.owners(ctx, c, node.ChangeOwners{Remove: []string{key}})
}

func ownerRotateCommand() command {
	return command{
		name: "group owner rotate", group: groupGroups, args: "GROUP", min: 1, max: 1, run: ownerRotateAction,
		summary:  "replace this home's owner key with a new one",
		about:    "For a key that others may have seen. Members hear of it as of any other change, and the link stays." + ownerText + " " + groupText,
		examples: []example{{"a new key", "p2pshare group owner rotate acme"}},
		exits:    groupExits,
		flags:    ownerFlags(draftFlag()),
	}
}

func ownerRotateAction(ctx context.Context, s *session, c *cli.Context) error {
	return s.owners(ctx, c, node.ChangeOwners{Rotate: true})
}

func ownerThresholdCommand() command {
	return command{
		name: "group owner threshold", group: groupGroups, args: "GROUP N", min: 2, max: 2, run: ownerThresholdAction,
		summary:  "say how many owners have to sign a change",
		about:    "N owners have to sign every root from then on, and the one that says so too." + ownerText + " " + groupText,
		examples: []example{{"two of three", "p2pshare group owner threshold acme 2 --draft root.draft"}},
		exits:    groupExits,
		flags:    ownerFlags(draftFlag()),
	}
}

func ownerThresholdAction(ctx context.Context, s *session, c *cli.Context) error {
	n, err := parseCopies(c.Args().Get(1))
	if err != nil || n < 1 {
		return fault.Hint(usagef("%q is not a number of owners", c.Args().Get(1)), "write 1, or as many as there are owners at most")
	}
	return s.owners(ctx, c, node.ChangeOwners{Need: n})
}

func ownerSignCommand() command {
	return command{
		name: "group owner sign", group: groupGroups, args: "GROUP FILE", min: 2, max: 2, run: ownerSignAction,
		summary:  "sign another owner's draft",
		about:    "Adds this home's signature to FILE, and puts the change into force when it has enough. " + groupText,
		examples: []example{{"sign one", "p2pshare group owner sign acme root.draft"}},
		exits:    append(slices.Clone(groupExits), exitUnverified),
		flags:    ownerFlags(),
	}
}

func ownerSignAction(ctx context.Context, s *session, c *cli.Context) error {
	draft := s.abs(c.Args().Get(1))
	if _, err := os.Stat(draft); err != nil {
		return fault.Hint(fault.New(fault.NotFound, "there is no draft %q", draft), "another owner writes it with --draft")
	}
	return s.owners(ctx, c, node.ChangeOwners{Draft: draft})
}

// owners makes a change of the root, or a draft of one.
func (s *session) owners(ctx context.Context, c *cli.Context, r node.ChangeOwners) error {
	if draft, err := s.newDraft(c); err != nil {
		return err
	} else if draft != "" {
		r.Draft = draft
	}
	a, err := s.askOwner(ctx, c, nil, func(p node.Secret) node.GroupRequest {
		r.Passphrase = p
		return node.GroupRequest{Owners: &r}
	})
	if err != nil {
		return err
	}
	s.groupObject(a)
	g := the(a)
	if a.Missing > 0 {
		s.drafted(a)
		return nil
	}
	s.out.answer(g.Name + ": " + ownersText(g))
	return nil
}

// newDraft is the file of --draft, which must not be there yet: one that is there would be signed instead.
func (s *session) newDraft(c *cli.Context) (string, error) {
	d := s.abs(c.String("draft"))
	if d == "" {
		return "", nil
	}
	if _, err := os.Lstat(d); err == nil {
		return "", fault.Hint(usagef("--draft %q is there already", d), "name another file; p2pshare group owner sign signs one that is there")
	}
	return d, nil
}

// drafted tells of a change that others have to sign too.
func (s *session) drafted(a *node.GroupAnswer) {
	s.out.answer(a.Wrote)
	s.out.say("%s to sign it, each with p2pshare group owner sign %s FILE", plural(a.Missing, "more owner")+has(a.Missing), printable(the(a).Name))
}

// askOwner carries a request out for which the group's owner signs, with the passphrase of the key if it has one and it is
// needed; nil: it is.
func (s *session) askOwner(ctx context.Context, c *cli.Context, needed func(Backend) (bool, error), request func(node.Secret) node.GroupRequest) (a *node.GroupAnswer, err error) {
	var passphrase node.Secret
	file := c.String("passphrase-file")
	if file != "" {
		if passphrase, err = s.secretFile("--passphrase-file", file); err != nil {
			return nil, err
		}
	}
	err = s.withGroups(ctx, c, func(b Backend) error {
		if file == "" {
			all, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}, Offline: true}, func(node.Event) {}))
			if err != nil {
				return err
			}
			g, _ := named(all.Groups, c.Args().First())
			if g.Locked && needed != nil {
				if g.Locked, err = needed(b); err != nil {
					return err
				}
			}
			if g.Locked {
				if passphrase, err = s.askSecret(ctx, "Passphrase of the owner key: ", "add --passphrase-file FILE, or - for stdin"); err != nil {
					return err
				}
			}
		}
		r := request(passphrase)
		r.Group, r.Offline = c.Args().First(), c.Bool("offline")
		a, err = groupOf(b.Group(ctx, r, s.out.event))
		return err
	})
	return a, interrupted(ctx, err, "p2pshare group show says what holds now")
}
