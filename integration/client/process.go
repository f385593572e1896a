//go:build linux

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// poll is the interval for conditions that have to be polled.
const poll = 50 * time.Millisecond

// Process is a running program.
type Process struct {
	Stdout, Stderr *Output
	cmd            *exec.Cmd
	done           chan struct{} // closed when it has exited and its output is read
	err            error         // of Wait; set before done is closed, as is ended
	ended          time.Time
	finished       func(context.Context) error
}

// Start runs cmd until it exits or the test ends.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Stdout: newOutput(), Stderr: newOutput(), cmd: cmd, done: make(chan struct{})}
	stdout, stderr := pipe(t), pipe(t)
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	err := cmd.Start()
	stdout.w.Close()
	stderr.w.Close()
	if err != nil {
		stdout.r.Close()
		stderr.r.Close()
		t.Fatalf("start %s: %v", strings.Join(cmd.Args, " "), err)
	}
	var read sync.WaitGroup
	read.Go(func() { stdout.into(p.Stdout) })
	read.Go(func() { stderr.into(p.Stderr) })
	go func() {
		p.err = cmd.Wait()
		p.ended = time.Now()
		// A child of a killed program, and for a moment anything another test starts, may keep the pipes open: waiting for
		// them is limited, and is not part of the program's time.
		for _, r := range []*os.File{stdout.r, stderr.r} {
			_ = r.SetReadDeadline(p.ended.Add(pipesTime))
		}
		read.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", strings.Join(cmd.Args, " "), tail(p.Stdout.String()), tail(p.Stderr.String()))
		}
	})
	return p
}

// pipesTime is how long output is read after the exit.
const pipesTime = 5 * time.Second

// pipes has the two ends of a pipe.
type pipes struct{ r, w *os.File }

func pipe(t testing.TB) (p pipes) {
	t.Helper()
	var err error
	if p.r, p.w, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	return p
}

// into copies the output until the other end is closed, or until the deadline.
func (p pipes) into(o *Output) {
	_, _ = io.Copy(o, p.r)
	p.r.Close()
	o.close()
}

// Kill kills it with SIGKILL, and waits until it has exited.
func (p *Process) Kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have exited already
	<-p.done
}

// Interrupt sends SIGINT, like Ctrl-C.
func (p *Process) Interrupt() error { return p.cmd.Process.Signal(syscall.SIGINT) }

// Pause stops the process until Resume.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Running says whether it has not exited yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Exit waits until it exits and returns its exit code; -1 if a signal ended it.
func (p *Process) Exit(ctx context.Context) (int, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("%s still runs: %w", p.cmd.Args[0], context.Cause(ctx))
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return 0, p.err
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// Ended returns when it exited; call it after Exit.
func (p *Process) Ended() time.Time { return p.ended }

// Finished waits until its download is complete. Most programs exit then.
func (p *Process) Finished(ctx context.Context) error {
	if p.finished != nil {
		return p.finished(ctx)
	}
	code, err := p.Exit(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("exit code %d: %s", code, tail(p.Stdout.String()+p.Stderr.String()))
	}
	return nil
}

// Until polls f until it is true, ctx ends or the program exits.
func (p *Process) Until(ctx context.Context, what string, f func() bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-p.done:
			if f() {
				return nil
			}
			return fmt.Errorf("%s ended before: %s\n%s", p.cmd.Args[0], what, tail(p.Stdout.String()+p.Stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// Output collects what a program prints.
type Output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced on every write
	closed  bool
}

func newOutput() *Output { return &Output{changed: make(chan struct{})} }

// Write adds output of the program.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(b)
}

// String returns the output so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Line waits for a complete line that match accepts, and returns it without its line break.
func (o *Output) Line(ctx context.Context, match func(string) bool) (string, error) {
	for {
		o.mu.Lock()
		text, changed, closed := o.buf.String(), o.changed, o.closed
		o.mu.Unlock()
		lines := strings.SplitAfter(text, "\n")
		for _, l := range lines {
			if (strings.HasSuffix(l, "\n") || closed) && match(strings.TrimSuffix(l, "\n")) {
				return strings.TrimSuffix(l, "\n"), nil
			}
		}
		if closed {
			return "", fmt.Errorf("the program ended without the line, it printed %q: %w", tail(text), io.ErrUnexpectedEOF)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no such line in %q: %w", tail(text), context.Cause(ctx))
		}
	}
}

func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	close(o.changed)
	o.changed = make(chan struct{})
}

// tail returns the end of a text, for messages.
func tail(s string) string {
	const limit = 3000
	if len(s) > limit {
		s = "..." + s[len(s)-limit:]
	}
	return s
}
