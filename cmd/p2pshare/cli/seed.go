package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
)

type seedOptions struct {
	request node.SeedRequest
	way     way
}

func seedCommand() command {
	return command{
		name: "seed", group: groupTransfers, args: "TORRENT|DIR...", min: 1, max: -1, run: seedAction,
		summary: "keep available what is on disk already",
		about: "Takes .torrent files, or folders that are searched for them. The content of each is checked first, unless it " +
			"is known not to have changed since it was, and then shared until Ctrl-C, which is a normal end (exit code 0). " +
			"The magnet link of each share is printed when it can be fetched.\n\n" +
			"Where a daemon runs, it does so from now on, and the command ends when all of them can be fetched, or at once " +
			"with --no-wait. Ctrl-C before leaves the daemon at it.",
		examples: []example{
			{"the content lies beside the torrent", "p2pshare seed downloads/release.torrent"},
			{"all torrents of a folder, with the content elsewhere", "p2pshare seed torrents --data /srv/files"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitUnverified, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "data", Category: groupTorrent, Usage: "the content is in the folder `DIR`, under each torrent's name", DefaultText: "beside each torrent"},
		}, slices.Concat(policyFlags("them"), wayFlags("show how seeding goes until Ctrl-C"),
			networkFlags("announce to the tracker `URL` too; may be repeated"))...),
	}
}

func seedAction(ctx context.Context, s *session, c *cli.Context) error {
	w, err := s.readWay(c)
	if err != nil {
		return err
	}
	if w.network.Trackers, err = readTrackers(c); err != nil {
		return err
	}
	return runSeed(ctx, s, seedOptions{way: w, request: node.SeedRequest{
		Torrents: s.absAll(c.Args().Slice()), Data: s.abs(c.String("data")), Policy: w.policy,
	}})
}

func runSeed(ctx context.Context, s *session, o seedOptions) error {
	r, shown, handed := o.request, make(map[string]bool), false
	stopped := 0
	e, err := s.errand(ctx, o.way, func(ctx context.Context, b Backend, e *errand) error {
		if e.daemon {
			r.Peers, r.Announce, r.Limits = o.way.peers, o.way.announce, o.way.limits
		}
		return b.Seed(ctx, r, func(ev node.Event) {
			e.event(ev)
			switch {
			case ev.Seeding != nil && !shown[seedingKey(ev.Seeding)]:
				shown[seedingKey(ev.Seeding)] = true
				s.out.answer(cmp.Or(ev.Seeding.Magnet, ev.Seeding.Path)) // what a private group shares has no link
			case ev.Stopped != nil:
				stopped++
			}
			// The daemon tells what it keeps before the first of it can be fetched.
			there := len(shown)+stopped > 0 && len(shown)+stopped >= len(e.kept)
			if e.daemon && !o.way.wait && len(e.kept) > 0 && !handed && (o.way.noWait || there) {
				handed = true
				e.leave()
			}
		})
	})
	return e.end(ctx, err, handed || len(shown) > 0, "nothing is shared; the same command begins anew")
}
