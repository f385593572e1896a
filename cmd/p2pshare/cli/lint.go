package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/lint"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

func lintCommand() command {
	return command{
		name: "lint", group: groupChecks, args: "FILE|MAGNET", min: 1, max: 1, run: lintAction,
		summary: "say which clients a torrent or magnet will trouble",
		about: "Prints what it finds, the gravest first: what it is, whom it troubles, what to do. Looks at the words alone and " +
			"asks no tracker or peer. Ends with 0 if there is nothing, or only warnings and notes, and with 1 if there is " +
			"an error: something that a widely used client, or every one, cannot fetch.",
		examples: []example{{"before a torrent is announced", "p2pshare lint release.torrent"}},
		exits:    []int{exitDone, exitFailed, exitUsage, exitNotFound},
	}
}

func lintAction(_ context.Context, s *session, c *cli.Context) error {
	ref, _, err := s.reference(c.Args().First())
	if err != nil {
		return err
	}
	switch ref.Kind {
	case catalog.URL:
		return fault.Hint(usagef("lint reads files, and %q is on the web", ref.URL), "get the .torrent first")
	case catalog.File:
		t, err := metafile.ReadFile(ref.Path)
		if fault.KindOf(err) == fault.Unverified {
			return showFindings(s, []lint.Finding{lint.Refused(err)})
		}
		if err != nil {
			return err
		}
		return showFindings(s, lint.Torrent(t))
	}
	return showFindings(s, lint.Magnet(ref))
}

func showFindings(s *session, list []lint.Finding) error {
	if s.out.json {
		s.out.object("lint", struct {
			Findings []lint.Finding `json:"findings"`
		}{append([]lint.Finding{}, list...)})
	}
	if len(list) == 0 {
		s.out.answer("OK: nothing that is known to trouble a client")
	}
	errors := 0
	for _, f := range list {
		if f.Level == lint.Error {
			errors++
		}
		s.out.answer(fmt.Sprintf("%s: %s", f.Level, f.What))
		s.out.answer("  troubles: " + f.Who)
		if f.Fix != "" {
			s.out.answer("  fix: " + f.Fix)
		}
	}
	if errors > 0 {
		return fmt.Errorf("lint found %s", plural(errors, "error"))
	}
	return nil
}
