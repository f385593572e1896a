package node_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// site is a web server of a test: the content and its .torrent, trackers, and what else is added. It remembers what it was
// asked for.
type site struct {
	*httptest.Server
	pub *node.Published
	src string

	mu    sync.Mutex
	asked []string
}

func newSite(t *testing.T, r node.PublishRequest, more map[string]http.HandlerFunc) *site {
	t.Helper()
	s := &site{src: release(t)}
	torrent := filepath.Join(t.TempDir(), "r.torrent")
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(filepath.Dir(s.src)))))
	mux.HandleFunc("/r.torrent", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, torrent) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>not a torrent</html>") })
	for path, h := range more {
		mux.HandleFunc(path, h)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	r.Path, r.Output, r.NoSeed = s.src, torrent, true
	for _, tier := range r.Trackers {
		for i, path := range tier {
			tier[i] = s.URL + path
		}
	}
	ev := newEvents()
	if err := open(t, quiet).Publish(t.Context(), r, ev.on); err != nil {
		t.Fatal(err)
	}
	e, _ := ev.last(func(e node.Event) bool { return e.Published != nil })
	s.pub = e.Published
	return s
}

func (s *site) times(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.asked {
		if p == path {
			n++
		}
	}
	return n
}

// magnet is a link with these parameters, whose values are paths of the site.
func (s *site) magnet(pairs ...string) string {
	link := "magnet:?xt=urn:btih:" + s.pub.Infohash
	for i := 0; i < len(pairs); i += 2 {
		link += "&" + pairs[i] + "=" + url.QueryEscape(s.URL+pairs[i+1])
	}
	return link
}

// until runs a fetch until it ends, or has told something that holds each of these.
func until(t *testing.T, r node.FetchRequest, words ...string) (ev *events, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ev = newEvents()
	err = open(t, quiet).Fetch(ctx, r, func(e node.Event) {
		ev.on(e)
		told := len(words) > 0
		for _, w := range words {
			_, ok := ev.last(func(e node.Event) bool { return strings.Contains(e.Message, w) })
			told = told && ok
		}
		if told {
			cancel()
		}
	})
	for _, w := range words {
		if _, ok := ev.last(func(e node.Event) bool { return strings.Contains(e.Message, w) }); !ok {
			t.Errorf("nothing was told with %q (%v)", w, err)
		}
	}
	return ev, err
}

// A magnet without any peer is fetched from the web alone, when it names its .torrent (xs, and as that ends in .torrent)
// and a web seed.
func TestSourcesOfAMagnet(t *testing.T) {
	s := newSite(t, node.PublishRequest{Format: "v1"}, nil)
	other := newSite(t, node.PublishRequest{Format: "v2"}, nil)
	for _, c := range []struct {
		name, ref string
		told      []string
	}{
		{"xs", s.magnet("xs", "/r.torrent", "ws", "/files/"), nil},
		{"as", s.magnet("as", "/r.torrent", "ws", "/files/"), nil},
		{"the third", s.magnet("xs", "/none.torrent", "xs", "/page?key=SECRET", "xs", "/r.torrent", "ws", "/files/"), []string{"404", "web page"}},
		{"after another torrent", s.magnet("xs", "/r.torrent", "ws", "/files/") + "&xs.1=" + url.QueryEscape(other.URL+"/r.torrent"), nil},
		{"other networks", s.magnet("ws", "/files/") + "&xs=urn:btpk:00&xs=ed2k%3A%2F%2Fx&xs=" + url.QueryEscape(s.URL+"/r.torrent"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := t.TempDir()
			ev := newEvents()
			if err := open(t, quiet).Fetch(t.Context(), node.FetchRequest{Ref: c.ref, Dir: out, AllowPrivate: true, Timeout: time.Minute}, ev.on); err != nil {
				t.Fatal(err)
			}
			same(t, filepath.Join(out, "release"), s.src)
			for _, w := range c.told {
				e, ok := ev.last(func(e node.Event) bool { return strings.Contains(e.Message, w) })
				if !ok || strings.Contains(e.Message, "SECRET") {
					t.Errorf("got %q, want a message with %q, and no secret", e.Message, w)
				}
			}
		})
	}
	t.Run("of another torrent", func(t *testing.T) {
		ref := s.magnet() + "&xs=" + url.QueryEscape(other.URL+"/r.torrent")
		until(t, node.FetchRequest{Ref: ref, Dir: t.TempDir(), AllowPrivate: true}, "it is of another torrent")
	})
	t.Run("where it may not be asked", func(t *testing.T) {
		before := s.times("/r.torrent")
		until(t, node.FetchRequest{Ref: s.magnet("xs", "/r.torrent"), Dir: t.TempDir()}, "refused to connect")
		if n := s.times("/r.torrent") - before; n != 0 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

// A private torrent that a magnet's source gives is announced to its own trackers, and no more to those of the link.
func TestSourceOfAPrivateTorrent(t *testing.T) {
	heard := make(chan struct{})
	var once sync.Once
	quietly := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "d8:intervali60e5:peers0:e") }
	s := newSite(t, node.PublishRequest{Format: "v1", Private: true, Trackers: [][]string{{"/own"}}}, map[string]http.HandlerFunc{
		"/own": func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { close(heard) })
			quietly(w, r)
		},
		"/foreign": quietly,
		"/held/": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-heard:
			case <-time.After(30 * time.Second):
				t.Error("its own tracker hears nothing")
			}
			http.Redirect(w, r, "/files/"+strings.TrimPrefix(r.URL.Path, "/held/"), http.StatusFound)
		},
	})
	out := t.TempDir()
	ref := s.magnet("xs", "/r.torrent", "ws", "/held/", "tr", "/foreign")
	if _, err := fetch(t, 0, node.FetchRequest{Ref: ref, Dir: out, AllowPrivate: true}); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(out, "release"), s.src)
	if n := s.times("/foreign"); n > 1 {
		t.Errorf("the tracker of the link heard %d announces, want none once the torrent is known", n)
	}
}

