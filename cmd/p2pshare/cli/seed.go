package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/node"
)

type seedOptions struct {
	request node.SeedRequest
	network node.Network
}

func seedCommand() command {
	return command{
		name: "seed", args: "TORRENT|DIR...", min: 1, max: -1, run: seedAction,
		summary: "keep available what is on disk already",
		about: "Takes .torrent files, or folders that are searched for them. The content of each is checked first, unless it " +
			"is known not to have changed since it was, and then shared until Ctrl-C, which is a normal end (exit code 0). " +
			"The magnet link of each share is printed when it can be fetched.",
		examples: []example{
			{"the content lies beside the torrent", "p2pshare seed downloads/release.torrent"},
			{"all torrents of a folder, with the content elsewhere", "p2pshare seed torrents --data /srv/files"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitUnverified, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "data", Category: groupTorrent, Usage: "the content is in the folder `DIR`, under each torrent's name", DefaultText: "beside each torrent"},
		}, networkFlags("announce to the tracker `URL` too; may be repeated")...),
	}
}

func seedAction(ctx context.Context, s *session, c *cli.Context) error {
	network, err := readNetwork(c)
	if err != nil {
		return err
	}
	network.Trackers = c.StringSlice("tracker")
	if err := each("--tracker", network.Trackers, catalog.CheckTracker); err != nil {
		return err
	}
	return runSeed(ctx, s, seedOptions{network: network, request: node.SeedRequest{
		Torrents: s.absAll(c.Args().Slice()), Data: s.abs(c.String("data")),
	}})
}

func runSeed(ctx context.Context, s *session, o seedOptions) error {
	shown := make(map[string]bool)
	err := s.with(ctx, o.network, func(b Backend) error {
		return b.Seed(ctx, o.request, func(e node.Event) {
			s.out.event(e)
			if e.Seeding != nil && !shown[e.Seeding.Magnet] {
				shown[e.Seeding.Magnet] = true
				s.out.answer(e.Seeding.Magnet)
			}
		})
	})
	return s.seedEnd(ctx, err, len(shown) > 0, "nothing is shared; the same command begins anew")
}
