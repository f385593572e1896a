package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/bench"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"github.com/p2pshare/p2pshare/internal/state"
)

// jsonVersion is the version of the object "bench" (docs/SPEC.md, output for scripts).
const jsonVersion = 1

// measuring runs a measurement whose options have been read.
type measuring func(context.Context, bench.Env) (*bench.Report, error)

const compared = "The programs take turns in every round, the result is compared byte by byte, and the table shows medians. " +
	"aria2, libtorrent, Transmission, curl with nginx and mktorrent take part if they are installed; the report names those that are not."

const needsRoot = "Requires Linux, root and iproute2: the networks are namespaces on this machine, with limits on their links. No packet leaves them. " +
	"Payload and downloads are kept in memory if there is room (--work)."

const (
	ofMeasuring = "What is measured"
	ofOutput    = "Output"
)

func paragraphs(p ...string) string { return strings.Join(p, "\n\n") }

// commonFlags returns the flags of every command. size is the default of --size.
func commonFlags(size, use string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "size", Category: ofMeasuring, Value: size, Usage: use},
		&cli.IntFlag{Name: "runs", Category: ofMeasuring, Value: 5, Usage: "measure each program `N` times, and show medians"},
		&cli.StringFlag{Name: "kinds", Category: ofMeasuring, Usage: "measure only `KIND,...`", DefaultText: "all that are installed"},
		&cli.StringFlag{Name: "program", Category: ofMeasuring, Usage: "measure the p2pshare binary `FILE`", DefaultText: "in this program's folder, or in the PATH"},
		&cli.StringFlag{Name: "work", Category: ofMeasuring, Usage: "keep payload and downloads below `DIR`", DefaultText: "/dev/shm, or the system's temporary folder"},
		&cli.StringFlag{Name: "report", Category: ofOutput, Usage: "write the JSON object of --json to `FILE`"},
		&cli.BoolFlag{Name: "json", Category: ofOutput, Usage: "print the report as one JSON object instead of tables"},
	}
}

func linkFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "up", Category: ofMeasuring, Value: "80Mbit", Usage: "limit each fetcher's upload to `RATE` (80Mbit, 2M/s; 0: no limit)"},
		&cli.StringFlag{Name: "down", Category: ofMeasuring, Value: "80Mbit", Usage: "limit each fetcher's download to `RATE`"},
		&cli.StringFlag{Name: "origin-up", Category: ofMeasuring, Value: "80Mbit", Usage: "limit the origin's upload to `RATE`"},
		&cli.StringFlag{Name: "svg", Category: ofOutput, Usage: "draw how many fetchers have everything, over time, to `FILE`"},
	}
}

// command makes a command that reads its options with read, and measures.
func (s system) command(name, usage, about string, flags []cli.Flag, read func(*cli.Context) (measuring, error)) *cli.Command {
	return &cli.Command{Name: name, Usage: usage, Description: about, UsageText: "p2pshare-bench " + name + " [FLAG...]", Flags: flags, HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("%s takes no argument %q", name, c.Args().First())
			}
			m, err := read(c)
			if err != nil {
				return err
			}
			return s.carryOut(c, m)
		}}
}

