package groupnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Group is what a Server needs of a group.
type Group struct {
	Identity signed.SigningKey // of this machine's device in the group
	// Admit judges a peer's key before anything is read of it. Its error is for the log alone: the peer sees a closed
	// connection.
	Admit func(peer signed.Key, protocol string) error
	// Room says whether a peer that is admitted is served now, by where it comes from; nil: always. It is asked once for
	// each connection.
	Room func(peer signed.Key, host string) error
	// Refused is told of peers that were not let in, or were cut off; nil: nobody.
	Refused func(peer signed.Key, host string, why error)
	Sync    http.Handler // answers requests; PeerKey says whose
	// Swarm takes a connection for content, and closes it; nil: none. It no longer counts among the server's.
	Swarm func(c net.Conn, peer signed.Key)
}

func (g *Group) refused(peer signed.Key, host string, why error) {
	if g.Refused != nil && why != nil {
		g.Refused(peer, host, why)
	}
}

// Server accepts connections for all groups of a machine.
type Server struct {
	find func(serverName string) *Group
	log  *slog.Logger
	http *http.Server
	web  *handed
	// A handshake has so much time.
	patience time.Duration

	young *places.Places[netip.Prefix] // of handshakes under way
	seats *places.Places[netip.Prefix] // of connections for requests, after theirs

	mu     sync.Mutex
	closed bool
	open   map[*memberConn]bool // after their handshakes
	wg     sync.WaitGroup
}

// NewServer makes a server. find gives the group of a name in a handshake, nil if there is none; it is called
// from many goroutines.
func NewServer(find func(serverName string) *Group, log *slog.Logger) *Server {
	s := &Server{
		find: find, log: log, web: newHanded(), patience: handshakeTime,
		young: places.New[netip.Prefix](maxHandshakes, maxHandshakesPerHost),
		seats: places.New[netip.Prefix](maxConns, maxPerHost),
		open:  map[*memberConn]bool{},
	}
	s.http = &http.Server{
		Handler:           panics.Handler(http.HandlerFunc(s.answer), log),
		ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		// A handler that wants longer says so. Otherwise a body that nobody reads would hold its place for ever.
		ReadTimeout: requestTime, WriteTimeout: requestTime,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if m, ok := c.(*memberConn); ok {
				return context.WithValue(ctx, memberKey{}, m)
			}
			return ctx
		},
		ConnState: func(c net.Conn, is http.ConnState) {
			if m, ok := c.(*memberConn); ok && is == http.StateActive {
				m.seat.Touch() // who asks stays longer than who does not
			}
		},
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	s.wg.Go(panics.Guard(func() { _ = s.http.Serve(s.web) }, func(bug *panics.Error) { // until Close
		bug.Log(log, "the server of groups")
		s.web.Close() // what is handed to it from now on is closed
	}))
	return s
}

// Serve accepts from l until ctx ends or l is closed, and closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Out of descriptors, or a connection that was gone already: others may come.
			s.log.Warn("accepting a member's connection", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		s.Take(ctx, c)
	}
}

// Take serves a connection that was accepted elsewhere, until it ends or ctx does. It returns at once.
func (s *Server) Take(ctx context.Context, c net.Conn) {
	if !s.enter() {
		c.Close()
		return
	}
	counted := &countedConn{Conn: c}
	go panics.Guard(func() {
		defer s.wg.Done()
		s.receive(ctx, counted)
	}, func(bug *panics.Error) {
		bug.Log(s.log, "a connection to a group", "from", hostOf(c))
		counted.Close()
	})()
}

// Close ends every connection and waits for what was started. Serve is to have returned.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true // nothing is counted in from now on
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, m := range open {
		m.raw.Close() // not the TLS ones, as in recheck: each farewell may take five seconds, one after the other
	}
	err := s.http.Close()
	s.wg.Wait()
	return err
}

// Recheck ends the connections of peers that their groups do not admit any more. It is for whoever changes what Admit
// says, after the change.
func (s *Server) Recheck() {
	s.mu.Lock()
	all := make([]*memberConn, 0, len(s.open))
	for m := range s.open {
		all = append(all, m)
	}
	s.mu.Unlock()
	for _, m := range all {
		m.recheck(s.log)
	}
}

// Online are the keys of the peers that have a connection for requests open to the group of a device of ours.
func (s *Server) Online(ours signed.Key) map[signed.Key]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := map[signed.Key]bool{}
	for m := range s.open {
		if m.protocol == Sync && m.group.Identity.Public() == ours {
			keys[m.key] = true
		}
	}
	return keys
}

