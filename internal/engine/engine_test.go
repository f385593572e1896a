package engine

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"
	"github.com/anacrolix/torrent/tracker"

	"github.com/p2pshare/p2pshare/internal/netguard"
)

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

func settings(t testing.TB) Settings {
	return Settings{
		ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true, Version: "test", Log: testLog(t),
		Trackers: netguard.New(netguard.Options{Allow: []string{"127.0.0.1"}, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}).Trackers(),
		Judge:    func(string, netip.Addr) error { return nil },
	}
}

func start(t testing.TB, change func(*Settings)) *Engine {
	t.Helper()
	s := settings(t)
	if change != nil {
		change(&s)
	}
	e, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return e
}

// memory is a storage for tests: one buffer, complete or empty.
type memory struct {
	mu   sync.Mutex
	data []byte
	done map[int]bool
	fail error
}

func (m *memory) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{Piece: func(p metainfo.Piece) storage.PieceImpl {
		return memoryPiece{m, p.Index(), p.Offset()}
	}}, nil
}

type memoryPiece struct {
	m     *memory
	index int
	off   int64
}

func (p memoryPiece) ReadAt(b []byte, off int64) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	n := copy(b, p.m.data[p.off+off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p memoryPiece) WriteAt(b []byte, off int64) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.fail != nil {
		return 0, p.m.fail
	}
	return copy(p.m.data[p.off+off:], b), nil
}

func (p memoryPiece) MarkComplete() error    { return p.mark(true) }
func (p memoryPiece) MarkNotComplete() error { return p.mark(false) }

func (p memoryPiece) mark(done bool) error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.done[p.index] = done
	return nil
}

func (p memoryPiece) Completion() storage.Completion {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	return storage.Completion{Ok: true, Complete: p.m.done[p.index]}
}

// payload is one file of random bytes as a v1 torrent.
type payload struct {
	data   []byte
	info   []byte
	hash   metainfo.Hash
	pieces int

	private bool
}

func newPayload(t testing.TB, size int, private bool) payload {
	t.Helper()
	const pieceLength = 32 << 10
	src := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)})
	p := payload{data: make([]byte, size), private: private}
	src.Read(p.data)
	info := metainfo.Info{Name: "payload", PieceLength: pieceLength, Length: int64(size)}
	for b := range slices.Chunk(p.data, pieceLength) {
		sum := sha1.Sum(b)
		info.Pieces = append(info.Pieces, sum[:]...)
		p.pieces++
	}
	if private {
		info.Private = &private
	}
	var err error
	if p.info, err = bencode.Marshal(info); err != nil {
		t.Fatal(err)
	}
	p.hash = metainfo.HashBytes(p.info)
	return p
}

func (p payload) seed(t testing.TB, e *Engine, s Spec) *Torrent {
	t.Helper()
	m := &memory{data: p.data, done: map[int]bool{}}
	for i := range p.pieces {
		m.done[i] = true
	}
	s.V1, s.Info, s.Storage = &p.hash, p.info, m
	tt, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	return tt
}

// fetch adds by the infohash alone, as a magnet does, and compares what comes.
func (p payload) fetch(t *testing.T, e *Engine, s Spec) *Torrent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s.V1 = &p.hash
	tt, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	info, err := tt.Metadata(ctx)
	if err != nil {
		t.Fatalf("no metadata: %v (stats %+v)", err, tt.Stats())
	}
	if !bytes.Equal(info, p.info) {
		t.Fatal("the metadata is not what was seeded")
	}
	if private := tt.Private(); private != p.private {
		t.Errorf("known to be private: %v, want %v", private, p.private)
	}
	m := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
	s.Known = tt.Found()
	s.Info, s.Storage, s.Total = info, m, int64(len(p.data))
	if tt, err = e.Add(s); err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	if err := tt.Wait(ctx, [][2]int{{0, p.pieces}}); err != nil {
		t.Fatalf("not fetched: %v (stats %+v)", err, tt.Stats())
	}
	if !bytes.Equal(m.data, p.data) {
		t.Error("the bytes differ")
	}
	return tt
}

func at(e *Engine) string { return fmt.Sprintf("127.0.0.1:%d", e.Port()) }

