package groupsync_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// one is each right by itself.
var one = map[string]groupsync.Rights{
	"root": {Root: true}, "slot": {Slot: true}, "read": {Read: true}, "push": {Push: true}, "content": {Content: true},
}

// calls are all there are, and the right that each asks for.
func calls(device signed.Key) map[string]string {
	return map[string]string{
		"GET /v1/root": "root", "GET /v1/heads": "read", "GET /v1/forks": "read", "GET /v1/peers": "content",
		"GET /v1/have": "content", fmt.Sprintf("GET /v1/torrent/%v", device): "content", fmt.Sprintf("GET /v1/slot/%v", device): "slot",
		fmt.Sprintf("GET /v1/log/%v", device): "read", "POST /v1/root": "push", "POST /v1/forks": "push", "POST /v1/heads": "push",
		fmt.Sprintf("POST /v1/log/%v", device): "push",
	}
}

// timed notes the deadlines that a call sets.
type timed struct {
	*httptest.ResponseRecorder
	read, write time.Time // the first of each
}

func (t *timed) SetReadDeadline(at time.Time) error {
	if t.read.IsZero() {
		t.read = at
	}
	return nil
}

func (t *timed) SetWriteDeadline(at time.Time) error {
	if t.write.IsZero() {
		t.write = at
	}
	return nil
}

// TestEachCallHasItsRight: with one right each call is open that asks for it, for a time that ends, and no other.
func TestEachCallHasItsRight(t *testing.T) {
	a := newDevice(t, group)
	s := rooted(t)
	a.into(s, 1)
	asked := 0
	for name, rights := range one {
		h := groupsync.NewHandler(groupsync.Options{Group: group, Vault: s,
			Rights:  func(*http.Request) groupsync.Rights { return rights },
			Torrent: func(*http.Request, signed.Hash) []byte { asked++; return nil },
			Have:    func(*http.Request) [][20]byte { asked++; return nil },
			Peers:   func() []string { asked++; return nil },
			Slot:    func(signed.Key) []byte { asked++; return nil },
			Heard:   func(string) { asked++ },
			Told:    func(*http.Request, signed.Head) { asked++ },
		})
		for call, right := range calls(a.key()) {
			asked = 0
			method, path, _ := strings.Cut(call, " ")
			body := `{"root":1,"all":true,"heads":[],"port":1}`
			if path != "/v1/heads" {
				body = "{}"
			}
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			w := &timed{ResponseRecorder: httptest.NewRecorder()}
			begun := time.Now()
			h.ServeHTTP(w, r)
			if got := w.Code != http.StatusForbidden; got != (name == right) {
				t.Errorf("%s with the right %s: got %d", call, name, w.Code)
			}
			if name != right {
				if asked > 0 || !strings.Contains(w.Body.String(), "not for you") {
					t.Errorf("%s with the right %s: something was looked at, and said %q", call, name, w.Body)
				}
				continue
			}
			for what, at := range map[string]time.Time{"read": w.read, "written": w.write} {
				if at.Before(begun) || at.After(time.Now().Add(2*time.Minute)) {
					t.Errorf("%s may be %s until %v", call, what, at)
				}
			}
		}
	}
}

// TestWhatIsToldHasAnEnd: of many addresses some are told.
func TestWhatIsToldHasAnEnd(t *testing.T) {
	var many []string
	for i := range 80 {
		many = append(many, fmt.Sprintf("8.8.8.%d:80", i))
	}
	s := serve(t, groupsync.NewHandler(groupsync.Options{Group: group, Vault: newShelf(group), Rights: all, Peers: func() []string { return many }}))
	resp, err := http.Get(s.URL + "/v1/peers")
	must(t, err)
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	must(t, err)
	if n := strings.Count(string(b), "8.8.8."); n != 50 {
		t.Errorf("%d addresses are told, want 50", n)
	}
	// Who is told more takes no more.
	liar := serve(t, text(`{"peers":["`+strings.Join(many, `","`)+`"]}`))
	if got, err := groupsync.NewPeer(client(addrOf(liar)), group, newShelf(group)).Peers(t.Context()); err != nil || len(got) != 50 {
		t.Errorf("took %d addresses, %v, want 50", len(got), err)
	}
}

// TestTorrentThatWasAskedFor: another than the one asked for, and one that is longer than it may be, are the member's fault.
func TestTorrentThatWasAskedFor(t *testing.T) {
	body := []byte("a torrent")
	want := signed.HashOf(body)
	for _, c := range []struct {
		name   string
		answer string
		limit  int64
		ok     bool
	}{
		{"the one", "a torrent", 100, true},
		{"as long as it may be", "a torrent", 9, true},
		{"one byte longer", "a torrent", 8, false},
		{"another", "b torrent", 100, false},
		{"the one, and more", "a torrent\n", 100, false},
		{"its beginning", "a torren", 100, false},
		{"nothing", "", 100, false},
	} {
		got, err := groupsync.NewPeer(client(addrOf(serve(t, text(c.answer)))), group, newShelf(group)).Torrent(t.Context(), want, c.limit)
		if c.ok {
			if err != nil || string(got) != string(body) {
				t.Errorf("%s: got %q, %v", c.name, got, err)
			}
			continue
		}
		if !errors.As(err, new(*groupsync.PeerError)) || got != nil {
			t.Errorf("%s: got %q, %v, want the member blamed", c.name, got, err)
		}
	}
	// A slot has a limit of its own.
	if got, err := groupsync.NewPeer(client(addrOf(serve(t, text(strings.Repeat("x", 16<<10+1))))), group, newShelf(group)).Slot(t.Context(), signed.Key{1}); !errors.As(err, new(*groupsync.PeerError)) {
		t.Errorf("a slot of 16 KiB and a byte: got %d bytes, %v", len(got), err)
	}
}

