package webseed_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

type faultyStore struct{ webseed.Store }

func (faultyStore) Put(int, []byte) (right, fresh bool, err error) { panic("a bug that was planted") }

// TestPanicEndsFetch checks that a panic in one of its goroutines ends the fetch and the other goroutines, and becomes its
// error.
func TestPanicEndsFetch(t *testing.T) {
	for name, plant := range map[string]func(*webseed.Options){
		"in the store":      func(o *webseed.Options) { o.Store = faultyStore{o.Store} },
		"in the connection": func(o *webseed.Options) { o.HTTP = faultyTransport{} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "f", 9*pieceLength)
			o := webseed.Options{
				Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}},
				URLs:  []string{serve(t, http.FileServer(http.Dir(f.dir)).ServeHTTP) + "/" + url.PathEscape("f")},
				Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: http.DefaultTransport, Agent: "test",
				Tell: func(string) {}, Log: slog.New(slog.DiscardHandler),
			}
			plant(&o)
			if err := webseed.Run(limited(t), o); panics.In(err) == nil {
				t.Errorf("got %v, want the bug", err)
			}
		})
	}
}

type faultyTransport struct{}

func (faultyTransport) RoundTrip(*http.Request) (*http.Response, error) { panic("another") }
