package localapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// errSlow is the cause of what ends because its caller takes nothing.
var errSlow = errors.New("the caller does not read what happens")

// stream serves a request that reports events. When the caller goes, shuts down its sending half or stops to
// read, the request's context ends, and what that means is the node's to decide.
func stream[R, A any](s *Server, path string, do func(context.Context, R, func(node.Event)) (*A, error)) {
	s.routes["POST "+path] = func(w http.ResponseWriter, r *http.Request) {
		req, no := read[R](r.Body)
		if no != nil {
			s.refuse(w, no)
			return
		}
		select {
		case s.streams <- struct{}{}:
			defer func() { <-s.streams }()
		default:
			s.refuse(w, busy(maxStreams))
			return
		}
		ctx, detach := context.WithCancelCause(r.Context())
		defer detach(nil)
		q := newQueue()
		last := make(chan end, 1)
		go panics.Guard(func() {
			defer q.close()
			v, err := guarded(s, func() (any, error) { return result(do(ctx, req, s.hear(q, detach))) })
			last <- s.ended(r.Context(), v, err)
		}, func(bug *panics.Error) {
			bug.Log(s.opts.Log, "the end of a request")
			last <- end{Problem: problemOf(bug)}
		})()
		out := &lineWriter{w: w, control: http.NewResponseController(w)}
		out.begin()
		for {
			lines, more := q.take()
			if !more {
				break
			}
			if out.write(lines...) != nil {
				detach(errSlow) // and go on taking, until the node has let go
			}
		}
		e := <-last
		b, err := encode(line{End: &e})
		if err != nil {
			s.opts.Log.Error("the end of a request is lost", "error", err)
			return
		}
		if err := out.write(b); err != nil {
			s.opts.Log.Debug("a caller has gone", "path", path, "error", err)
		}
	}
}

// result keeps a nil pointer from becoming an any that is not nil.
func result[A any](v *A, err error) (any, error) {
	if v == nil {
		return nil, err
	}
	return v, err
}

// hear puts events into q. What q has no room for would be lost without a word, so the caller is detached instead.
func (s *Server) hear(q *queue, detach context.CancelCauseFunc) func(node.Event) {
	return func(e node.Event) {
		fits, err := q.add(e)
		switch {
		case err != nil:
			s.opts.Log.Error("an event is lost", "error", err)
		case !fits:
			detach(errSlow)
		}
	}
}

// lineWriter writes lines as they come. After its first error it writes nothing.
type lineWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// begin sends the header, by which the client knows that the request is under way.
func (l *lineWriter) begin() {
	l.w.Header().Set("Content-Type", typeLines)
	l.w.WriteHeader(http.StatusOK)
	l.write()
}

func (l *lineWriter) write(lines ...[]byte) error {
	if l.err != nil {
		return l.err
	}
	if l.err = l.control.SetWriteDeadline(time.Now().Add(writeTime)); l.err != nil {
		return l.err
	}
	for _, b := range lines {
		if _, l.err = l.w.Write(b); l.err != nil {
			return l.err
		}
	}
	l.err = l.control.Flush()
	return l.err
}
