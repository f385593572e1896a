package webseed_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/webseed"
)

// near fetches from a peer that sends whole pieces, and returns the outcomes of its answers.
func (f *files) near(t *testing.T, h http.HandlerFunc) (said []string) {
	t.Helper()
	ctx := limited(t)
	var mu sync.Mutex
	o := webseed.Options{
		Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}}, URLs: []string{serve(t, h) + "/of/"},
		Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: http.DefaultTransport, Agent: "test",
		Near: true, Path: func(begin, end int) string { return fmt.Sprintf("%d-%d", begin, end) },
		Tell: func(string) {}, Log: slog.New(slog.DiscardHandler),
		Answered: func(err error, gone bool) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf("%v %v", err, gone))
		},
	}
	if err := webseed.Run(ctx, webseed.WithPatience(o, 300*time.Millisecond, 20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	return said
}

// serve answers with the requested pieces, as modified by change.
func (f *files) serve(change func(b []byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var begin, end int
		if n, err := fmt.Sscanf(r.URL.Path, "/of/%d-%d", &begin, &end); n != 2 || err != nil {
			http.NotFound(w, r)
			return
		}
		b := slices.Clone(f.data[begin*pieceLength : min(end*pieceLength, len(f.data))])
		if change != nil {
			b = change(b)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b)
	}
}

// Pads come with the pieces, and pieces are requested even if peers have or send them.
func TestNearWhole(t *testing.T) {
	f := newFiles(t, "folder", 100_000, 5_000_000, 1, 70_000)
	f.holders, f.begun = make([]int32, len(f.hashes)), make([]bool, len(f.hashes))
	for i := range f.hashes {
		f.holders[i], f.begun[i] = int32(i%3), i%5 == 0
	}
	f.rivals = [][20]byte{{1}, {2}}
	var fast int64
	f.peers = func() int64 { fast += 1 << 30; return fast }
	for _, s := range f.near(t, f.serve(nil)) {
		if s != "<nil> false" {
			t.Errorf("an answer: got %q, want only right ones", s)
		}
	}
	if err := f.got(); err != nil {
		t.Error(err)
	}
}

// refusesOnce answers the first request with a status.
func refusesOnce(status int) func(*files) http.HandlerFunc {
	return func(f *files) http.HandlerFunc {
		var asked atomic.Int64
		return func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				w.WriteHeader(status)
				return
			}
			f.serve(nil)(w, r)
		}
	}
}

func TestNearAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		h     func(f *files) http.HandlerFunc
		said  string
		whole bool
	}{
		"wrong bytes": {
			func(f *files) http.HandlerFunc {
				return f.serve(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
			}, "its content differs from the torrent", false,
		},
		"fewer bytes than requested": {
			func(f *files) http.HandlerFunc { return f.serve(func(b []byte) []byte { return b[1:] }) }, "bytes instead of", false,
		},
		"more bytes than requested": {
			func(f *files) http.HandlerFunc { return f.serve(func(b []byte) []byte { return append(b, 0) }) }, "bytes instead of", false,
		},
		"no longer there": {
			func(*files) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusGone) }
			}, "410", false,
		},
		"redirected": {
			func(*files) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
				}
			}, "302", false,
		},
		"busy at first":          {refusesOnce(http.StatusServiceUnavailable), "it is busy with other peers false", true},
		"not connected at first": {refusesOnce(http.StatusNotFound), "it does not know us yet false", true},
		"cut off at first": {
			func(f *files) http.HandlerFunc {
				var once sync.Once
				return func(w http.ResponseWriter, r *http.Request) {
					once.Do(func() {
						w.Header().Set("Content-Length", fmt.Sprint(16*pieceLength))
						w.Write(f.data[:pieceLength/2])
						panic(http.ErrAbortHandler)
					})
					f.serve(nil)(w, r)
				}
			}, "EOF false", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "file", 2_000_000)
			said := strings.Join(f.near(t, c.h(f)), "\n")
			if !strings.Contains(said, c.said) {
				t.Errorf("got %q, want %q", said, c.said)
			}
			if gone := strings.Contains(said, "true"); gone == c.whole {
				t.Errorf("given up: got %v, want %v (%s)", gone, !c.whole, said)
			}
			if err := f.got(); (err == nil) != c.whole {
				t.Errorf("got %v, want whole: %v", err, c.whole)
			}
		})
	}
}
