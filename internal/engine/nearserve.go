package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/types/infohash"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
)

// nearPath begins the paths of whole pieces: nearPath INFOHASH "/" BEGIN "-" END, where the infohash is in hexadecimal, 20
// bytes of it for v2, and END is not included.
const nearPath = "/p2pshare/pieces/"

// nearServer answers requests for whole pieces. Only a connected peer of a torrent learns from it that the torrent is
// here.
type nearServer struct {
	e    *Engine
	http *http.Server

	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	places *places.Places[netip.Prefix] // one taken by each connection
	wg     sync.WaitGroup
}

// errNotAlone ends an answer when another comes to fetch.
var errNotAlone = errors.New("others fetch too now")

// nearKey finds the connection of a request.
type nearKey struct{}

func (e *Engine) newNearServer() *nearServer {
	s := &nearServer{e: e, conns: make(chan net.Conn), done: make(chan struct{}), places: places.New[netip.Prefix](nearConns, nearShare)}
	s.http = &http.Server{
		Handler:           panics.Handler(s, e.settings.Log),
		ReadHeaderTimeout: firstByteTime,
		IdleTimeout:       nearIdle,
		MaxHeaderBytes:    4 << 10,
		ErrorLog:          slog.NewLogLogger(e.settings.Log.Handler(), slog.LevelDebug),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, nearKey{}, c) },
	}
	// Ends with stop; what it has accepted is refused from a fault on.
	s.wg.Go(panics.Guard(func() { s.http.Serve(s) }, func(bug *panics.Error) {
		e.fault("giving whole pieces", bug)
		s.Close()
	}))
	return s
}

// take is given connections that begin as HTTP does.
func (s *nearServer) take(c net.Conn) {
	if !near(c.RemoteAddr().String()) {
		c.Close()
		return
	}
	nc := &nearConn{Conn: c}
	nc.place = s.places.Take(places.Origin(c.RemoteAddr().String()), func() { c.Close() })
	shaped := &shapedConn{Conn: nc, e: s.e}
	shaped.flows.Store(&s.e.nobody)
	shaped.ctx, shaped.cancel = context.WithCancel(s.e.ctx)
	select {
	case s.conns <- shaped:
	case <-s.done:
		shaped.Close()
	}
}

// nearConn is a connection of the server's, and its place. Who was given something stays longer than who was not.
type nearConn struct {
	net.Conn
	place *places.Place[netip.Prefix]
}

// served is called when something is given.
func (c *nearConn) served() {
	c.place.Touch()
	if n, ok := c.Conn.(*newcomer); ok {
		n.Proven()
	}
}

func (c *nearConn) Close() error {
	c.place.Leave()
	return c.Conn.Close()
}

// Accept implements net.Listener.
func (s *nearServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (s *nearServer) Addr() net.Addr { return &net.TCPAddr{} }

// Close implements net.Listener.
func (s *nearServer) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// stop ends it and every connection.
func (s *nearServer) stop() {
	s.http.Close()
	s.wg.Wait()
}

// ServeHTTP implements http.Handler.
func (s *nearServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// The server would read what follows, for as long as it takes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		w.Header().Set("Connection", "close")
		http.Error(w, "there is nothing to be sent here", http.StatusBadRequest)
		return
	}
	c, _ := r.Context().Value(nearKey{}).(*shapedConn)
	t, begin, end := s.asked(r.URL.Path)
	if t == nil || c == nil || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	here, only := t.nearOnly(c.RemoteAddr())
	if !here {
		// As for what is not here at all: a neighbour who only knows an infohash does not learn whether it is.
		http.NotFound(w, r)
		return
	}
	if !only {
		busy(w)
		return
	}
	store := t.store.Load()
	if store == nil {
		busy(w)
		return
	}
	size := int64(0)
	for i := begin; i < end; i++ {
		if !t.t.PieceState(i).Complete {
			busy(w)
			return
		}
		_, length := store.piece(i)
		size += length
	}
	c.flows.Store(&t.flows)
	if nc, ok := c.Conn.(*nearConn); ok {
		nc.served()
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if err := s.send(w, t, store, c, begin, end); err != nil {
		// The server closes a connection on which less came than was said.
		s.e.settings.Log.Debug("whole pieces end early", "to", c.RemoteAddr(), "reason", err)
	}
}

// busy sends who asks back to the engine's own protocol.
func busy(w http.ResponseWriter) { http.Error(w, "ask again later", http.StatusServiceUnavailable) }

// asked reads a path. t is nil for what is none of ours.
func (s *nearServer) asked(path string) (t *Torrent, begin, end int) {
	rest, ok := strings.CutPrefix(path, nearPath)
	if !ok {
		return nil, 0, 0
	}
	name, span, _ := strings.Cut(rest, "/")
	from, to, _ := strings.Cut(span, "-")
	hash, err := hex.DecodeString(name)
	begin, err1 := strconv.Atoi(from)
	end, err2 := strconv.Atoi(to)
	if err != nil || err1 != nil || err2 != nil || len(hash) != infohash.Size {
		return nil, 0, 0
	}
	s.e.mu.Lock()
	t = s.e.byShort[infohash.T(hash)]
	s.e.mu.Unlock()
	if t == nil || begin < 0 || end <= begin || end > t.pieces || end-begin > max(1, int(nearMost/t.pieceLength)) {
		return nil, 0, 0
	}
	return t, begin, end
}

// nearOnly says whether a connected peer is at an address, and whether the one peer is that lacks something. Two would
// pass on to each other what they get.
func (t *Torrent) nearOnly(at net.Addr) (here, only bool) {
	conns := t.t.PeerConns()
	lacking, lacks := map[torrent.PeerID]bool{}, false
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	for _, pc := range conns {
		there := hostOf(pc.RemoteAddr.String()) == hostOf(at.String())
		here = here || there
		if h := t.e.holders[pc]; h != nil && h.all {
			continue
		}
		lacking[pc.PeerID] = true
		lacks = lacks || there
	}
	return here, lacks && len(lacking) == 1 && t.complete()
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// send writes pieces to who asked, until it is no more the only one to give to.
func (s *nearServer) send(w http.ResponseWriter, t *Torrent, store *opened, c *shapedConn, begin, end int) error {
	control := http.NewResponseController(w)
	buf := make([]byte, nearChunk)
	looked := int64(0)
	for i := begin; i < end; i++ {
		from, length := store.piece(i)
		for off := int64(0); off < length; {
			most := int64(len(buf))
			if s.e.up.Limits(&t.flows.up) {
				most = turn
			}
			part := buf[:min(most, length-off)]
			if n, err := from.ReadAt(part, off); n < len(part) {
				if err == nil {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
			if err := control.SetWriteDeadline(time.Now().Add(nearStall)); err != nil {
				return err
			}
			if _, err := w.Write(part); err != nil {
				return err
			}
			off += int64(len(part))
			t.near.sent.Add(int64(len(part)))
			if looked += int64(len(part)); looked >= nearLook {
				looked = 0
				if _, only := t.nearOnly(c.RemoteAddr()); !only {
					return errNotAlone
				}
				if nc, ok := c.Conn.(*nearConn); ok {
					nc.served()
				}
			}
		}
	}
	return nil
}
