//go:build unix

package localapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestEventsKeepTheirOrder(t *testing.T) {
	want := []node.Event{
		{Kept: &node.Kept{ID: "1", Name: "n"}},
		{Progress: &node.Progress{Phase: "hashing", Name: "n", Done: 1, Total: 2, ETA: time.Second}},
		{Message: "something <b> & more", Level: "warn"},
		{Published: &node.Published{Name: "n", Magnet: "magnet:?xt=a&dn=b", Skipped: []node.Skipped{}}},
		{Seeding: &node.Seeding{Name: "n", Infohash: "aa", Port: 5}},
		{Fetched: &node.Fetched{Path: "/p", Seconds: 1.5, Verified: true}},
		{Stopped: &node.Stopped{Name: "n", Reason: "r"}},
	}
	f := &fake{stream: func(_ context.Context, on func(node.Event)) error {
		for _, e := range want {
			on(e)
		}
		return nil
	}}
	c := serve(t, f, "v").dial(t, "v")
	var got []node.Event
	on := func(e node.Event) { got = append(got, e) }
	for name, do := range map[string]func() error{
		"publish": func() error { return c.Publish(t.Context(), node.PublishRequest{}, on) },
		"fetch":   func() error { return c.Fetch(t.Context(), node.FetchRequest{}, on) },
		"seed":    func() error { return c.Seed(t.Context(), node.SeedRequest{}, on) },
		"repair":  func() error { return c.Repair(t.Context(), node.RepairRequest{}, on) },
		"verify":  func() error { _, err := c.Verify(t.Context(), node.VerifyRequest{}, on); return err },
		"doctor":  func() error { _, err := c.Doctor(t.Context(), node.DoctorRequest{}, on); return err },
		"group":   func() error { _, err := c.Group(t.Context(), node.GroupRequest{}, on); return err },
		"catalog": func() error { _, err := c.Catalog(t.Context(), node.CatalogRequest{}, on); return err },
	} {
		got = nil
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestDetach tests that the end of the caller's context reaches the backend, and what the backend says of it the
// caller.
func TestDetach(t *testing.T) {
	own := fault.Hint(fault.New(fault.Denied, "not now"), "wait")
	for _, tt := range []struct {
		name string
		says error
		want func(error) bool
	}{
		{"it is fine", nil, func(err error) bool { return err == nil }},
		{"it is interrupted", context.Canceled, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"it fails", own, func(err error) bool { return fault.KindOf(err) == fault.Denied && fault.HintOf(err) == "wait" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{stream: func(ctx context.Context, on func(node.Event)) error {
				on(node.Event{Message: "begun"})
				<-ctx.Done()
				on(node.Event{Kept: &node.Kept{ID: "1", Name: "late"}})
				return tt.says
			}}
			c := serve(t, f, "v").dial(t, "v")
			ctx, cancel := context.WithCancel(t.Context())
			kept := false
			err := c.Fetch(ctx, node.FetchRequest{}, func(e node.Event) {
				if e.Message != "" {
					cancel()
				}
				kept = kept || e.Kept != nil
			})
			if !tt.want(err) {
				t.Errorf("got %v", err)
			}
			if !kept {
				t.Error("what happened between the interrupt and the end was lost")
			}
		})
	}
}

// TestDetachFromOneThatHangs tests that an interrupt ends the command even if the daemon says nothing.
func TestDetachFromOneThatHangs(t *testing.T) {
	release := make(chan struct{})
	f := &fake{stream: func(_ context.Context, on func(node.Event)) error {
		on(node.Event{Seeding: &node.Seeding{Infohash: "aa"}})
		<-release
		return nil
	}}
	d := serve(t, f, "v")
	t.Cleanup(func() { close(release) })
	for name, want := range map[string]error{"publish": nil, "fetch": context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		c := d.dial(t, "v")
		var err error
		if name == "publish" {
			err = c.Publish(ctx, node.PublishRequest{}, func(node.Event) { cancel() })
		} else {
			err = c.Fetch(ctx, node.FetchRequest{}, func(node.Event) { cancel() })
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

// open sends a request and returns the connection before anything of the answer is read.
func open(t *testing.T, d *daemon, request string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCallerGone tests that the request of a caller who vanished is detached, not carried on for nobody.
func TestCallerGone(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan error, 1)
	f := &fake{stream: func(ctx context.Context, on func(node.Event)) error {
		close(begun)
		<-ctx.Done()
		gone <- ctx.Err()
		return nil
	}}
	c := open(t, serve(t, f, "v"), post("/v1/fetch", `{"ref":"r","dir":"/d"}`))
	<-begun
	c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the backend was not told that its caller has gone")
	}
}

// TestSlowReader tests that a reader who takes nothing holds nothing up, and gets what counts when it reads again.
func TestSlowReader(t *testing.T) {
	const rounds = 50_000
	begun, told := make(chan struct{}), make(chan time.Duration, 1)
	f := &fake{stream: func(_ context.Context, on func(node.Event)) error {
		<-begun
		start := time.Now()
		on(node.Event{Kept: &node.Kept{ID: "1", Name: "n"}})
		for i := range rounds {
			on(node.Event{Progress: &node.Progress{Phase: "fetching", Name: "n", Done: int64(i)}})
			on(node.Event{Seeding: &node.Seeding{Infohash: fmt.Sprint(i % 3), Uploaded: int64(i)}})
			if i%20_000 == 0 {
				on(node.Event{Message: fmt.Sprint("message ", i), Level: "info"})
			}
		}
		on(node.Event{Fetched: &node.Fetched{Path: "/p"}})
		told <- time.Since(start)
		return nil
	}}
	d := serve(t, f, "v")
	c := open(t, d, post("/v1/fetch", `{"ref":"r","dir":"/d"}`))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	close(begun)
	select {
	case took := <-told:
		t.Logf("%d events were taken in %v while nobody read", 2*rounds, took)
	case <-time.After(patience):
		t.Fatal("the backend is held up by a reader that takes nothing")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("what waits for the reader takes %d bytes", grown)
	}
	var kept, messages, fetched, seeding int
	var done, uploaded int64
	lines := readStream(t, c)
	for _, l := range lines {
		switch e := l.Event; {
		case e == nil:
		case e.Kept != nil:
			kept++
		case e.Message != "":
			messages++
		case e.Fetched != nil:
			fetched++
		case e.Progress != nil:
			if e.Progress.Done < done {
				t.Errorf("progress went from %d back to %d", done, e.Progress.Done)
			}
			done = e.Progress.Done
		case e.Seeding != nil:
			seeding++
			uploaded = max(uploaded, e.Seeding.Uploaded)
		}
	}
	if kept != 1 || messages != 3 || fetched != 1 || seeding < 3 || done != rounds-1 || uploaded != rounds-1 {
		t.Errorf("got %d kept, %d messages, %d fetched, %d seeding, progress to %d and %d, want 1, 3, 1, at least 3, %d", kept, messages, fetched, seeding, done, uploaded, rounds-1)
	}
	if len(lines) > rounds {
		t.Errorf("%d lines waited for the reader, want the newest alone", len(lines))
	}
	if last := lines[len(lines)-1]; last.End == nil {
		t.Errorf("the last line is %+v, want the end", last)
	}
}

type streamLine struct {
	Event *node.Event
	End   *json.RawMessage
}

func readStream(t *testing.T, c net.Conn) (out []streamLine) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the stream: %v", err)
	}
	for raw := range bytes.Lines(body) {
		var l streamLine
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatalf("line %q: %v", raw, err)
		}
		out = append(out, l)
	}
	return out
}

// TestReaderTooSlow tests that one who leaves too much lying is detached: nothing is dropped without a word.
func TestReaderTooSlow(t *testing.T) {
	ended := make(chan error, 1)
	f := &fake{stream: func(ctx context.Context, on func(node.Event)) error {
		text := strings.Repeat("x", 1<<20)
		for range 1000 {
			on(node.Event{Message: text})
			if ctx.Err() != nil {
				break
			}
		}
		ended <- context.Cause(ctx)
		return ctx.Err()
	}}
	open(t, serve(t, f, "v"), post("/v1/fetch", `{"ref":"r","dir":"/d"}`))
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "does not read") {
			t.Errorf("a gigabyte waits for a reader: got %v, want it detached", err)
		}
	case <-time.After(patience):
		t.Error("the backend is held up")
	}
}

