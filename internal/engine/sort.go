package engine

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
)

const (
	// firstByteTime is what a newcomer has to say its first bytes. Who dials speaks first, in BitTorrent and in TLS.
	firstByteTime = 5 * time.Second
	// proofTime is what it has for its whole handshake, however it is cut.
	proofTime = 10 * time.Second
)

// sorter is a listener that gives away the connections that begin with a TLS handshake or a request of HTTP, so that
// groups, whole pieces and BitTorrent share a port: a user has one to open, and a router one to map. What it gives to
// the client has named a torrent that is here; until then a connection costs a goroutine and its place in the hall.
type sorter struct {
	net.Listener
	e    *Engine
	hall *places.Places[netip.Prefix]
	tls  func(net.Conn) // nil: nothing is expected
	http func(net.Conn) // nil likewise

	conns chan net.Conn
	done  chan struct{}
	wg    sync.WaitGroup
	once  sync.Once

	mu   sync.Mutex
	here map[*newcomer]struct{} // being sorted
}

func (e *Engine) newSorter(l net.Listener, hall *places.Places[netip.Prefix], tls, http func(net.Conn)) *sorter {
	s := &sorter{
		Listener: l, e: e, hall: hall, tls: tls, http: http,
		conns: make(chan net.Conn), done: make(chan struct{}), here: map[*newcomer]struct{}{},
	}
	s.wg.Go(e.persist(e.ctx, "accepting", s.run))
	return s
}

// Accept gives the connections that are neither.
func (s *sorter) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends what looks at newcomers, and waits for it.
func (s *sorter) Close() error {
	var err error
	s.once.Do(func() {
		s.mu.Lock()
		close(s.done) // who is accepted from now on is closed by begin
		s.mu.Unlock()
		err = s.Listener.Close()
		s.mu.Lock()
		for n := range s.here {
			n.Conn.Close()
		}
		s.mu.Unlock()
	})
	s.wg.Wait()
	return err
}

func (s *sorter) run() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			select {
			case <-s.done:
				return
			case <-time.After(50 * time.Millisecond):
				continue // out of descriptors, or a connection that was gone already
			}
		}
		s.begin(c)
	}
}

// begin sorts a connection in a goroutine of its own.
func (s *sorter) begin(c net.Conn) {
	n := &newcomer{Conn: c}
	n.hold(s.hall, places.Origin(c.RemoteAddr().String()))
	s.mu.Lock()
	select {
	case <-s.done:
		s.mu.Unlock()
		n.Close()
		return
	default:
	}
	s.here[n] = struct{}{}
	s.mu.Unlock()
	s.wg.Go(panics.Guard(func() {
		defer func() {
			s.mu.Lock()
			delete(s.here, n)
			s.mu.Unlock()
		}()
		s.sort(n)
	}, func(bug *panics.Error) {
		s.e.fault("greeting a newcomer", bug)
		n.Close()
	}))
}

// sort reads the first bytes: 22 and 3 begin a TLS handshake (RFC 8446, 5.1), "GET " a request, 19 a BitTorrent
// handshake, and anything an encrypted one, where the first two and a version that exists come up once in 20 million
// times, and the others once in four billion.
func (s *sorter) sort(n *newcomer) {
	begun := time.Now()
	var head [4]byte
	n.SetReadDeadline(begun.Add(firstByteTime))
	had, err := io.ReadAtLeast(n, head[:], 1)
	n.SetDeadline(begun.Add(proofTime))
	need := map[byte]int{22: 3, 'G': 4}[head[0]]
	if err == nil && had < need {
		var more int
		more, err = io.ReadFull(n, head[had:need])
		had += more
	}
	if err != nil {
		n.Close()
		return
	}
	n.unread(head[:had])
	switch {
	case s.tls != nil && had >= 3 && head[0] == 22 && head[1] == 3 && head[2] <= 4:
		n.SetDeadline(time.Time{})
		s.tls(n)
		return
	case s.http != nil && string(head[:had]) == "GET ":
		n.SetDeadline(time.Time{})
		s.http(n)
		return
	}
	s.e.noteArrival(n.RemoteAddr())
	c, err := s.e.greeting(n)
	if err == nil {
		err = n.SetDeadline(time.Time{})
	}
	if err != nil {
		s.e.settings.Log.Debug("a connection proved nothing", "from", n.RemoteAddr(), "error", err)
		n.Close()
		return
	}
	select {
	case s.conns <- c:
		n.Proven()
	case <-s.done:
		n.Close()
	}
}

// newcomer is a connection that has proven nothing yet. It holds places, and is closed when they go to others.
type newcomer struct {
	net.Conn
	head []byte // to be read again; belongs to who reads

	mu   sync.Mutex
	held []*places.Place[netip.Prefix]
}

// hold takes a place besides those that are held.
func (n *newcomer) hold(in *places.Places[netip.Prefix], origin netip.Prefix) *places.Place[netip.Prefix] {
	p := in.Take(origin, func() { n.Conn.Close() })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = append(n.held, p)
	return p
}

// Proven gives its places back: it has others from now on.
func (n *newcomer) Proven() {
	n.mu.Lock()
	held := n.held
	n.held = nil
	n.mu.Unlock()
	for _, p := range held {
		p.Leave()
	}
}

// unread has b read again.
func (n *newcomer) unread(b []byte) { n.head = append(b[:len(b):len(b)], n.head...) }

func (n *newcomer) Read(b []byte) (int, error) {
	if len(n.head) > 0 {
		k := copy(b, n.head)
		n.head = n.head[k:]
		return k, nil
	}
	return n.Conn.Read(b)
}

func (n *newcomer) Close() error {
	n.Proven()
	return n.Conn.Close()
}
