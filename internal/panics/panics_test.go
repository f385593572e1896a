package panics_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/panics"
)

func TestCatch(t *testing.T) {
	plain := errors.New("plain")
	if err := panics.Catch(func() error { return plain }); err != plain {
		t.Errorf("got %v, want the function's own error", err)
	}
	if err := panics.Catch(func() error { return nil }); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	undone, undoing := false, "x"
	err := panics.Catch(func() error {
		defer func() { undone = true }()
		var none []int
		none[len(undoing)] = 1
		return nil
	})
	bug, ok := errors.AsType[*panics.Error](err)
	if !ok || !strings.Contains(err.Error(), "out of range") || !strings.Contains(string(bug.Stack), "TestCatch") || !undone {
		t.Errorf("got %v, want the panic with the stack of where it was, and deferred calls done", err)
	}
}

func TestGuard(t *testing.T) {
	var got *panics.Error
	panics.Guard(func() {}, func(e *panics.Error) { got = e })()
	if got != nil {
		t.Errorf("without a panic: got %v", got)
	}
	panics.Guard(func() { panic("x") }, func(e *panics.Error) { got = e })()
	if got == nil || got.Value != "x" {
		t.Errorf("got %v, want the panic", got)
	}
}
