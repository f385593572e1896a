package audit

import (
	"log/slog"
	"strings"
	"testing"
)

// TestAPanicEndsTheAudit: a bug in what writes ends the audit alone. It is logged and told by Close, and nobody waits for it.
func TestAPanicEndsTheAudit(t *testing.T) {
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
		t.Errorf("after the bug: got %v, %v, want what was written before", lines, err)
	}
	l.Add(Line{What: Admitted, Account: "carl"}) // does not wait
	if err := l.Close(); err == nil {
		t.Error("Close does not say that lines are lost")
	}
	if _, err := f.f.Stat(); err == nil {
		t.Error("the file is open")
	}
	if !strings.Contains(log.String(), "the audit of a group hit a bug") || !strings.Contains(log.String(), "log.go") {
		t.Errorf("the log has no trace:\n%s", log.String())
	}
}