func TestFetchFromNamedPeer(t *testing.T) {
	for name, utp := range map[string]bool{"tcp": false, "utp": true} {
		t.Run(name, func(t *testing.T) {
			a := start(t, func(s *Settings) { s.UTP = utp })
			b := start(t, func(s *Settings) { s.UTP = utp })
			if utp {
				// Nobody listens on TCP any more.
				for _, l := range a.port.listeners {
					if l.Addr().Network() == "tcp" {
						l.Close()
					}
				}
			}
			p := newPayload(t, 1<<20, false)
			p.seed(t, a, Spec{})
			got := p.fetch(t, b, Spec{Peers: []string{at(a)}})
			if s := got.Stats(); s.FromPeers != int64(len(p.data)) || s.FromWebSeeds != 0 {
				t.Errorf("got %d bytes from peers and %d from web seeds, want %d and 0", s.FromPeers, s.FromWebSeeds, len(p.data))
			}
		})
	}
}

// A seeder that starts after the fetch is found without any announce, because the address is tried again.
func TestLatePeerIsTriedAgain(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	p := newPayload(t, 100<<10, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.fetch(t, b, Spec{Peers: []string{at(a)}})
	}()
	tries := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		for tt := range b.torrents {
			tt.book.mu.Lock()
			defer tt.book.mu.Unlock()
			return tt.book.known[at(a)].tries
		}
		return 0
	}
	for tries() < 2 { // the address has failed once, at the least
		time.Sleep(10 * time.Millisecond)
	}
	p.seed(t, a, Spec{})
	<-done
}

func TestFetchOverDHTAlone(t *testing.T) {
	first := start(t, func(s *Settings) { s.NoDHT = false; s.DHTNodes = []string{"127.0.0.1:1"} })
	dhtOf := func(s *Settings) { s.NoDHT = false; s.DHTNodes = []string{at(first)} }
	a, b := start(t, dhtOf), start(t, dhtOf)
	p := newPayload(t, 200<<10, false)
	p.seed(t, a, Spec{})
	p.fetch(t, b, Spec{})
	if a.DHTNodes() == 0 {
		t.Error("the seeder knows no DHT node")
	}
}

func TestDHTNodesAreKept(t *testing.T) {
	file := t.TempDir() + "/dht.json"
	first := start(t, func(s *Settings) { s.NoDHT = false; s.DHTNodes = []string{"127.0.0.1:1"} })
	s := settings(t)
	s.NoDHT, s.DHTNodes, s.DHTFile = false, []string{at(first)}, file
	e, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	for e.DHTNodes() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	s.DHTNodes = []string{"127.0.0.1:1"} // nobody there: only the file knows the first node
	again := start(t, func(x *Settings) { *x = s })
	for end := time.Now().Add(20 * time.Second); again.DHTNodes() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a node that was known in the last run is not known in the next")
		}
	}
}

// httpTracker is a tracker for tests: it remembers who announced and answers with the others.
func httpTracker(t *testing.T) (u string, events func() []string) {
	t.Helper()
	var (
		mu    sync.Mutex
		seen  []string
		peers = map[string]map[string]bool{}
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		ih, me := q.Get("info_hash"), q.Get("port")
		seen = append(seen, q.Get("event"))
		if peers[ih] == nil {
			peers[ih] = map[string]bool{}
		}
		var out []byte
		for port := range peers[ih] {
			if port != me {
				var n uint16
				fmt.Sscan(port, &n)
				out = append(out, 127, 0, 0, 1, byte(n>>8), byte(n))
			}
		}
		peers[ih][me] = true
		fmt.Fprintf(w, "d8:intervali60e5:peers%d:%se", len(out), out)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/announce", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

func TestFetchOverTrackerAlone(t *testing.T) {
	u, events := httpTracker(t)
	dead := "http://127.0.0.1:1/announce"
	a, b := start(t, nil), start(t, nil)
	p := newPayload(t, 200<<10, false)
	p.seed(t, a, Spec{Trackers: [][]string{{dead, u}}})
	for len(events()) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	got := p.fetch(t, b, Spec{Trackers: [][]string{{dead}, {u}}})
	for end := time.Now().Add(20 * time.Second); got.Stats().TrackerProblem[dead] == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the dead tracker is no problem")
		}
	}
	if err := got.Stats().TrackerProblem[u]; err != nil {
		t.Errorf("the tracker that answers is a problem: %v", err)
	}
	got.Close()
	all := strings.Join(events(), ",")
	for _, want := range []string{"started", "completed", "stopped"} {
		if !strings.Contains(all, want) {
			t.Errorf("the tracker heard %q, want %q among it", all, want)
		}
	}
}

