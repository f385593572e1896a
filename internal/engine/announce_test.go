package engine

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
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
		e: e, t: tt.t, spec: tt.spec, book: newBook(time.Now), done: tt.done, trackerErrs: map[string]error{}, trackerWords: map[string]TrackerWord{},
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
		_, err := tt.announceOnce(t.Context(), srv.URL+path, tracker.None, "")
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

// An answer that is shorter than its header says costs none of the peers in it.
func TestTrackerAnswerThatIsCutOff(t *testing.T) {
	const answer = "d8:intervali60e5:peers6:\x08\x08\x08\x08\x1a\xe1e"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		if r.URL.Path == "/some" {
			io.WriteString(w, answer)
		}
		if r.URL.Path == "/page" {
			io.WriteString(w, "<html>")
		}
	}))
	defer srv.Close()
	tt := asker(t, start(t, nil))
	if a, err := tt.announceOnce(t.Context(), srv.URL+"/some", tracker.None, ""); err != nil || len(a.peers) != 1 {
		t.Errorf("got %d peers, %v, want one", len(a.peers), err)
	}
	for _, path := range []string{"/none", "/page"} {
		if _, err := tt.announceOnce(t.Context(), srv.URL+path, tracker.None, ""); err == nil || !strings.Contains(err.Error(), "reading the answer") {
			t.Errorf("%s: got %v, want that it could not be read", path, err)
		}
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
		wg.Go(func() { hostile.announceOnce(ctx, fmt.Sprintf("%s/silent/%d", srv.URL, i), tracker.None, "") })
	}
	for end := time.Now().Add(30 * time.Second); under.Load() < torrentAnnounces; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d announces are under way, want %d", under.Load(), torrentAnnounces)
		}
	}
	if _, err := honest.announceOnce(t.Context(), srv.URL+"/honest", tracker.None, ""); err != nil {
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
		if _, err := tt.announceOnce(t.Context(), "http://tracker.example/announce", tracker.None, ""); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(booked(tt.book)); got != want {
			t.Errorf("from %q: got %s, want %s", from, got, want)
		}
	}
}

// scripted is a tracker that answers as it is told to, and remembers what it was asked.
type scripted struct {
	*httptest.Server
	mu    sync.Mutex
	asked []url.Values
}

func newScripted(t *testing.T, answer func(url.Values) string) *scripted {
	s := &scripted{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		s.mu.Lock()
		s.asked = append(s.asked, q)
		s.mu.Unlock()
		io.WriteString(w, answer(q))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) events() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		list = append(list, cmp.Or(q.Get("event"), "none"))
	}
	return list
}

func (s *scripted) await(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); len(s.events()) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %v, want %d announces", s.events(), n)
		}
	}
}

// A share that is stopped and started again is announced no earlier than the tracker said, and events are told once.
func TestTrackerIsNotAskedSoonerAfterARestart(t *testing.T) {
	busy := newScripted(t, func(url.Values) string {
		return "d8:intervali1800e12:min intervali1800e5:peers0:15:warning message1:we"
	})
	none := newScripted(t, func(url.Values) string { return "d5:peers0:15:warning message1:we" })
	full := newScripted(t, func(url.Values) string { return "d14:failure reason4:full8:retry ini30ee" })
	e := start(t, nil)
	p := newPayload(t, 1000, false)
	for round := range 3 {
		tt := p.seed(t, e, Spec{Trackers: [][]string{{busy.URL}, {none.URL}, {full.URL}}})
		busy.await(t, 1)
		none.await(t, 1)
		full.await(t, 1)
		// What was answered, and not only heard.
		for end := time.Now().Add(30 * time.Second); len(tt.Stats().TrackerWords) < 3; time.Sleep(time.Millisecond) {
			if round > 0 {
				break // nobody is asked again
			}
			if time.Now().After(end) {
				t.Fatalf("got the words %v, want three", tt.Stats().TrackerWords)
			}
		}
		tt.Close()
	}
	for _, s := range []*scripted{busy, none} {
		if got := strings.Join(s.events(), " "); got != "started stopped" {
			t.Errorf("a tracker heard %q, want one start and one stop", got)
		}
	}
	if got := strings.Join(full.events(), " "); got != "started" {
		t.Errorf("the tracker that refuses heard %q, want one start", got)
	}
	key := scheduleKey{busy.URL, p.hash}
	if event, at := e.schedules.take(key).next(time.Now(), true, false); event != tracker.Started || time.Until(at) < 20*time.Minute {
		t.Errorf("got %v in %v, want a start after half an hour", event, time.Until(at))
	}
}

