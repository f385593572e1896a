package groupsync_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func rooted(t *testing.T) *shelf {
	t.Helper()
	s := newShelf(group)
	must(t, s.AddRoots(t.Context(), [][]byte{[]byte("root 1")}))
	return s
}

// Who has nothing of the group cannot make a newcomer believe that there is nothing.
func TestMemberWithoutAnything(t *testing.T) {
	to := newShelf(group)
	_, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(newShelf(group))))), group, to).Pull(t.Context(), 0)
	if !errors.Is(err, groupsync.ErrNothing) {
		t.Errorf("got %v, want ErrNothing", err)
	}
	if _, blamed := errors.AsType[*groupsync.PeerError](err); blamed {
		t.Errorf("a newcomer is blamed: %v", err)
	}
	// Who holds the group already has not lost by it.
	held := rooted(t)
	if _, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(newShelf(group))))), group, held).Pull(t.Context(), 0); err != nil {
		t.Errorf("with a root here: got %v", err)
	}
}

// Evidence goes both ways, once.
func TestEvidenceTravels(t *testing.T) {
	first, second, third := rooted(t), rooted(t), rooted(t)
	a := newDevice(t, group)
	a.into(first, 1)
	puller := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(first)))), group, second)
	if _, err := puller.Pull(t.Context(), 0); err != nil || len(second.Evidence(0, 1000)) != 0 {
		t.Fatalf("before: got %v, %d pieces of evidence", err, len(second.Evidence(0, 1000)))
	}
	must(t, first.AddFork(t.Context(), []byte(evidence+" 1")))
	if _, err := puller.Pull(t.Context(), 0); err != nil || len(second.Evidence(0, 1000)) != 1 {
		t.Errorf("pulled: got %v, %d pieces of evidence, want 1", err, len(second.Evidence(0, 1000)))
	}
	var posts atomic.Int32
	h := handlerOf(third)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/forks" {
			posts.Add(1)
		}
		h.ServeHTTP(w, r)
	}))
	pusher := groupsync.NewPeer(client(addrOf(s)), group, second)
	for range 3 {
		must(t, pusher.Push(t.Context()))
	}
	if len(third.Evidence(0, 1000)) != 1 || posts.Load() != 1 {
		t.Errorf("pushed: got %d pieces of evidence in %d calls, want 1 in 1", len(third.Evidence(0, 1000)), posts.Load())
	}
	must(t, second.AddFork(t.Context(), []byte(evidence+" 2")))
	must(t, pusher.Push(t.Context()))
	if len(third.Evidence(0, 1000)) != 2 {
		t.Errorf("pushed later: got %d pieces of evidence, want 2", len(third.Evidence(0, 1000)))
	}
}

// strict is a shelf that takes the log of a device after another's alone, as a group that nobody has vouched for it in.
type strict struct {
	*shelf
	device, first signed.Key
}

func (s strict) AddLog(ctx context.Context, h signed.Head, from int64, records [][]byte) error {
	if h.Device == s.device && s.count(s.first) == 0 {
		return &signed.Refusal{What: "log", Reason: signed.ErrUnsigned, Detail: "nobody vouches"}
	}
	return s.shelf.AddLog(ctx, h, from, records)
}

// A log that comes before the one that vouches for its device is no fault of the member, whichever way it comes.
func TestVouchedForByWhatFollows(t *testing.T) {
	for range 4 { // the order of the devices is by chance
		from := rooted(t)
		a, b := newDevice(t, group), newDevice(t, group)
		a.into(from, 2)
		b.into(from, 3)
		pulled := strict{rooted(t), a.key(), b.key()}
		if _, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(from)))), group, pulled).Pull(t.Context(), 0); err != nil {
			t.Errorf("pulled: %v", err)
		}
		pushed := strict{rooted(t), a.key(), b.key()}
		s := serve(t, groupsync.NewHandler(groupsync.Options{Group: group, Vault: pushed, Rights: all}))
		if err := groupsync.NewPeer(client(addrOf(s)), group, from).Push(t.Context()); err != nil {
			t.Errorf("pushed: %v", err)
		}
		for name, s := range map[string]strict{"pulled": pulled, "pushed": pushed} {
			if s.count(a.key()) != 2 || s.count(b.key()) != 3 {
				t.Errorf("%s: got %d and %d records, want 2 and 3", name, s.count(a.key()), s.count(b.key()))
			}
		}
		never := strict{rooted(t), a.key(), signed.Key{}}
		_, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(from)))), group, never).Pull(t.Context(), 0)
		if err != nil || never.count(a.key()) != 0 || never.count(b.key()) != 3 {
			t.Errorf("nobody vouches: got %v, %d and %d records, want none of the first", err, never.count(a.key()), never.count(b.key()))
		}
	}
}