func TestFetchOverLANAlone(t *testing.T) {
	lan := func(s *Settings) { s.NoLAN = false; s.ListenHost = "" }
	a, b := start(t, lan), start(t, lan)
	p := newPayload(t, 200<<10, false)
	p.seed(t, a, Spec{})
	p.fetch(t, b, Spec{})
}

// A private torrent is told to nobody but its trackers, from its magnet's info on.
func TestPrivateIsNotAnnounced(t *testing.T) {
	lan := func(s *Settings) { s.NoLAN = false; s.ListenHost = "" }
	a := start(t, lan)
	p := newPayload(t, 50<<10, true)
	p.seed(t, a, Spec{})
	if due, _ := a.lan.due(time.Now().Add(time.Hour)); len(due) != 0 {
		t.Errorf("a private torrent is due on the LAN: %x", due)
	}
	b := start(t, lan)
	p.fetch(t, b, Spec{Peers: []string{at(a)}})
	if due, _ := b.lan.due(time.Now().Add(time.Hour)); len(due) != 0 {
		t.Errorf("a magnet that turned out to be private is due on the LAN: %x", due)
	}
}

func TestWriteErrorEndsWait(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	p := newPayload(t, 100<<10, false)
	p.seed(t, a, Spec{})
	full := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}, fail: errors.New("no space")}
	tt, err := b.Add(Spec{V1: &p.hash, Info: p.info, Storage: full, Total: 1, Peers: []string{at(a)}})
	if err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := tt.Wait(ctx, [][2]int{{0, p.pieces}}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("got %v, want the storage's error", err)
	}
}

// A fetch whose limit is used up still answers newcomers, and keeps to its limit.
func TestLimitedFetchAnswersOthers(t *testing.T) {
	const limit, slack = 64 << 10, 128 << 10
	seeder, third := start(t, nil), start(t, nil)
	slow := start(t, func(s *Settings) { s.MaxDown = limit })
	p := newPayload(t, 4<<20, false)
	p.seed(t, seeder, Spec{})
	m := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
	began := time.Now()
	tt, err := slow.Add(Spec{V1: &p.hash, Info: p.info, Storage: m, Total: 1, Peers: []string{at(seeder)}})
	if err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	for tt.Stats().FromPeers < 2*slack {
		time.Sleep(10 * time.Millisecond)
	}
	look, err := third.Add(Spec{V1: &p.hash, Peers: []string{at(slow)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := look.Metadata(ctx); err != nil {
		t.Errorf("a fetch with a limit does not answer: %v", err)
	}
	got, most := tt.Stats().FromPeers, int64(time.Since(began).Seconds()*limit)+2*slack
	if got > most {
		t.Errorf("%d bytes came, more than the limit allows in the time: %d", got, most)
	}
}

func TestAddTwice(t *testing.T) {
	a := start(t, nil)
	p := newPayload(t, 1000, false)
	p.seed(t, a, Spec{})
	if _, err := a.Add(Spec{V1: &p.hash, Info: p.info, Storage: &memory{}}); err == nil {
		t.Error("the same torrent was added twice")
	}
	wrong := metainfo.Hash{1}
	if _, err := a.Add(Spec{V1: &wrong, Info: p.info, Storage: &memory{}}); err == nil {
		t.Error("an info that does not hash to the infohash was taken")
	}
}

func TestUDPTrackerIsJudged(t *testing.T) {
	e := start(t, func(s *Settings) {
		s.Judge = func(host string, ip netip.Addr) error { return fmt.Errorf("refused %s at %s", host, ip) }
	})
	p := newPayload(t, 1000, false)
	tt := p.seed(t, e, Spec{})
	_, err := tt.announceOnce(t.Context(), "udp://localhost:9/announce", tracker.None, "")
	if err == nil || !strings.Contains(err.Error(), "refused localhost:9 at 127.0.0.1") {
		t.Errorf("got %v, want the judge's refusal", err)
	}
}
