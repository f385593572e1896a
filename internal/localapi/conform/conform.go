package conform

import (
	"context"
	"log/slog"
	"testing"

	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// Backend is what is tested, and can be ended.
type Backend interface {
	localapi.Backend
	Close() error
}

// Open opens a backend on a node with these options, which ask for a daemon's. The suite closes it, and may open
// another on the same home then.
type Open func(t *testing.T, o node.Options) Backend

// quiet is a network on loopback that finds nobody by itself.
var quiet = node.Network{ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true}

// littleWork is what passwords are hashed with: the real work is a second of each.
const littleWork = 10

// Run tests what open opens.
func Run(t *testing.T, open Open) {
	for _, part := range []struct {
		name string
		test func(*suite)
	}{
		{"publish", (*suite).publish},
		{"publish without seeding", (*suite).publishOnly},
		{"publish twice", (*suite).publishTwice},
		{"publish is detached", (*suite).publishDetached},
		{"fetch", (*suite).fetch},
		{"fetch and seed", (*suite).fetchAndSeed},
		{"fetch is detached", (*suite).fetchDetached},
		{"fetch in too little time", (*suite).fetchTimeout},
		{"seed", (*suite).seed},
		{"verify", (*suite).verify},
		{"status", (*suite).status},
		{"stop and start", (*suite).stopAndStart},
		{"limit", (*suite).limit},
		{"remove", (*suite).remove},
		{"restart", (*suite).restart},
		{"doctor", (*suite).doctor},
		{"groups", (*suite).groups},
		{"joining a group", (*suite).joins},
		{"rights in a group", (*suite).rights},
		{"catalogs", (*suite).catalogs},
		{"private groups", (*suite).privateGroups},
		{"people of a private group", (*suite).privatePeople},
		{"refusals of groups", (*suite).groupRefusals},
		{"refusals", (*suite).refusals},
		{"ended before it began", (*suite).endedBefore},
		{"many at once", (*suite).manyAtOnce},
	} {
		t.Run(part.name, func(t *testing.T) {
			s := &suite{T: t, open: open, home: t.TempDir() + "/home"}
			s.start()
			t.Cleanup(s.close)
			part.test(s)
		})
	}
}

// suite is one part's run: a backend on a home of its own.
type suite struct {
	*testing.T
	open Open
	home string
	b    Backend
}

func (s *suite) start() {
	s.Helper()
	s.b = s.open(s.T, node.Options{Home: s.home, Network: quiet, Version: "test", Log: slog.New(slog.DiscardHandler), Daemon: true, PasswordWork: littleWork})
}

func (s *suite) close() {
	if s.b == nil {
		return
	}
	if err := s.b.Close(); err != nil {
		s.Errorf("closing: %v", err)
	}
	s.b = nil
}

// other is a node without a daemon, with the peers given, as another user's.
func (s *suite) other(peers ...string) *node.Node {
	s.Helper()
	n := quiet
	n.Peers = peers
	nd, err := node.Open(s.Context(), node.Options{Home: s.TempDir(), Network: n, Version: "test", Log: slog.New(slog.DiscardHandler), PasswordWork: littleWork})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := nd.Close(); err != nil {
			s.Errorf("closing the other node: %v", err)
		}
	})
	return nd
}

// ignore is for who does not want to hear.
func ignore(node.Event) {}

// request is one that runs.
type request struct {
	s      *suite
	events chan node.Event
	cancel context.CancelFunc
	ended  chan error
	seen   []node.Event
}

// begin starts a request in the background. The events channel holds more than any request here tells.
func (s *suite) begin(do func(context.Context, func(node.Event)) error) *request {
	ctx, cancel := context.WithCancel(s.Context())
	r := &request{s: s, events: make(chan node.Event, 100_000), cancel: cancel, ended: make(chan error, 1)}
	go func() {
		err := do(ctx, func(e node.Event) { r.events <- e })
		close(r.events) // tells after the return would panic here
		r.ended <- err
	}()
	s.Cleanup(cancel)
	return r
}

// until waits for an event and returns it.
func (r *request) until(what string, is func(node.Event) bool) node.Event {
	r.s.Helper()
	late := after()
	for {
		select {
		case e, ok := <-r.events:
			if !ok {
				r.s.Fatalf("waiting for %s: the request ended with %v", what, <-r.ended)
			}
			r.seen = append(r.seen, e)
			if is(e) {
				return e
			}
		case <-late:
			r.s.Fatalf("waiting for %s: it did not come", what)
		}
	}
}

// end waits for the end and returns the error.
func (r *request) end() error {
	r.s.Helper()
	late := after()
	for {
		select {
		case e, ok := <-r.events:
			if ok {
				r.seen = append(r.seen, e)
				continue
			}
			return <-r.ended
		case <-late:
			r.s.Fatal("the request does not end")
		}
	}
}

func isKept(e node.Event) bool      { return e.Kept != nil }
func isPublished(e node.Event) bool { return e.Published != nil }
func isSeeding(e node.Event) bool   { return e.Seeding != nil }
func isFetched(e node.Event) bool   { return e.Fetched != nil }

// keptFirst tests that the word that a request is kept comes before any answer, and once.
func (r *request) keptFirst() {
	r.s.Helper()
	kept := 0
	for _, e := range r.seen {
		switch {
		case e.Kept != nil:
			if kept++; e.Kept.ID == "" || e.Kept.Name == "" {
				r.s.Errorf("kept: got %+v, want an ID and a name", e.Kept)
			}
		case kept == 0 && (e.Published != nil || e.Seeding != nil || e.Fetched != nil):
			r.s.Errorf("an answer came before the word that it is kept: %+v", e)
		}
	}
	if kept != 1 {
		r.s.Errorf("it was said %d times that the request is kept, want once", kept)
	}
}