// What the address of a .torrent leads to: a magnet link, however it says so, is fetched; anything else is named.
func TestAddressLeadsToAMagnet(t *testing.T) {
	var link string
	locate := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", link)
			w.WriteHeader(code)
		}
	}
	say := func(format string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, format, link) }
	}
	s := newSite(t, node.PublishRequest{Format: "v1"}, map[string]http.HandlerFunc{
		"/302": locate(302), "/308": locate(308), "/201": locate(201),
		"/twice":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/302", http.StatusSeeOther) },
		"/body":   say("%s"),
		"/blanks": say("\n  %s\r\nthank you"),
		"/broken": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "magnet:?dn=x&tr=http://t/?SECRET") },
		"/round":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) },
		"/text":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "come back later") },
	})
	link = s.magnet("xs", "/r.torrent", "ws", "/files/")
	for _, path := range []string{"/302", "/308", "/201", "/twice", "/body", "/blanks", "/302?a=b c"} {
		t.Run(path, func(t *testing.T) {
			out := t.TempDir()
			if _, err := fetch(t, 0, node.FetchRequest{Ref: s.URL + path, Dir: out, AllowPrivate: true}); err != nil {
				t.Fatal(err)
			}
			same(t, filepath.Join(out, "release"), s.src)
		})
	}
	for path, want := range map[string]string{"/broken": "leads to a magnet link that is not one", "/round": "it is the 6th", "/text": "not a .torrent", "/page": "web page"} {
		_, err := fetch(t, 0, node.FetchRequest{Ref: s.URL + path + "?key=SECRET", Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v, want %q and no secret", path, err, want)
		}
	}
	// A magnet's source is a .torrent: one that leads to a magnet again is told of, and no more.
	link = s.magnet("xs", "/302")
	until(t, node.FetchRequest{Ref: link, Dir: t.TempDir(), AllowPrivate: true}, "it leads to a magnet link")
	// The link is a stranger's, though the user named the address.
	link = s.magnet("xs", "/r.torrent")
	other := strings.Replace(link, url.QueryEscape("127.0.0.1"), "localhost", 1)
	link = other
	until(t, node.FetchRequest{Ref: s.URL + "/302", Dir: t.TempDir()}, "refused to connect")
}

// In a daemon, the address that leads to a magnet is the magnet from then on.
func TestDaemonFetchesWhatAnAddressLeadsTo(t *testing.T) {
	var link string
	s := newSite(t, node.PublishRequest{Format: "v1"}, map[string]http.HandlerFunc{
		"/m": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", link); w.WriteHeader(302) },
	})
	link = s.magnet("xs", "/r.torrent", "ws", "/files/")
	d, _ := daemon(t, t.TempDir(), nil)
	out := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := d.Fetch(ctx, node.FetchRequest{Ref: s.URL + "/m?key=SECRET", Dir: out, AllowPrivate: true}, func(node.Event) {}); err != nil {
		t.Fatalf("%v (%s)", err, fault.HintOf(err))
	}
	same(t, filepath.Join(out, "release"), s.src)
	if n := s.times("/m"); n != 1 {
		t.Errorf("the address was asked %d times, want once", n)
	}
	if _, err := os.Stat(filepath.Join(out, ".p2pshare")); err == nil {
		t.Error("the staging folder is left behind")
	}
}
