//go:build unix

package localapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/state"
)

// TestMain is a part of a test when the test starts it as a process of its own.
func TestMain(m *testing.M) {
	if part := os.Getenv("LOCALAPI_TEST_PART"); part != "" {
		if err := parts[part](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const patience = 90 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// fake is a backend that does what a test tells it.
type fake struct {
	stream func(ctx context.Context, on func(node.Event)) error
	status func(ctx context.Context, r node.StatusRequest) (*node.Status, error)
	err    error

	mu  sync.Mutex
	got any // the last request
}

func (f *fake) note(r any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = r
}

func (f *fake) last() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

func (f *fake) run(ctx context.Context, r any, on func(node.Event)) error {
	f.note(r)
	if f.stream == nil {
		return f.err
	}
	return f.stream(ctx, on)
}

func (f *fake) Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error {
	return f.run(ctx, r, on)
}

func (f *fake) Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error {
	return f.run(ctx, r, on)
}

func (f *fake) Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error {
	return f.run(ctx, r, on)
}

func (f *fake) Repair(ctx context.Context, r node.RepairRequest, on func(node.Event)) error {
	return f.run(ctx, r, on)
}

func (f *fake) Verify(ctx context.Context, r node.VerifyRequest, on func(node.Event)) (*node.Verified, error) {
	if err := f.run(ctx, r, on); err != nil {
		return nil, err
	}
	return &node.Verified{Path: r.Torrent, OK: true, Bad: []node.VerifiedFile{}, Extra: []string{"a"}}, nil
}

func (f *fake) Doctor(ctx context.Context, r node.DoctorRequest, on func(node.Event)) (*node.Diagnosis, error) {
	if err := f.run(ctx, r, on); err != nil {
		return nil, err
	}
	return &node.Diagnosis{Findings: []node.Finding{{Code: "clock", Grave: true, What: "w"}}, Looked: []string{"l"}}, nil
}

// answered is the fake's answer to whatever is asked of a group.
var answered = &node.GroupAnswer{
	Groups: []node.Group{{Name: "acme", Warnings: []string{"w"}, Strict: true, Follow: &node.Follow{Keep: 2}}}, Link: "p2pshare:x", Missing: 1,
	Password: "made <of> words & ü", User: "bob", Notes: []string{"n"}, Audit: []node.AuditLine{{Time: time.Unix(5, 0).UTC(), What: "served", Sent: 7}},
}

func (f *fake) Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error) {
	if err := f.run(ctx, r, on); err != nil {
		return nil, err
	}
	return answered, nil
}

func (f *fake) Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error) {
	if err := f.run(ctx, r, on); err != nil {
		return nil, err
	}
	return &node.CatalogAnswer{Group: node.Group{Name: "acme", Warnings: []string{}}, Entries: []node.Entry{{Ref: "acme/a@1", Note: "<&>"}}, Problems: []string{"p"}, Records: 7}, nil
}

func (f *fake) Status(ctx context.Context, r node.StatusRequest) (*node.Status, error) {
	f.note(r)
	if f.status != nil {
		return f.status(ctx, r)
	}
	return &node.Status{Daemon: true, Version: "v", Shares: []node.Share{{ID: "1", Name: "one & <two>"}}}, f.err
}

func (f *fake) Change(_ context.Context, r node.ChangeRequest) ([]node.Share, error) {
	f.note(r)
	return []node.Share{{ID: "c"}}, f.err
}

func (f *fake) Remove(_ context.Context, r node.RemoveRequest) ([]node.Share, error) {
	f.note(r)
	return []node.Share{{ID: "r"}}, f.err
}

func (f *fake) Limit(_ context.Context, r node.LimitRequest) (*node.Limited, error) {
	f.note(r)
	return &node.Limited{Limits: node.Limits{Up: 1}, Shares: []node.Share{}}, f.err
}

// daemon is a server on a home of its own, as a daemon runs it.
type daemon struct {
	home  string
	path  string
	ended atomic.Bool // a client asked for the end
	end   func() error
}

func serve(t *testing.T, b localapi.Backend, version string) *daemon {
	t.Helper()
	return serveAt(t, filepath.Join(t.TempDir(), "home"), b, version)
}

func serveAt(t *testing.T, home string, b localapi.Backend, version string) *daemon {
	t.Helper()
	lock := hold(t, home)
	l, err := localapi.Listen(home, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{home: home}
	if d.path, err = localapi.SocketPath(home); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	end := func() { d.ended.Store(true); cancel() }
	server := localapi.NewServer(localapi.Options{Backend: b, Home: home, Version: version, Log: quiet, End: end})
	go func() {
		err := server.Serve(ctx, l)
		lock.Unlock()
		done <- err
	}()
	d.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := d.end(); err != nil {
			t.Errorf("ending the server: %v", err)
		}
	})
	return d
}

// hold takes the lock of a home, which it makes.
func hold(t *testing.T, home string) *state.Lock {
	t.Helper()
	h, err := state.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.TryLock(localapi.LockName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Unlock() })
	return l
}

func (d *daemon) dial(t *testing.T, version string) *localapi.Client {
	t.Helper()
	c, err := localapi.Dial(t.Context(), d.home, version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends a request as it is written and returns the answer's status and body.
func (d *daemon) raw(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(c, request) // the server may answer before it has read all
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	return resp, string(body)
}

func post(path, body string, headers ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: p2pshare\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		path, len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

type refusal struct {
	Problem struct{ Kind, Text, Hint, Code string }
}

func readRefusal(t *testing.T, body string) refusal {
	t.Helper()
	var r refusal
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Problem.Text == "" {
		t.Fatalf("the refusal %q: %v, want a problem with a text", body, err)
	}
	return r
}

// goroutines waits until there are no more than want.
func goroutines(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if runtime.NumGoroutine() <= want {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left, want %d:\n%s", runtime.NumGoroutine(), want, b[:runtime.Stack(b, true)])
		}
	}
}

func ignore(node.Event) {}
