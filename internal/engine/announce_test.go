package engine

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/torrent/tracker"
)

// asker is a torrent that dials nobody and announces when it is told to.
func asker(t *testing.T, e *Engine) *Torrent {
	t.Helper()
	p := newPayload(t, 1<<10, false)
	tt := p.seed(t, e, Spec{})
	return &Torrent{
		e: e, t: tt.t, spec: tt.spec, book: newBook(time.Now), done: tt.done, trackerErrs: map[string]error{},
		announcing: make(chan struct{}, torrentAnnounces),
	}
}

// A tracker that gives without end takes no more than an answer has, plain and compressed.
func TestTrackerAnswersAreBounded(t *testing.T) {
	var sent atomic.Int64
	endless := func(w io.Writer, unit string, r *http.Request) {
		b := []byte(strings.Repeat(unit, 1+(32<<10)/len(unit)))
		for r.Context().Err() == nil && sent.Load() < 256<<20 {
			n, err := w.Write(b)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			io.WriteString(w, "d5:peersl")
			endless(w, "d2:ip7:8.8.8.84:porti6881ee", r)
		case "/zip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, "d5:peersl")
			endless(z, "d2:ip7:8.8.8.84:porti6881ee", r)
		case "/said":
			w.Header().Set("Content-Length", "4000000")
			endless(w, "x", r)
		}
	}))
	defer srv.Close()
	e := start(t, nil)
	tt := asker(t, e)
	for _, path := range []string{"/endless", "/zip", "/said"} {
		sent.Store(0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := tt.announceOnce(t.Context(), srv.URL+path, tracker.None)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
			t.Errorf("%s: got %v, want a refusal of its length", path, err)
		}
		// The server is in this process, and has its own part in that.
		if grew := after.TotalAlloc - before.TotalAlloc; grew > 16<<20 {
			t.Errorf("%s: %d bytes were allocated", path, grew)
		}
	}
	if tt.book.size() > 0 {
		t.Errorf("%d peers were booked", tt.book.size())
	}
}

// However many trackers there are, few are asked at a time, and one torrent's are not in the way of another's.
func TestAnnouncesAreFewAtATime(t *testing.T) {
	var under, most atomic.Int64
	release := make(chan struct{})
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/honest" {
			io.WriteString(w, "d5:peers0:e")
			return
		}
		for n := under.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer under.Add(-1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer once.Do(func() { close(release) })
	e := start(t, nil)
	hostile, honest := asker(t, e), &Torrent{}
	*honest = Torrent{e: e, t: hostile.t, spec: hostile.spec, book: newBook(time.Now), done: hostile.done, announcing: make(chan struct{}, torrentAnnounces)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 10 * torrentAnnounces {
		wg.Go(func() { hostile.announceOnce(ctx, fmt.Sprintf("%s/silent/%d", srv.URL, i), tracker.None) })
	}
	for end := time.Now().Add(30 * time.Second); under.Load() < torrentAnnounces; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d announces are under way, want %d", under.Load(), torrentAnnounces)
		}
	}
	if _, err := honest.announceOnce(t.Context(), srv.URL+"/honest", tracker.None); err != nil {
		t.Errorf("another torrent's tracker: %v", err)
	}
	cancel()
	once.Do(func() { close(release) })
	wg.Wait()
	if got := most.Load(); got > torrentAnnounces {
		t.Errorf("%d announces of one torrent were under way, want %d at most", got, torrentAnnounces)
	}
	if len(e.announcing) > 0 || len(hostile.announcing) > 0 {
		t.Errorf("%d and %d places were not given back", len(e.announcing), len(hostile.announcing))
	}
}

// answering is a TrackerClient whose tracker is anywhere.
type answering struct {
	from netip.Addr
	body string
}

func (a answering) Do(*http.Request) (*http.Response, netip.Addr, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(a.body))}, a.from, nil
}

// A tracker names what it may where it is.
func TestTrackersNameWhatTheyMay(t *testing.T) {
	body := "d5:peers30:\x7f\x00\x00\x01\x1a\xe1\x0a\x00\x00\x01\x1a\xe1\x08\x08\x08\x08\x1a\xe1\xa9\xfe\xa9\xfe\x1a\xe1\x08\x08\x08\x08\x00\x16e"
	for from, want := range map[string]string{
		"9.9.9.9": "[8.8.8.8:6881]", "": "[8.8.8.8:6881]", "10.9.9.9": "[10.0.0.1:6881 8.8.8.8:6881]", "127.0.0.1": "[10.0.0.1:6881 127.0.0.1:6881 8.8.8.8:6881]",
	} {
		at, _ := netip.ParseAddr(from)
		e := start(t, func(s *Settings) { s.Trackers = answering{at, body} })
		tt := asker(t, e)
		if _, err := tt.announceOnce(t.Context(), "http://tracker.example/announce", tracker.None); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(booked(tt.book)); got != want {
			t.Errorf("from %q: got %s, want %s", from, got, want)
		}
	}
}

// A UDP tracker is heard only from where it was asked.
func TestUDPTrackerIsHeardFromItsAddress(t *testing.T) {
	e := start(t, nil)
	listen := func() net.PacketConn {
		t.Helper()
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pc.Close() })
		return pc
	}
	real, other := listen(), listen()
	var asked atomic.Pointer[net.UDPAddr]
	pc, err := e.listenTracker(real.LocalAddr().String(), &asked)("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.WriteTo([]byte("q"), real.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	other.WriteTo([]byte("forged"), pc.LocalAddr())
	real.WriteTo([]byte("answer"), pc.LocalAddr())
	b := make([]byte, 100)
	n, _, err := pc.ReadFrom(b)
	if err != nil || string(b[:n]) != "answer" {
		t.Errorf("got %q, %v, want the answer of who was asked", b[:n], err)
	}
}
