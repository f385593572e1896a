package rogue

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Fault is a misbehaviour of a WebSeed.
type Fault int

// The faults.
const (
	NoFault     Fault = iota // serves correctly
	IgnoreRange              // 200 with the whole file, whatever the range
	Redirect                 // 302 to Target
	Forbidden                // 403
	NotFound                 // 404
	ServerError              // 500
	Slow                     // a few bytes per second
	WrongBytes               // the right length, other bytes
	Hang                     // accepts the request and never answers
)

// WebSeed serves a folder with one fault.
type WebSeed struct {
	Root   string // the folder
	Fault  Fault
	Target string // of Redirect; the request's path is appended

	Requests atomic.Int64
}

// ServeHTTP implements http.Handler.
func (s *WebSeed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Requests.Add(1)
	switch s.Fault {
	case NoFault:
		http.FileServer(http.Dir(s.Root)).ServeHTTP(w, r)
	case IgnoreRange:
		r.Header.Del("Range")
		http.FileServer(http.Dir(s.Root)).ServeHTTP(w, r)
	case Redirect:
		http.Redirect(w, r, s.Target+r.URL.Path, http.StatusFound)
	case Forbidden:
		http.Error(w, "no", http.StatusForbidden)
	case NotFound:
		http.NotFound(w, r)
	case ServerError:
		http.Error(w, "no", http.StatusInternalServerError)
	case Slow:
		http.FileServer(http.Dir(s.Root)).ServeHTTP(&dripping{w, r}, r)
	case WrongBytes:
		http.FileServer(http.Dir(s.Root)).ServeHTTP(flipping{w}, r)
	case Hang:
		<-r.Context().Done()
	}
}

// dripping writes ten bytes every half second.
type dripping struct {
	http.ResponseWriter
	r *http.Request
}

func (d *dripping) Write(b []byte) (int, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for n < len(b) {
		m, err := d.ResponseWriter.Write(b[n:min(n+10, len(b))])
		n += m
		if err != nil {
			return n, err
		}
		_ = http.NewResponseController(d.ResponseWriter).Flush()
		select {
		case <-tick.C:
		case <-d.r.Context().Done():
			return n, d.r.Context().Err()
		}
	}
	return n, nil
}

// flipping inverts every byte of a body.
type flipping struct{ http.ResponseWriter }

func (f flipping) Write(b []byte) (int, error) {
	c := make([]byte, len(b))
	for i := range b {
		c[i] = ^b[i]
	}
	return f.ResponseWriter.Write(c)
}
