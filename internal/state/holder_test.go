package state_test

import (
	"os"
	"testing"

	"github.com/p2pshare/p2pshare/internal/state"
)

func TestHolder(t *testing.T) {
	h, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	look := func(when string, wantPID int, wantHeld bool) {
		t.Helper()
		if pid, held, err := h.Holder("daemon"); pid != wantPID || held != wantHeld || err != nil {
			t.Errorf("%s: got process %d, held %v, %v, want %d, %v", when, pid, held, err, wantPID, wantHeld)
		}
	}
	look("never taken", 0, false)
	l, err := h.TryLock("daemon")
	if err != nil {
		t.Fatal(err)
	}
	look("held", os.Getpid(), true)
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	look("released", 0, false)
	l, err = h.TryLock("daemon")
	if err != nil {
		t.Fatalf("after calls of Holder: %v", err)
	}
	defer l.Unlock()
	if err := os.WriteFile(h.Path("daemon.lock"), []byte("no number"), 0o600); err != nil {
		t.Fatal(err)
	}
	look("held, process number unreadable", 0, true)
}
