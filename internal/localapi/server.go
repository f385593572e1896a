package localapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Options of a Server.
type Options struct {
	Backend Backend
	Home    string
	Version string // of the program
	Log     *slog.Logger
	End     func() // ends the daemon, from any goroutine; nil: a client cannot

	GroupsAlone bool // serve nothing but what is asked of groups
}

// Server serves a Backend.
type Server struct {
	opts    Options
	streams chan struct{} // a place for each that runs
	calls   chan struct{}
	routes  map[string]http.HandlerFunc // by method and path; a ServeMux would answer to paths like it too
}

// errEnding is the cause of what ends because the server does.
var errEnding = errors.New("the daemon is ending")

// NewServer makes a server; Serve runs it.
func NewServer(o Options) *Server {
	s := &Server{opts: o, streams: make(chan struct{}, maxStreams), calls: make(chan struct{}, maxCalls), routes: map[string]http.HandlerFunc{}}
	b := o.Backend
	s.routes["GET "+pathVersion] = s.version
	stream(s, pathGroup, b.Group)
	stream(s, pathCatalog, b.Catalog)
	if o.GroupsAlone {
		return s
	}
	s.routes["POST "+pathEnd] = s.end
	stream(s, pathPublish, noResult(b.Publish))
	stream(s, pathFetch, noResult(b.Fetch))
	stream(s, pathSeed, noResult(b.Seed))
	stream(s, pathRepair, noResult(b.Repair))
	stream(s, pathVerify, b.Verify)
	stream(s, pathDoctor, b.Doctor)
	call(s, pathStatus, b.Status)
	call(s, pathChange, b.Change)
	call(s, pathRemove, b.Remove)
	call(s, pathLimit, b.Limit)
	return s
}

func noResult[R any](do func(context.Context, R, func(node.Event)) error) func(context.Context, R, func(node.Event)) (*struct{}, error) {
	return func(ctx context.Context, r R, on func(node.Event)) (*struct{}, error) { return nil, do(ctx, r, on) }
}

// Serve answers on l, which it closes, until ctx ends; then every request is ended, told so, and waited for. The
// error is that of l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	h := &http.Server{
		Handler: panics.Handler(s, s.opts.Log), ReadTimeout: headerTime, ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelWarn),
	}
	// An idle connection would take a place from a request, and a new one costs next to nothing.
	h.SetKeepAlivesEnabled(false)
	served := make(chan error, 1)
	go func() { served <- panics.Catch(func() error { return h.Serve(guard(l, maxConns, s.opts.Log)) }) }()
	select {
	case err := <-served:
		cut(errEnding)
		return errors.Join(fmt.Errorf("serving the socket: %w", err), s.shutdown(h))
	case <-ctx.Done():
	}
	cut(errEnding)
	err := s.shutdown(h)
	<-served
	return err
}

func (s *Server) shutdown(h *http.Server) error {
	late, stop := context.WithTimeout(context.Background(), endWait)
	defer stop()
	if err := h.Shutdown(late); err != nil {
		s.opts.Log.Warn("requests are cut off at the end", "error", err)
		return h.Close()
	}
	return nil
}

// ServeHTTP is for Serve; it judges who asks before any handler sees the request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(headerAPI, strconv.Itoa(api))
	w.Header().Set(headerProgram, s.opts.Version)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if no := checkCaller(r); no != nil {
		s.opts.Log.Warn("a request is refused", "error", no.err)
		s.refuse(w, no)
		return
	}
	do := s.routes[r.Method+" "+r.URL.Path]
	if do == nil {
		s.refuse(w, refuse(http.StatusNotFound, codePath, fault.NotFound, "p2pshare %s does not serve %s %q", s.opts.Version, r.Method, r.URL.Path))
		return
	}
	do(w, r)
}

func (s *Server) refuse(w http.ResponseWriter, no *refusal) {
	p := problemOf(no.err)
	p.Code = no.code
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.reply(w, no.status, answer{Problem: p})
}

