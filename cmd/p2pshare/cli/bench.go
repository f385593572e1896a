package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/bench"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

var benchExits = []int{exitDone, exitFailed, exitUsage, exitNotFound, exitDenied, exitInterrupted}

const benchText = "The programs that are compared take turns in every round, what came is compared byte by byte, and the table has medians. " +
	"What is installed of aria2, libtorrent, Transmission, curl with nginx and mktorrent takes part; what is not is named. "

const labText = "It needs root, iproute2 and Linux: the networks are namespaces on this machine that nothing leaves, with limits on their links, and are gone when the command has ended. " +
	"Payload and downloads lie in memory if there is room (--work)."

// benchFlags are those of all of them. size is the default of --size.
func benchFlags(size, of string, more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "size", Category: groupBench, Value: size, Usage: of},
		&cli.IntFlag{Name: "runs", Category: groupBench, Value: 5, Usage: "measure each `N` times, and give medians"},
		&cli.StringFlag{Name: "kinds", Category: groupBench, Usage: "measure `KIND,...` alone", DefaultText: "all that are installed"},
		&cli.StringFlag{Name: "program", Category: groupBench, Usage: "measure the p2pshare in `FILE`, as another build", DefaultText: "this one"},
		&cli.StringFlag{Name: "work", Category: groupBench, Usage: "put payload and downloads below `DIR`", DefaultText: "/dev/shm, or the system's place for temporary files"},
		&cli.StringFlag{Name: "report", Category: groupOutput, Usage: "write tables and every run to `FILE`, as the object of --json"},
	}, more...)
}

func rateFlags(up, down, origin string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "up", Category: groupBench, Value: up, Usage: "a fetcher sends `RATE` at most (80Mbit, 2M/s; 0: no limit)"},
		&cli.StringFlag{Name: "down", Category: groupBench, Value: down, Usage: "a fetcher receives `RATE` at most"},
		&cli.StringFlag{Name: "origin-up", Category: groupBench, Value: origin, Usage: "the origin sends `RATE` at most"},
	}
}

func svgFlag() cli.Flag {
	return &cli.StringFlag{Name: "svg", Category: groupOutput, Usage: "draw how many have everything over time into `FILE`"}
}

func benchSwarmCommand() command {
	return command{
		name: "bench swarm", group: groupProgram, max: 0, run: benchSwarmAction,
		summary: "measure how fast one origin fills many fetchers",
		about: "Tells when the median and the last fetcher have everything, beside the bound max(F/u_origin, F/d, N*F/(u_origin+N*u)), and " +
			"how many copies the origin sent. " + benchText + "\n\nThe kinds are p2pshare, aria2, libtorrent, transmission and http (curl from nginx); A+B is a swarm of " +
			"fetchers of A and B in turn, with an origin A.\n\n" + labText,
		examples: []example{
			{"twelve fetchers with 80 Mbit/s each way", "sudo p2pshare bench swarm --svg swarm.svg"},
			{"that come one after the other, with a quarter of the uplink", "sudo p2pshare bench swarm --peers 30 --stagger 1s --uplink-fraction 0.25"},
			{"the origin goes after 1.3 copies", "sudo p2pshare bench swarm --leave origin=1.3 --kinds p2pshare,aria2"},
			{"a mixed swarm", "sudo p2pshare bench swarm --kinds aria2,aria2+p2pshare --runs 3"},
		},
		exits: benchExits,
		flags: append(benchFlags("64MB", "share a file of `SIZE`", append(rateFlags("80Mbit", "80Mbit", "80Mbit"),
			&cli.IntFlag{Name: "peers", Category: groupBench, Value: 12, Usage: "with `N` fetchers"},
			&cli.DurationFlag{Name: "stagger", Category: groupBench, Usage: "start each fetcher `TIME` after the one before", DefaultText: "all at once"},
			&cli.Float64Flag{Name: "uplink-fraction", Category: groupBench, Value: 1, Usage: "fetchers send `F` of --up at most, between 0 and 1"},
			&cli.StringFlag{Name: "leave", Category: groupBench, Usage: "`WHO` goes: half (every second fetcher, when it is done), origin=COPIES (the origin, when it has sent so many), or both with a comma between", DefaultText: "nobody"},
		)...), svgFlag()),
	}
}

func benchSwarmAction(ctx context.Context, s *session, c *cli.Context) error {
	o := bench.SwarmOptions{Stagger: c.Duration("stagger"), Runs: c.Int("runs"), Kinds: kindsOf(c)}
	var err error
	if o.Links, err = readLinks(c); err != nil {
		return err
	}
	if o.Size, err = parseSize(c.String("size")); err != nil {
		return inFlag("--size", err)
	}
	if o.Leave, err = bench.ParseLeave(c.String("leave")); err != nil {
		return inFlag("--leave", err)
	}
	fraction := c.Float64("uplink-fraction")
	switch {
	case !(fraction > 0 && fraction <= 1):
		return usagef("--uplink-fraction %g is not above 0 and at most 1", fraction)
	case o.Stagger < 0 || o.Stagger > time.Hour:
		return usagef("--stagger %v is not between 0 and an hour", o.Stagger)
	}
	o.Up = int64(float64(o.Up) * fraction)
	return s.bench(ctx, c, func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Swarm(ctx, e, o) })
}

