// Package fault gives an error its kind, which decides the exit code, and its hint, which is what
// the user can do next. It says nothing of where an error came from: packages keep their own error
// types and wrap them here at their border.
package fault

import (
	"errors"
	"fmt"
)

// Kind is what went wrong, as far as a script needs to tell it apart.
type Kind int

const (
	Failed     Kind = iota // anything without a kind of its own
	Usage                  // the words of the command: flags, arguments, malformed references
	NotFound               // no such file, share, name
	InUse                  // the home is held by another process
	Denied                 // the rules do not allow it
	Unverified             // bytes that are not what they were said to be
	Timeout                // the time given ran out
)

// Error carries a kind and a hint with an error.
type Error struct {
	Kind Kind
	Hint string // what to do next, a sentence without a full stop; may be empty
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind. format is Errorf's.
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

// KindOf is the kind of the outermost Error in err's chain; Failed if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Failed
}

// HintOf is the first hint in err's chain that is not empty.
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