func (s *Server) reply(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		s.opts.Log.Error("an answer is lost", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		s.opts.Log.Debug("no write deadline", "error", err)
	}
	if _, err := w.Write(b); err != nil {
		s.opts.Log.Debug("the caller has gone", "error", err)
	}
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, http.StatusOK, About{Version: s.opts.Version, API: api, PID: os.Getpid(), Home: s.opts.Home})
}

func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	if _, no := read[struct{}](r.Body); no != nil {
		s.refuse(w, no)
		return
	}
	if s.opts.End == nil {
		s.refuse(w, refuse(http.StatusForbidden, "", fault.Denied, "this daemon is not ended by a client"))
		return
	}
	s.reply(w, http.StatusOK, answer{})
	s.opts.End()
}

// call serves a plain request.
func call[R, A any](s *Server, path string, do func(context.Context, R) (A, error)) {
	s.routes["POST "+path] = func(w http.ResponseWriter, r *http.Request) {
		req, no := read[R](r.Body)
		if no != nil {
			s.refuse(w, no)
			return
		}
		wait := time.NewTimer(callWait)
		defer wait.Stop()
		select {
		case s.calls <- struct{}{}:
			defer func() { <-s.calls }()
		case <-wait.C:
			s.refuse(w, busy(maxCalls))
			return
		case <-r.Context().Done():
			s.refuse(w, ending())
			return
		}
		v, err := guarded(s, func() (A, error) { return do(r.Context(), req) })
		s.reply(w, http.StatusOK, s.ended(r.Context(), v, err))
	}
}

func busy(n int) *refusal {
	no := refuse(http.StatusServiceUnavailable, codeBusy, fault.Failed, "the daemon is busy with %d requests of this kind", n)
	no.err = fault.Hint(no.err, "try again later; p2pshare status shows what goes on")
	return no
}

func ending() *refusal {
	return &refusal{http.StatusServiceUnavailable, codeEnding, errEnding}
}

// ended is how a request ended, as it travels.
func (s *Server) ended(ctx context.Context, v any, err error) end {
	e := end{Ending: errors.Is(context.Cause(ctx), errEnding)}
	switch {
	case err != nil:
		e.Problem = problemOf(err)
		if e.Ending && e.Problem.Cause == causeCanceled {
			e.Problem.Code = codeEnding
		}
	case v != nil:
		if e.Result, err = encode(v); err != nil {
			e.Problem = problemOf(err)
		}
	}
	return e
}

// guarded turns a panic into an error: one request that meets a bug does not take every share off the network.
// Should a lock be left held by it, the watchdog notices. A bug that a goroutine of the request has met is told likewise.
func guarded[A any](s *Server, do func() (A, error)) (v A, err error) {
	err = panics.Catch(func() (err error) {
		v, err = do()
		return err
	})
	if bug := panics.In(err); bug != nil {
		bug.Log(s.opts.Log, "a request")
		err = fault.Hint(fmt.Errorf("internal error of the daemon: %v", bug.Value), "this is a bug in p2pshare; p2pshare log has its trace")
	}
	return v, err
}

// guard is l with at most n connections at a time, all of them from this user.
func guard(l net.Listener, n int, log *slog.Logger) net.Listener {
	return &guardedListener{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{}), log: log}
}

type guardedListener struct {
	net.Listener
	places chan struct{}
	log    *slog.Logger

	once   sync.Once
	closed chan struct{}
}

func (g *guardedListener) Accept() (net.Conn, error) {
	for {
		select {
		case g.places <- struct{}{}:
		case <-g.closed:
			return nil, net.ErrClosed
		}
		c, err := g.Listener.Accept()
		if err != nil {
			<-g.places
			return nil, err
		}
		if err := checkPeer(c, false); err != nil {
			g.log.Warn("a connection is refused", "error", err)
			c.Close()
			<-g.places
			continue
		}
		return &placedConn{Conn: c, leave: sync.OnceFunc(func() { <-g.places })}, nil
	}
}

func (g *guardedListener) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

// placedConn gives its place back when it is closed.
type placedConn struct {
	net.Conn
	leave func()
}

func (c *placedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
