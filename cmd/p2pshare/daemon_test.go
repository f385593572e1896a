//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// house is a home and the commands on it.
type house struct {
	*testing.T
	home string
}

func newHouse(t *testing.T) *house { return &house{t, filepath.Join(t.TempDir(), "home")} }

func (h *house) command(args ...string) *exec.Cmd {
	h.Helper()
	cmd := program(h.T, args...)
	cmd.Env = append(cmd.Env, "P2PSHARE_HOME="+h.home, "XDG_RUNTIME_DIR=", "NOTIFY_SOCKET=")
	return cmd
}

// run runs a command and returns what it wrote and its exit code.
func (h *house) run(args ...string) (stdout, stderr string, code int) {
	h.Helper()
	cmd := h.command(args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil && cmd.ProcessState == nil {
		h.Fatal(e)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to end well.
func (h *house) must(args ...string) string {
	h.Helper()
	out, stderr, code := h.run(args...)
	if code != 0 {
		h.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
	return out
}

func (h *house) args(more ...string) []string {
	return append(append([]string{"daemon"}, alone...), more...)
}

// started is a daemon in the foreground, as a process of this test.
type started struct {
	*exec.Cmd
	stderr *screenLog
	exited chan time.Time // when it was
}

// start starts a daemon and waits until it answers; cmd may be given.
func (h *house) start(cmd *exec.Cmd) *started {
	h.Helper()
	if cmd == nil {
		cmd = h.command(h.args()...)
	}
	d := &started{cmd, newLog(), make(chan time.Time, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		h.Fatal(err)
	}
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		h.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(d.stderr, r); r.Close() }()
	go func() {
		_ = cmd.Wait() // its exit code says it
		at := time.Now()
		<-read // a program that starts at the same moment may hold the pipe a little longer
		d.exited <- at
	}()
	h.Cleanup(func() { cmd.Process.Kill() })
	d.stderr.wait(h.T, "the daemon is ready")
	return d
}

// ends waits for the daemon's end and returns its exit code and how long it took.
func (d *started) ends(t *testing.T) (int, time.Duration) {
	t.Helper()
	begun := time.Now()
	select {
	case at := <-d.exited:
		return d.ProcessState.ExitCode(), at.Sub(begun)
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not end")
		return 0, 0
	}
}

func (h *house) shares() []string {
	h.Helper()
	return strings.Fields(h.must("list", "-q"))
}

func TestDaemonServesCommands(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	dir := content(t)
	magnet := strings.TrimSpace(h.must("publish", dir))
	if !strings.HasPrefix(magnet, "magnet:?") {
		t.Fatalf("publish: got %q, want a magnet link", magnet)
	}
	var st struct {
		Daemon bool
		PID    int
		Port   int
		Shares []struct{ State, Path string }
	}
	if err := json.Unmarshal([]byte(h.must("status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	if !st.Daemon || st.PID != d.Process.Pid || st.Port == 0 || len(st.Shares) != 1 || st.Shares[0].State != "seeding" || st.Shares[0].Path != dir {
		t.Errorf("status: got %+v", st)
	}
	// Another user's command, without a daemon, gets it.
	other := program(t, append([]string{"fetch", magnet, "--peer", fmt.Sprintf("127.0.0.1:%d", st.Port)}, alone...)...)
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("fetch: %v: %s", err, out)
	}
	if out := h.must("log"); !strings.Contains(out, "the daemon is ready") {
		t.Errorf("the log in the home has %q", out)
	}
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, took := d.ends(t); code != 0 || took > 5*time.Second {
		t.Errorf("SIGTERM: exit code %d after %v, want 0 within 5 s\n%s", code, took, d.stderr)
	}
	h.start(nil)
	if got := h.shares(); len(got) != 1 {
		t.Errorf("after a restart: got %q, want the share", got)
	}
}

func TestTwoDaemons(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	for _, how := range [][]string{nil, {"--detach"}} {
		_, stderr, code := h.run(h.args(how...)...)
		if code != 11 || !strings.Contains(stderr, fmt.Sprintf("process %d", d.Process.Pid)) || !strings.Contains(stderr, "--stop") {
			t.Errorf("%q: got exit code %d and %q, want 11, which process, and the way out", how, code, stderr)
		}
	}
	if got := h.shares(); len(got) != 0 {
		t.Errorf("the first daemon: got %q", got)
	}
}

// TestDaemonEndsInTime tests SIGTERM and SIGINT while hashing, fetching, waiting callers and an open metrics
// connection are under way.
func TestDaemonEndsInTime(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			h := newHouse(t)
			d := h.start(nil)
			h.must("publish", content(t), "--name", "small")
			big := filepath.Join(t.TempDir(), "big")
			f, err := os.Create(big)
			if err == nil {
				err = f.Truncate(64 << 30) // sparse: hashing it takes longer than this test
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			waiting := []*exec.Cmd{
				h.command("publish", content(t), "--name", "waits", "--wait"),
				h.command("publish", big),
				h.command("fetch", "0123456789abcdef0123456789abcdef01234567"),
			}
			logs := make([]*screenLog, len(waiting))
			for i, cmd := range waiting {
				logs[i] = newLog()
				cmd.Stderr = logs[i]
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
			}
			logs[0].wait(t, "seeding waits")
			logs[1].wait(t, "hashing big")
			logs[2].wait(t, "looking for")
			if err := d.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code, took := d.ends(t); code != 0 || took > 5*time.Second {
				t.Errorf("exit code %d after %v, want 0 within 5 s\n%s", code, took, d.stderr)
			}
			for i, cmd := range waiting {
				if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(logs[i].String(), "the daemon ended") {
					t.Errorf("%q: got %v and %q, want an error that says the daemon ended", cmd.Args[1:], err, logs[i])
				}
			}
			h.start(nil)
			if got := h.shares(); len(got) != 3 {
				t.Errorf("after a restart: got %q, want both shares that were made and the fetch", got)
			}
		})
	}
}

func TestDaemonKilled(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	h.must("publish", content(t))
	wait := h.command("publish", content(t), "--name", "second", "--wait")
	stderr := newLog()
	wait.Stderr = stderr
	if err := wait.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, "seeding second")
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.ends(t)
	if err := wait.Wait(); err == nil || !strings.Contains(stderr.String(), `it keeps "second"`) || !strings.Contains(stderr.String(), "--detach") {
		t.Errorf("a caller of a daemon that was killed: got %v and %q, want that it is kept, and how to go on", err, stderr)
	}
	if _, err := os.Lstat(filepath.Join(h.home, "p2pshare.sock")); err != nil {
		t.Fatalf("no stale socket is left: %v", err)
	}
	if out := h.must("list"); !strings.Contains(out, "second") {
		t.Errorf("without a daemon: got %q, want what rests in the home", out)
	}
	h.start(nil)
	if got := h.shares(); len(got) != 2 {
		t.Errorf("after a restart: got %q, want both shares", got)
	}
}

func TestDaemonStopped(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	if err := d.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := h.run("status")
	if code != 11 || !strings.Contains(stderr, fmt.Sprintf("process %d", d.Process.Pid)) || !strings.Contains(stderr, "does not answer") {
		t.Errorf("a daemon that is stopped: got exit code %d and %q, want 11 and which process", code, stderr)
	}
	if err := d.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.must("status")
}

func TestDaemonHangup(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code, took := d.ends(t); code != 0 || took > 5*time.Second {
		t.Errorf("SIGHUP in the foreground: exit code %d after %v, want a normal end", code, took)
	}
}

func TestDaemonDetached(t *testing.T) {
	h := newHouse(t)
	out := h.must(h.args("--detach")...)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatalf("got %q, want a process number", out)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
	if sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0); errno != 0 || int(sid) != pid {
		t.Errorf("session: got %d, %v, want one of its own", sid, errno)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != h.home {
		t.Errorf("working folder: got %q, %v, want the home", cwd, err)
	}
	if err := p.Signal(syscall.SIGHUP); err != nil { // is ignored
		t.Fatal(err)
	}
	h.must("publish", content(t))
	if got := h.shares(); len(got) != 1 {
		t.Errorf("got %q, want the share", got)
	}
	if out := h.must("log"); !strings.Contains(out, "the daemon is ready") {
		t.Errorf("log: got %q", out)
	}
	_, stderr, code := h.run("daemon", "--stop")
	if code != 0 || !strings.Contains(stderr, fmt.Sprintf("process %d", pid)) {
		t.Errorf("--stop: got exit code %d and %q", code, stderr)
	}
	if _, stderr, code := h.run("daemon", "--stop"); code != 10 || !strings.Contains(stderr, "no daemon runs") {
		t.Errorf("--stop again: got exit code %d and %q, want 10", code, stderr)
	}
	// What keeps it from starting is told by the command, with its exit code.
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"daemon", "--detach", "--listen", "192.0.2.1"}, 1, "192.0.2.1"},
		{[]string{"daemon", "--detach", "--metrics", "9877"}, 4, "--metrics"},
	} {
		if _, stderr, code := h.run(tt.args...); code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%q: got exit code %d and %q, want %d and %q", tt.args, code, stderr, tt.code, tt.says)
		}
	}
}

