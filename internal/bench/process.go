package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// doneMark is the line with which our scripts and hooks report that the content is complete. p2pshare reports it with its
// own JSON object.
const doneMark = "bench: done"

// usage is what a program and its children consumed.
type usage struct {
	cpu float64 // seconds
	rss int64   // peak, bytes
}

// process is a running program.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	now     func() time.Time

	done   chan struct{} // closed when it reports that it has everything
	exited chan struct{} // closed when it has exited and its output is read

	mu     sync.Mutex
	doneAt time.Time
	last   []string // last lines of its output
	sum    usage    // total, after it has exited
	err    error
}

// start runs argv until it ends or ctx does. Its output is searched for the line that reports that it is done; a program that
// exits with 0 is done at that moment at the latest.
func start(ctx context.Context, now func() time.Time, dir string, env, argv []string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, env, w, w, ownGroup()
	cmd.Cancel = func() error {
		signalGroup(cmd.Process.Pid, syscall.SIGKILL)
		return nil
	}
	p := &process{cmd: cmd, now: now, done: make(chan struct{}), exited: make(chan struct{}), started: now()}
	if err := cmd.Start(); err != nil {
		r.Close()
		w.Close()
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	w.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(r)
	}()
	go func() {
		defer close(p.exited)
		err := cmd.Wait()
		// A child that outlives it may keep the output open: what the child prints does not count.
		_ = r.SetReadDeadline(time.Now().Add(time.Second))
		<-read
		r.Close()
		p.end(err)
	}()
	return p, nil
}

func (p *process) read(r *os.File) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine+1)
	s.Split(splitOutput)
	for s.Scan() {
		line := s.Text()
		if isDone(line) {
			p.finish()
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		p.mu.Lock()
		if p.last = append(p.last, line); len(p.last) > keptLines {
			p.last = p.last[1:]
		}
		p.mu.Unlock()
	}
}

// isDone says whether a line of output reports that the program is done.
func isDone(line string) bool {
	return strings.Contains(line, doneMark) || strings.HasPrefix(line, "{") && strings.Contains(line, `"type":"fetched"`)
}

// splitOutput is bufio.ScanLines that also ends lines at \r, as progress meters do, and splits lines that are too long.
func splitOutput(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i], nil
	}
	if len(data) >= maxLine || atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (p *process) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doneAt.IsZero() {
		p.doneAt = p.now()
		close(p.done)
	}
}

func (p *process) end(err error) {
	p.mu.Lock()
	p.err = err
	if s := p.cmd.ProcessState; s != nil {
		p.sum.cpu = (s.UserTime() + s.SystemTime()).Seconds()
	}
	p.mu.Unlock()
	if err == nil {
		p.finish()
	}
}

// wait returns when the program is done, or with an error if it exits earlier or ctx ends.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-p.exited:
		if p.isDone() {
			return nil
		}
		return fmt.Errorf("it ended before it was done: %w", errors.Join(p.failure(), errors.New(p.output())))
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *process) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// when returns the time at which it was done.
func (p *process) when() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doneAt
}

// output returns the last lines of its output.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.last, "\n")
}

// used returns what it has consumed so far.
func (p *process) used() usage {
	if p.hasExited() {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.sum
	}
	var u usage
	for _, pid := range family(p.cmd.Process.Pid) {
		u.cpu += cpuOf(pid)
		u.rss += rssOf(pid)
	}
	return u
}

// watch samples memory until stop is closed, and returns the peak.
func (p *process) watch(stop <-chan struct{}) int64 {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var most int64
	for {
		most = max(most, p.used().rss)
		select {
		case <-tick.C:
		case <-stop:
			return max(most, p.used().rss) // a peak, so this alone says all of a short run
		case <-p.exited:
			return most
		}
	}
}

// stop asks it to terminate, and kills it after a while.
func (p *process) stop() {
	if p.hasExited() {
		return
	}
	signalGroup(p.cmd.Process.Pid, syscall.SIGTERM)
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
	p.kill()
}

// kill ends it without warning, like a power failure.
func (p *process) kill() {
	if !p.hasExited() {
		signalGroup(p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.exited
}

// hasExited guards signals: after the exit its number may belong to another process.
func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// stopAll signals all of them first, so that they terminate in parallel.
func stopAll(list []*process) {
	for _, p := range list {
		if !p.hasExited() {
			signalGroup(p.cmd.Process.Pid, syscall.SIGTERM)
		}
	}
	for _, p := range list {
		p.stop()
	}
}

// family returns a process and its descendants.
func family(pid int) []int {
	out := []int{pid}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return out
	}
	for _, f := range strings.Fields(string(b)) {
		if child, err := strconv.Atoi(f); err == nil {
			out = append(out, family(child)...)
		}
	}
	return out
}

// cpuOf returns the processor time of a process in seconds: utime and stime of its stat, in ticks of 10 ms, as Linux
// shows them on every architecture.
func cpuOf(pid int) float64 {
	f, err := statOf(pid)
	if err != nil {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100
}

// rssOf returns the peak memory of a process in bytes, including pages of mapped files.
func rssOf(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return parseRSS(b)
}

func parseRSS(status []byte) int64 {
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	f := bytes.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(string(f[0]), 10, 64)
	return kib << 10
}
