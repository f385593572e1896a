package bench_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/bench"
)

const hash = "aaaaaaaaaaaaaaaaaaaa"

func announce(t *testing.T, at http.Handler, from, query string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/announce?"+query, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	at.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrackerReturnsTheOthers(t *testing.T) {
	tr := bench.NewTracker()
	q := func(port int, more string) string {
		return fmt.Sprintf("info_hash=%s&port=%d%s", url.QueryEscape(hash), port, more)
	}
	if got := announce(t, tr, "10.77.0.1:5000", q(6881, "")); !strings.HasSuffix(got, "5:peers0:e") {
		t.Errorf("the first: got %q, want nobody", got)
	}
	want := "5:peers6:\x0a\x4d\x00\x01\x1a\xe1e"
	if got := announce(t, tr, "10.77.0.2:5000", q(6881, "")); !strings.HasSuffix(got, want) {
		t.Errorf("the second: got %q, want %q", got, want)
	}
	announce(t, tr, "10.77.0.1:5000", q(6881, "&event=stopped"))
	if got := announce(t, tr, "10.77.0.2:5000", q(6881, "")); !strings.HasSuffix(got, "5:peers0:e") {
		t.Errorf("after the first stopped: got %q, want nobody", got)
	}
	for _, bad := range []string{"", "info_hash=short&port=1", "info_hash=" + hash, "info_hash=" + hash + "&port=70000", "%zz"} {
		if got := announce(t, tr, "10.77.0.3:1", bad); !strings.Contains(got, "failure reason") {
			t.Errorf("%q: got %q, want a failure", bad, got)
		}
	}
	tr.Forget()
	if got := announce(t, tr, "10.77.0.9:5000", q(1, "")); !strings.HasSuffix(got, "5:peers0:e") {
		t.Errorf("after Forget: got %q, want nobody", got)
	}
}

func TestTrackerReady(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tr := bench.NewTracker()
	ready := make(chan error, 1)
	go func() { ready <- tr.Ready(ctx, "10.77.0.1", nil) }()
	announce(t, tr, "10.77.0.1:1", "info_hash="+hash+"&port=1&left=5")
	announce(t, tr, "10.77.0.2:1", "info_hash="+hash+"&port=1&left=0")
	announce(t, tr, "10.77.0.1:1", "info_hash="+hash+"&port=1&left=0&event=stopped")
	select {
	case err := <-ready:
		t.Fatalf("before it announced that it has everything: got %v, want a timeout", err)
	default:
	}
	for range 2 { // as clients do
		announce(t, tr, "10.77.0.1:1", "info_hash="+hash+"&port=1&left=0")
	}
	if err := <-ready; err != nil {
		t.Errorf("got %v, want it ready", err)
	}
	gone := make(chan struct{})
	close(gone)
	if err := tr.Ready(ctx, "10.77.0.7", gone); err == nil || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Errorf("after the seeder ended: got %v, want an error that says so", err)
	}
	cancel()
	if err := tr.Ready(ctx, "10.77.0.7", nil); err == nil {
		t.Error("with an ended context: got no error")
	}
}
