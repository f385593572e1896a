package cli

import (
	"cmp"
	"context"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

type publishOptions struct {
	request node.PublishRequest
	way     way
}

func publishCommand() command {
	return command{
		name: "publish", group: groupTransfers, args: "PATH", min: 1, max: 1, run: publishAction,
		needs:   "PATH is a file or folder",
		summary: "make a torrent of a file or folder and keep it available",
		about: "Hashes PATH, prints its magnet link as soon as it can be fetched, and goes on seeding until Ctrl-C, " +
			"which is a normal end (exit code 0). The files are read where they are and never written to; " +
			"one whose bytes change ends its share with a message.\n\n" +
			"Where a daemon runs, it keeps the folder available, and the command ends when the link is there; with --wait " +
			"it shows how seeding goes, and Ctrl-C leaves the daemon at it. --until-copies waits until so many other machines " +
			"have all of it, which web seeds do not count among.\n\n" +
			"The format auto is v1, which every client can fetch; aria2 1.36, Transmission 3.00 and older ones can read no hybrid. " +
			"What is signed into a group has the SHA-256 of each file besides, which a fetch from the group is held against. The same files give the same infohash on every run.\n\n" +
			"--group signs it into the catalog of a group, in which others fetch it as GROUP/NAME. The entry is signed when the torrent is made; " +
			"with --no-seed too, where web seeds or another machine serve the content. Into a private group it goes for the group's members alone, or for those of --for: no link " +
			"leads to it from outside, and what is printed is its name, GROUP/NAME@VERSION. --seal encrypts the content itself, so that mirrors, machines that nobody has to trust, can hold it too.\n\n" +
			"--chunks on makes an index of the content's chunks, a thousandth of its size, by which a later version is fetched with little more than what is " +
			"new in it, even where bytes were inserted. Pieces are a quarter as long then, for a change costs whole ones. With -o NAME.torrent it goes beside it as NAME.chunks: put both where people get " +
			"them. In a group auto makes one by itself, and members pass it on.\n\n" +
			"Names that Windows or another system cannot hold (aux.c, \"Chapter 1: x\", two that differ in case alone) are published and listed; " +
			"who fetches them there has them under names made of them. --portable refuses them instead.\n\n" +
			"Patterns of --exclude, and of a file .p2pshareignore in the folder, are those of gitignore. What desktops leave in folders (.DS_Store, Thumbs.db, desktop.ini) " +
			"is left out unless a pattern such as !Thumbs.db takes it in, and p2pshare's own home always; files that look like secrets are told.",
		examples: []example{
			{"share a folder", "p2pshare publish ./release"},
			{"write the torrent and checksums, and end", "p2pshare publish ./release -o release.torrent --sums SHA256SUMS --no-seed"},
			{"until three others have it", "p2pshare publish ./release --until-copies 3"},
			{"as a version in a group", "p2pshare publish ./release --group acme --as app@1.4.2"},
			{"for the crew and ann alone, in a private group", "p2pshare publish ./cut --group films --as cuts/alien@3 --for @crew,ann"},
			{"with a tracker and a mirror", "p2pshare publish app.iso --tracker udp://t.example:6969/announce --webseed https://mirror.example/app.iso"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitDenied, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Category: groupTorrent, Value: "auto", Usage: "write `FORMAT`: auto, hybrid, v1 or v2"},
			&cli.StringFlag{Name: "piece-length", Category: groupTorrent, Usage: "use pieces of `SIZE`, a power of two from 16KiB (default: by the size of the content)"},
			&cli.StringFlag{Name: "name", Category: groupTorrent, Usage: "call the content `NAME` (default: the name of PATH)"},
			&cli.BoolFlag{Name: "private", Category: groupTorrent, Usage: "find peers by the torrent's trackers alone (BEP 27)"},
			&cli.StringSliceFlag{Name: "webseed", Category: groupTorrent, Usage: "the content is also at `URL`; may be repeated"},
			&cli.StringSliceFlag{Name: "exclude", Category: groupTorrent, Usage: "leave out what matches `GLOB` (gitignore syntax); may be repeated"},
			&cli.BoolFlag{Name: "portable", Category: groupTorrent, Usage: "refuse names that not every system can hold, which are else told and published"},
			&cli.StringFlag{Name: "chunks", Category: groupTorrent, Value: node.ChunksAuto, Usage: "make an index of chunks: `WHEN` is auto (with --group, where it pays), on or off"},
			&cli.StringFlag{Name: "comment", Category: groupTorrent, Usage: "write `TEXT` into the torrent"},
			&cli.StringFlag{Name: "group", Category: groupEntry, Usage: "sign it into the catalog of `GROUP`"},
			&cli.StringFlag{Name: "as", Category: groupEntry, Usage: "under `NAME[@VERSION]`; needed with --group"},
			&cli.StringSliceFlag{Name: "for", Category: groupEntry, Usage: "for `WHO` alone: accounts, @teams or @roles with commas between; may be repeated; in a public group it is only listed so", DefaultText: "everyone"},
			&cli.StringFlag{Name: "note", Category: groupEntry, Usage: "say `TEXT` about it"},
			&cli.BoolFlag{Name: "seal", Category: groupEntry, Usage: "encrypt the content, so that mirrors can hold it and read nothing; private groups"},
			&cli.BoolFlag{Name: "replace", Category: groupEntry, Usage: "let it take the place of other content under the same version"},
			&cli.BoolFlag{Name: "offline", Category: groupEntry, Usage: "sign without having met a member; it goes out when one is met"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput, Usage: "write the torrent to `FILE`"},
			&cli.StringFlag{Name: "sums", Category: groupOutput, Usage: "write the SHA-256 of every file to `FILE`, as sha256sum does"},
			&cli.BoolFlag{Name: "no-seed", Category: groupOutput, Usage: "end when the torrent is made"},
			&cli.IntFlag{Name: "until-copies", Category: groupSeeding, Usage: "end when `N` other machines have all of it; implies --wait"},
		}, slices.Concat(policyFlags("it"), wayFlags("show how seeding goes until Ctrl-C"), networkFlags("write the tracker `URL` into the torrent and announce to it; each is a tier, several in one value (with spaces between) share one; may be repeated"))...),
	}
}

