package groupsync_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var group = signed.GroupID{1, 2, 3}

var all = func(*http.Request) groupsync.Rights {
	return groupsync.Rights{Root: true, Slot: true, Read: true, Push: true, Content: true}
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// client sends every request to one server, whatever its URL says.
func client(addr string) *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	return &http.Client{Transport: plain{&http.Transport{DialContext: dial}}}
}

// plain speaks HTTP where https is written: TLS is groupnet's.
type plain struct{ *http.Transport }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.Transport.RoundTrip(r)
}

func handlerOf(s *shelf) http.Handler {
	return groupsync.NewHandler(groupsync.Options{Group: group, Vault: s, Rights: all})
}

func addrOf(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func TestPull(t *testing.T) {
	from, to := newShelf(group), newShelf(group)
	for i := range 150 { // more than one answer holds
		must(t, from.AddRoots(t.Context(), [][]byte{[]byte("root " + strings.Repeat("x", i+1))}))
	}
	a, b := newDevice(t, group), newDevice(t, group)
	a.into(from, 3)
	b.into(from, 1)
	p := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(from)))), group, to)
	news, err := p.Pull(t.Context(), 0)
	if err != nil || !news || to.count(a.key()) != 3 || to.count(b.key()) != 1 || len(to.roots) != 150 {
		t.Fatalf("got news %v, %v, %d and %d records, %d roots", news, err, to.count(a.key()), to.count(b.key()), len(to.roots))
	}
	if news, err := p.Pull(t.Context(), 0); err != nil || news {
		t.Errorf("again: got news %v, %v, want none", news, err)
	}
	a.into(from, 40_000) // 1.2 MB: more than one answer
	if news, err := p.Pull(t.Context(), 0); err != nil || !news || to.count(a.key()) != 40_003 {
		t.Errorf("more: got news %v, %v, %d records", news, err, to.count(a.key()))
	}
}

// Who waits hears of news when they come.
func TestLongPoll(t *testing.T) {
	from, to := newShelf(group), newShelf(group)
	must(t, from.AddRoots(t.Context(), [][]byte{[]byte("root 1")}))
	a := newDevice(t, group)
	a.into(from, 1)
	p := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(from)))), group, to)
	if _, err := p.Pull(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	begun := time.Now()
	go func() {
		_, err := p.Pull(t.Context(), 20*time.Second)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v after %v", err, time.Since(begun))
	case <-time.After(200 * time.Millisecond):
	}
	a.into(from, 1)
	select {
	case err := <-done:
		if err != nil || to.count(a.key()) != 2 {
			t.Errorf("got %v, %d records", err, to.count(a.key()))
		}
	case <-time.After(15 * time.Second): // it would end without news after 20
		t.Error("it did not hear of the news")
	}
	// Without news it ends by itself.
	begun = time.Now()
	if news, err := p.Pull(t.Context(), time.Second); err != nil || news || time.Since(begun) > 15*time.Second {
		t.Errorf("got news %v, %v after %v", news, err, time.Since(begun))
	}
}

func TestPush(t *testing.T) {
	from, to := newShelf(group), newShelf(group)
	must(t, from.AddRoots(t.Context(), [][]byte{[]byte("root 1"), []byte("root 2")}))
	a := newDevice(t, group)
	a.into(from, 40_000)
	p := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(to)))), group, from)
	for range 2 {
		if err := p.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if to.count(a.key()) != 40_000 || len(to.roots) != 2 {
		t.Errorf("got %d records and %d roots", to.count(a.key()), len(to.roots))
	}
	a.into(from, 5)
	if err := p.Push(t.Context()); err != nil || to.count(a.key()) != 40_005 {
		t.Errorf("more: got %v, %d records", err, to.count(a.key()))
	}
}