func benchLinkCommand() command {
	return command{
		name: "bench link", group: groupProgram, max: 0, run: benchLinkAction,
		summary: "measure one seeder and one fetcher without a limit between them",
		about: "What is compared is the work of the programs: seconds, processor time of both ends and memory, for a folder with an image, six archives and small files. " +
			benchText + "\n\nThe kinds are p2pshare, aria2, libtorrent, transmission and http (curl from nginx, which verifies nothing).\n\n" + labText,
		examples: []example{{"a gigabyte, five rounds", "sudo p2pshare bench link"}, {"two programs, once", "sudo p2pshare bench link --size 200MB --runs 1 --kinds p2pshare,libtorrent"}},
		exits:    benchExits,
		flags:    benchFlags("1GB", "share a folder of `SIZE`"),
	}
}

func benchLinkAction(ctx context.Context, s *session, c *cli.Context) error {
	size, err := parseSize(c.String("size"))
	if err != nil {
		return inFlag("--size", err)
	}
	o := bench.LinkOptions{Size: size, Kinds: kindsOf(c), Runs: c.Int("runs")}
	return s.bench(ctx, c, func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Link(ctx, e, o) })
}

func benchBuildCommand() command {
	return command{
		name: "bench build", group: groupProgram, max: 0, run: benchBuildAction,
		summary: "measure how fast torrents are made",
		about: "Makes torrents of a folder of mixed files, of one file and of many small ones, in v1 and, where a program can, hybrid, all with pieces of 1 MiB. " +
			benchText + "What was made is held against the files.\n\nThe kinds are p2pshare, mktorrent, transmission and libtorrent. It needs Linux, and no root. " +
			"The payload lies in memory if there is room (--work).",
		examples: []example{{"a gigabyte of each", "p2pshare bench build"}, {"against mktorrent alone", "p2pshare bench build --kinds p2pshare,mktorrent --size 2GB"}},
		exits:    []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInterrupted},
		flags:    benchFlags("1GB", "make torrents of `SIZE`"),
	}
}

func benchBuildAction(ctx context.Context, s *session, c *cli.Context) error {
	size, err := parseSize(c.String("size"))
	if err != nil {
		return inFlag("--size", err)
	}
	o := bench.BuildOptions{Size: size, Kinds: kindsOf(c), Runs: c.Int("runs")}
	return s.bench(ctx, c, func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Build(ctx, e, o) })
}

func benchWebSeedCommand() command {
	return command{
		name: "bench webseed", group: groupProgram, max: 0, run: benchWebSeedAction,
		summary: "measure fetches from a web server that nobody else helps",
		about: "Three parts: one fetcher without a limit on its link, one with a limit, both beside curl, and a swarm whose only origin is the web server. " + benchText +
			"\n\nThe kinds are p2pshare, aria2, libtorrent, transmission and http (curl). It needs nginx.\n\n" + labText,
		examples: []example{{"all three", "sudo p2pshare bench webseed --svg webseed.svg"}, {"the swarm alone", "sudo p2pshare bench webseed --parts swarm --peers 12"}},
		exits:    benchExits,
		flags: append(benchFlags("1GB", "one fetcher gets a file of `SIZE`", append(rateFlags("80Mbit", "80Mbit", "80Mbit"),
			&cli.StringFlag{Name: "rate", Category: groupBench, Value: "100Mbit", Usage: "the limit of one fetcher's link is `RATE`"},
			&cli.IntFlag{Name: "peers", Category: groupBench, Value: 12, Usage: "the swarm has `N` fetchers"},
			&cli.StringFlag{Name: "swarm-size", Category: groupBench, Value: "64MB", Usage: "the swarm shares a file of `SIZE`"},
			&cli.StringFlag{Name: "parts", Category: groupBench, Value: strings.Join(bench.WebSeedParts(), ","), Usage: "measure `PART,...` of alone, shaped and swarm"},
		)...), svgFlag()),
	}
}

func benchWebSeedAction(ctx context.Context, s *session, c *cli.Context) error {
	o := bench.WebSeedOptions{Kinds: kindsOf(c), Runs: c.Int("runs"), Parts: strings.Split(c.String("parts"), ",")}
	var err error
	if o.Swarm, err = readLinks(c); err != nil {
		return err
	}
	if o.Swarm.Size, err = parseSize(c.String("swarm-size")); err != nil {
		return inFlag("--swarm-size", err)
	}
	if o.Size, err = parseSize(c.String("size")); err != nil {
		return inFlag("--size", err)
	}
	if o.Rate, err = rateFlag(c, "rate"); err != nil {
		return err
	}
	return s.bench(ctx, c, func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.WebSeed(ctx, e, o) })
}

