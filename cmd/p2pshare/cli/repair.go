package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func repairCommand() command {
	return command{
		name: "repair", group: groupShares, args: "REF...", min: 1, max: -1, run: repairAction,
		summary: "fetch again what is missing or damaged of shares",
		about: "Checks the content of each share, and fetches again what is missing or wrong of it, piece by piece, from those who have it. " +
			"A file that is not the content is replaced once the right one is whole: you are asked first on a terminal, and it takes --yes " +
			"elsewhere. Files that are right, and those that the torrent does not name, stay as they are.\n\n" +
			"Where a daemon runs, it does the work, and the command shows it until all is right; Ctrl-C leaves the daemon at it, and --no-wait " +
			"ends as soon as the daemon has it. The mirror of a group repairs what it has unasked. " + refText,
		examples: []example{
			{"one share", "p2pshare repair release"},
			{"in a script", "p2pshare repair release --yes --timeout 2h"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitDenied, exitUnverified, exitTimeout, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Category: groupOutput, Usage: "replace files that are not the content without asking"},
			&cli.DurationFlag{Name: "timeout", Category: groupOutput, Usage: "give up each share after `TIME` (30s, 10m, 2h)", DefaultText: "never"},
			&cli.BoolFlag{Name: "no-wait", Category: groupDaemon, Usage: "end as soon as a daemon has taken it over; needs a daemon"},
		}, networkFlags("announce to the tracker `URL` too; may be repeated")...),
	}
}

func repairAction(ctx context.Context, s *session, c *cli.Context) error {
	w, err := s.readWay(c)
	if err != nil {
		return err
	}
	if w.network.Trackers, err = readTrackers(c); err != nil {
		return err
	}
	if c.Duration("timeout") < 0 {
		return usagef("--timeout %v is negative", c.Duration("timeout"))
	}
	refs, handed := s.refs(c.Args().Slice()), false
	e, err := s.errand(ctx, w, func(ctx context.Context, b Backend, e *errand) error {
		st, err := b.Status(ctx, node.StatusRequest{Refs: refs})
		if err != nil {
			return err
		}
		for _, x := range st.Shares {
			if err := s.mayReplace(ctx, c, b, x); err != nil {
				return err
			}
		}
		for _, x := range st.Shares {
			r := node.RepairRequest{Ref: x.ID, Timeout: c.Duration("timeout")}
			if e.daemon {
				r.Peers = w.peers
			}
			one, stop := context.WithCancel(ctx)
			err := b.Repair(one, r, func(ev node.Event) {
				e.event(ev)
				switch {
				case ev.Kept != nil && w.noWait:
					handed = true
					s.out.answer(ev.Kept.ID)
					stop()
				case ev.Fetched != nil && !w.noWait:
					s.out.say("%s", repairedLine(ev.Fetched))
					s.out.path(ev.Fetched.Path)
				}
			})
			ended := one.Err() != nil
			stop()
			if err != nil && !(w.noWait && handed && ended && ctx.Err() == nil) {
				return err
			}
		}
		if handed {
			e.leave()
		}
		return nil
	})
	return e.end(ctx, err, handed, "what was fetched is kept; the same command goes on from there")
}

// mayReplace checks a share, and asks before files of it are replaced that are something else.
func (s *session) mayReplace(ctx context.Context, c *cli.Context, b Backend, x node.Share) error {
	if c.Bool("yes") {
		return nil
	}
	v, err := b.Verify(ctx, node.VerifyRequest{Ref: x.ID}, s.out.event)
	switch {
	case fault.KindOf(err) == fault.NotFound && !unfinished(x):
		return nil // nothing is there that could be replaced
	case err != nil:
		return err
	}
	var names []string
	for _, f := range v.Bad {
		if f.Problem != node.Missing && !f.Shares {
			names = append(names, fmt.Sprintf("  %s: %s\n", printable(f.Path), printable(f.Problem)))
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := s.canAsk(c, fmt.Sprintf("%s of %s would be replaced", plural(len(names), "file"), shareName(x))); err != nil {
		return err
	}
	shown := names[:min(len(names), maxNamesShown)]
	q := strings.Join(shown, "")
	if more := len(names) - len(shown); more > 0 {
		q += fmt.Sprintf("  and %s more\n", plural(more, "file"))
	}
	return s.confirm(ctx, c, q+fmt.Sprintf("Replace %s in %s with what was published? [y/N] ", plural(len(names), "file"), printable(v.Path)), "nothing was repaired")
}

// repairedLine says how much had to come from others.
func repairedLine(f *node.Fetched) string {
	took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
	line := fmt.Sprintf("repaired %s: %s in %v", printable(f.Name), counted(f.Files, f.Size), took)
	if n := f.BytesFrom.Peers + f.BytesFrom.WebSeeds; n > 0 {
		return line + fmt.Sprintf(", %s fetched again", bytesText(n))
	}
	return line + ", nothing had to be fetched"
}