// crowd keeps up with addresses until the test ends.
func crowd(t *testing.T, v groupsync.Vault, change func(*groupsync.PeerSetOptions), addrs ...string) *groupsync.PeerSet {
	t.Helper()
	o := groupsync.PeerSetOptions{Group: group, Vault: v, Client: client, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	c := groupsync.NewPeerSet(o)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, a := range addrs {
		c.Heard(a, false)
	}
	wg.Go(func() { c.Run(ctx) })
	return c
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to this: %s", what)
		}
	}
}

// closing is a server whose connections are cut when the test ends, so that nobody waits for them.
func closing(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// Members that never answer, or byte by byte, hold nobody up who knows one that does.
func TestSlowMembers(t *testing.T) {
	good := rooted(t)
	a := newDevice(t, group)
	a.into(good, 5)
	addrs := []string{addrOf(closing(t, handlerOf(good)))}
	for range 8 {
		addrs = append(addrs, addrOf(closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-r.Context().Done():
					return
				case <-tick.C:
					io.WriteString(w, " ")
					_ = http.NewResponseController(w).Flush()
				}
			}
		}))))
	}
	to := newShelf(group)
	c := crowd(t, to, nil, addrs...)
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second) // less than a member has for its answer
	defer cancel()
	if err := c.UpToDate(ctx); err != nil || to.count(a.key()) != 5 {
		t.Errorf("got %v and %d records after %v", err, to.count(a.key()), time.Since(begun))
	}
}

// Whoever takes all places shows an old view no longer than a neighbour stays: the members that wait are asked as well.
func TestAllPlacesTaken(t *testing.T) {
	old, good := rooted(t), rooted(t)
	a := newDevice(t, group)
	h, at, recs := a.write(1)
	must(t, old.AddLog(t.Context(), h, at, recs))
	must(t, good.AddLog(t.Context(), h, at, recs))
	a.into(good, 1)
	to := newShelf(group)
	var addrs []string
	for range 12 {
		// It takes what it is handed and keeps it for itself.
		addrs = append(addrs, addrOf(closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				io.WriteString(w, `{"root":0,"want":[]}`)
				return
			}
			handlerOf(old).ServeHTTP(w, r)
		}))))
	}
	c := crowd(t, to, func(o *groupsync.PeerSetOptions) { o.Stay = 400 * time.Millisecond }, addrs...)
	waitFor(t, "twelve neighbours", func() bool {
		n := 0
		for _, nb := range c.Neighbours() {
			if nb.Now {
				n++
			}
		}
		return n == 12
	})
	c.Heard(addrOf(closing(t, handlerOf(good))), false)
	waitFor(t, "the record that is kept back", func() bool { return to.count(a.key()) == 2 })
}

// The clocks of members are known, one for each machine.
func TestClocks(t *testing.T) {
	good := rooted(t)
	off := func(d time.Duration) string {
		h := handlerOf(good)
		return addrOf(closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
			h.ServeHTTP(w, r)
		})))
	}
	for _, c := range []struct {
		name string
		off  []time.Duration
		want time.Duration
	}{
		{"right", []time.Duration{0}, 0},
		{"an hour before", []time.Duration{time.Hour}, time.Hour},
		{"a day behind", []time.Duration{-24 * time.Hour}, -24 * time.Hour},
		{"many on one machine that is right", []time.Duration{time.Hour, time.Hour, 0}, 0},
	} {
		var addrs []string
		for _, d := range c.off {
			addrs = append(addrs, off(d))
		}
		cr := crowd(t, newShelf(group), nil, addrs...)
		waitFor(t, c.name, func() bool {
			clocks := cr.Clocks(func(signed.Key) bool { return true })
			return len(cr.Neighbours()) == len(c.off) && len(clocks) == 1 && (clocks[0]-c.want).Abs() < 5*time.Second
		})
	}
}

// Whose word does not count has no voice on the time, whatever he says.
func TestClocksOfStrangers(t *testing.T) {
	member, stranger := newDevice(t, group).key(), newDevice(t, group).key()
	addrs := []string{addrOf(closing(t, handlerOf(rooted(t)))), addrOf(closing(t, handlerOf(rooted(t))))}
	c := crowd(t, newShelf(group), func(o *groupsync.PeerSetOptions) {
		o.Who = func(r *http.Response) (signed.Key, error) {
			r.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			return stranger, nil
		}
	}, addrs...)
	waitFor(t, "two neighbours", func() bool { return len(c.Neighbours()) == 2 })
	if got := c.Clocks(func(by signed.Key) bool { return by == stranger }); len(got) != 1 || (got[0]-time.Hour).Abs() > 5*time.Second {
		t.Errorf("those who count: got %v, want an hour", got)
	}
	if got := c.Clocks(func(by signed.Key) bool { return by == member }); len(got) != 0 {
		t.Errorf("strangers alone: got %v, want nothing", got)
	}
}