func (s system) commands() []*cli.Command {
	return []*cli.Command{
		s.command("swarm", "measure how fast one origin fills many fetchers", paragraphs(
			"Reports when the median and the last fetcher have everything, compared with the bound max(F/u_origin, F/d, N*F/(u_origin+N*u)), and how many copies the origin sent.",
			compared, "The kinds are p2pshare, aria2, libtorrent, transmission and http (curl from nginx); A+B is a swarm with an origin A and alternating fetchers of A and B.", needsRoot,
			"Examples:\n   sudo p2pshare-bench swarm --svg swarm.svg\n   sudo p2pshare-bench swarm --peers 30 --stagger 1s --uplink-fraction 0.25\n"+
				"   sudo p2pshare-bench swarm --leave origin=1.3 --kinds p2pshare,aria2\n   sudo p2pshare-bench swarm --kinds aria2,aria2+p2pshare --runs 3"),
			append(append(commonFlags("64MB", "share a file of `SIZE`"), linkFlags()...),
				&cli.IntFlag{Name: "peers", Category: ofMeasuring, Value: 12, Usage: "use `N` fetchers"},
				&cli.DurationFlag{Name: "stagger", Category: ofMeasuring, Usage: "start each fetcher `TIME` after the previous one", DefaultText: "all at once"},
				&cli.Float64Flag{Name: "uplink-fraction", Category: ofMeasuring, Value: 1, Usage: "limit each fetcher's upload to the fraction `F` of --up, between 0 and 1"},
				&cli.StringFlag{Name: "leave", Category: ofMeasuring, Usage: "let `WHO` leave: half (every second fetcher, once it is done), origin=COPIES (the origin, once it has sent that many), or both, separated by a comma", DefaultText: "nobody"},
			), readSwarm),
		s.command("link", "measure one seeder and one fetcher on an unlimited link", paragraphs(
			"Compares elapsed time, processor time of both ends and memory, for a folder with an image, six archives and small files.",
			compared, "The kinds are p2pshare, aria2, libtorrent, transmission and http (curl from nginx, which verifies nothing).", needsRoot),
			commonFlags("1GB", "share a folder of `SIZE`"), readLink),
		s.command("build", "measure how fast torrents are made", paragraphs(
			"Makes torrents of a folder of mixed files, of one file and of many small ones, in v1 and, if the program can, hybrid, all with pieces of 1 MiB.",
			compared, "The torrents are checked against the files. The kinds are p2pshare, mktorrent, transmission and libtorrent. Requires Linux, but not root."),
			commonFlags("1GB", "make torrents of `SIZE`"), readBuild),
		s.command("webseed", "measure fetches whose only source is a web server", paragraphs(
			"Has three parts: one fetcher on an unlimited link, one on a limited link, both compared with curl, and a swarm whose only origin is the web server.",
			compared, "The kinds are p2pshare, aria2, libtorrent, transmission and http (curl). Requires nginx.", needsRoot),
			append(append(commonFlags("1GB", "fetch a file of `SIZE`"), linkFlags()...),
				&cli.StringFlag{Name: "rate", Category: ofMeasuring, Value: "100Mbit", Usage: "limit the link of the single fetcher to `RATE`"},
				&cli.IntFlag{Name: "peers", Category: ofMeasuring, Value: 12, Usage: "use `N` fetchers in the swarm"},
				&cli.StringFlag{Name: "swarm-size", Category: ofMeasuring, Value: "64MB", Usage: "share a file of `SIZE` in the swarm"},
				&cli.StringFlag{Name: "parts", Category: ofMeasuring, Value: strings.Join(bench.WebSeedParts(), ","), Usage: "measure only `PART,...`: alone, shaped, swarm"},
			), readWebSeed),
		s.command("reuse", "measure how much of the next release is fetched again", paragraphs(
			"Shares a release that is mostly the same as the previous one, with new bytes in the middle of its large files. p2pshare is given the path of the previous one; "+
				"the others find it in place of the new one and check it. The table shows how much each received.",
			compared, "The kinds are p2pshare, aria2, libtorrent and transmission.", needsRoot),
			append(commonFlags("1GB", "make the next release about `SIZE` large"),
				&cli.IntFlag{Name: "same", Category: ofMeasuring, Value: 90, Usage: "keep `N` percent of the previous release's bytes"}),
			readReuse),
	}
}

// manCommand prints the man page that packages install.
func manCommand() *cli.Command {
	return &cli.Command{Name: "man", Usage: "print the man page", HideHelpCommand: true, Action: func(c *cli.Context) error {
		page, err := c.App.ToManWithSection(1)
		if err != nil {
			return fmt.Errorf("writing the man page: %w", err)
		}
		_, err = fmt.Fprint(c.App.Writer, page)
		return err
	}}
}

func helpCommand() *cli.Command {
	return &cli.Command{Name: "help", Usage: "show the commands, or the flags of one", ArgsUsage: "[COMMAND]", HideHelpCommand: true, Action: func(c *cli.Context) error {
		name := c.Args().First()
		if name == "" {
			return cli.ShowAppHelp(c)
		}
		if c.App.Command(name) == nil {
			return fault.Hint(usagef("there is no command %q", name), "p2pshare-bench help lists them")
		}
		return cli.ShowCommandHelp(c, name)
	}}
}

