package panics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCatch(t *testing.T) {
	plain := errors.New("plain")
	if err := Catch(func() error { return plain }); err != plain {
		t.Errorf("got %v, want the function's own error", err)
	}
	if err := Catch(func() error { return nil }); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	undone, undoing := false, "x"
	err := Catch(func() error {
		defer func() { undone = true }()
		var none []int
		none[len(undoing)] = 1
		return nil
	})
	bug := In(err)
	if bug == nil || !strings.Contains(err.Error(), "out of range") || !strings.Contains(string(bug.Stack), "TestCatch") || !undone {
		t.Errorf("got %v, want the panic with the stack of where it happened, and the deferred calls run", err)
	}
	if In(errors.Join(plain, err)) != bug || In(plain) != nil {
		t.Error("In takes another error for a bug, or a bug for another error")
	}
	if err := Caught(func() error { panic("x") })(); In(err) == nil {
		t.Errorf("Caught: got %v", err)
	}
}

func TestGuard(t *testing.T) {
	var got *Error
	Guard(func() {}, func(e *Error) { got = e })()
	if got != nil {
		t.Errorf("without a panic: got %v", got)
	}
	Guard(func() { panic("x") }, func(e *Error) { got = e })()
	if got == nil || got.Value != "x" {
		t.Errorf("got %v, want the panic", got)
	}
}

func TestLogged(t *testing.T) {
	var log strings.Builder
	Guard(func() { panic("x") }, Logged(slog.New(slog.NewTextHandler(&log, nil)), "a thing", "name", "n"))()
	for _, want := range []string{"level=ERROR", "a thing hit a bug", "name=n", "panic=x", "TestLogged"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

func TestPersist(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran, failed := 0, 0
	f := func() {
		if ran++; ran < 3 {
			panic("x")
		}
	}
	persist(ctx, time.Millisecond, f, func(*Error) { failed++ })
	if ran != 3 || failed != 2 {
		t.Errorf("it ran %d times and failed %d times, want 3 and 2", ran, failed)
	}
	ran = 0
	Persist(ctx, f, func(*Error) { cancel() })() // it returns without waiting for the minute of Rest
	if ran != 1 {
		t.Errorf("it ran %d times after ctx ended, want once", ran)
	}
}

func TestGroup(t *testing.T) {
	var none Group
	none.Start(func() {})
	if err := none.Wait(); err != nil {
		t.Errorf("without a panic: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := Group{Failed: func(*Error) { cancel() }}
	g.Start(func() { <-ctx.Done() }) // ends because the other panicked
	g.Start(func() { panic("x") })
	if bug := In(g.Wait()); bug == nil || bug.Value != "x" {
		t.Errorf("got %v, want the panic", bug)
	}
}

func TestDial(t *testing.T) {
	c := http.Client{Transport: &http.Transport{DialContext: Dial(func(context.Context, string, string) (net.Conn, error) { panic("x") })}}
	if r, err := c.Get("http://peer.invalid/"); In(err) == nil {
		t.Errorf("got %v, %v, want the panic", r, err)
	}
}

func TestHandler(t *testing.T) {
	var log strings.Builder
	said := make(chan string, 1)
	s := httptest.NewUnstartedServer(Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bug":
			panic("x")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "fine")
	}), slog.New(slog.NewTextHandler(&log, nil))))
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(chanWriter(said), nil), slog.LevelInfo)
	s.Start()
	for _, path := range []string{"/abort", "/bug"} {
		if r, err := http.Get(s.URL + path); err == nil {
			t.Errorf("%s: got %v, want a closed connection", path, r.Status)
		}
	}
	if r, err := http.Get(s.URL + "/fine"); err != nil {
		t.Errorf("after that: %v", err)
	} else {
		r.Body.Close()
	}
	s.Close()
	if l := log.String(); strings.Count(l, "a request hit a bug") != 1 || !strings.Contains(l, "TestHandler") || !strings.Contains(l, "path=/bug") {
		t.Errorf("the log does not show the one bug:\n%s", l)
	}
	select {
	case l := <-said:
		t.Errorf("net/http logged it too: %s", l)
	default:
	}
}

type chanWriter chan string

func (c chanWriter) Write(b []byte) (int, error) {
	select {
	case c <- string(b):
	default:
	}
	return len(b), nil
}
