package cli

import (
	"context"
	"fmt"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func limitCommand() command {
	return command{
		name: "limit", group: groupShares, args: "[REF...]", max: -1, run: limitAction,
		summary: "show or set rates, hours and when seeding ends",
		about: "Without flags, shows what holds now, and why. Without REF, the rates are those of all shares together; with REF, of each " +
			"share named, which still share the common one. none, or 0, is no limit. " + refText + "\n\n" +
			"What you set here holds from now on, and goes before max-up and max-down of the configuration file and of the environment, which p2pshare config show " +
			"tells; --max-up of p2pshare daemon goes before it for that run. --up default and --down default take back what you set.\n\n" +
			"--window sets rates for a part of the week, in local time: \"mon-fri 08:00-18:00 up=1M down=none\". Without days it is every day; " +
			"18:00-08:00 runs past midnight; a rate that it does not name has no limit in it. The first window that holds the hour decides, and " +
			"outside of all windows --up and --down hold. The windows of one command replace those before.\n\n" +
			"--stop-ratio, --stop-time and --stop-copies need REF; those of shares without are given to the daemon.",
		examples: []example{
			{"what holds now", "p2pshare limit"},
			{"all together", "p2pshare limit --up 2M --down 80Mbit"},
			{"less by day", `p2pshare limit --up none --window "mon-fri 08:00-18:00 up=500k down=2M"`},
			{"seed one until twice its size was sent", "p2pshare limit release --stop-ratio 2"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "up", Category: groupOutput, Usage: "send at most `RATE` (2M/s, 1MiB, 80Mbit, none, default)"},
			&cli.StringFlag{Name: "down", Category: groupOutput, Usage: "receive at most `RATE` (likewise)"},
			&cli.StringSliceFlag{Name: "window", Category: groupOutput, Usage: "in the hours of `WINDOW` (\"mon-fri 08:00-18:00 up=1M down=none\") other rates hold; may be repeated"},
			&cli.BoolFlag{Name: "no-windows", Category: groupOutput, Usage: "take the windows away"},
		}, policyFlags("them")...),
	}
}

func limitAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.LimitRequest{Refs: s.refs(c.Args().Slice())}
	var err error
	for name, rate := range map[string]**int64{"up": &r.Up, "down": &r.Down} {
		if c.String(name) == "default" {
			r.Default = append(r.Default, name)
		} else if *rate, err = optionalRate(c, name); err != nil {
			return err
		}
	}
	slices.Sort(r.Default)
	if windows := c.StringSlice("window"); len(windows) > 0 || c.Bool("no-windows") {
		if len(windows) > 0 && c.Bool("no-windows") {
			return fault.Hint(usagef("--window and --no-windows contradict each other"), "--window alone replaces the windows that were there")
		}
		list := make([]node.Window, len(windows))
		for i, w := range windows {
			if list[i], err = parseWindow(w); err != nil {
				return flagValue("window", err)
			}
		}
		r.Windows = &list
	}
	stop := c.IsSet("stop-ratio") || c.IsSet("stop-time") || c.IsSet("stop-copies")
	if _, err := readPolicy(c, node.Policy{}); err != nil {
		return err
	}
	if stop && len(r.Refs) == 0 {
		return fault.Hint(usagef("--stop-ratio, --stop-time and --stop-copies are of shares: name them"), "for all that have none of their own, give them to p2pshare daemon or write them into the configuration file")
	}
	var list []node.Limited
	var now *node.Status
	err = s.with(ctx, func(b Backend) error {
		list, err = setLimits(ctx, b, c, r, stop)
		if err == nil && len(r.Refs) == 0 {
			now, err = b.Status(ctx, node.StatusRequest{})
		}
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare limit shows what holds")
	}
	s.showLimits(list, now)
	return nil
}

// setLimits sends the request. A rule of when seeding ends is one value to the backend: where only a part of it is
// given, the rest is asked first, and each share gets its own.
func setLimits(ctx context.Context, b Backend, c *cli.Context, r node.LimitRequest, stop bool) ([]node.Limited, error) {
	if !stop {
		got, err := b.Limit(ctx, r)
		if err != nil {
			return nil, err
		}
		return []node.Limited{*got}, nil
	}
	st, err := b.Status(ctx, node.StatusRequest{Refs: r.Refs})
	if err != nil {
		return nil, err
	}
	var out []node.Limited
	for _, x := range st.Shares {
		p, err := readPolicy(c, x.Policy)
		if err != nil {
			return nil, err
		}
		one := r
		one.Refs, one.Policy = []string{x.ID}, &p
		got, err := b.Limit(ctx, one)
		if err != nil {
			return nil, err
		}
		out = append(out, *got)
	}
	return out, nil
}

func optionalRate(c *cli.Context, name string) (*int64, error) {
	if !c.IsSet(name) {
		return nil, nil
	}
	n, err := sizes.Rate(c.String(name))
	if err != nil {
		return nil, flagValue(name, err)
	}
	return &n, nil
}

// windowHours are the hours of a window.
var windowHours = regexp.MustCompile(`^([0-9]{1,2}:[0-9]{2})-([0-9]{1,2}:[0-9]{2})$`)

