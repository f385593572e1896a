package cli

import (
	"cmp"
	"context"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

const passphraseText = "A passphrase comes from the terminal, which does not show it, or from the first line of a file that nobody else may read; it is never an argument or a variable."

func passphraseFileFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "passphrase-file", Category: groupMember, Usage: usage}
}

func ownerLockCommand() command {
	return command{
		name: "group owner lock", group: groupGroups, args: "GROUP", min: 1, max: 1, run: ownerLockAction,
		summary: "give this home's owner key a passphrase",
		about: "The key lies in the home encrypted from then on (owner.age, an age file with a passphrase of 12 characters at least), and each command that signs as an owner asks for it, or takes it from --passphrase-file. " +
			"--unlock takes the passphrase away. " + passphraseText + " " + groupText,
		examples: []example{{"asks for the old one and twice for the new one", "p2pshare group owner lock films"}, {"no passphrase any more", "p2pshare group owner lock films --unlock"}},
		exits:    groupExits,
		flags: []cli.Flag{
			passphraseFileFlag("read the passphrase that it has now from `FILE`; - is stdin"),
			&cli.StringFlag{Name: "new-passphrase-file", Category: groupMember, Usage: "read the new one from `FILE`; - is stdin"},
			&cli.BoolFlag{Name: "unlock", Category: groupMember, Usage: "take its passphrase away"},
		},
	}
}

func ownerLockAction(ctx context.Context, s *session, c *cli.Context) error {
	now, next := c.String("passphrase-file"), c.String("new-passphrase-file")
	switch {
	case c.Bool("unlock") && next != "":
		return fault.Hint(usagef("--unlock takes the passphrase away, and --new-passphrase-file gives one"), "leave one of them out")
	case now == "-" && next == "-":
		return fault.Hint(usagef("stdin can be one of the two passphrases"), "write one of them into a file")
	}
	var r node.ChangeOwners
	var lock node.Secret
	var err error
	switch {
	case now != "":
		r.Passphrase, err = s.secretFile("--passphrase-file", now)
	case next == "" || c.Bool("unlock"): // with a file for the new one alone, there is none now
		r.Passphrase, err = s.askSecret(ctx, "Passphrase of the owner key (empty: it has none): ", "add --passphrase-file FILE, --new-passphrase-file FILE or both")
	}
	if err != nil {
		return err
	}
	switch {
	case next != "":
		lock, err = s.secretFile("--new-passphrase-file", next)
	case !c.Bool("unlock"):
		if lock, err = s.askTwice(ctx, "New passphrase: ", "add --new-passphrase-file FILE, or - for stdin"); err == nil && lock == "" {
			err = fault.Hint(usagef("the new passphrase is empty"), "--unlock takes the passphrase away")
		}
	}
	if err != nil {
		return err
	}
	r.Lock = &lock
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Owners: &r})
	if err != nil {
		return err
	}
	s.groupObject(a)
	name := the(a).Name
	if lock == "" {
		s.out.answer(name + ": the owner key has no passphrase now")
	} else {
		s.out.answer(name + ": the owner key has a passphrase now")
		s.out.say("it cannot be brought back if it is forgotten: write it down, or keep an export elsewhere (p2pshare group owner export)")
	}
	s.notes(a)
	return nil
}

func ownerExportCommand() command {
	return command{
		name: "group owner export", group: groupGroups, args: "GROUP FILE", min: 2, max: 2, run: ownerExportAction,
		summary: "write this home's owner key to a file, encrypted",
		about: "FILE is an age file with a passphrase, which must not be there yet: keep it on a stick in a drawer. If the key has a passphrase, that is the file's too; " +
			"else you choose one of 12 characters at least, or one is made and printed, this once. " +
			"p2pshare group owner import reads it, and so does stock age. " + passphraseText + " " + groupText,
		examples: []example{{"for the drawer", "p2pshare group owner export films /media/stick/films-owner.age"}},
		exits:    groupExits,
		flags:    []cli.Flag{passphraseFileFlag("read the passphrase from `FILE`; - is stdin")},
	}
}

func ownerExportAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.ChangeOwners{Export: s.abs(c.Args().Get(1))}
	if _, err := os.Lstat(r.Export); err == nil {
		return fault.Hint(usagef("%q is there already", r.Export), "name another file: a key is never written over anything")
	}
	var err error
	if file := c.String("passphrase-file"); file != "" {
		r.Passphrase, err = s.secretFile("--passphrase-file", file)
	} else {
		r.Passphrase, err = s.exportPassphrase(ctx, c)
	}
	if err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Owners: &r})
	if err != nil {
		return err
	}
	s.groupObject(a)
	file := cmp.Or(a.Wrote, r.Export)
	if a.Password == "" && !s.out.json {
		s.out.path(file)
	}
	if a.Password != "" {
		s.labelled([][2]string{{"file", file}, {"passphrase", string(a.Password)}})
		s.out.say("the passphrase was made for the file, and is shown this once: write it down, and keep it elsewhere than the file")
	}
	s.out.say("whoever has the file and its passphrase owns the group")
	s.notes(a)
	return nil
}

// exportPassphrase asks for what the file is to be encrypted with; empty: one is made. A key that has a passphrase keeps it.
func (s *session) exportPassphrase(ctx context.Context, c *cli.Context) (node.Secret, error) {
	g, _, err := s.joinedGroup(ctx, c, c.Args().First())
	switch {
	case err != nil:
		return "", err
	case g.Locked:
		p, err := s.askSecret(ctx, "Passphrase of the owner key, which is the file's too: ", "add --passphrase-file FILE, or - for stdin")
		if err == nil && p == "" {
			err = usagef("the passphrase is empty")
		}
		return p, err
	case s.env.Secret == nil:
		return "", nil
	}
	return s.askTwice(ctx, "Passphrase for the file (empty: one is made): ", "add --passphrase-file FILE, or - for stdin")
}

func ownerImportCommand() command {
	return command{
		name: "group owner import", group: groupGroups, args: "GROUP FILE", min: 2, max: 2, run: ownerImportAction,
		summary:  "take an owner key from a file that export wrote",
		about:    "The group has to be joined (or restored) first. The key keeps the passphrase of the file. " + passphraseText + " " + groupText,
		examples: []example{{"on a new machine, after p2pshare group restore", "p2pshare group owner import films /media/stick/films-owner.age"}},
		exits:    append(slices.Clone(groupExits), exitUnverified),
		flags:    []cli.Flag{passphraseFileFlag("read the passphrase from `FILE`; - is stdin")},
	}
}

func ownerImportAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.ChangeOwners{Import: s.abs(c.Args().Get(1))}
	if _, err := os.Stat(r.Import); err != nil {
		return fault.Hint(fault.New(fault.NotFound, "there is no file %q", r.Import), "p2pshare group owner export writes one")
	}
	var err error
	if file := c.String("passphrase-file"); file != "" {
		r.Passphrase, err = s.secretFile("--passphrase-file", file)
	} else {
		r.Passphrase, err = s.askSecret(ctx, "Passphrase of the file: ", "add --passphrase-file FILE, or - for stdin")
	}
	if err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Owners: &r})
	if err != nil {
		return err
	}
	s.groupObject(a)
	s.out.answer(the(a).Owner)
	s.notes(a)
	return nil
}
