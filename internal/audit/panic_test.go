package audit

import (
	"log/slog"
	"strings"
	"testing"
)

// TestPanicEndsTheAudit: a bug in the writer ends only the audit. It is logged and returned by Close, and nothing
// waits for it.
func TestPanicEndsTheAudit(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	l, err := Open(dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l.Add(Line{What: Admitted, Account: "anna"})
	if lines, err := l.Read(Query{}); err != nil || len(lines) != 1 {
		t.Fatalf("got %v, %v", lines, err)
	}
	f := l.file
	l.file = nil
	l.Add(Line{What: Admitted, Account: "ben"})
	if lines, err := l.Read(Query{}); err != nil || len(lines) != 1 {
		t.Errorf("after the bug: got %v, %v, want the line written before", lines, err)
	}
	l.Add(Line{What: Admitted, Account: "carl"}) // must not wait
	if err := l.Close(); err == nil {
		t.Error("Close: got nil, want an error about lost lines")
	}
	if _, err := f.f.Stat(); err == nil {
		t.Error("the file is still open")
	}
	if !strings.Contains(log.String(), "the audit of a group hit a bug") || !strings.Contains(log.String(), "log.go") {
		t.Errorf("the log does not show the bug:\n%s", log.String())
	}
}