func readSwarm(c *cli.Context) (measuring, error) {
	o := bench.SwarmOptions{Stagger: c.Duration("stagger"), Runs: c.Int("runs"), Kinds: kindsOf(c)}
	var err error
	if o.Links, err = readLinks(c); err != nil {
		return nil, err
	}
	if o.Size, err = sizeFlag(c, "size"); err != nil {
		return nil, err
	}
	if o.Leave, err = bench.ParseLeave(c.String("leave")); err != nil {
		return nil, inFlag("leave", err)
	}
	fraction := c.Float64("uplink-fraction")
	switch {
	case !(fraction > 0 && fraction <= 1):
		return nil, usagef("--uplink-fraction %g is not above 0 and at most 1", fraction)
	case o.Stagger < 0 || o.Stagger > time.Hour:
		return nil, usagef("--stagger %v is not between 0 and an hour", o.Stagger)
	}
	o.Up = int64(float64(o.Up) * fraction)
	return func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Swarm(ctx, e, o) }, nil
}

func readLink(c *cli.Context) (measuring, error) {
	size, err := sizeFlag(c, "size")
	o := bench.LinkOptions{Size: size, Kinds: kindsOf(c), Runs: c.Int("runs")}
	return func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Link(ctx, e, o) }, err
}

func readBuild(c *cli.Context) (measuring, error) {
	size, err := sizeFlag(c, "size")
	o := bench.BuildOptions{Size: size, Kinds: kindsOf(c), Runs: c.Int("runs")}
	return func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Build(ctx, e, o) }, err
}

func readWebSeed(c *cli.Context) (measuring, error) {
	o := bench.WebSeedOptions{Kinds: kindsOf(c), Runs: c.Int("runs"), Parts: strings.Split(c.String("parts"), ",")}
	var err error
	if o.Swarm, err = readLinks(c); err != nil {
		return nil, err
	}
	if o.Swarm.Size, err = sizeFlag(c, "swarm-size"); err != nil {
		return nil, err
	}
	if o.Size, err = sizeFlag(c, "size"); err != nil {
		return nil, err
	}
	if o.Rate, err = rateFlag(c, "rate"); err != nil {
		return nil, err
	}
	return func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.WebSeed(ctx, e, o) }, nil
}

func readReuse(c *cli.Context) (measuring, error) {
	size, err := sizeFlag(c, "size")
	o := bench.ReuseOptions{Size: size, Same: c.Int("same"), Kinds: kindsOf(c), Runs: c.Int("runs")}
	return func(ctx context.Context, e bench.Env) (*bench.Report, error) { return bench.Reuse(ctx, e, o) }, err
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
	for _, f := range []struct {
		name string
		to   *int64
	}{{"up", &l.Up}, {"down", &l.Down}, {"origin-up", &l.OriginUp}} {
		if *f.to, err = rateFlag(c, f.name); err != nil {
			return l, err
		}
	}
	return l, nil
}

func sizeFlag(c *cli.Context, name string) (int64, error) {
	n, err := sizes.Bytes(c.String(name))
	return n, inFlag(name, err)
}

func rateFlag(c *cli.Context, name string) (int64, error) {
	n, err := sizes.Rate(c.String(name))
	return n, inFlag(name, err)
}

// inFlag adds the name of the flag to an error.
func inFlag(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fault.Hint(usagef("--%s: %v", flag, err), "%s", fault.HintOf(err))
}

// carryOut measures, prints the report and writes the requested files.
func (s system) carryOut(c *cli.Context, m measuring) error {
	e, err := s.environment(c)
	if err != nil {
		return err
	}
	for _, flag := range []string{"report", "svg"} {
		if err := writable(flag, c.String(flag)); err != nil {
			return err
		}
	}
	r, err := m(c.Context, e)
	if err != nil {
		return err
	}
	object, err := json.Marshal(struct {
		Version int    `json:"version"`
		Type    string `json:"type"`
		*bench.Report
	}{jsonVersion, "bench", r})
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	object = append(object, '\n')
	text := r.Text()
	if c.Bool("json") {
		text = string(object)
	}
	if _, err := fmt.Fprint(s.stdout, text); err != nil {
		return err
	}
	if file := c.String("report"); file != "" {
		if err := s.write(file, object); err != nil {
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

// writable checks before the measurement that a file can be written after it.
func writable(flag, file string) error {
	if file == "" {
		return nil
	}
	dir := filepath.Dir(file)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.Hint(fault.New(fault.NotFound, "--%s: there is no folder %q", flag, dir), "make it first")
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("--%s: %q is a folder", flag, file)
	}
	return nil
}

func (s system) write(file string, data []byte) error {
	if err := state.WriteFile(file, data, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.stderr, "wrote %s\n", file)
	return nil
}
