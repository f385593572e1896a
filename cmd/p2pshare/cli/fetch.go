package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

type fetchOptions struct {
	request node.FetchRequest
	way     way
}

func fetchCommand() command {
	return command{
		name: "fetch", group: groupTransfers, args: "REF", min: 1, max: 1, run: fetchAction,
		needs:   "REF is a magnet link, 40 or 64 hex digits, a .torrent file or its address, or GROUP/NAME",
		summary: "get content, verified to the last byte",
		about: "REF is a magnet link (quote it: the shell takes & for itself), an infohash of 40 or 64 hex digits, a .torrent " +
			"file, the http(s) address of one, or the name of an entry in a group, GROUP/NAME or GROUP/NAME@VERSION, where LINK/NAME needs no " +
			"group that was joined. " + entryText + " The content becomes DIR/NAME and its path is printed.\n\n" +
			"Nothing appears under its name before every byte of it is verified, and nothing that is there already is " +
			"overwritten. After an interruption or a crash the same command goes on from what was proven, which is kept " +
			"in DIR/.p2pshare, as far as nobody else has written to it.\n\n" +
			"A file whose name the file system cannot hold, such as \"Chapter 1: x\" on Windows or a USB stick, has a name that is made of it there, " +
			"the same each time; such files are listed at the end, and verify and seed find them.\n\n" +
			"Where a daemon runs, it does the work, and the command shows it until the content is there. Ctrl-C leaves the " +
			"daemon at it and says how to end it; --no-wait ends as soon as the daemon has it, and prints the ID that status " +
			"and remove know it by. The daemon goes on sharing what it has fetched, until --ratio and the like, or its own, say that it is enough; with --no-seed it does not.\n\n" +
			"Bytes that are on disk already are not fetched again: of an earlier version that the home or DIR has under the same name, or " +
			"the same but for a number, and of what --reuse names. All of it is verified like what comes from others. Where the publisher made " +
			"an index of chunks, what has moved within its files is found too; it comes with the entry of a group, and lies " +
			"beside a .torrent as NAME.chunks, or where --chunks-file says. Nothing is reused for what was published with --seal, and nothing of a " +
			"private group for others, unless --reuse names it.\n\n" +
			"--receipt writes down who had signed what was fetched, with the proof: p2pshare verify --receipt holds the files against it later. " +
			"--sums holds what was fetched against a SHA256SUMS from elsewhere, and --minisign-key that file against its signature. Where they do not " +
			"agree, the command ends with 13; the content stays, for it is what was published.\n\n" +
			"A magnet link that names its .torrent (xs) and a web seed needs no peers, and an address may lead to a magnet link. " +
			"When nothing has come for 30 seconds, the files are named that nobody gives, with those that --only would get.\n\n" +
			"Web seeds, trackers and sources of the .torrent that REF names are not asked when they are at a loopback or private address, as a " +
			"stranger could use them to reach into this network. --allow-private permits it; hosts named by --webseed and " +
			"--tracker are always asked.",
		examples: []example{
			{"get what a magnet names", "p2pshare fetch 'magnet:?xt=urn:btih:...'"},
			{"the latest version in a group", "p2pshare fetch acme/app@latest --receipt app.receipt"},
			{"into a folder, only the images, for an hour at most", "p2pshare fetch release.torrent -o downloads --only '*.iso' --timeout 1h"},
			{"with what is in the last release", "p2pshare fetch release.torrent --reuse /srv/release-1.4"},
			{"and help others get it", "p2pshare fetch https://example.org/release.torrent --seed"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitDenied, exitUnverified, exitTimeout, exitInterrupted},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput, Usage: "put the content into the folder `DIR`", DefaultText: "the working folder"},
			&cli.StringSliceFlag{Name: "only", Category: groupOutput, Usage: "get only files whose path below the content's name matches `GLOB`; may be repeated"},
			&cli.StringSliceFlag{Name: "reuse", Category: groupOutput, Usage: "take from the files in `DIR`, or from that file, what is the same; may be repeated"},
			&cli.StringFlag{Name: "chunks-file", Category: groupOutput, Usage: "find it by the index of chunks in `FILE`", DefaultText: "beside the .torrent"},
			&cli.StringFlag{Name: "receipt", Category: groupOutput, Usage: "write a receipt of an entry of a group to `FILE`"},
			&cli.StringFlag{Name: "sums", Category: groupOutput, Usage: "the content must agree with the SHA256SUMS in `FILE`"},
			&cli.StringFlag{Name: "minisign-key", Category: groupOutput, Usage: "and --sums with its signature beside it (FILE.minisig) by `KEY`, a public key or its file"},
			&cli.BoolFlag{Name: "seed", Category: groupOutput, Usage: "go on sharing it afterwards, until Ctrl-C"},
			&cli.BoolFlag{Name: "no-seed", Category: groupOutput, Usage: "end when it is there, and have no daemon go on sharing it"},
			&cli.DurationFlag{Name: "timeout", Category: groupOutput, Usage: "give up after `TIME` (30s, 10m, 2h)", DefaultText: "never"},
			&cli.StringSliceFlag{Name: "webseed", Category: groupNetwork, Usage: "get bytes from `URL` too; may be repeated"},
			&cli.BoolFlag{Name: "allow-private", Category: groupNetwork, Usage: "hosts that REF names may have private addresses"},
		}, slices.Concat(policyFlags("it"), wayFlags("with --seed, show how seeding goes until Ctrl-C"),
			networkFlags("announce to the tracker `URL` too; may be repeated"))...),
	}
}

