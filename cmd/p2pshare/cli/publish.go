package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

type publishOptions struct {
	request node.PublishRequest
	network node.Network
}

func publishCommand() command {
	return command{
		name: "publish", args: "PATH", min: 1, max: 1, run: publishAction,
		summary: "make a torrent of a file or folder and keep it available",
		about: "Hashes PATH, prints its magnet link as soon as it can be fetched, and goes on seeding until Ctrl-C, " +
			"which is a normal end (exit code 0). The files are read where they are and never written to; " +
			"one that changes ends its share with a message.\n\n" +
			"The format auto is hybrid (BitTorrent v1 and v2) for a single file and v1 for a folder. Every client " +
			"can fetch v1; aria2 1.36, Transmission 3.00 and older ones can read no hybrid, and --format v1 serves " +
			"them too. The same files give the same infohash on every run.\n\n" +
			"Patterns of --exclude, and of a file .p2pshareignore in the folder, are those of gitignore.",
		examples: []example{
			{"share a folder", "p2pshare publish ./release"},
			{"write the torrent and checksums, and end", "p2pshare publish ./release -o release.torrent --sums SHA256SUMS --no-seed"},
			{"with a tracker and a mirror", "p2pshare publish app.iso --tracker udp://t.example:6969/announce --webseed https://mirror.example/app.iso"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitDenied, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Category: groupTorrent, Value: "auto", Usage: "write `FORMAT`: auto, hybrid, v1 or v2"},
			&cli.StringFlag{Name: "piece-length", Category: groupTorrent, Usage: "use pieces of `SIZE`, a power of two from 16KiB (default: by the size of the content)"},
			&cli.StringFlag{Name: "name", Category: groupTorrent, Usage: "call the content `NAME` (default: the name of PATH)"},
			&cli.BoolFlag{Name: "private", Category: groupTorrent, Usage: "find peers by the torrent's trackers alone (BEP 27)"},
			&cli.StringSliceFlag{Name: "webseed", Category: groupTorrent, Usage: "the content is also at `URL`; may be repeated"},
			&cli.StringSliceFlag{Name: "exclude", Category: groupTorrent, Usage: "leave out what matches `GLOB` (gitignore syntax); may be repeated"},
			&cli.StringFlag{Name: "comment", Category: groupTorrent, Usage: "write `TEXT` into the torrent"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput, Usage: "write the torrent to `FILE`"},
			&cli.StringFlag{Name: "sums", Category: groupOutput, Usage: "write the SHA-256 of every file to `FILE`, as sha256sum does"},
			&cli.BoolFlag{Name: "no-seed", Category: groupOutput, Usage: "end when the torrent is made"},
		}, networkFlags("write the tracker `URL` into the torrent and announce to it; each is a tier, several in one value (with spaces between) share one; may be repeated")...),
	}
}

func publishAction(ctx context.Context, s *session, c *cli.Context) error {
	network, err := readNetwork(c)
	if err != nil {
		return err
	}
	o := publishOptions{network: network, request: node.PublishRequest{
		Path: s.abs(c.Args().First()), Name: c.String("name"), Format: c.String("format"), Private: c.Bool("private"),
		WebSeeds: c.StringSlice("webseed"), Exclude: c.StringSlice("exclude"), Comment: c.String("comment"),
		Output: s.abs(c.String("output")), Sums: s.abs(c.String("sums")), NoSeed: c.Bool("no-seed"),
	}}
	r := &o.request
	if formats := []string{"auto", "hybrid", "v1", "v2"}; !slices.Contains(formats, r.Format) {
		return fault.Hint(usagef("--format %q is not known", r.Format), "choose auto, hybrid, v1 or v2")
	}
	if v := c.String("piece-length"); v != "" {
		if r.PieceLength, err = pieceLength(v); err != nil {
			return err
		}
	}
	for _, tier := range c.StringSlice("tracker") {
		urls := strings.Fields(tier)
		if err := each("--tracker", urls, catalog.CheckTracker); err != nil {
			return err
		}
		if len(urls) > 0 {
			r.Trackers = append(r.Trackers, urls)
		}
	}
	if err := each("--webseed", r.WebSeeds, catalog.CheckWebSeed); err != nil {
		return err
	}
	return runPublish(ctx, s, o)
}

func pieceLength(v string) (int64, error) {
	n, err := parseSize(v)
	if err != nil {
		return 0, fault.Hint(usagef("--piece-length: %w", err), "%s", fault.HintOf(err))
	}
	if n < 16<<10 || n&(n-1) != 0 {
		return 0, fault.Hint(usagef("--piece-length %q is %d bytes, which is no power of two from 16 KiB", v, n), "write 256KiB, 1MiB, 4MiB and the like")
	}
	return n, nil
}

func runPublish(ctx context.Context, s *session, o publishOptions) error {
	var published *node.Published
	seeding := false
	err := s.with(ctx, o.network, func(b Backend) error {
		return b.Publish(ctx, o.request, func(e node.Event) {
			s.out.event(e)
			switch {
			case e.Published != nil:
				published = e.Published
				s.out.published(published)
				if o.request.NoSeed {
					s.out.answer(published.Magnet)
				}
			case e.Seeding != nil && !seeding:
				seeding = true
				s.out.answer(e.Seeding.Magnet)
			}
		})
	})
	return s.seedEnd(ctx, err, seeding, "nothing is shared; the same command begins anew")
}

// seedEnd judges how seeding ended: what the user ends after it began has done its work.
func (s *session) seedEnd(ctx context.Context, err error, seeding bool, hint string) error {
	err = interrupted(ctx, err, hint)
	if seeding && (err == nil || exitCode(err) == exitInterrupted) {
		s.out.say("stopped seeding")
		return nil
	}
	return err
}
