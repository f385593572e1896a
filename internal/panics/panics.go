// Package panics turns a panic into an error, so that it costs what it happened in and not the process.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic that was caught.
type Error struct {
	Value any
	Stack []byte // of the goroutine, as debug.Stack gives it
}

func (e *Error) Error() string { return fmt.Sprintf("internal error: %v", e.Value) }

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