// parseWindow reads "[DAYS] FROM-TO [up=RATE] [down=RATE]". Whether days and hours are some is the node's to
// judge.
func parseWindow(s string) (node.Window, error) {
	bad := func(format string, args ...any) (node.Window, error) {
		return node.Window{}, fault.Hint(usagef("%q: %w", s, fmt.Errorf(format, args...)), `write it as "mon-fri 08:00-18:00 up=1M down=none"`)
	}
	var w node.Window
	rates, seen := 0, map[string]bool{}
	for i, field := range strings.Fields(strings.ToLower(s)) {
		name, value, isRate := strings.Cut(field, "=")
		switch m := windowHours.FindStringSubmatch(field); {
		case m != nil && w.From == "":
			w.From, w.To = fullHour(m[1]), fullHour(m[2])
		case isRate && (name == "up" || name == "down"):
			original := strings.Fields(s)[i][len(name)+1:] // a rate's letters have a case: b is bits
			rate, err := sizes.Rate(original)
			switch {
			case err != nil:
				return node.Window{}, fault.Hint(usagef("%q: %w", s, err), "%s", fault.HintOf(err))
			case seen[name]:
				return bad("%s is there twice", name)
			}
			seen[name], rates = true, rates+1
			if name == "up" {
				w.Up = rate
			} else {
				w.Down = rate
			}
		case i == 0 && !isRate && w.From == "":
			w.Days = field
		default:
			return bad("%q means nothing here", value+map[bool]string{true: "", false: field}[isRate])
		}
	}
	switch {
	case w.From == "":
		return bad("it has no hours")
	case rates == 0:
		return bad("it has no rate")
	}
	return w, nil
}

// fullHour writes 8:00 as 08:00.
func fullHour(s string) string {
	if len(s) == len("8:00") {
		return "0" + s
	}
	return s
}

// showLimits tells what holds after the request: of all together if now is there, else of shares.
func (s *session) showLimits(list []node.Limited, now *node.Status) {
	var shares []node.Share
	for _, l := range list {
		shares = append(shares, l.Shares...)
	}
	if s.out.json {
		o := struct {
			Limits *node.Limits  `json:"limits,omitempty"` // of all together
			Set    []string      `json:"limits_set"`
			Now    *node.Limits  `json:"limits_now,omitempty"`
			Shares []shareObject `json:"shares"`
		}{Shares: shareObjects(shares), Set: []string{}}
		if len(list) > 0 {
			o.Limits, o.Set = &list[0].Limits, append(o.Set, list[0].Set...)
		}
		if now != nil {
			o.Now = &now.Now
		}
		s.out.object("limits", o)
		return
	}
	at := s.env.Now()
	if now != nil && len(list) > 0 {
		s.out.answer("all shares together")
		for _, line := range limitLines(list[0].Limits, at) {
			s.out.answer(line)
		}
		s.out.say("%s", limitPlaces(list[0].Set, now.Daemon))
		if !now.Daemon {
			s.out.say("no daemon runs: this holds when one does")
		}
	}
	for _, x := range shares {
		s.out.answer(shareName(x))
		for _, line := range append(limitLines(x.Limits, at), policyLine(x.Policy)) {
			s.out.answer(line)
		}
	}
}

// limitPlaces says where the rates outside of all windows come from.
func limitPlaces(set []string, daemon bool) string {
	rest := "those of the configuration, as p2pshare config show tells"
	if daemon {
		rest = "those that the daemon was started with"
	}
	up, down := slices.Contains(set, "up"), slices.Contains(set, "down")
	switch {
	case up && down:
		return "both rates were set with p2pshare limit; --up default and --down default take that back"
	case up:
		return "the rate up was set with p2pshare limit, which --up default takes back; the one down is " + strings.Replace(rest, "those", "that", 1)
	case down:
		return "the rate down was set with p2pshare limit, which --down default takes back; the one up is " + strings.Replace(rest, "those", "that", 1)
	}
	return "the rates are " + rest
}

// limitLines are the windows in the order they are looked at, and then the rates outside of them; the one that
// holds at the hour is marked.
func limitLines(l node.Limits, at time.Time) []string {
	var rows [][]string
	holds := false
	add := func(when string, up, down int64, now bool) {
		mark := ""
		if now && !holds {
			mark, holds = "<- now", true
		}
		rows = append(rows, []string{"   ", when, ratesText(up, down), mark})
	}
	for _, w := range l.Windows {
		add(strings.TrimSpace(w.Days+" "+w.From+"-"+w.To), w.Up, w.Down, w.Holds(at))
	}
	when := "at all hours"
	if len(l.Windows) > 0 {
		when = "otherwise"
	}
	add(when, l.Up, l.Down, true)
	return columns(rows)
}

func policyLine(p node.Policy) string {
	ends := policyEnds(p)
	if ends == "" {
		return "     seeding does not end by a rule of its own"
	}
	return "     seeding ends " + ends
}

// policyEnds says when seeding ends; "": never.
func policyEnds(p node.Policy) string {
	var ends []string
	if p.Ratio > 0 {
		ends = append(ends, "at the ratio "+ratioText(p.Ratio))
	}
	if p.Time > 0 {
		ends = append(ends, "after "+p.Time.String())
	}
	if p.Copies > 0 {
		ends = append(ends, "when "+plural(p.Copies, "other machine")+has(p.Copies)+" all of it")
	}
	return strings.Join(ends, ", or ")
}
