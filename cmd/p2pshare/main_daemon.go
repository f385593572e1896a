package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/daemonlog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/metrics"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/state"
)

const (
	// endTime is how long the end of a daemon may take from the signal on. What is not done then is cut off: the
	// store needs no goodbye.
	endTime = 4500 * time.Millisecond

	// lockPatience is how long a daemon waits for the lock of the home, which commands that look at a resting home
	// hold for a moment.
	lockPatience = 500 * time.Millisecond

	// detachedVariable tells a daemon that nobody sees its stderr.
	detachedVariable = "P2PSHARE_DETACHED"
)

// daemons is cli.Daemons.
type daemons struct{}

// Run is a daemon.
func (daemons) Run(ctx context.Context, s cli.DaemonSettings, ready func(cli.DaemonInfo)) error {
	detached := os.Getenv(detachedVariable) != ""
	ctx, end := context.WithCancel(ctx)
	defer end()
	if detached || os.Getenv("NOTIFY_SOCKET") != "" {
		signal.Ignore(syscall.SIGHUP) // there is no terminal that could have gone
	} else {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	home, err := takeable(ctx, s.Home)
	if err != nil {
		return err
	}
	if detached {
		if err := os.Chdir(home.Dir()); err != nil { // keep no other file system from being unmounted
			return fmt.Errorf("entering the home: %w", err)
		}
	}
	file, err := daemonlog.Open(home.Dir(), 0)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer file.Close()
	if err := file.OnOpen(func(f *os.File) error { return debug.SetCrashOutput(f, debug.CrashOptions{}) }); err != nil {
		return fmt.Errorf("sending crashes to the log: %w", err)
	}
	if s.Log, err = logTo(s, file, detached); err != nil {
		return err
	}
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug).Writer())
	soft := limitMemory()
	s.Log.Debug("memory has a soft limit", "bytes", soft)
	d := &daemon{settings: s, log: s.Log, end: end, logPath: file.Path()}
	if err := d.run(ctx, ready); err != nil {
		s.Log.Error("the daemon ends with an error", "error", err, "hint", fault.HintOf(err))
		return err
	}
	s.Log.Info("the daemon has ended")
	return nil
}

// takeable opens the home, and waits a moment if it is held. Who takes it is the node; this is asked before, so
// that a second daemon does not touch the log of the first.
func takeable(ctx context.Context, dir string) (*state.Home, error) {
	home, err := state.Open(dir)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(lockPatience)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pid, held, err := home.Holder(localapi.LockName)
		if err != nil || !held {
			return home, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			holder := "another p2pshare"
			if pid != 0 {
				holder += fmt.Sprintf(" (process %d)", pid)
			}
			return nil, fault.Hint(fault.New(fault.InUse, "%q is in use by %s", home.Dir(), holder),
				"the other commands use that daemon; p2pshare daemon --stop ends it, and --home gives this one another home")
		}
	}
}

// logTo writes to the file and, if somebody may see it, to stderr.
func logTo(s cli.DaemonSettings, file *daemonlog.File, detached bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if s.Verbose {
		level = slog.LevelDebug
	}
	h, err := daemonlog.NewHandler(file, s.LogFormat, level)
	if err != nil || detached {
		return slog.New(h), err
	}
	seen, err := daemonlog.NewHandler(s.Stderr, s.LogFormat, level)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewMultiHandler(h, seen)), nil
}

// daemon is one that runs.
type daemon struct {
	settings cli.DaemonSettings
	log      *slog.Logger
	logPath  string
	end      context.CancelFunc
}

func (d *daemon) run(ctx context.Context, ready func(cli.DaemonInfo)) (err error) {
	s := d.settings
	n, err := openNode(ctx, s.Settings, nil)
	if err != nil {
		return err
	}
	over := make(chan time.Time, 1) // when ctx ended
	stop := context.AfterFunc(ctx, func() { over <- time.Now() })
	defer func() {
		since := time.Now()
		if !stop() {
			since = <-over
		}
		err = errors.Join(err, shut(n, since.Add(endTime)))
	}()
	socket, err := listen(s.Home)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	if s.Metrics != "" {
		m, err := metrics.Listen(ctx, s.Metrics)
		if err != nil {
			return errors.Join(err, socket.Close())
		}
		g.Go(panics.Caught(func() error { return metrics.ServeOn(gctx, m, d.log, d.status(n)) }))
	}
	server := localapi.NewServer(localapi.Options{Backend: n, Home: s.Home, Version: s.Version, Log: d.log, End: d.end})
	g.Go(panics.Caught(func() error { return server.Serve(gctx, socket) }))
	st, err := n.Status(ctx, node.StatusRequest{})
	if err != nil {
		d.end()
		return errors.Join(err, g.Wait())
	}
	for _, p := range st.Problems {
		d.log.Warn("something in the home is passed over", "problem", p)
	}
	path, err := localapi.SocketPath(s.Home)
	if err != nil {
		path = socket.Addr().String()
	}
	d.log.Info("the daemon is ready", "version", s.Version, "home", s.Home, "socket", path, "port", st.Port, "shares", len(st.Shares))
	ready(cli.DaemonInfo{PID: os.Getpid(), Home: s.Home, Socket: path, Log: d.logPath, Port: st.Port})
	g.Go(panics.Caught(func() error { return supervise(gctx, d.log, d.status(n)) }))
	err = g.Wait()
	if bug := panics.In(err); bug != nil {
		bug.Log(d.log, "the daemon")
	}
	return err
}

func (d *daemon) status(n *node.Node) func(context.Context) (*node.Status, error) {
	return func(ctx context.Context) (*node.Status, error) {
		return n.Status(ctx, node.StatusRequest{Groups: true})
	}
}

// shut closes the node. What is not done when its time is over is left to the end of the process.
func shut(n *node.Node, late time.Time) error {
	closed := make(chan error, 1)
	go func() { closed <- panics.Catch(n.Close) }()
	timer := time.NewTimer(time.Until(late))
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("the node did not end within %v, and is cut off", endTime)
	}
}

// openNode opens the node. A command that looks at the resting home may hold it for just this moment.
// groupsHere is called when it takes the groups of the home; it may be nil.
func openNode(ctx context.Context, s cli.Settings, groupsHere func()) (*node.Node, error) {
	options := node.Options{
		Home: s.Home, Network: s.Network, Log: s.Log, Version: s.Version,
		Daemon: s.Daemon, Fetches: s.Fetches, Floor: s.Floor, Policy: s.Policy, NoSeed: s.NoSeed, FirmUp: s.FirmUp, FirmDown: s.FirmDown,
		GroupsHere: groupsHere, GroupsElsewhere: func(ctx context.Context) int { return groupsElsewhere(ctx, s) },
	}
	late := time.NewTimer(lockPatience)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := node.Open(ctx, options)
		if fault.KindOf(err) != fault.InUse {
			return n, err
		}
		select {
		case <-tick.C:
		case <-late.C:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// listen takes the socket that systemd has made, or makes it.
func listen(home string) (net.Listener, error) {
	given, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("taking the sockets of the service manager: %w", err)
	}
	if len(given) == 0 {
		return localapi.Listen(home, os.Getenv("XDG_RUNTIME_DIR"))
	}
	if u, ok := given[0].(*net.UnixListener); ok && len(given) == 1 {
		return u, nil
	}
	return nil, fault.Hint(fault.New(fault.Usage, "the service manager gave %d sockets, want one unix socket", len(given)),
		"p2pshare.socket has one line ListenStream, with the path of p2pshare.sock in the home")
}