// A member that begins with a lie is left, and not asked again at once.
func TestLiarIsLeft(t *testing.T) {
	var calls atomic.Int32
	liar := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		io.WriteString(w, `{"roots":["nonsense"]}`)
	}))
	good := rooted(t)
	a := newDevice(t, group)
	a.into(good, 1)
	to := newShelf(group)
	c := crowd(t, to, nil, addrOf(liar))
	waitFor(t, "a call of the liar", func() bool { return calls.Load() == 1 })
	c.Heard(addrOf(closing(t, handlerOf(good))), false)
	c.Heard(addrOf(liar), false) // it says that it is there again and again
	waitFor(t, "the record of the honest", func() bool { return to.count(a.key()) == 1 })
	if n := calls.Load(); n != 1 {
		t.Errorf("the liar was asked %d times, want 1", n)
	}
	if nb := c.Neighbours(); len(nb) != 1 || strings.Contains(nb[0].Addr, addrOf(liar)) {
		t.Errorf("neighbours: %v", nb)
	}
}

// TestMetByTheOther: who is found, and has found nobody, hears from whom it is pushed where that one is reached.
func TestMetByTheOther(t *testing.T) {
	owner, late := rooted(t), newShelf(group)
	a := newDevice(t, group)
	a.into(owner, 3)
	ownerAt := closing(t, handlerOf(owner))
	late2 := crowd(t, late, nil)
	lateAt := closing(t, groupsync.NewHandler(groupsync.Options{Group: group, Vault: late, Rights: all, Heard: func(addr string) { late2.Heard(addr, false) }}))
	_, port, err := net.SplitHostPort(addrOf(ownerAt))
	must(t, err)
	p, err := strconv.Atoi(port)
	must(t, err)
	crowd(t, owner, func(o *groupsync.PeerSetOptions) { o.Port = p }, addrOf(lateAt))
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := late2.UpToDate(ctx); err != nil || late.count(a.key()) != 3 {
		t.Errorf("got %v and %d records, want it up to date", err, late.count(a.key()))
	}
}

// TestRecordsOneByOne: however few records a member gives at a time, it does not take the places of those whose logs are long.
func TestRecordsOneByOne(t *testing.T) {
	from := rooted(t)
	d := newDevice(t, group)
	d.into(from, 6)
	real := handlerOf(from)
	s := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/log/") {
			real.ServeHTTP(w, r)
			return
		}
		all := httptest.NewRecorder()
		real.ServeHTTP(all, r)
		line, _, _ := strings.Cut(all.Body.String(), "\n")
		fmt.Fprintln(w, line)
	}))
	to, pool := rooted(t), groupsync.NewPool()
	crowd(t, to, func(o *groupsync.PeerSetOptions) { o.Pool = pool }, addrOf(s))
	waitFor(t, "all records are there", func() bool { return to.count(d.key()) == 6 })
}

// TestLogIsPushedOnce: a member that asks for one log many times is handed it once, and one that says all it is told is
// wrong is told no more than twice.
func TestLogIsPushedOnce(t *testing.T) {
	for status, most := range map[int]int64{http.StatusNoContent: 1, http.StatusUnprocessableEntity: 2} {
		from := rooted(t)
		d := newDevice(t, group)
		d.into(from, 3)
		want := fmt.Sprintf(`{"device":%q,"from":1}`, d.key())
		var pushes atomic.Int64
		s := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/v1/log/"):
				pushes.Add(1)
				w.WriteHeader(status)
			case r.URL.Path == "/v1/heads":
				fmt.Fprintf(w, `{"root":0,"want":[%s]}`, strings.Repeat(want+",", 500)+want)
			}
		}))
		if err := groupsync.NewPeer(client(addrOf(s)), group, from).Push(t.Context()); err != nil {
			t.Errorf("status %d: %v", status, err)
		}
		if n := pushes.Load(); n != most {
			t.Errorf("status %d: the log was pushed %d times, want %d", status, n, most)
		}
	}
}

// TestNoNewsAtOnce: a member that does not wait for news, and says at once that there are none, is not asked without end.
func TestNoNewsAtOnce(t *testing.T) {
	var asked atomic.Int32
	real := handlerOf(rooted(t))
	s := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/heads" && r.Method == http.MethodGet {
			asked.Add(1)
			io.WriteString(w, `{"cursor":"x","heads":[]}`)
			return
		}
		real.ServeHTTP(w, r)
	}))
	begun := time.Now()
	crowd(t, rooted(t), nil, addrOf(s))
	waitFor(t, "it is asked again", func() bool { return asked.Load() >= 46 }) // 41 at once, and then 4 a second
	if took := time.Since(begun); took < time.Second {
		t.Errorf("it was asked 46 times in %v", took)
	}
}
