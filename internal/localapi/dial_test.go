//go:build unix

package localapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// nobody is the other user of these tests, which root runs.
const nobody = 65534

// failures is a log that remembers whether anything was wrong.
type failures struct {
	mu   sync.Mutex
	text strings.Builder
}

func (f *failures) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Write(p)
}

func (f *failures) logger() *slog.Logger {
	// What net/http has to say, such as that there are too many open files, comes at level debug.
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.text.String(); strings.Contains(s, "too many open files") {
		return errors.New(s)
	}
	return nil
}

func (f *failures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

func noDaemon(t *testing.T, home string) {
	t.Helper()
	if _, err := localapi.Dial(t.Context(), home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
		t.Errorf("got %v, want ErrNoDaemon", err)
	}
}

func TestNoDaemon(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	noDaemon(t, home)
	if _, err := os.Stat(home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking for a daemon made the home: %v", err)
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	noDaemon(t, home)
	// A daemon was killed while it made its socket.
	if err := os.MkdirAll(filepath.Join(home, ".s-123"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := serveAt(t, home, &fake{}, "v")
	d.dial(t, "v")
	if err := d.end(); err != nil {
		t.Fatal(err)
	}
	noDaemon(t, home)
	if left, err := os.ReadDir(home); err != nil || len(left) != 1 || left[0].Name() != "daemon.lock" {
		t.Errorf("the end left %v in the home, %v, want the lock alone", left, err)
	}
}

// TestStaleSocket tests that the socket of a daemon that was killed keeps neither commands nor the next daemon.
func TestStaleSocket(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "p2pshare.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		t.Fatalf("no stale socket: %v, %v", info, err)
	}
	noDaemon(t, home)
	d := serveAt(t, home, &fake{}, "v")
	if _, err := d.dial(t, "v").Status(t.Context(), node.StatusRequest{}); err != nil {
		t.Error(err)
	}
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0) // nothing may rest on it
	defer syscall.Umask(old)
	home := t.TempDir()
	if err := os.Chmod(home, 0o755); err != nil { // a home that others may enter
		t.Fatal(err)
	}
	d := serveAt(t, home, &fake{}, "v")
	info, err := os.Lstat(d.path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("the socket is %v, %v, want mode 0600", info.Mode(), err)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) != 2 {
		t.Errorf("the home has %v, %v, want the lock and the socket", left, err)
	}
}

// TestHeldAndSilent tests what is said of a process that holds the home and does not answer.
func TestHeldAndSilent(t *testing.T) {
	t.Run("no socket", func(t *testing.T) {
		t.Parallel()
		home := filepath.Join(t.TempDir(), "home")
		hold(t, home)
		_, err := localapi.Dial(t.Context(), home, "v")
		silent(t, err)
	})
	t.Run("nobody accepts", func(t *testing.T) {
		t.Parallel()
		home := filepath.Join(t.TempDir(), "home")
		hold(t, home)
		l, err := net.Listen("unix", filepath.Join(home, "p2pshare.sock")) // the system takes connections, nobody reads
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, err = localapi.Dial(t.Context(), home, "v")
		silent(t, err)
	})
	t.Run("it answers after a while", func(t *testing.T) {
		t.Parallel()
		home := filepath.Join(t.TempDir(), "home")
		lock := hold(t, home)
		got := make(chan error, 1)
		go func() { _, err := localapi.Dial(context.Background(), home, "v"); got <- err }()
		select {
		case err := <-got:
			t.Fatalf("a daemon that starts was not waited for: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		lock.Unlock()
		serveAt(t, home, &fake{}, "v")
		if err := <-got; err != nil && !errors.Is(err, localapi.ErrNoDaemon) { // it may have looked in between
			t.Error(err)
		}
	})
	t.Run("the caller has gone", func(t *testing.T) {
		t.Parallel()
		home := filepath.Join(t.TempDir(), "home")
		hold(t, home)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := localapi.Dial(ctx, home, "v"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func silent(t *testing.T, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.InUse || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) || !strings.Contains(err.Error(), "does not answer") || fault.HintOf(err) == "" {
		t.Errorf("got %v (%s), want that this process holds the home and does not answer", err, fault.HintOf(err))
	}
}

// TestForeign tests that nothing is sent to what another user has made.
func TestForeign(t *testing.T) {
	chown := func(path string) {
		t.Helper()
		if err := os.Lchown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	denied := func(what string, err error, says string) {
		t.Helper()
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "65534") || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v (%s), want it denied, with %q and the user", what, err, fault.HintOf(err), says)
		}
	}
	t.Run("home", func(t *testing.T) {
		d := serve(t, &fake{}, "v")
		chown(d.home)
		_, err := localapi.Dial(t.Context(), d.home, "v")
		denied("foreign home", err, "home")
		if err := os.Lchown(d.home, 0, 0); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("socket", func(t *testing.T) {
		d := serve(t, &fake{}, "v")
		chown(d.path)
		_, err := localapi.Dial(t.Context(), d.home, "v")
		denied("foreign socket", err, "socket")
	})
	t.Run("no socket", func(t *testing.T) {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "p2pshare.sock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := localapi.Dial(t.Context(), home, "v"); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "no socket") {
			t.Errorf("got %v, want that it is no socket", err)
		}
	})
	t.Run("listener", func(t *testing.T) {
		// The file is ours, whoever listens is not.
		open := t.TempDir()
		reachable(t, open)
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(open, "s")
		cmd, out := asNobody(t, "listen", "LOCALAPI_TEST_PATH="+path)
		if line, err := out.ReadString('\n'); err != nil || line != "listening\n" {
			t.Fatalf("the other user: %q, %v", line, err)
		}
		home := t.TempDir()
		if err := os.Chmod(home, 0o755); err != nil {
			t.Fatal(err)
		}
		moved := filepath.Join(home, "p2pshare.sock")
		if err := errors.Join(os.Rename(path, moved), os.Lchown(moved, 0, 0)); err != nil {
			t.Fatal(err)
		}
		_, err := localapi.Dial(t.Context(), home, "v")
		denied("foreign listener", err, "other end")
		if got, err := io.ReadAll(out); err != nil || string(got) != "0 bytes\n" {
			t.Errorf("the other user got %q, %v, want nothing", got, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("client", func(t *testing.T) {
		// A socket that everybody may connect to, by a slip, serves nobody else all the same.
		log := &failures{}
		home := t.TempDir()
		l, err := localapi.Listen(home, "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		server := localapi.NewServer(localapi.Options{Backend: &fake{}, Home: home, Version: "v", Log: log.logger()})
		go func() { done <- server.Serve(ctx, l) }()
		defer func() { cancel(); <-done }()
		path := filepath.Join(home, "p2pshare.sock")
		reachable(t, home)
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		cmd, out := asNobody(t, "connect", "LOCALAPI_TEST_PATH="+path)
		got, err := io.ReadAll(out)
		if err != nil || string(got) != "0 bytes\n" {
			t.Errorf("another user got %q, %v, want nothing", got, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "user 65534") {
			t.Errorf("the log has %q, want who was refused", log)
		}
	})
}

// reachable lets other users into a folder of the test's.
func reachable(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/" && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// asNobody starts a part of these tests as another user.
func asNobody(t *testing.T, part string, env ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	// The test binary lies where only its user may go.
	dir, err := os.MkdirTemp("", "localapi-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "program")
	b, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, b, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(append(os.Environ(), "LOCALAPI_TEST_PART="+part, "GOCOVERDIR="), env...)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// impostor answers every connection with what it is told, on a home whose lock this process holds.
func impostor(t *testing.T, answer func(path string) string) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	hold(t, home)
	l, err := net.Listen("unix", filepath.Join(home, "p2pshare.sock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.Copy(io.Discard, r.Body)
				io.WriteString(c, answer(r.URL.Path))
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return home
}

func response(status, api, program, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nP2pshare-Api: %s\r\nP2pshare-Version: %s\r\nContent-Length: %d\r\n\r\n%s", status, api, program, len(body), body)
}

var me = fmt.Sprintf(`{"version":"1.0","api":1,"pid":%d}`, os.Getpid())

func TestOtherVersions(t *testing.T) {
	unknownPath := `{"problem":{"kind":"not-found","text":"p2pshare 0.9 does not serve POST \"/v1/status\"","code":"unknown-path"}}`
	unknownField := `{"problem":{"kind":"usage","text":"the request has an unknown field \"refs\"","code":"unknown-field"}}`
	for _, tt := range []struct {
		name   string
		answer func(path string) string
		says   []string
	}{
		{"a newer protocol", func(string) string { return response("404 Not Found", "7", "9.1", `{"never":"seen"}`) },
			[]string{"p2pshare 9.1", "version 7", "p2pshare 1.0", "version 1", fmt.Sprint("process ", os.Getpid())}},
		{"a newer protocol that answers", func(string) string { return response("200 OK", "2", "9.1", me) }, []string{"p2pshare 9.1", "version 2"}},
		{"no p2pshare", func(string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" }, []string{"no p2pshare"}},
		{"a path it does not know", func(path string) string {
			if path == "/v1/version" {
				return response("200 OK", "1", "0.9", me)
			}
			return response("404 Not Found", "1", "0.9", unknownPath)
		}, []string{"p2pshare 0.9", "p2pshare 1.0", "/v1/status"}},
		{"a field it does not know", func(path string) string {
			if path == "/v1/version" {
				return response("200 OK", "1", "0.9", me)
			}
			return response("400 Bad Request", "1", "0.9", unknownField)
		}, []string{"p2pshare 0.9", "p2pshare 1.0", `"refs"`}},
		{"no HTTP", func(string) string { return "SSH-2.0-OpenSSH\r\n\r\n" }, []string{"closed the connection"}},
		{"no answer", func(string) string { return "" }, []string{"closed the connection"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := localapi.Dial(t.Context(), impostor(t, tt.answer), "1.0")
			if err == nil {
				_, err = c.Status(t.Context(), node.StatusRequest{Refs: []string{"x"}})
			}
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if fault.HintOf(err) == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
}

// TestAdditions tests that what a newer daemon adds to its answers does not trouble an older client.
func TestAdditions(t *testing.T) {
	home := impostor(t, func(path string) string {
		switch path {
		case "/v1/version":
			return response("200 OK", "1", "1.9", `{"version":"1.9","api":1,"pid":1,"colour":"green"}`)
		case "/v1/status":
			return response("200 OK", "1", "1.9", `{"result":{"version":"1.9","colour":"green","shares":[{"id":"a","mood":2}]},"more":1}`)
		}
		return response("200 OK", "1", "1.9", `{"event":{"sunrise":{"at":5}}}`+"\n"+`{"event":{"message":"m","level":"info"}}`+"\n"+`{"hum":1}`+"\n"+
			`{"end":{"problem":{"kind":"tired","text":"t","hint":"h","more":1}}}`+"\n")
	})
	c, err := localapi.Dial(t.Context(), home, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context(), node.StatusRequest{}); err != nil || len(st.Shares) != 1 || st.Shares[0].ID != "a" {
		t.Errorf("status: got %+v, %v", st, err)
	}
	messages := 0
	err = c.Fetch(t.Context(), node.FetchRequest{}, func(e node.Event) {
		if e.Message == "m" {
			messages++
		}
	})
	if messages != 1 || err == nil || err.Error() != "t" || fault.KindOf(err) != fault.Failed || fault.HintOf(err) != "h" {
		t.Errorf("stream: got %d messages and %v, want one and an error of an unknown kind as failed", messages, err)
	}
}

// TestTornStream tests what is said when the daemon vanishes: whether the request goes on.
func TestTornStream(t *testing.T) {
	kept := `{"event":{"kept":{"id":"1","name":"release"}}}` + "\n"
	for _, tt := range []struct {
		name, body string
		dead       bool
		says, hint string
	}{
		{"killed, not kept", `{"event":{"message":"m","level":"info"}}` + "\n", true, "nothing of it is kept", "p2pshare daemon --detach"},
		{"killed, kept", kept, true, `it keeps "release"`, "p2pshare daemon --detach"},
		{"killed in the middle of a line", kept + `{"event":{"progr`, true, `it keeps "release"`, "p2pshare daemon --detach"},
		{"alive, kept", kept, false, `goes on with "release"`, "p2pshare status"},
		{"alive, not kept", "", false, "before it had taken the request over", "again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := impostor(t, func(path string) string {
				if path == "/v1/version" {
					pid := os.Getpid()
					if tt.dead {
						pid++ // not the one that holds the home: that one started after
					}
					return response("200 OK", "1", "1.0", fmt.Sprintf(`{"version":"1.0","api":1,"pid":%d}`, pid))
				}
				r := response("200 OK", "1", "1.0", tt.body)
				return strings.Replace(r, "Content-Length: ", "Content-Length: 9", 1) // more was to come
			})
			c, err := localapi.Dial(t.Context(), home, "1.0")
			if err != nil {
				t.Fatal(err)
			}
			err = c.Publish(t.Context(), node.PublishRequest{}, ignore)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("got %v (%s), want %q and the hint %q", err, fault.HintOf(err), tt.says, tt.hint)
			}
		})
	}
}

func TestLongHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "home")
	runtimeDir, err := os.MkdirTemp("", "rt")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(runtimeDir)
	start := func() (func(), string) {
		l, err := localapi.Listen(home, runtimeDir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			done <- localapi.NewServer(localapi.Options{Backend: &fake{}, Home: home, Version: "v", Log: quiet}).Serve(ctx, l)
		}()
		path, err := localapi.SocketPath(home)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}, path
	}
	end, path := start()
	if !strings.HasPrefix(path, runtimeDir) || len(path) > 100 {
		t.Errorf("the socket is %q, want a short path below %q", path, runtimeDir)
	}
	for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Join(home, "socket"): 0o600} {
		if info, err := os.Lstat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want mode %v", p, info, err, want)
		}
	}
	c, err := localapi.Dial(t.Context(), home, "v")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), node.StatusRequest{}); err != nil {
		t.Error(err)
	}
	// By another name of the same home.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	if _, err := localapi.Dial(t.Context(), link, "v"); err != nil {
		t.Errorf("by a symlink: %v", err)
	}
	// Whoever could write to the folder could have made the socket.
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := localapi.Dial(t.Context(), home, "v"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a folder that others may write to: got %v, want it denied", err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	end()
	if left, err := os.ReadDir(runtimeDir); err != nil || len(left) != 0 {
		t.Errorf("the end left %v, %v", left, err)
	}
	noDaemon(t, home)
	if err := os.WriteFile(filepath.Join(home, "socket"), []byte(`{"version":1,"path":"relative"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localapi.Dial(t.Context(), home, "v"); err == nil || errors.Is(err, localapi.ErrNoDaemon) {
		t.Errorf("a file that names no socket: got %v, want an error", err)
	}
	end, _ = start() // and is replaced
	end()
}

// TestTenThousandAtOnce tests a daemon that may have 512 files open.
func TestTenThousandAtOnce(t *testing.T) {
	home := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "LOCALAPI_TEST_PART=narrow", "LOCALAPI_TEST_HOME="+home, "GOCOVERDIR=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the daemon says %q: %v", line, err)
	}
	c, err := localapi.Dial(t.Context(), home, "v")
	if err != nil {
		t.Fatal(err)
	}
	const n = 10_000
	begin := make(chan struct{})
	errs := make(chan error, n)
	for i := range n {
		go func() {
			<-begin
			if i%2 == 0 {
				_, err := c.Status(t.Context(), node.StatusRequest{})
				errs <- err
				return
			}
			errs <- c.Fetch(t.Context(), node.FetchRequest{Ref: "r", Dir: "/d"}, ignore)
		}()
	}
	start := time.Now()
	close(begin)
	failed := 0
	for range n {
		if err := <-errs; err != nil {
			if failed++; failed < 5 {
				t.Errorf("a request failed: %v", err)
			}
		}
	}
	t.Logf("%d requests at once took %v, %d failed", n, time.Since(start), failed)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the daemon: %v\n%s", err, stderr.String())
	}
}

// TestManyStreams tests that requests that last cannot keep others from being answered, and that who finds no place
// is told after a while, not before.
func TestManyStreams(t *testing.T) {
	release := make(chan struct{})
	f := &fake{stream: func(ctx context.Context, on func(node.Event)) error {
		on(node.Event{Message: "m"})
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}}
	d := serve(t, f, "v")
	c := d.dial(t, "v")
	const n = 300 // more than there are places
	begun, ended := make(chan struct{}, n), make(chan error, n)
	for range n {
		go func() {
			ended <- c.Fetch(context.Background(), node.FetchRequest{}, func(node.Event) { begun <- struct{}{} })
		}()
	}
	for range 256 {
		<-begun
	}
	if _, err := c.Status(t.Context(), node.StatusRequest{}); err != nil {
		t.Errorf("status while every place is taken: %v", err)
	}
	resp, body := d.raw(t, post("/v1/fetch", `{"ref":"r","dir":"/d"}`))
	if r := readRefusal(t, body); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || r.Problem.Code != "busy" || r.Problem.Hint == "" {
		t.Errorf("one too many: got %d, %v and %+v, want 503 and when to come again", resp.StatusCode, resp.Header, r)
	}
	close(release)
	for range n {
		if err := <-ended; err != nil {
			t.Errorf("a request that waited for a place: %v", err)
		}
	}
}

// TestDaemonGoneBetween tests a client whose daemon has ended since it was found.
func TestDaemonGoneBetween(t *testing.T) {
	d := serve(t, &fake{}, "v")
	c := d.dial(t, "v")
	if err := d.end(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Status(t.Context(), node.StatusRequest{})
	for name, err := range map[string]error{"status": err, "publish": c.Publish(t.Context(), node.PublishRequest{}, ignore)} {
		if err == nil || !strings.Contains(err.Error(), "nothing of it is kept") || !strings.Contains(fault.HintOf(err), "p2pshare daemon --detach") {
			t.Errorf("%s: got %v (%s), want that the daemon has ended, and how to start it", name, err, fault.HintOf(err))
		}
	}
}

func TestEnd(t *testing.T) {
	d := serve(t, &fake{}, "v")
	pid, err := localapi.End(t.Context(), d.home, "v")
	if err != nil || pid != os.Getpid() || !d.ended.Load() {
		t.Errorf("got process %d, %v", pid, err)
	}
	noDaemon(t, d.home)
	if _, err := localapi.End(t.Context(), d.home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
		t.Errorf("again: got %v, want ErrNoDaemon", err)
	}
}