// Who is told everything that a peer has knows which head it has of its own log, if that is news.
func TestTold(t *testing.T) {
	for _, c := range []struct {
		name  string
		peers int
		want  int64
	}{{"as much", 1, 0}, {"nothing of it", 0, 0}, {"more", 2, 2}} {
		from, to := newShelf(group), newShelf(group)
		self := newDevice(t, group)
		other := newDevice(t, group)
		other.into(from, 1)
		if c.peers > 0 {
			h, at, recs := self.write(1)
			must(t, from.AddLog(t.Context(), h, at, recs))
			must(t, to.AddLog(t.Context(), h, at, recs))
		}
		if c.peers > 1 {
			self.into(from, 1)
		}
		var told []int64
		addr := ""
		h := groupsync.NewHandler(groupsync.Options{Group: group, Vault: to, Rights: all, Self: self.key(), Told: func(r *http.Request, own signed.Head) {
			told, addr = append(told, own.Size), r.RemoteAddr
		}})
		must(t, groupsync.NewPeer(client(addrOf(serve(t, h))), group, from).Push(t.Context()))
		if !slices.Equal(told, []int64{c.want}) || addr == "" {
			t.Errorf("a peer with %s, from %q: told of heads of the own log of %d records, want %d", c.name, addr, told, c.want)
		}
	}
}

func TestRights(t *testing.T) {
	from := newShelf(group)
	must(t, from.AddRoots(t.Context(), [][]byte{[]byte("root 1")}))
	a := newDevice(t, group)
	a.into(from, 1)
	for _, c := range []struct {
		name   string
		rights groupsync.Rights
		paths  map[string]int
	}{
		{"nothing", groupsync.Rights{}, map[string]int{"GET /v1/root": 403, "GET /v1/heads": 403, "GET /v1/log/" + a.key().String(): 403, "POST /v1/heads": 403, "GET /v1/torrent/00": 403}},
		{"the root", groupsync.Rights{Root: true}, map[string]int{"GET /v1/root": 200, "GET /v1/heads": 403, "POST /v1/root": 403}},
		{"reading", groupsync.Rights{Root: true, Read: true}, map[string]int{"GET /v1/heads": 200, "POST /v1/log/" + a.key().String(): 403, "GET /v1/torrent/00": 403, "GET /v1/have": 403, "GET /v1/slot/00": 403}},
		{"slots", groupsync.Rights{Slot: true}, map[string]int{"GET /v1/slot/00": 400, "GET /v1/heads": 403}},
		{"content", groupsync.Rights{Content: true}, map[string]int{"GET /v1/torrent/00": 404, "GET /v1/have": 200, "GET /v1/heads": 403}},
	} {
		s := serve(t, groupsync.NewHandler(groupsync.Options{Group: group, Vault: from, Rights: func(*http.Request) groupsync.Rights { return c.rights }}))
		for call, want := range c.paths {
			method, path, _ := strings.Cut(call, " ")
			req, err := http.NewRequest(method, s.URL+path, strings.NewReader("{}"))
			must(t, err)
			resp, err := http.DefaultClient.Do(req)
			must(t, err)
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s, %s: got %d, want %d", c.name, call, resp.StatusCode, want)
			}
			if want == 403 && string(b) != "not for you\n" {
				t.Errorf("%s, %s: says %q", c.name, call, b)
			}
		}
	}
}