// A magnet's look-up and the fetch that follows it are one peer, and the fetch's end is told once.
func TestTrackerHearsOfAMagnetOnce(t *testing.T) {
	seeder, e := start(t, nil), start(t, nil)
	p := newPayload(t, 100<<10, false)
	p.seed(t, seeder, Spec{})
	tr := newScripted(t, func(url.Values) string {
		_, port, _ := net.SplitHostPort(at(seeder))
		return "d8:intervali1800e10:tracker id3:abc5:peersld2:ip9:localhost4:port" + fmt.Sprint(len(port)) + ":" + port + "eee"
	})
	tt := p.fetch(t, e, Spec{Trackers: [][]string{{tr.URL}}}) // the peer has a name
	tt.Close()                                                // at once
	if got := strings.Join(tr.events(), " "); got != "started completed stopped" {
		t.Errorf("the tracker heard %q", got)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if got := tr.asked[0].Get("trackerid") + " " + tr.asked[1].Get("trackerid"); got != " abc" {
		t.Errorf("the tracker id was sent as %q, want it back from the second announce on", got)
	}
}

// TestSilentTrackerIsWaitedForOnce: a tracker does not answer any more when a fetch ends. Who closes waits for it as long for all
// that it is to be told as for one announce.
func TestSilentTrackerIsWaitedForOnce(t *testing.T) {
	seeder, e := start(t, nil), start(t, nil)
	p := newPayload(t, 100<<10, false)
	p.seed(t, seeder, Spec{})
	silent := make(chan struct{})
	tr := newScripted(t, func(q url.Values) string {
		if q.Get("event") != "started" {
			<-silent
		}
		return "d8:intervali1800e5:peers0:e"
	})
	t.Cleanup(func() { close(silent) }) // before the server's end, which waits for its answers
	tt := p.fetch(t, e, Spec{Trackers: [][]string{{tr.URL}}, Peers: []string{at(seeder)}})
	tr.await(t, 2)
	tt.Close()
	if got := strings.Join(tr.events(), " "); got != "started completed" {
		t.Errorf("the tracker heard %q, want nothing after what it did not answer", got)
	}
}

// What a tracker says is kept for people, without the secrets of its address.
func TestTrackerWords(t *testing.T) {
	warns := newScripted(t, func(q url.Values) string { return "d8:intervali60e5:peers0:15:warning message17:KEY12345 is knowne" })
	refuses := newScripted(t, func(url.Values) string { return "d14:failure reason20:unknown key KEY12345e" })
	e := start(t, nil)
	p := newPayload(t, 1000, false)
	tt := p.seed(t, e, Spec{Trackers: [][]string{{warns.URL + "/a?k=KEY12345"}, {refuses.URL + "/a?k=KEY12345"}}})
	for end := time.Now().Add(30 * time.Second); len(tt.Stats().TrackerWords) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %+v", tt.Stats().TrackerWords)
		}
	}
	for _, w := range tt.Stats().TrackerWords {
		want := "redacted is known"
		if w.Refuses {
			want = "unknown key redacted"
		}
		if w.Text != want || w.Refuses != strings.HasPrefix(w.URL, refuses.URL) {
			t.Errorf("got %+v, want %q", w, want)
		}
	}
}

// In a tier the next is asked when those before it fail, and the one that answered is asked from then on.
func TestTierGoesOnAtFailures(t *testing.T) {
	good := newScripted(t, func(url.Values) string { return "d8:intervali60e5:peers0:e" })
	bad := newScripted(t, func(url.Values) string { return "d14:failure reason2:noe" })
	e := start(t, nil)
	tt := asker(t, e)
	tier := []string{bad.URL, good.URL}
	plans := map[string]*schedule{bad.URL: {}, good.URL: {}}
	next := tt.announceRound(t.Context(), t.Context(), tier, plans)
	if tier[0] != good.URL || time.Until(next) < 50*time.Second {
		t.Errorf("got %v first and the next in %v, want the one that answers and its interval", tier, time.Until(next))
	}
	tt.announceRound(t.Context(), t.Context(), tier, plans)
	if len(good.events()) != 1 || len(bad.events()) != 1 {
		t.Errorf("got %v and %v, want no announce before its time", good.events(), bad.events())
	}
	plans[good.URL].failed(time.Now(), tracker.None, errSilent)
	plans[bad.URL].earliest = time.Time{}
	tt.announceRound(t.Context(), t.Context(), tier, plans)
	if len(good.events()) != 1 || len(bad.events()) != 2 {
		t.Errorf("got %v and %v, want the other to be asked once the first fails", good.events(), bad.events())
	}
}

