package cli

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// wayFlags are those of publish, fetch and seed that matter where a daemon runs. wait is the usage of --wait.
func wayFlags(wait string) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "wait", Category: groupDaemon, Usage: wait},
		&cli.BoolFlag{Name: "no-wait", Category: groupDaemon, Usage: "end as soon as a daemon has taken it over; needs a daemon"},
		&cli.BoolFlag{Name: "alone", Category: groupDaemon, Usage: "do it in this process, even if a daemon runs"},
	}
}

// way is how a publish, fetch or seed goes to the node of this process, or to a daemon.
type way struct {
	network             node.Network // for the node of this process; the trackers are left to the command
	alone, wait, noWait bool

	// Of the command line alone, for a daemon: its own settings are from the environment and the file already.
	peers, announce []string
	limits          node.Limits
	policy          node.Policy
	barred          []string // flags that a daemon cannot take from a request
}

func (s *session) readWay(c *cli.Context) (w way, err error) {
	if w.network, err = s.readNetwork(c); err != nil {
		return w, err
	}
	w.alone, w.wait, w.noWait = c.Bool("alone"), c.Bool("wait"), c.Bool("no-wait")
	switch {
	case w.wait && w.noWait:
		return w, fault.Hint(usagef("--wait and --no-wait contradict each other"), "leave one of them out")
	case w.alone && w.noWait:
		return w, fault.Hint(usagef("--alone and --no-wait contradict each other"), "only a daemon goes on when the command ends")
	}
	if w.policy, err = readPolicy(c, node.Policy{}); err != nil {
		return w, err
	}
	for _, name := range networkNames {
		if !s.onLine(name) {
			continue
		}
		switch name {
		case "peer":
			w.peers = w.network.Peers
		case "tracker":
			if w.announce, err = readTrackers(c); err != nil {
				return w, err
			}
		case "max-up":
			w.limits.Up = w.network.MaxUp
		case "max-down":
			w.limits.Down = w.network.MaxDown
		default:
			w.barred = append(w.barred, "--"+name)
		}
	}
	return w, nil
}

// onLine says whether a flag was given on the command line, and not by a variable or the file.
func (s *session) onLine(flag string) bool {
	_, elsewhere := s.words.from[flag]
	return s.words.given()[flag] && !elsewhere
}

// errand is a publish, fetch or seed under way.
type errand struct {
	s      *session
	daemon bool
	kept   []*node.Kept // what the daemon goes on with, whatever becomes of this process
	leave  func()       // ends the command while the daemon goes on
	left   bool
}

// errand opens a backend, judges whether the way fits it, and calls do with a context that ends when the errand
// is left. It returns do's error, except when the errand was left.
func (s *session) errand(ctx context.Context, w way, do func(context.Context, Backend, *errand) error) (*errand, error) {
	e := &errand{s: s}
	err := s.withSettings(ctx, Settings{Network: w.network, Alone: w.alone}, func(b Backend) error {
		e.daemon = b.Daemon()
		if err := w.fits(e.daemon); err != nil {
			return err
		}
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		e.leave = func() { e.left = true; cancel() }
		err := do(inner, b, e)
		if e.left && (err == nil || errors.Is(err, context.Canceled)) && ctx.Err() == nil {
			return nil
		}
		return err
	})
	return e, err
}

func (w way) fits(daemon bool) error {
	switch {
	case !daemon && w.noWait:
		return fault.Hint(usagef("--no-wait needs a daemon, and none runs"), "p2pshare daemon --detach starts it")
	case daemon && len(w.barred) > 0:
		return fault.Hint(usagef("a daemon runs, and %s is for it to be started with", strings.Join(w.barred, ", ")),
			"give it to p2pshare daemon or write it into the configuration file; or use --alone to do this in a process of its own")
	}
	return nil
}

// event shows ev, and notes what the daemon keeps.
func (e *errand) event(ev node.Event) {
	e.s.out.event(ev)
	if ev.Kept == nil {
		return
	}
	i := slices.IndexFunc(e.kept, func(k *node.Kept) bool { return k.ID == ev.Kept.ID || k.ID == ev.Kept.Was })
	if i < 0 {
		e.kept = append(e.kept, ev.Kept)
		return
	}
	e.kept[i] = ev.Kept
}

// goesOn says how to see and end what the daemon goes on with.
func (e *errand) goesOn() string {
	if len(e.kept) == 0 {
		return "p2pshare list shows what the daemon keeps"
	}
	refs := make([]string, len(e.kept))
	for i, k := range e.kept {
		name := k.Name
		if k.Ref == k.ID {
			name = "" // another share's too
		}
		refs[i] = refTo(k.ID, name)
	}
	if len(refs) > 3 {
		return "p2pshare status shows it"
	}
	list := strings.Join(refs, " ")
	return "p2pshare status " + list + " shows it, p2pshare remove " + list + " ends it"
}

// end judges how the errand ended. answered: what comes after is seeding alone, which may end at any time. hint is
// what an interruption leaves behind when nothing was handed over.
func (e *errand) end(ctx context.Context, err error, answered bool, hint string) error {
	if !e.daemon {
		return e.s.seedEnd(ctx, err, answered, hint)
	}
	if len(e.kept) > 0 {
		hint = "it goes on in the daemon: " + e.goesOn()
	}
	stopped := errors.Is(context.Cause(ctx), errInterrupted)
	if err == nil && stopped && !answered {
		err = context.Canceled // the backend's word for what it was asked to leave
	}
	err = interrupted(ctx, err, hint)
	if answered && (err == nil || exitCode(err) == exitInterrupted) {
		if e.left || stopped {
			e.s.out.say("the daemon goes on; %s", e.goesOn())
		}
		return nil
	}
	return err
}

// plainRef is a name that no shell takes for anything else.
var plainRef = regexp.MustCompile(`^[A-Za-z0-9._][A-Za-z0-9._+@=,-]*$`)

// refTo is how the user writes a share in a shell: its name, in quotes where it needs them, or its ID where it
// cannot be typed.
func refTo(id, name string) string {
	switch {
	case plainRef.MatchString(name):
		return name
	case name == "" || printable(name) != name || strings.ContainsAny(name, "'!") || strings.HasPrefix(name, "-"):
		return id
	}
	return "'" + name + "'"
}