func publishAction(ctx context.Context, s *session, c *cli.Context) error {
	w, err := s.readWay(c)
	if err != nil {
		return err
	}
	o := publishOptions{way: w, request: node.PublishRequest{
		Path: s.abs(c.Args().First()), Name: c.String("name"), Format: c.String("format"), Private: c.Bool("private"),
		WebSeeds: c.StringSlice("webseed"), Exclude: c.StringSlice("exclude"), Portable: c.Bool("portable"), Comment: c.String("comment"),
		Output: s.abs(c.String("output")), Sums: s.abs(c.String("sums")), NoSeed: c.Bool("no-seed"),
		Umask: uint32(s.env.Umask), UntilCopies: c.Int("until-copies"), Policy: w.policy, Chunks: c.String("chunks"),
	}}
	r := &o.request
	if err := publishEnds(c, s, r); err != nil {
		return err
	}
	if formats := []string{"auto", "hybrid", "v1", "v2"}; !slices.Contains(formats, r.Format) {
		return fault.Hint(usagef("--format %q is not known", r.Format), "choose auto, hybrid, v1 or v2")
	}
	if chunks := []string{node.ChunksAuto, node.ChunksOn, node.ChunksOff}; !slices.Contains(chunks, r.Chunks) {
		return fault.Hint(usagef("--chunks %q is not known", r.Chunks), "choose auto, on or off")
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
	if r.In, err = inGroup(s, c); err != nil {
		return err
	}
	return runPublish(ctx, s, o)
}

// inGroup reads where in a group a publish goes; nil: into none.
func inGroup(s *session, c *cli.Context) (*node.InGroup, error) {
	in := &node.InGroup{Group: c.String("group"), As: c.String("as"), Note: c.String("note"), Offline: c.Bool("offline"), Seal: c.Bool("seal"), Replace: c.Bool("replace")}
	for _, list := range c.StringSlice("for") {
		in.For = append(in.For, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	if in.Group == "" {
		for _, flag := range []string{"as", "for", "note", "offline", "seal", "replace"} {
			if s.onLine(flag) {
				return nil, fault.Hint(usagef("--%s is about the entry in a group, and no group is named", flag), "add --group GROUP; p2pshare group list shows those you are in")
			}
		}
		return nil, nil
	}
	if in.As == "" {
		return nil, fault.Hint(usagef("--group needs the name of the entry"), "add --as NAME@VERSION, such as --as app@1.4.2")
	}
	name, version, err := catalog.SplitName(in.As)
	if err == nil && version != "" {
		err = catalog.CheckVersion(version)
	}
	if err != nil {
		return nil, fault.Hint(usagef("--as: %w", err), "%s", fault.HintOf(err))
	}
	if err := catalog.CheckName(name); err != nil {
		return nil, usagef("--as: %w", err)
	}
	return in, nil
}

func pieceLength(v string) (int64, error) {
	n, err := sizes.Bytes(v)
	if err != nil {
		return 0, fault.Hint(usagef("--piece-length: %w", err), "%s", fault.HintOf(err))
	}
	if n < 16<<10 || n&(n-1) != 0 {
		return 0, fault.Hint(usagef("--piece-length %q is %d bytes, which is no power of two from 16 KiB", v, n), "write 256KiB, 1MiB, 4MiB and the like")
	}
	return n, nil
}

// publishEnds refuses ends that contradict each other.
func publishEnds(c *cli.Context, s *session, r *node.PublishRequest) error {
	switch {
	case r.UntilCopies < 0 || r.UntilCopies == 0 && s.onLine("until-copies") || r.UntilCopies > maxCopies:
		return usagef("--until-copies %d is not a number of machines", r.UntilCopies)
	case r.NoSeed && r.UntilCopies > 0:
		return fault.Hint(usagef("--no-seed and --until-copies contradict each other"), "leave one of them out")
	case r.NoSeed && (c.Bool("wait") || c.Bool("no-wait")):
		return fault.Hint(usagef("--no-seed ends when the torrent is made, and nothing is left to wait for"), "leave --wait and --no-wait out")
	case r.UntilCopies > 0 && c.Bool("no-wait"):
		return fault.Hint(usagef("--until-copies waits, and --no-wait does not"), "leave one of them out; with a daemon, --stop-copies ends seeding without waiting")
	}
	return nil
}

func runPublish(ctx context.Context, s *session, o publishOptions) error {
	r, seeding, webSeeds, answer := o.request, false, 0, ""
	var published *node.Published
	wait := o.way.wait || r.UntilCopies > 0
	e, err := s.errand(ctx, o.way, func(ctx context.Context, b Backend, e *errand) error {
		if e.daemon {
			r.Peers, r.Limits = o.way.peers, o.way.limits
		}
		return b.Publish(ctx, r, func(ev node.Event) {
			e.event(ev)
			if ev.Seeding != nil {
				webSeeds = ev.Seeding.WebSeeds
			}
			switch {
			case ev.Published != nil:
				s.out.published(ev.Published)
				published = ev.Published
				answer = cmp.Or(ev.Published.Magnet, ev.Published.Entry) // what a private group shares has no link
				switch {
				case r.NoSeed:
					s.out.answer(answer)
				case e.daemon && !wait && !seeding:
					seeding = true
					s.out.answer(answer)
					s.elsewhere(ev.Published)
					e.leave()
				}
			case ev.Seeding != nil && !seeding:
				seeding = true
				s.out.answer(cmp.Or(ev.Seeding.Magnet, answer, ev.Seeding.Path))
				published = cmp.Or(published, &node.Published{Magnet: ev.Seeding.Magnet})
				s.elsewhere(published)
			}
		})
	})
	if r.UntilCopies > 0 && seeding {
		return s.copiesEnd(ctx, e, err, r.UntilCopies, webSeeds)
	}
	return e.end(ctx, err, seeding, "nothing is shared; the same command begins anew")
}

// elsewhere says how others get what was published, to who looks at the answer.
func (s *session) elsewhere(p *node.Published) {
	ref := cmp.Or(p.Entry, p.Magnet)
	if s.eyes() && ref != "" {
		s.out.say("on another machine:  p2pshare fetch %s", shellQuote(printable(ref)))
	}
}

// copiesEnd judges the end of a publish that waits for copies: its work is done when they are there, not before.
func (s *session) copiesEnd(ctx context.Context, e *errand, err error, copies, webSeeds int) error {
	if err == nil && ctx.Err() == nil {
		after := "stopped seeding"
		if e.daemon {
			after = "the daemon keeps it available"
		}
		also := ""
		if webSeeds > 0 { // nobody has looked at what is there
			also = ", and " + plural(webSeeds, "web seed") + " may"
		}
		s.out.say("%s all of it%s; %s", plural(copies, "other machine")+has(copies), also, after)
		return nil
	}
	if err == nil {
		err = context.Canceled
	}
	return e.end(ctx, err, false, "not enough machines have all of it yet")
}

func has(n int) string {
	if n == 1 {
		return " has"
	}
	return " have"
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