func benchReuseCommand() command {
	return command{
		name: "bench reuse", group: groupProgram, max: 0, run: benchReuseAction,
		summary: "measure what is fetched again of the next release",
		about: "A release of which most is what the last one had, with new bytes in the middle of its large files. p2pshare is told where the last one lies; the others find it in the " +
			"place of the new one and check it. The table has what each received. " + benchText + "\n\nThe kinds are p2pshare, aria2, libtorrent and transmission.\n\n" + labText,
		examples: []example{{"a gigabyte, nine tenths as they were", "sudo p2pshare bench reuse"}},
		exits:    benchExits,
		flags:    benchFlags("1GB", "the next release has about `SIZE`", &cli.IntFlag{Name: "same", Category: groupBench, Value: 90, Usage: "`N` of a hundred bytes are those of the last release"}),
	}
}

func benchReuseAction(ctx context.Context, s *session, c *cli.Context) error {
	size, err := parseSize(c.String("size"))
	if err != nil {
		return inFlag("--size", err)
	}
	o := bench.ReuseOptions{Size: size, Same: c.Int("same"), Kinds: kindsOf(c), Runs: c.Int("runs")}
	return s.bench(ctx, c, func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Reuse(ctx, e, o) })
}

func kindsOf(c *cli.Context) []string {
	if c.String("kinds") == "" {
		return nil
	}
	return strings.Split(c.String("kinds"), ",")
}

// readLinks reads the rates and the number of fetchers.
func readLinks(c *cli.Context) (l bench.Links, err error) {
	l.Peers = c.Int("peers")
	for flag, to := range map[string]*int64{"up": &l.Up, "down": &l.Down, "origin-up": &l.OriginUp} {
		if *to, err = rateFlag(c, flag); err != nil {
			return l, err
		}
	}
	return l, nil
}

// inFlag names the flag that an error is of.
func inFlag(flag string, err error) error {
	return fault.Hint(usagef("%s: %v", flag, err), "%s", fault.HintOf(err))
}

// bench carries a measuring out with this program, and writes what came of it.
func (s *session) bench(ctx context.Context, c *cli.Context, measure func(context.Context, bench.Env) (*bench.Report, error)) error {
	program, err := s.measured(c)
	if err != nil {
		return err
	}
	for _, flag := range []string{"report", "svg"} {
		if err := s.writable(flag, c.String(flag)); err != nil {
			return err
		}
	}
	e := bench.SystemEnv(program, func(line string) { s.out.say("%s", printable(line)) }, s.env.Now)
	e.Work, e.Command = s.abs(c.String("work")), "p2pshare "+strings.Join(s.env.Args, " ")
	r, err := measure(ctx, e)
	if err != nil {
		return interrupted(ctx, err, "nothing is left of it")
	}
	if s.out.json {
		s.out.object("bench", r)
	}
	for line := range strings.Lines(r.Text()) {
		s.out.answer(strings.TrimSuffix(line, "\n"))
	}
	if file := c.String("report"); file != "" {
		body, err := encode(r)
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		head := fmt.Appendf(nil, `{"version":%d,"type":"bench",`, jsonVersion)
		if err := s.write(file, append(append(head, body[1:]...), '\n')); err != nil {
			return err
		}
	}
	if file := c.String("svg"); file != "" {
		var b bytes.Buffer
		if err := r.WriteSVG(&b); err != nil {
			return fmt.Errorf("drawing: %w", err)
		}
		return s.write(file, b.Bytes())
	}
	return nil
}

// measured is the p2pshare that is measured.
func (s *session) measured(c *cli.Context) (string, error) {
	file := s.abs(c.String("program"))
	if file == "" {
		own, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("finding this program: %w", err)
		}
		return own, nil
	}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fault.Hint(fault.New(fault.NotFound, "there is no program %q", file), "give the file of a p2pshare that was built")
	}
	return file, nil
}

// writable refuses a file that could not be written after the measuring, before it.
func (s *session) writable(flag, file string) error {
	if file == "" {
		return nil
	}
	dir := filepath.Dir(s.abs(file))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.Hint(fault.New(fault.NotFound, "--%s: there is no folder %q", flag, dir), "make it first")
	}
	if info, err := os.Stat(s.abs(file)); err == nil && info.IsDir() {
		return usagef("--%s: %q is a folder", flag, file)
	}
	return nil
}

func (s *session) write(file string, data []byte) error {
	if err := state.WriteFile(s.abs(file), data, 0o644); err != nil {
		return err
	}
	s.out.say("wrote %s", printable(file))
	return nil
}