// TestLyingPeers has members that send what they should not. What they send is not taken, and they are blamed.
func TestLyingPeers(t *testing.T) {
	good := newShelf(group)
	must(t, good.AddRoots(t.Context(), [][]byte{[]byte("root 1")}))
	must(t, good.AddFork(t.Context(), []byte(evidence)))
	a := newDevice(t, group)
	a.into(good, 10)
	other := newDevice(t, signed.GroupID{9})
	foreign, _, _ := other.write(1)
	honest := handlerOf(good)
	for _, c := range []struct {
		name string
		path string
		lie  http.HandlerFunc
	}{
		{"roots that are none", "/v1/root", text(`{"roots":["nonsense"]}`)},
		{"roots without end", "/v1/root", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"roots":["`)
			for range 2000 {
				if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
					return
				}
			}
		}},
		{"the same root again and again", "/v1/root", text(`{"roots":["root 1"]}`)},
		{"no JSON", "/v1/heads", text(`<html>`)},
		{"JSON with more in it", "/v1/heads", text(`{"cursor":"","heads":[],"more":1}`)},
		{"a head that is none", "/v1/heads", text(`{"cursor":"","heads":["head"]}`)},
		{"a head of another group", "/v1/heads", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"cursor":"","heads":["`+strings.ReplaceAll(string(foreign.Raw), "\n", `\n`)+`"]}`)
		}},
		{"no records", "/v1/log/", text("")},
		{"other records", "/v1/log/", text(strings.Repeat("{\"n\":1,\"op\":\"other\"}\n", 10))},
		{"half a record", "/v1/log/", text(`{"n":1`)},
		{"more records than fit", "/v1/log/", text(strings.Repeat("x", 2<<20) + "\n")},
		{"evidence that is none", "/v1/forks", text(`{"forks":["nonsense"]}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := newShelf(group)
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, c.path) {
					c.lie(w, r)
					return
				}
				honest.ServeHTTP(w, r)
			}))
			_, err := groupsync.NewPeer(client(addrOf(s)), group, to).Pull(t.Context(), 0)
			if _, blamed := errors.AsType[*groupsync.PeerError](err); !blamed {
				t.Errorf("got %v, want the member blamed", err)
			}
			if c.path != "/v1/forks" && to.count(a.key()) != 0 {
				t.Errorf("%d records were taken", to.count(a.key()))
			}
			if len(to.Evidence(0, 1000)) != 0 {
				t.Error("evidence was taken")
			}
		})
	}
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
}

// What is handed in and is not signed, or does not fit, is refused.
func TestBadPushes(t *testing.T) {
	to := newShelf(group)
	s := serve(t, handlerOf(to))
	a, b := newDevice(t, group), newDevice(t, signed.GroupID{9})
	head, _, records := a.write(2)
	foreign, _, _ := b.write(1)
	lines := string(records[0]) + "\n" + string(records[1]) + "\n"
	log := "/v1/log/" + a.key().String()
	for _, c := range []struct {
		name, path, body string
		want             int
	}{
		{"no head", log, lines, 400},
		{"a head cut short", log, string(head.Raw[:20]), 400},
		{"a record too few", log, string(head.Raw) + string(records[0]) + "\n", 422},
		{"a changed record", log, string(head.Raw) + strings.Replace(lines, "test", "best", 1), 422},
		{"records from the middle", log + "?from=5", string(head.Raw) + lines, 422},
		{"the head of another group", "/v1/log/" + b.key().String(), string(foreign.Raw), 422},
		{"the head of another device", "/v1/log/" + b.key().String(), string(head.Raw) + lines, 422},
		{"no key", "/v1/log/xyz", string(head.Raw), 400},
		{"a negative place", log + "?from=-1", string(head.Raw), 400},
		{"heads that are no JSON", "/v1/heads", "x", 400},
		{"heads that are none", "/v1/heads", `{"heads":["x"]}`, 422},
		{"roots that are none", "/v1/root", `{"roots":["x"]}`, 422},
		{"evidence that is none", "/v1/forks", `{"forks":["x"]}`, 422},
		{"evidence that is no JSON", "/v1/forks", `x`, 400},
		{"no such call", "/v1/slots", `{}`, 404},
		{"well formed", log, string(head.Raw) + lines, 204},
	} {
		resp, err := http.Post(s.URL+c.path, "", strings.NewReader(c.body))
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: got %d, want %d", c.name, resp.StatusCode, c.want)
		}
		if c.want != 204 && to.count(a.key()) != 0 {
			t.Fatalf("%s: it was taken", c.name)
		}
	}
	if to.count(a.key()) != 2 {
		t.Errorf("what was well formed: got %d records, want 2", to.count(a.key()))
	}
}

