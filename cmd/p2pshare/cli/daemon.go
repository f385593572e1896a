package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// DaemonSettings are what a daemon is run with.
type DaemonSettings struct {
	Settings
	Metrics   string    // HOST:PORT; empty: nowhere
	LogFormat string    // text or json
	Verbose   bool      // log what helps to find errors too
	Stderr    io.Writer // the log goes here as well as into the home
}

// DaemonInfo is a daemon that answers.
type DaemonInfo struct {
	PID    int    `json:"pid"`
	Home   string `json:"home"`
	Socket string `json:"socket"`
	Log    string `json:"log"`
	Port   int    `json:"port"`
}

// Daemons run and end daemons.
type Daemons interface {
	// Run is a daemon until ctx ends, which is no error, or a client ends it. ready is called once it answers.
	Run(ctx context.Context, s DaemonSettings, ready func(DaemonInfo)) error
	// Detach starts this program again with args, in a session of its own, and returns when the daemon of the home
	// answers. If the program ends instead, what it wrote is returned. Of s the home and the version are used.
	Detach(ctx context.Context, s Settings, args []string) (*DaemonInfo, []byte, error)
	// End ends the home's daemon, and returns its process number when it has ended.
	End(ctx context.Context, s Settings) (pid int, err error)
	// AtLogin has the user's service manager start the home's daemon at each login, and now if none runs.
	AtLogin(ctx context.Context, s Settings) (*DaemonInfo, error)
	// NoAtLogin takes that back, and says whether there was anything to take back.
	NoAtLogin(ctx context.Context) (was bool, err error)
}

// stopPatience is how long --stop waits: a daemon is to end within five seconds.
const stopPatience = 15 * time.Second

func daemonCommand() command {
	return command{
		name: "daemon", group: groupShares, max: 0, run: daemonAction,
		summary: "keep what is shared available, and carry out commands",
		about: "Takes up what the home keeps and goes on until Ctrl-C or SIGTERM, which is a normal end (exit code 0) and " +
			"takes at most five seconds. While it runs, the other commands hand their work to it: publish returns when the " +
			"torrent can be fetched, and a fetch goes on when its command ends. One daemon runs on a home.\n\n" +
			"The log goes to stderr and into the home, where p2pshare log shows it. --detach starts the daemon in the " +
			"background and prints its process number once it answers. SIGHUP ends a daemon in the foreground, as its " +
			"terminal has gone, and is ignored by one that is detached or started by systemd. Settings are read when it starts.\n\n" +
			"--at-login writes units for the user's systemd, enables them and starts the daemon: it is there after each login, and after a crash, with the settings of the " +
			"configuration file. --no-at-login takes that back. It ends when you have logged out everywhere; loginctl enable-linger keeps it running.",
		examples: []example{
			{"in the background", "p2pshare daemon --detach"},
			{"on a port that the router passes on, at most 20 Mbit/s out", "p2pshare daemon --port 6881 --max-up 20Mbit"},
			{"now, and after each login", "p2pshare daemon --at-login"},
			{"end it", "p2pshare daemon --stop"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitDenied, exitTimeout, exitInterrupted},
		flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Category: groupDaemon, Usage: "run in the background; print the process number"},
			&cli.BoolFlag{Name: "stop", Category: groupDaemon, Usage: "end the daemon that runs on the home"},
			&cli.BoolFlag{Name: "at-login", Category: groupDaemon, Usage: "start it now and at each login, by the user's systemd"},
			&cli.BoolFlag{Name: "no-at-login", Category: groupDaemon, Usage: "no longer start it at login, and end it if it was started so"},
		}, daemonFlags()...), networkFlags("announce every public torrent to the tracker `URL` too; may be repeated")...),
	}
}

func daemonAction(ctx context.Context, s *session, c *cli.Context) error {
	if s.env.Daemons == nil {
		return errors.New("this build has no daemon")
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	if c.Bool("at-login") || c.Bool("no-at-login") {
		return s.atLogin(ctx, c, Settings{Home: home, Version: buildVersion(s.env.Version)})
	}
	if c.Bool("stop") {
		if c.Bool("detach") {
			return fault.Hint(usagef("--stop and --detach contradict each other"), "end the daemon first, then start it")
		}
		return stopDaemon(ctx, s, Settings{Home: home, Version: buildVersion(s.env.Version)})
	}
	// Judged here for --detach too, so that a slip is told before anything starts.
	o, err := s.daemonSettings(c, home)
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		return detachDaemon(ctx, s, o.Settings)
	}
	return runDaemon(ctx, s, o)
}

func (s *session) daemonSettings(c *cli.Context, home string) (o DaemonSettings, err error) {
	o = DaemonSettings{Metrics: c.String("metrics"), LogFormat: c.String("log-format"), Verbose: c.Bool("verbose"), Stderr: s.out}
	o.Home, o.Version, o.Daemon, o.Fetches = home, buildVersion(s.env.Version), true, c.Int("fetches")
	if o.Network, err = s.readNetwork(c); err != nil {
		return o, err
	}
	for _, tier := range c.StringSlice("tracker") {
		o.Network.Trackers = append(o.Network.Trackers, strings.Fields(tier)...)
	}
	if err := each("--tracker", o.Network.Trackers, catalog.CheckTracker); err != nil {
		return o, err
	}
	for _, name := range []string{"fetches", "floor", "metrics", "log-format"} {
		if err := judge(name, c.String(name)); err != nil && c.String(name) != "" {
			return o, flagValue(name, err)
		}
	}
	if err := judge("fetches", strconv.Itoa(o.Fetches)); err != nil {
		return o, flagValue("fetches", err)
	}
	if v := c.String("floor"); v != "" {
		if o.Floor, err = sizes.Bytes(v); err != nil {
			return o, flagValue("floor", err)
		}
	}
	o.NoSeed = c.Bool("no-seed")
	o.FirmUp, o.FirmDown = s.onLine("max-up"), s.onLine("max-down")
	o.Policy, err = readPolicy(c, o.Policy)
	return o, err
}