// TestServerEnds tests what callers hear when the daemon ends in an orderly way.
func TestServerEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []node.Event
		says   func(ctx context.Context) error
		want   string
	}{
		{"before it is kept", nil, func(ctx context.Context) error { return ctx.Err() }, "nothing of it is kept"},
		{"kept", []node.Event{{Kept: &node.Kept{ID: "1", Name: "release"}}}, func(ctx context.Context) error { return ctx.Err() }, `it keeps "release"`},
		{"shared", []node.Event{{Kept: &node.Kept{ID: "1", Name: "release"}}, {Seeding: &node.Seeding{}}}, func(context.Context) error { return nil }, `it keeps "release"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun := make(chan struct{})
			f := &fake{stream: func(ctx context.Context, on func(node.Event)) error {
				for _, e := range tt.events {
					on(e)
				}
				close(begun)
				<-ctx.Done()
				return tt.says(ctx)
			}}
			d := serve(t, f, "v")
			c := d.dial(t, "v")
			got := make(chan error, 1)
			go func() { got <- c.Publish(context.Background(), node.PublishRequest{}, ignore) }()
			<-begun
			if err := d.end(); err != nil {
				t.Errorf("the server's end: %v", err)
			}
			err := <-got
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.HintOf(err), "p2pshare daemon --detach") {
				t.Errorf("got %v (%s), want %q and how to start it again", err, fault.HintOf(err), tt.want)
			}
			if _, err := localapi.Dial(t.Context(), d.home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
				t.Errorf("after the end: got %v, want ErrNoDaemon", err)
			}
		})
	}
}

// TestServerEndsThoughTheBackendHangs tests that one request cannot hold up the end.
func TestServerEndsThoughTheBackendHangs(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	f := &fake{stream: func(context.Context, func(node.Event)) error { close(begun); <-release; return nil }}
	d := serve(t, f, "v")
	defer close(release)
	open(t, d, post("/v1/fetch", `{"ref":"r","dir":"/d"}`))
	<-begun
	d.end() // before the request, whose end comes after it
}

// TestNothingIsLeft tests that no goroutine outlives its request, and none the server.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	f := &fake{stream: func(ctx context.Context, on func(node.Event)) error { on(node.Event{Message: "m"}); return nil }}
	d := serve(t, f, "v")
	c := d.dial(t, "v")
	serving := before + 3 // the server, its loop of connections, the wait for the end
	for range 50 {
		if err := c.Fetch(t.Context(), node.FetchRequest{}, ignore); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context(), node.StatusRequest{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.Fetch(ctx, node.FetchRequest{}, func(node.Event) { cancel() })
		cancel()
		open(t, d, post("/v1/fetch", `{"ref":"r","dir":"/d"}`)).Close()
		open(t, d, "POST /v1/fe").Close()
	}
	goroutines(t, serving)
	d.end()
	goroutines(t, before)
}

// TestPanic tests that a bug that one request meets does not end the others.
func TestPanic(t *testing.T) {
	f := &fake{
		stream: func(context.Context, func(node.Event)) error { panic("stream bug") },
		status: func(context.Context, node.StatusRequest) (*node.Status, error) { panic("status bug") },
	}
	c := serve(t, f, "v").dial(t, "v")
	err := c.Fetch(t.Context(), node.FetchRequest{}, ignore)
	if err == nil || !strings.Contains(err.Error(), "stream bug") || fault.HintOf(err) == "" {
		t.Errorf("stream: got %v", err)
	}
	if _, err := c.Status(t.Context(), node.StatusRequest{}); err == nil || !strings.Contains(err.Error(), "status bug") {
		t.Errorf("status: got %v", err)
	}
	if _, err := c.Change(t.Context(), node.ChangeRequest{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}
