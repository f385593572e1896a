// Package panics turns a panic into an error, so that it costs what it happened in and not the process.
//
// A goroutine that is not begun through this package takes the process with it. Who waits for one has the error from
// [Group] or [Caught]; what nobody waits for is [Guard]ed, or, if it is to go on, kept up by [Persist].
package panics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Rest is how long what has panicked rests before Persist calls it again: one that panics each time fills no log.
const Rest = time.Minute

// Error is a panic that was caught.
type Error struct {
	Value any
	Stack []byte // of the goroutine, as debug.Stack gives it
}

func (e *Error) Error() string { return fmt.Sprintf("internal error: %v", e.Value) }

// Log writes that what has met a bug, with the stack; args are slog's.
func (e *Error) Log(log *slog.Logger, what string, args ...any) {
	log.Error(what+" has met a bug", append(args, "panic", fmt.Sprint(e.Value), "stack", string(e.Stack))...)
}

// In is the panic that err is, or is made of; nil if there is none.
func In(err error) *Error {
	bug, _ := errors.AsType[*Error](err)
	return bug
}

// Catch calls f and returns its error, or an *Error if it panicked. What f has locked without deferring the unlock stays
// locked; the rest of its deferred calls have run.
func Catch(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{v, debug.Stack()}
		}
	}()
	return f()
}

// Caught gives a function that is Catch of f, for an errgroup: a panic in one of its goroutines becomes the group's error.
func Caught(f func() error) func() error { return func() error { return Catch(f) } }

// Guard gives a function that calls f, for a goroutine of its own. A panic in f goes to failed, in that goroutine.
func Guard(f func(), failed func(*Error)) func() {
	return func() {
		err := Catch(func() error { f(); return nil })
		if bug, ok := err.(*Error); ok {
			failed(bug)
		}
	}
}

// Logged is what a Guard does that has only to log.
func Logged(log *slog.Logger, what string, args ...any) func(*Error) {
	return func(bug *Error) { bug.Log(log, what, args...) }
}

// Persist gives a function that calls f until it returns or ctx ends. A panic in f goes to failed, and f is called again
// after Rest.
func Persist(ctx context.Context, f func(), failed func(*Error)) func() {
	return func() { persist(ctx, Rest, f, failed) }
}

func persist(ctx context.Context, rest time.Duration, f func(), failed func(*Error)) {
	for again := true; again; {
		again = false
		Guard(f, func(bug *Error) { failed(bug); again = true })()
		if !again {
			return
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Group is goroutines that somebody waits for. The zero Group is empty.
type Group struct {
	// Failed, which may be nil, is told of each panic in the goroutine that it happened in: it may end what the others wait
	// for. It is set before the first Start.
	Failed func(*Error)

	wg    sync.WaitGroup
	mu    sync.Mutex
	first *Error
}

// Start calls f in a goroutine.
func (g *Group) Start(f func()) {
	g.wg.Go(Guard(f, func(bug *Error) {
		g.mu.Lock()
		if g.first == nil {
			g.first = bug
		}
		g.mu.Unlock()
		if g.Failed != nil {
			g.Failed(bug)
		}
	}))
}

// Wait returns when all have ended, with the first panic of any, an *Error.
func (g *Group) Wait() error {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == nil {
		return nil // not a nil *Error
	}
	return g.first
}

// Dial gives a dialer that is dial, for an http.Transport, which calls it in a goroutine of its own.
func Dial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = Catch(func() (err error) {
			c, err = dial(ctx, network, addr)
			return err
		})
		return c, err
	}
}

// Handler gives a handler that is h. A panic in h is logged and ends its connection: net/http does the same, and hides the
// trace where its server's ErrorLog goes.
func Handler(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Guard(func() { h.ServeHTTP(w, r) }, func(bug *Error) {
			if bug.Value != http.ErrAbortHandler {
				bug.Log(log, "a request", "method", r.Method, "path", r.URL.Path)
			}
			panic(http.ErrAbortHandler) // net/http takes it, without a word
		})()
	})
}