func fetchAction(ctx context.Context, s *session, c *cli.Context) error {
	w, err := s.readWay(c)
	if err != nil {
		return err
	}
	if w.network.Trackers, err = readTrackers(c); err != nil {
		return err
	}
	o := fetchOptions{way: w, request: node.FetchRequest{
		Only: c.StringSlice("only"), Seed: c.Bool("seed"), NoSeed: c.Bool("no-seed"), Timeout: c.Duration("timeout"),
		WebSeeds: c.StringSlice("webseed"), AllowPrivate: c.Bool("allow-private"), Dir: s.env.Dir,
		Policy: w.policy, ChunksFile: s.abs(c.String("chunks-file")),
	}}
	r := &o.request
	for _, place := range c.StringSlice("reuse") {
		if place == "" {
			return usagef("--reuse names no file or folder")
		}
		r.Reuse = append(r.Reuse, s.abs(place))
	}
	if dir := c.String("output"); dir != "" {
		r.Dir = s.abs(dir)
	}
	switch {
	case r.Seed && r.NoSeed:
		return fault.Hint(usagef("--seed and --no-seed contradict each other"), "leave one of them out")
	case w.wait && !r.Seed:
		return fault.Hint(usagef("--wait is for --seed: a fetch is waited for as it is"), "leave it out, or add --seed")
	case w.policy != (node.Policy{}) && r.NoSeed:
		return fault.Hint(usagef("with --no-seed nothing is seeded that could stop"), "leave --stop-ratio, --stop-time and --stop-copies out, or --no-seed")
	case r.Timeout < 0:
		return usagef("--timeout %v is negative", r.Timeout)
	}
	if err := each("--webseed", r.WebSeeds, catalog.CheckWebSeed); err != nil {
		return err
	}
	ref, text, err := s.reference(c.Args().First())
	if err != nil {
		return err
	}
	if r.FromGroup, err = s.readChecks(c, ref); err != nil {
		return err
	}
	for _, i := range ref.Ignored {
		s.out.event(node.Event{Level: "warn", Message: "a part of the magnet link is passed over: " + i})
	}
	r.Ref = text
	return runFetch(ctx, s, o)
}

// readChecks reads what a fetch has to prove beside the torrent.
func (s *session) readChecks(c *cli.Context, ref catalog.Ref) (g node.FromGroup, err error) {
	g = node.FromGroup{Sums: s.abs(c.String("sums")), Receipt: s.abs(c.String("receipt")), Umask: uint32(s.env.Umask)}
	switch {
	case g.Receipt != "" && ref.Kind != catalog.Named:
		return g, fault.Hint(usagef("--receipt is of an entry that was signed in a group, and %q is none", c.Args().First()), "fetch GROUP/NAME, or leave --receipt out")
	case g.Receipt+g.Sums != "" && len(c.StringSlice("only")) > 0:
		return g, fault.Hint(usagef("--receipt and --sums are of all files, and --only leaves some out"), "leave one of them out")
	case c.String("minisign-key") != "" && g.Sums == "":
		return g, fault.Hint(usagef("--minisign-key is for the signature of a SHA256SUMS file, and none is named"), "add --sums FILE, with FILE.minisig beside it")
	}
	if v := c.String("minisign-key"); v != "" {
		g.MinisignKey, err = s.minisignKey(v)
	}
	return g, err
}