// udpTracker answers packets with what answer makes of the action and body, behind the head; nil: nothing.
func udpTracker(t *testing.T, network, host string, answer func(action uint32, body []byte) (uint32, []byte)) string {
	t.Helper()
	pc, err := net.ListenPacket(network, host+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			action, out := answer(binary.BigEndian.Uint32(b[8:]), b[16:n])
			if out == nil {
				continue
			}
			pc.WriteTo([]byte("someone else's"), from)
			pc.WriteTo(append(append(binary.BigEndian.AppendUint32(nil, action), b[12:16]...), out...), from)
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return "udp://" + pc.LocalAddr().String() + "/announce?k=v"
}

// What is odd in a UDP tracker's answer costs nothing but itself.
func TestUDPTracker(t *testing.T) {
	e := start(t, nil)
	head := func(interval uint32) []byte {
		return binary.BigEndian.AppendUint32(nil, interval)
	}
	rest := []byte("\x00\x00\x00\x01\x00\x00\x00\x01")
	for _, c := range []struct {
		name, network, host string
		action              uint32
		body                []byte
		interval            time.Duration
		peers, err          string
	}{
		{"plain", "udp4", "127.0.0.1", 1, append(append(head(1800), rest...), "\x08\x08\x08\x08\x1a\xe1"...), 1800 * time.Second, "[8.8.8.8:6881]", ""},
		{"half a peer too many", "udp4", "127.0.0.1", 1, append(append(head(60), rest...), "\x08\x08\x08\x08\x1a\xe1\x01"...), time.Minute, "[8.8.8.8:6881]", ""},
		{"over IPv6", "udp6", "[::1]", 1, append(append(head(60), rest...), "\x26\x06\x47\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a\xe3"...), time.Minute, "[[2606:4700::1]:6883]", ""},
		{"interval negative", "udp4", "127.0.0.1", 1, append(head(0xffffffff), rest...), 0, "[]", ""},
		{"too short", "udp4", "127.0.0.1", 1, head(60), 0, "[]", "something else"},
		{"an error", "udp4", "127.0.0.1", 3, []byte("go away\x00"), 0, "[]", `it refuses: "go away"`},
		{"another action", "udp4", "127.0.0.1", 2, head(60), 0, "[]", "something else"},
	} {
		var data atomic.Pointer[string]
		u := udpTracker(t, c.network, c.host, func(action uint32, body []byte) (uint32, []byte) {
			if action == 0 {
				return 0, []byte("12345678")
			}
			s := string(body[82:])
			data.Store(&s)
			return c.action, c.body
		})
		tt := asker(t, e)
		a, err := tt.announceOnce(t.Context(), u, tracker.None, "")
		if got := fmt.Sprint(booked(tt.book)); got != c.peers || a.interval != c.interval {
			t.Errorf("%s: got %s and %v, want %s and %v", c.name, got, a.interval, c.peers, c.interval)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.err)
		}
		if got := data.Load(); got == nil || *got != "\x02\x0d/announce?k=v" {
			t.Errorf("%s: the path was told as %q", c.name, *got)
		}
		tt.t.Drop()
	}
}

// A UDP tracker is heard only from where it was asked, and asked again for what is lost.
func TestUDPTrackerIsHeardFromItsAddress(t *testing.T) {
	lost := 0
	var elsewhere net.PacketConn
	listener, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	elsewhere = listener
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			tx := append([]byte(nil), b[12:16]...)
			elsewhere.WriteTo(append(append([]byte{0, 0, 0, 3}, tx...), "forged"...), from)
			if n == 16 {
				if lost++; lost == 1 {
					continue
				}
				pc.WriteTo(append(append([]byte{0, 0, 0, 0}, tx...), "12345678"...), from)
			} else {
				pc.WriteTo(append(append([]byte{0, 0, 0, 1}, tx...), "\x00\x00\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00"...), from)
			}
		}
	}()
	e := start(t, nil)
	a, err := asker(t, e).announceOnce(t.Context(), "udp://"+pc.LocalAddr().String(), tracker.None, "")
	if err != nil || a.interval != time.Minute {
		t.Errorf("got %v, %v; want the answer of who was asked", a.interval, err)
	}
}