// TestLogWithoutEnd: a member that gives ever more records of a log whose head speaks of many is left at the longest there is.
func TestLogWithoutEnd(t *testing.T) {
	d := newDevice(t, group)
	h, err := signed.SignHead(group, d.secret, signed.MaxRecords, signed.Hash{1}, time.Now())
	must(t, err)
	chunk := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	asked := 0
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/root":
			io.WriteString(w, `{"roots":[]}`)
		case r.URL.Path == "/v1/heads":
			fmt.Fprintf(w, `{"cursor":"x","heads":[%q]}`, h.Raw)
		default:
			asked++
			_, _ = w.Write(chunk)
		}
	}))
	_, err = groupsync.NewPeer(client(addrOf(s)), group, rooted(t)).Pull(t.Context(), 0)
	if !errors.As(err, new(*groupsync.PeerError)) || !strings.Contains(err.Error(), "a log of more than") {
		t.Errorf("got %v, want the member blamed for the length", err)
	}
	if asked != signed.MaxLog>>20+1 {
		t.Errorf("asked %d times for a MiB, want %d", asked, signed.MaxLog>>20+1)
	}
}

// TestNewsForWhomItMayBe: nothing is handed to an address that May refuses, and all of it once it does not.
func TestNewsForWhomItMayBe(t *testing.T) {
	to, from := rooted(t), rooted(t)
	d := newDevice(t, group)
	d.into(from, 1)
	var allowed atomic.Bool
	var early atomic.Int32
	inner := handlerOf(to)
	srv := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !allowed.Load() {
			early.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	var asked atomic.Int32
	c := crowd(t, from, func(o *groupsync.PeerSetOptions) {
		o.May = func(addr string) bool {
			if addr != addrOf(srv) {
				t.Errorf("asked of %s", addr)
			}
			asked.Add(1)
			return allowed.Load()
		}
	}, addrOf(srv))
	waitFor(t, "May is asked", func() bool { return asked.Load() > 0 })
	waitFor(t, "a neighbour", func() bool { return len(c.Neighbours()) == 1 })
	before := asked.Load()
	d.into(from, 1)
	waitFor(t, "May is asked again at the news", func() bool { return asked.Load() > before })
	if early.Load() > 0 || to.count(d.key()) != 0 {
		t.Errorf("handed over %d times, and %d records", early.Load(), to.count(d.key()))
	}
	allowed.Store(true)
	d.into(from, 1)
	waitFor(t, "the news are handed over", func() bool { return to.count(d.key()) == 3 })
	if early.Load() > 0 {
		t.Error("something was handed over before it might be")
	}
}

// TestListsHaveAnEnd: one more than there may be of something in a push is refused, and as many are taken.
func TestListsHaveAnEnd(t *testing.T) {
	s := rooted(t)
	d := newDevice(t, group)
	head, _, records := d.write(1)
	must(t, s.AddLog(t.Context(), head, 0, records))
	must(t, s.AddFork(t.Context(), []byte(evidence)))
	h := handlerOf(s)
	for _, c := range []struct {
		path, name, text string
		most             int
		code             int // of most
	}{
		{"/v1/heads", "heads", fmt.Sprintf("%q", head.Raw), 1000, 200},
		{"/v1/root", "roots", `"root 1"`, 64, 204},
		{"/v1/forks", "forks", `"` + evidence + `"`, 256, 204},
	} {
		for n, want := range map[int]int{c.most: c.code, c.most + 1: http.StatusRequestEntityTooLarge} {
			body := fmt.Sprintf(`{%q:[%s]}`, c.name, strings.TrimSuffix(strings.Repeat(c.text+",", n), ","))
			if w := ask(h, c.path, strings.NewReader(body), int64(len(body))); w.Code != want {
				t.Errorf("%d %s: got %d, want %d", n, c.name, w.Code, want)
			}
		}
	}
	// And the other way: of what a member answers.
	for _, c := range []struct {
		path, name, text string
		most             int
	}{
		{"/v1/root", "roots", `"root 1"`, 64},
		{"/v1/have", "have", `"` + strings.Repeat("0", 40) + `"`, 50_000},
	} {
		for n, ok := range map[int]bool{c.most: true, c.most + 1: false} {
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == c.path {
					fmt.Fprintf(w, `{%q:[%s]}`, c.name, strings.TrimSuffix(strings.Repeat(c.text+",", n), ","))
					return
				}
				io.WriteString(w, `{}`)
			}))
			p := groupsync.NewPeer(client(addrOf(srv)), group, rooted(t))
			var err error
			if c.name == "have" {
				_, err = p.Have(t.Context())
			} else {
				err = p.Roots(t.Context())
			}
			tooMany := err != nil && strings.Contains(err.Error(), "more than")
			if tooMany == ok || tooMany && !errors.As(err, new(*groupsync.PeerError)) {
				t.Errorf("an answer of %d %s: got %v, want that it is taken: %v", n, c.name, err, ok)
			}
		}
	}
}
