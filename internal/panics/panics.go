// Package panics turns a panic into an error, so that it costs the task it happened in and not the process.
//
// A panic in a goroutine that was not started through this package ends the process. Where something waits for the
// goroutine, use [Group] or [Caught], which return the error; otherwise use [Guard], or [Persist] if it must keep
// running.
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

// Rest is how long Persist waits before it calls a function again after a panic, so that one that always panics does
// not flood the log.
const Rest = time.Minute

// Error is a panic that was caught.
type Error struct {
	Value any
	Stack []byte // of the goroutine, as debug.Stack gives it
}

func (e *Error) Error() string { return fmt.Sprintf("internal error: %v", e.Value) }

// Log writes to the log, with the stack, that what hit a bug; args are those of slog.
func (e *Error) Log(log *slog.Logger, what string, args ...any) {
	log.Error(what+" hit a bug", append(args, "panic", fmt.Sprint(e.Value), "stack", string(e.Stack))...)
}

// In returns the panic in err's tree, or nil if there is none.
func In(err error) *Error {
	bug, _ := errors.AsType[*Error](err)
	return bug
}

// Catch calls f and returns its error, or an *Error if it panicked. Locks that f took without deferring the unlock stay
// locked; its deferred calls have run.
func Catch(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{v, debug.Stack()}
		}
	}()
	return f()
}

// Caught wraps f in Catch, for an errgroup: a panic in one of its goroutines becomes the group's error.
func Caught(f func() error) func() error { return func() error { return Catch(f) } }

// Guard returns a function that calls f, to be started as a goroutine. If f panics, failed is called in that goroutine.
func Guard(f func(), failed func(*Error)) func() {
	return func() {
		err := Catch(func() error { f(); return nil })
		if bug, ok := err.(*Error); ok {
			failed(bug)
		}
	}
}

// Logged returns a failed function for Guard that only logs.
func Logged(log *slog.Logger, what string, args ...any) func(*Error) {
	return func(bug *Error) { bug.Log(log, what, args...) }
}

// Persist returns a function that calls f until it returns without a panic or ctx ends. After a panic it calls failed,
// waits for Rest and calls f again.
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

// Group is a set of goroutines that can be waited for. The zero Group is empty.
type Group struct {
	// Failed, if not nil, is called for each panic, in the goroutine that panicked; it may cancel what the others wait
	// for. Set it before the first Start.
	Failed func(*Error)

	wg    sync.WaitGroup
	mu    sync.Mutex
	first *Error
}

// Start calls f in a new goroutine.
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

// Wait returns when all goroutines have ended. Its error is the first panic, an *Error.
func (g *Group) Wait() error {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == nil {
		return nil // not a nil *Error
	}
	return g.first
}

// Dial wraps dial, for an http.Transport, which calls it in a goroutine that it starts: a panic becomes an error.
func Dial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = Catch(func() (err error) {
			c, err = dial(ctx, network, addr)
			return err
		})
		return c, err
	}
}

// Handler wraps h. A panic in h is logged and closes its connection. net/http would do the same, but would write the
// trace to its server's ErrorLog.
func Handler(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Guard(func() { h.ServeHTTP(w, r) }, func(bug *Error) {
			if bug.Value != http.ErrAbortHandler {
				bug.Log(log, "a request", "method", r.Method, "path", r.URL.Path)
			}
			panic(http.ErrAbortHandler) // net/http handles this one silently
		})()
	})
}
