// Package fault gives an error a kind, which decides the exit code, and a hint, which tells the user what to do next. It
// does not record where an error came from: packages have their own error types and wrap them here before they return
// them.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong, in as much detail as a script needs.
type Kind int

const (
	Failed     Kind = iota // anything else
	Usage                  // a wrong command line: flags, arguments, malformed references
	NotFound               // no such file, share, name
	InUse                  // another process uses the home
	Denied                 // the rules forbid it
	Unverified             // the bytes are not what they should be
	Timeout                // the time limit was reached
)

// Exit codes of the programs (docs/SPEC.md). 1 to 3 are left to what is general: 2 is Go's own for a crash.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 4
	ExitNotFound    = 10
	ExitInUse       = 11
	ExitDenied      = 12
	ExitUnverified  = 13
	ExitTimeout     = 14
	ExitInterrupted = 130
)

// ExitCode returns the code with which a program ends for an error of kind k.
func (k Kind) ExitCode() int {
	switch k {
	case Usage:
		return ExitUsage
	case NotFound:
		return ExitNotFound
	case InUse:
		return ExitInUse
	case Denied:
		return ExitDenied
	case Unverified:
		return ExitUnverified
	case Timeout:
		return ExitTimeout
	}
	return ExitFailed
}

// Error adds a kind and a hint to an error.
type Error struct {
	Kind Kind
	Hint string // what to do next: a sentence without a full stop; may be empty
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k; format and args are those of fmt.Errorf.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// Hint adds what to do next to err, and keeps its kind.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Hint: fmt.Sprintf(format, args...), Err: err}
}

// KindOf returns the kind of the outermost Error in err's chain, or Failed if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Failed
}

// HintOf returns the first hint in err's chain that is not empty.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