// reference reads REF, and gives it back in the form the node gets: a path is absolute, as the node
// may have another working folder.
func (s *session) reference(arg string) (catalog.Ref, string, error) {
	if abs := s.abs(arg); strings.TrimSpace(arg) != "" && !filepath.IsAbs(arg) {
		if info, err := os.Stat(abs); err == nil && info.Mode().IsRegular() {
			return catalog.Ref{Kind: catalog.File, Path: abs}, abs, nil
		}
	}
	ref, err := catalog.ParseRef(arg, catalog.Named)
	if err != nil {
		return ref, "", err
	}
	switch ref.Kind {
	case catalog.File:
		ref.Path = s.abs(ref.Path)
		return ref, ref.Path, nil
	case catalog.URL:
		return ref, ref.URL, nil
	}
	return ref, strings.TrimSpace(arg), nil
}

func runFetch(ctx context.Context, s *session, o fetchOptions) error {
	var got *node.Fetched
	r, handed := o.request, false
	e, err := s.errand(ctx, o.way, func(ctx context.Context, b Backend, e *errand) error {
		if !e.daemon && r.Policy != (node.Policy{}) && !r.Seed {
			return fault.Hint(usagef("without --seed or a daemon nothing is seeded that could stop"), "leave --stop-ratio, --stop-time and --stop-copies out, or add --seed")
		}
		if e.daemon {
			r.Peers, r.Announce, r.Limits = o.way.peers, o.way.announce, o.way.limits
		}
		return b.Fetch(ctx, r, func(ev node.Event) {
			e.event(ev)
			switch {
			case ev.Kept != nil && o.way.noWait && !handed:
				handed = true
				s.out.answer(ev.Kept.ID)
				e.leave()
			case ev.Fetched != nil && got == nil && !handed:
				got = ev.Fetched
				s.out.say("%s", fetchedLine(got))
				s.out.renamed(got.Renamed)
				if r.Receipt != "" {
					s.out.say("wrote %s", printable(r.Receipt))
				}
				s.out.path(got.Path)
				if e.daemon && r.Seed && !o.way.wait {
					e.leave()
				}
			}
		})
	})
	hint := fmt.Sprintf("what was fetched and proven stays in %s; the same command goes on from there", filepath.Join(r.Dir, ".p2pshare"))
	if got != nil && !r.Seed && err == nil {
		if got.Seeding {
			until := ""
			if ends := policyEnds(got.Policy); ends != "" {
				until = ", and ends " + ends
			}
			s.out.say("the daemon goes on sharing it%s; %s", until, e.goesOn())
		}
		return nil // there is nothing more to end
	}
	return e.end(ctx, err, handed || got != nil && r.Seed, hint)
}

// fetchedLine says what came from where: a share of each, and the bytes.
func fetchedLine(f *node.Fetched) string {
	b, from := f.BytesFrom, ""
	whole := max(b.Peers+b.WebSeeds+b.Reused, f.Size, 1)
	for _, p := range []struct {
		words string
		n     int64
	}{{"reused", b.Reused}, {"from peers", b.Peers}, {"web seeds", b.WebSeeds}} {
		if p.n > 0 {
			from += fmt.Sprintf(", %d %% %s", 100*min(p.n, whole)/whole, p.words)
		}
	}
	if text := sources(b); text != "" {
		from += " (" + text + ")"
	}
	if b.WebSeeds > 0 && f.OriginSpared > 0 {
		from += ", " + bytesText(f.OriginSpared) + " spared the web seeds"
	}
	took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
	return fmt.Sprintf("fetched and verified %s: %s in %v%s", printable(cmp.Or(f.Entry, f.Name)), counted(f.Files, f.Size), took, from)
}