// TestDaemonCrash tests that the trace of a crash is found in the log.
func TestDaemonCrash(t *testing.T) {
	h := newHouse(t)
	d := h.start(nil)
	if err := d.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if code, _ := d.ends(t); code != 2 {
		t.Errorf("exit code %d, want Go's own for a crash", code)
	}
	out := h.must("log", "--lines", "-1")
	if !strings.Contains(out, "SIGQUIT") || !strings.Contains(out, "goroutine ") {
		t.Errorf("the log has no trace: %q", out)
	}
}

func TestDaemonMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	h := newHouse(t)
	_, stderr, code := newHouse(t).run(h.args("--metrics", addr)...)
	if code == 0 || !strings.Contains(stderr, addr) {
		t.Errorf("an address in use: got exit code %d and %q", code, stderr)
	}
	l.Close()
	h.start(h.command(h.args("--metrics", addr, "--log-format", "json")...))
	resp, err := new(http.Client).Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "p2pshare_") {
		t.Errorf("metrics: got %s, %v, %q", resp.Status, err, page)
	}
	var record struct{ Msg string }
	line, _, _ := strings.Cut(h.must("log", "--lines", "-1"), "\n")
	if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" {
		t.Errorf("the log's line %q is no JSON: %v", line, err)
	}
}

// TestServiceManager plays systemd: readiness, status, watchdog, the end, and a socket that it has made.
func TestServiceManager(t *testing.T) {
	h := newHouse(t)
	if err := os.MkdirAll(h.home, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	path := filepath.Join(h.home, "p2pshare.sock")
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	// A command that comes before the daemon runs waits in the socket, and is answered.
	early := h.command("list", "-q")
	if err := early.Start(); err != nil {
		t.Fatal(err)
	}
	daemon := h.command(h.args()...)
	// The process number that the socket is meant for is known to a process alone.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, daemon.Path}, daemon.Args[1:]...)...)
	cmd.Dir = daemon.Dir
	cmd.Env = append(daemon.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=300000", "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{file}
	d := h.start(cmd)
	if err := early.Wait(); err != nil {
		t.Errorf("the command that came early: %v", err)
	}
	told := func(want string) {
		t.Helper()
		if err := notify.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		for {
			n, err := notify.Read(b)
			if err != nil {
				t.Fatalf("waiting for %q: %v", want, err)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	told("READY=1")
	told("STATUS=0 shares")
	told("WATCHDOG=1")
	told("WATCHDOG=1")
	if err := d.Process.Signal(syscall.SIGHUP); err != nil { // is ignored: there is no terminal
		t.Fatal(err)
	}
	h.must("publish", content(t))
	told("STATUS=1 shares: 1 seeding")
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
	if code, _ := d.ends(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the daemon took the service manager's socket away: %v", err)
	}
}

// TestAloneBesideADaemon tests that a command that is told to does not speak to the daemon.
func TestAloneBesideADaemon(t *testing.T) {
	h := newHouse(t)
	h.start(nil)
	cmd := h.command(append([]string{"publish", content(t), "--alone", "--json"}, alone...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), `"type":"seeding"`) {
	}
	if got := h.shares(); len(got) != 0 {
		t.Errorf("the daemon has %q, want nothing", got)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
}
