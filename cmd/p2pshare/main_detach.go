package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/daemonlog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// startTime is how long a daemon in the background may take until it answers: a thousand shares take two seconds.
	startTime = time.Minute

	// maxOutput bounds what is read of a daemon that did not start.
	maxOutput = 1 << 20
)

// Detach starts a daemon in the background.
func (daemons) Detach(ctx context.Context, s cli.Settings, args []string) (*cli.DaemonInfo, []byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("finding this program: %w", err)
	}
	// A file and no pipe: the daemon outlives this process, and must not meet a closed pipe.
	output, err := os.CreateTemp("", "p2pshare-start-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a file for what the daemon says while it starts: %w", err)
	}
	defer output.Close()
	defer os.Remove(output.Name())
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), detachedVariable+"=1")
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting the daemon: %w", err)
	}
	exited := make(chan struct{})
	go panics.Guard(func() {
		defer close(exited)
		cmd.Wait() // what it wrote says more than its error
	}, func(*panics.Error) {})()
	info, err := answers(ctx, s, cmd.Process.Pid, exited)
	if err != nil {
		cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		return nil, nil, err
	}
	if info != nil {
		return info, nil, nil
	}
	text := make([]byte, maxOutput)
	n, err := output.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("reading why the daemon did not start: %w", err)
	}
	return nil, text[:n], nil
}

// answers waits until process pid answers as the daemon of the home; nil if it ends before.
func answers(ctx context.Context, s cli.Settings, pid int, exited <-chan struct{}) (*cli.DaemonInfo, error) {
	late := time.NewTimer(startTime)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		// Another daemon may hold the home; the new one then ends by itself and says so.
		if c, err := localapi.Dial(ctx, s.Home, s.Version); err == nil && c.About().PID == pid {
			return infoOf(ctx, c, s.Home)
		}
		select {
		case <-exited:
			return nil, nil
		default:
		}
		select {
		case <-exited:
			return nil, nil
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return nil, fault.Hint(fault.New(fault.Timeout, "the daemon (process %d) does not answer after %v, and is ended", pid, startTime),
				"p2pshare log shows what it did")
		}
	}
}

func infoOf(ctx context.Context, c *localapi.Client, home string) (*cli.DaemonInfo, error) {
	st, err := c.Status(ctx, node.StatusRequest{})
	if err != nil {
		return nil, err
	}
	path, err := localapi.SocketPath(home)
	if err != nil {
		return nil, err
	}
	return &cli.DaemonInfo{PID: c.About().PID, Home: home, Socket: path, Log: daemonlog.Path(home), Port: st.Port}, nil
}

// End ends the daemon of the home.
func (daemons) End(ctx context.Context, s cli.Settings) (int, error) {
	pid, err := localapi.End(ctx, s.Home, s.Version)
	switch {
	case errors.Is(err, localapi.ErrNoDaemon):
		return 0, fault.Hint(fault.New(fault.NotFound, "no daemon runs on the home %q", s.Home), "--home names another home")
	case errors.Is(err, context.DeadlineExceeded):
		return pid, fault.Hint(fault.New(fault.Timeout, "the daemon (process %d) has not ended yet", pid), "kill -9 %d ends it at once; what was confirmed is not lost", pid)
	}
	return pid, err
}