func runDaemon(ctx context.Context, s *session, o DaemonSettings) error {
	err := s.env.Daemons.Run(ctx, o, func(d DaemonInfo) {
		if s.out.json {
			s.out.object("daemon", d)
			return
		}
		s.out.say("p2pshare daemon: process %d, port %d, home %s; Ctrl-C ends it", d.PID, d.Port, printable(d.Home))
	})
	return interrupted(ctx, err, "the daemon had not begun; nothing is lost")
}

func detachDaemon(ctx context.Context, s *session, o Settings) error {
	d, output, err := s.env.Daemons.Detach(ctx, o, detachedArgs(s.env.Args))
	switch {
	case err != nil:
		return interrupted(ctx, err, "no daemon was started")
	case d == nil:
		return startError(output)
	}
	s.out.answer(strconv.Itoa(d.PID))
	if s.out.json {
		s.out.object("daemon", d)
	}
	s.out.say("the daemon runs as process %d, on port %d; p2pshare log shows its log, %s", d.PID, d.Port, printable(d.Log))
	return nil
}

// atLogin has the daemon started at each login, or no longer.
func (s *session) atLogin(ctx context.Context, c *cli.Context, o Settings) error {
	for name := range s.words.given() {
		if s.onLine(name) && !slices.Contains([]string{"at-login", "no-at-login", "home", "json", "quiet", "verbose"}, name) {
			return fault.Hint(usagef("--%s is not for a daemon that is started at login", name), "its settings are in the configuration file, which p2pshare config init begins")
		}
	}
	switch on, off := c.Bool("at-login"), c.Bool("no-at-login"); {
	case on && off:
		return fault.Hint(usagef("--at-login and --no-at-login contradict each other"), "leave one of them out")
	case off:
		was, err := s.env.Daemons.NoAtLogin(ctx)
		switch {
		case err != nil:
			return interrupted(ctx, err, "p2pshare daemon --no-at-login begins anew")
		case was:
			s.out.say("the daemon is started at login no longer")
		default:
			s.out.say("the daemon was not started at login")
		}
		return nil
	}
	d, err := s.env.Daemons.AtLogin(ctx, o)
	if err != nil {
		return interrupted(ctx, err, "p2pshare daemon --no-at-login takes back what was done")
	}
	s.out.answer(strconv.Itoa(d.PID))
	if s.out.json {
		s.out.object("daemon", d)
	}
	s.out.say("the daemon runs as process %d, on port %d, and is started at each login; p2pshare daemon --no-at-login takes that back", d.PID, d.Port)
	s.out.say("it ends when you have logged out everywhere: loginctl enable-linger keeps it running")
	return nil
}

// detachedArgs are the arguments of the daemon itself: those given, but for --detach, and with --json, so that an
// error can be read.
func detachedArgs(args []string) []string {
	out := []string{"--json"}
	for _, a := range args {
		if name, _, _ := strings.Cut(a, "="); name != "--detach" && name != "-d" {
			out = append(out, a)
		}
	}
	return out
}

// startError is what a daemon that did not start says of that: its error with kind and hint, or, if it left none,
// what it wrote last.
func startError(output []byte) error {
	var last string
	for raw := range bytes.Lines(output) {
		line := string(bytes.TrimSpace(raw))
		if line == "" {
			continue
		}
		last = line
		var e struct {
			Type string `json:"type"`
			errorObject
		}
		if json.Unmarshal(raw, &e) == nil && e.Type == "error" && e.Error != "" {
			return &fault.Error{Kind: kindOfExit(e.Code), Hint: e.Hint, Err: errors.New(e.Error)}
		}
	}
	if last == "" {
		last = "it said nothing"
	}
	return fault.Hint(fmt.Errorf("the daemon ended while it started: %s", last), "p2pshare daemon, without --detach, shows what it does")
}

// kindOfExit is the kind of error that ends with an exit code.
func kindOfExit(code int) fault.Kind {
	for _, k := range []fault.Kind{fault.Usage, fault.NotFound, fault.InUse, fault.Denied, fault.Unverified, fault.Timeout} {
		if exitCode(fault.New(k, "")) == code {
			return k
		}
	}
	return fault.Failed
}

func stopDaemon(ctx context.Context, s *session, o Settings) error {
	late, stop := context.WithTimeout(ctx, stopPatience)
	defer stop()
	pid, err := s.env.Daemons.End(late, o)
	if err != nil {
		return interrupted(ctx, err, "the daemon was asked to end")
	}
	if s.out.json {
		s.out.object("daemon-stopped", struct {
			PID int `json:"pid"`
		}{pid})
		return nil
	}
	s.out.say("the daemon (process %d) has ended", pid)
	return nil
}
