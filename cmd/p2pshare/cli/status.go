package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
)

// watchEvery is how often --watch looks: as often as rates change enough to be seen.
const watchEvery = time.Second

func statusCommand() command {
	return command{
		name: "status", group: groupShares, args: "[REF...]", max: -1, run: statusAction,
		summary: "show how the shares stand, and why",
		about: "Shows the daemon's rates, limits and port, and each share: its state, rates, peers, what was sent, who else has " +
			"all of it, and what keeps it from moving. " + refText + " Without REF, all shares are shown; where no daemon runs, as they rest.\n\n" +
			"--watch shows it anew every second until Ctrl-C, in place on a terminal and as a block or object each elsewhere.",
		examples: []example{
			{"everything", "p2pshare status"},
			{"one share, over and over", "p2pshare status --watch release"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitInterrupted},
		flags: []cli.Flag{&cli.BoolFlag{Name: "watch", Category: groupOutput, Usage: "show it anew every second until Ctrl-C"}},
	}
}

const refText = "REF is a share's ID, name, infohash, the first digits of one (four at least), its magnet link, or a path of its " +
	"content with a slash in it (./release)."

func statusAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.StatusRequest{Refs: s.refs(c.Args().Slice())}
	if !c.Bool("watch") {
		st, err := s.status(ctx, r)
		if err != nil {
			return interrupted(ctx, err, "nothing was changed")
		}
		s.showStatus(st)
		return nil
	}
	return s.watch(ctx, r)
}

// status asks once. The backend is opened for it alone: a daemon may come and go between two looks.
func (s *session) status(ctx context.Context, r node.StatusRequest) (*node.Status, error) {
	var st *node.Status
	err := s.with(ctx, func(b Backend) (err error) {
		st, err = b.Status(ctx, r)
		return err
	})
	return st, err
}

func (s *session) showStatus(st *node.Status) {
	if s.out.json {
		s.out.object("status", statusObject(st))
		return
	}
	for _, line := range s.statusLines(st) {
		s.out.answer(line)
	}
	for _, p := range st.Problems {
		s.out.say("warning: %s", printable(p))
	}
}

// statusLines is the whole of it, a block a share with an empty line before each.
func (s *session) statusLines(st *node.Status) []string {
	lines := header(st, s.env.Now())
	for _, x := range st.Shares {
		if !st.Daemon && strings.HasPrefix(x.Hint, "p2pshare daemon") {
			x.Hint = "" // the header has it, for all
		}
		lines = append(append(lines, ""), block(x)...)
	}
	return lines
}

func statusObject(st *node.Status) any {
	return struct {
		*node.Status
		Version  any           `json:"version,omitempty"` // the object's own is that of its form
		P2pshare string        `json:"p2pshare"`
		Shares   []shareObject `json:"shares"`
		Problems []string      `json:"problems"`
	}{Status: st, P2pshare: st.Version, Shares: shareObjects(st.Shares), Problems: append([]string{}, st.Problems...)}
}

// watch looks every second until the user ends it.
func (s *session) watch(ctx context.Context, r node.StatusRequest) error {
	every := s.env.Every
	if every == nil {
		every = func(d time.Duration) (<-chan time.Time, func()) { t := time.NewTicker(d); return t.C, t.Stop }
	}
	ticks, stop := every(watchEvery)
	defer stop()
	screen := s.screen()
	for first := true; ; first = false {
		st, err := s.status(ctx, r)
		if err == nil {
			switch {
			case screen != nil:
				err = screen.draw(s.statusLines(st))
			case !first && !s.out.json:
				s.out.answer("")
				fallthrough
			default:
				s.showStatus(st)
			}
			err = cmp.Or(err, s.out.lost())
		}
		if err != nil {
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil // to end it is the only way it ends
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
	}
}

// screen is where a picture is drawn over the one before; nil where stdout cannot.
func (s *session) screen() *picture {
	if s.out.json || s.env.Screen == nil || s.env.Getenv("TERM") == "dumb" {
		return nil
	}
	if width, height, ok := s.env.Screen(); !ok || width <= 0 || height <= 0 {
		return nil
	}
	return &picture{out: s.env.Stdout, size: s.env.Screen}
}

// picture is lines on a terminal, drawn over when they change.
type picture struct {
	out   io.Writer
	size  func() (width, height int, ok bool)
	lines int // that the one before has
}

// draw shows as many lines as the screen holds.
func (p *picture) draw(lines []string) error {
	width, height, ok := p.size()
	if !ok || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	if room := max(height-1, 1); len(lines) > room {
		left := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("... and %s more", plural(left, "line")))
	}
	var b strings.Builder
	if p.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.lines)
	}
	b.WriteString("\r\x1b[J")
	for _, l := range lines {
		b.WriteString(runewidth.Truncate(printable(l), max(width-1, 8), "…") + "\n")
	}
	p.lines = len(lines)
	if _, err := io.WriteString(p.out, b.String()); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

func listCommand() command {
	return command{
		name: "list", group: groupShares, max: 0, run: listAction,
		summary: "list the shares, one a line",
		about: "Prints ID, state, size, rates, peers, ratio and name of every share that the home keeps. With --quiet, what stop, " +
			"start, remove and the others take: the name, or the ID where a name is there twice or cannot be typed.",
		examples: []example{
			{"all of them", "p2pshare list"},
			{"in a script", "p2pshare list -q | while read -r share; do p2pshare verify \"$share\"; done"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitInUse},
	}
}

func listAction(ctx context.Context, s *session, _ *cli.Context) error {
	st, err := s.status(ctx, node.StatusRequest{})
	if err != nil {
		return interrupted(ctx, err, "nothing was changed")
	}
	if s.out.json {
		s.out.object("list", struct {
			Shares []shareObject `json:"shares"`
		}{shareObjects(st.Shares)})
		return nil
	}
	lines := typable(st.Shares)
	if !s.out.quiet {
		eyes := false
		if s.env.Screen != nil {
			_, _, eyes = s.env.Screen()
		}
		lines = listed(st.Shares, eyes && len(st.Shares) > 0)
		if len(st.Shares) == 0 {
			if st.Daemon {
				s.out.say("nothing is shared yet: p2pshare publish PATH")
			} else {
				s.out.say("nothing is kept; publish, fetch and seed keep what they share where a daemon runs (p2pshare daemon --detach)")
			}
		}
	}
	for _, line := range lines {
		s.out.answer(line)
	}
	for _, p := range st.Problems {
		s.out.say("warning: %s", printable(p))
	}
	return nil
}
