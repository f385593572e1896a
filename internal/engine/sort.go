package engine

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// firstByteTime is what a newcomer has to say its first bytes. Who dials speaks first, in BitTorrent and in TLS.
	firstByteTime = 5 * time.Second
	// maxUnsorted bounds the connections that have said nothing yet.
	maxUnsorted = 256
)

// sorter is a listener that gives away the connections that begin with a TLS handshake or a request of HTTP, so that
// groups, whole pieces and BitTorrent share a port: a user has one to open, and a router one to map.
type sorter struct {
	net.Listener
	tls  func(net.Conn) // nil: nothing is expected
	http func(net.Conn)

	conns  chan net.Conn
	done   chan struct{}
	places chan struct{}
	wg     sync.WaitGroup
	once   sync.Once
}

func newSorter(l net.Listener, tls, http func(net.Conn)) *sorter {
	s := &sorter{Listener: l, tls: tls, http: http, conns: make(chan net.Conn), done: make(chan struct{}), places: make(chan struct{}, maxUnsorted)}
	s.wg.Go(s.run)
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

// Close waits for what looks at newcomers.
func (s *sorter) Close() error {
	var err error
	s.once.Do(func() {
		close(s.done)
		err = s.Listener.Close()
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
		select {
		case s.places <- struct{}{}:
			s.wg.Go(func() {
				s.sort(c)
				<-s.places
			})
		default:
			c.Close()
		}
	}
}

// sort reads the first bytes: 22 and 3 begin a TLS handshake (RFC 8446, 5.1), "GET " a request, 19 a BitTorrent
// handshake, and anything an encrypted one, where the first two and a version that exists come up once in 20 million
// times, and the others once in four billion.
func (s *sorter) sort(c net.Conn) {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-s.done:
			c.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	var head [4]byte
	c.SetReadDeadline(time.Now().Add(firstByteTime))
	n, err := io.ReadAtLeast(c, head[:], 1)
	need := map[byte]int{22: 3, 'G': 4}[head[0]]
	if err == nil && n < need {
		var more int
		more, err = io.ReadFull(c, head[n:need])
		n += more
	}
	if err != nil {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Time{})
	again := &replayed{Conn: c, head: head[:n]}
	switch {
	case s.tls != nil && n >= 3 && head[0] == 22 && head[1] == 3 && head[2] <= 4:
		s.tls(again)
		return
	case string(head[:n]) == "GET ":
		s.http(again)
		return
	}
	select {
	case s.conns <- again:
	case <-s.done:
		c.Close()
	}
}

// replayed reads the first bytes again.
type replayed struct {
	net.Conn
	head []byte
}

func (r *replayed) Read(b []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}
