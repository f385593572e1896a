package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// session is one run of one command.
type session struct {
	env        Env
	table      []command
	words      words
	configured string // the configuration file that was read; empty: none
	out        *output
	log        *slog.Logger
	home       func() (string, error)
	daemon     bool // answers, and keeps the groups up to date
}

// Main runs the command that env.Args names and returns the exit code. The first signal ends the
// command cleanly; at the second, Main returns at once, and the caller is to exit.
func Main(env Env) int {
	table := commands()
	w, err := arrange(append(table, completeCommand()), env.Args, env.Getenv)
	json := slices.Contains(w.flags, "--json") || err != nil && asksJSON(env.Args)
	out := newOutput(env, json, slices.Contains(w.flags, "--quiet") || slices.Contains(w.flags, "-q"))
	if err != nil {
		return out.fail(err)
	}
	s := &session{env: env, table: table, out: out, log: newLog(out, slices.Contains(w.flags, "--verbose"))}
	if env.StdLog != nil {
		env.StdLog(slog.NewLogLogger(s.log.Handler(), slog.LevelDebug).Writer())
	}
	switch {
	case w.help():
		return out.fail(showHelp(s, w.command, w.level))
	case w.command == nil:
		return out.fail(showHelp(s, nil, w.level))
	}
	return s.guarded(w)
}

// asksJSON says whether a line that could not be put in order asks for JSON: what is wrong with it is told so too.
func asksJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// guarded runs the command under the signals and behind a recover.
func (s *session) guarded(w words) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan int, 1)
	bug := func(bug *panics.Error) { done <- s.out.bug(bug.Value, bug.Stack) }
	go panics.Guard(func() {
		err := s.run(ctx, w)
		if met := panics.In(err); met != nil { // by a goroutine of it
			bug(met)
			return
		}
		done <- s.out.fail(err)
	}, bug)()
	ending, signals := false, s.env.Signals
	for {
		select {
		case code := <-done:
			return code
		case _, ok := <-signals:
			switch {
			case !ok:
				signals = nil
			case ending:
				return exitInterrupted
			default:
				ending = true
				s.out.say("stopping; Ctrl-C again stops at once")
				cancel(errInterrupted)
			}
		}
	}
}

// run parses the flags of the ordered line and carries the command out.
func (s *session) run(ctx context.Context, w words) error {
	app := newApp(append(s.table, completeCommand()), func(c command) cli.ActionFunc {
		return func(cc *cli.Context) error {
			n := cc.Args().Len()
			switch {
			case n < c.min && c.needs != "":
				return fault.Hint(usagef("%s needs %s", c.name, c.args), "%s", c.needs)
			case n < c.min:
				return seeHelp(usagef("%s needs %s", c.name, c.args), &c)
			case c.max >= 0 && n > c.max:
				if path := strings.Join(cc.Args().Slice()[max(c.max-1, 0):], " "); c.max > 0 && s.isThere(path) {
					return fault.Hint(usagef("%s takes no argument %q", c.name, cc.Args().Get(c.max)), "put a path with blanks into quotes: %s", shellQuote(path))
				}
				if meant := synonyms[c.name+" "+cc.Args().Get(c.max)]; meant != "" {
					return fault.Hint(usagef("%s takes no argument %q", c.name, cc.Args().Get(c.max)), "did you mean p2pshare %s?", meant)
				}
				return seeHelp(usagef("%s takes no argument %q", c.name, cc.Args().Get(c.max)), &c)
			}
			s.home = func() (string, error) { return homeDir(s.env, cc.String("home")) }
			return c.run(ctx, s, cc)
		}
	})
	app.Writer, app.ErrWriter = s.env.Stdout, s.out
	if err := s.configure(&w); err != nil {
		return err
	}
	s.words = w
	err := app.RunContext(ctx, w.line())
	return s.explainFlag(err, w)
}

// isThere says whether a path names something.
func (s *session) isThere(path string) bool {
	_, err := os.Lstat(s.abs(path))
	return err == nil
}

// explainFlag makes what the flag package says of a malformed value the user's: a usage error that
// names the variable if the value came from there.
func (s *session) explainFlag(err error, w words) error {
	var flagName, value, cause string
	if err == nil || !isFlagError(err, &flagName, &value, &cause) {
		return err
	}
	if from, ok := w.from[flagName]; ok {
		return usagef("%s: %q is malformed: %s", from, value, cause)
	}
	return seeHelp(usagef("--%s %q is malformed: %s", flagName, value, cause), w.command)
}

// with opens a backend without network settings, calls do, and closes it whatever came.
func (s *session) with(ctx context.Context, do func(Backend) error) error {
	return s.withSettings(ctx, Settings{}, do)
}

// withSettings is with, of settings that the home, the log and the version are added to.
func (s *session) withSettings(ctx context.Context, set Settings, do func(Backend) error) (err error) {
	if set.Home, err = s.home(); err != nil {
		return err
	}
	if s.env.Open == nil {
		return errors.New("this build has no node")
	}
	set.Log, set.Version = s.log, buildVersion(s.env.Version)
	b, err := s.env.Open(ctx, set)
	if err != nil {
		return err
	}
	defer func() {
		s.out.endMeter()
		if cerr := b.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the node: %w", cerr)
		}
	}()
	return do(b)
}

// abs makes a path of the command line absolute.
func (s *session) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.env.Dir, path)
}

func (s *session) absAll(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = s.abs(p)
	}
	return out
}

// homeDir is --home (which P2PSHARE_HOME stands in for), else the system's place for state.
func homeDir(env Env, flag string) (string, error) {
	if flag != "" {
		if filepath.IsAbs(flag) {
			return flag, nil
		}
		return filepath.Join(env.Dir, flag), nil
	}
	// The XDG specification says to ignore a relative path.
	if d := env.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "p2pshare"), nil
	}
	if runtime.GOOS == "windows" {
		if d := env.Getenv("LOCALAPPDATA"); filepath.IsAbs(d) {
			return filepath.Join(d, "p2pshare"), nil
		}
	}
	if d := env.Getenv("HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, ".local", "state", "p2pshare"), nil
	}
	return "", fault.Hint(usagef("there is no home folder: HOME is not set"), "give --home DIR, or set P2PSHARE_HOME")
}

func newLog(w *output, verbose bool) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