// TestPeerSet has twenty members who know one each, and news that reach all of them, also after the first has gone.
func TestPeerSet(t *testing.T) {
	const n = 20
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	shelves, crowds := make([]*shelf, n), make([]*groupsync.PeerSet, n)
	servers := make([]*httptest.Server, n)
	for i := range n {
		shelves[i] = newShelf(group)
		must(t, shelves[i].AddRoots(t.Context(), [][]byte{[]byte("root 1")}))
		servers[i] = httptest.NewServer(handlerOf(shelves[i]))
		defer servers[i].Close()
		crowds[i] = groupsync.NewPeerSet(groupsync.PeerSetOptions{Group: group, Vault: shelves[i], Client: client, Log: slog.New(slog.DiscardHandler)})
		if i > 0 {
			crowds[i].Heard(addrOf(servers[(i-1)/2]), true) // a tree: the leaves know nobody but their parent
		}
		crowds[i].Heard("127.0.0.1:1", false) // nobody is there
		wg.Go(func() { crowds[i].Run(ctx) })
	}
	for i := 1; i < n; i++ {
		up, done := context.WithTimeout(t.Context(), 90*time.Second)
		if err := crowds[i].UpToDate(up); err != nil {
			t.Fatalf("member %d is not up to date: %v", i, err)
		}
		done()
	}
	leaf := newDevice(t, group)
	begun := time.Now()
	leaf.into(shelves[n-1], 7) // nobody asks a leaf: it has to push
	passing, done := context.WithTimeout(t.Context(), 90*time.Second)
	if err := crowds[n-1].PassedOn(passing); err != nil {
		t.Errorf("the leaf does not hear that it was passed on: %v", err)
	}
	done()
	for i := range n {
		for end := time.Now().Add(90 * time.Second); shelves[i].count(leaf.key()) != 7; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("member %d did not hear of it", i)
			}
		}
	}
	t.Logf("all %d have it after %v", n, time.Since(begun))
	cancel() // or the servers wait for their callers
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSlotsAndWhatIsHeld(t *testing.T) {
	s := serve(t, groupsync.NewHandler(groupsync.Options{Group: group, Vault: newShelf(group), Rights: all,
		Slot: func(tag signed.Key) []byte {
			if tag == (signed.Key{1}) {
				return []byte("a slot")
			}
			return nil
		},
		Have:  func(*http.Request) [][20]byte { return [][20]byte{{7}, {8}} },
		Peers: func() []string { return []string{"8.8.8.8:80", "169.254.169.254:80", "[2606:4700::1]:81"} },
	}))
	p := groupsync.NewPeer(client(s.Listener.Addr().String()), group, newShelf(group))
	if got, err := p.Slot(t.Context(), signed.Key{1}); err != nil || string(got) != "a slot" {
		t.Errorf("a slot: got %q, %v", got, err)
	}
	if got, err := p.Slot(t.Context(), signed.Key{2}); err == nil {
		t.Errorf("a tag of none: got %q, want an error", got)
	}
	if got, err := p.Have(t.Context()); err != nil || len(got) != 2 || got[1] != [20]byte{8} {
		t.Errorf("what is held: got %v, %v", got, err)
	}
	if got, err := p.Peers(t.Context()); err != nil || len(got) != 2 || got[1].String() != "[2606:4700::1]:81" {
		t.Errorf("members: got %v, %v", got, err)
	}
	for _, addr := range []string{"example.org:80", "192.0.2.1", "0.0.0.0:80", "224.0.0.1:80", "192.0.2.1:0"} {
		bad := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"peers":["`+addr+`"]}`) }))
		var blamed *groupsync.PeerError
		if got, err := groupsync.NewPeer(client(bad.Listener.Addr().String()), group, newShelf(group)).Peers(t.Context()); !errors.As(err, &blamed) {
			t.Errorf("%s: got %v, %v, want the peer blamed", addr, got, err)
		}
	}
	bad := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"have":["zz"]}`) }))
	var blamed *groupsync.PeerError
	if _, err := groupsync.NewPeer(client(bad.Listener.Addr().String()), group, newShelf(group)).Have(t.Context()); !errors.As(err, &blamed) {
		t.Errorf("no infohash: got %v, want the peer blamed", err)
	}
}