func (m *memberConn) recheck(log *slog.Logger) bool {
	err := m.group.Admit(m.key, m.protocol)
	if err == nil {
		return true
	}
	log.Debug("a connection to a group was cut", "from", hostOf(m), "error", err)
	m.group.refused(m.key, hostOf(m), err)
	m.raw.Close() // not the TLS one, whose farewell waits for a writer that is stuck
	return false
}

// enter counts what serves a connection, or says that the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Add(1)
	}
	return !s.closed
}

func hostOf(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}

// receive shakes hands and hands the connection on.
func (s *Server) receive(ctx context.Context, counted *countedConn) {
	raw := counted.Conn
	origin := places.Origin(raw.RemoteAddr().String())
	young := s.young.Take(origin, func() { counted.Close() }) // its handshake ends, and says so
	defer young.Leave()
	m, err := s.handshake(ctx, counted)
	young.Leave()
	if err != nil {
		s.log.Debug("a connection to a group was refused", "from", hostOf(raw), "error", err)
		counted.Close()
		return
	}
	if p, ok := raw.(interface{ Proven() }); ok {
		p.Proven() // whoever accepted it need not keep a place for it any more
	}
	s.mu.Lock()
	s.open[m] = true
	s.mu.Unlock()
	counted.leaving(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, m)
	})
	// What it may can have changed since its handshake, before a Recheck could see it.
	if !m.recheck(s.log) {
		return
	}
	if m.protocol == Swarm {
		m.group.Swarm(m, m.key) // who takes it has bounds of its own; a device has a connection for each torrent
		return
	}
	m.seat = s.seats.Take(origin, func() { counted.Close() })
	counted.leaving(func() { m.seat.Leave() })
	s.web.give(m)
}

func (s *Server) handshake(ctx context.Context, c net.Conn) (*memberConn, error) {
	var group *Group
	t := tls.Server(c, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			group = s.find(hello.ServerName)
			if group == nil {
				return nil, errors.New("no such group here")
			}
			protocols := []string{Sync}
			if group.Swarm != nil {
				protocols = append(protocols, Swarm)
			}
			conf, err := config(group.Identity, protocols...)
			if err != nil {
				return nil, err
			}
			conf.ClientAuth = tls.RequireAnyClientCert
			conf.VerifyConnection = func(cs tls.ConnectionState) error {
				key, err := keyOf(cs)
				if err != nil {
					return err
				}
				if cs.NegotiatedProtocol == "" {
					return errors.New("the peer named no protocol")
				}
				err = group.Admit(key, cs.NegotiatedProtocol)
				group.refused(key, hostOf(c), err)
				return err
			}
			return conf, nil
		},
	})
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	key, err := keyOf(t.ConnectionState())
	if err != nil {
		return nil, err
	}
	if group.Room != nil {
		if err := group.Room(key, hostOf(c)); err != nil {
			group.refused(key, hostOf(c), err)
			return nil, err
		}
	}
	return &memberConn{Conn: t, raw: c, group: group, key: key, protocol: t.ConnectionState().NegotiatedProtocol}, nil
}

// answer passes a request to its connection's group.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	m, ok := r.Context().Value(memberKey{}).(*memberConn)
	if !ok {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	m.group.Sync.ServeHTTP(w, r)
}

type memberKey struct{}

// PeerKey is the key that the sender of a request has proven to hold.
func PeerKey(r *http.Request) (signed.Key, error) {
	m, ok := r.Context().Value(memberKey{}).(*memberConn)
	if !ok {
		return signed.Key{}, fmt.Errorf("a request that came by no member's connection")
	}
	return m.key, nil
}

// memberConn is a connection after its handshake.
type memberConn struct {
	*tls.Conn
	raw      net.Conn
	group    *Group
	key      signed.Key
	protocol string
	seat     *places.Place[netip.Prefix] // of a connection for requests
}

// countedConn frees its places when it is closed.
type countedConn struct {
	net.Conn
	mu     sync.Mutex
	closed bool
	left   []func()
}

// leaving has f called when the connection is closed, or now if it is.
func (c *countedConn) leaving(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		f()
		return
	}
	c.left = append(c.left, f)
}

func (c *countedConn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, f := range c.left {
			f()
		}
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// handed is a listener of connections that were accepted elsewhere.
type handed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHanded() *handed { return &handed{conns: make(chan net.Conn), done: make(chan struct{})} }

func (h *handed) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }
