package webseed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// source is one URL. Except for address and host, fetch.mu guards its fields.
type source struct {
	address
	host *host

	dead      bool
	exhausted bool      // it will not send any missing piece
	why       string    // the reason for dead, or the last failure
	until     time.Time // it is not asked before
	nothing   time.Time // when a look last found nothing to request
	failed    int       // consecutive failures
	warned    bool      // a failure was reported
	said      int       // messages about its files
	rate      float64   // of one connection, bytes per second
	size      int64     // of the last range, bytes
	ignored   int       // consecutive ranges that it ignored

	files                  map[int]*fileState // only those about which something is known
	wrong                  map[int]int        // how often a piece did not match its hash
	rightBytes, wrongBytes int64
	good                   int64 // right pieces
	lost                   int   // files that it does not have

	version   string // of a file in the last answer
	versionOf int    // that file
	mixed     bool   // its answers have different versions of a file
}

// ignoresRanges says whether the server ignores ranges.
func (s *source) ignoresRanges() bool { return s.ignored >= ignoredTries }

// shown returns the address in readable form, without secrets.
func (s *source) shown() string {
	text := webaddr.RedactURL(s.base.String())
	if plain, err := url.PathUnescape(text); err == nil && !strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' }) {
		return plain
	}
	return text
}

// host is shared by the URLs of one machine. Guarded by fetch.mu.
type host struct {
	allowed int // connections
}

var (
	errStalled = errors.New("it stopped sending")
	errSlow    = errors.New("it sends almost nothing")
)

// goneError reports a server that is of no use and not asked again.
type goneError struct {
	why    string
	warned bool // Options.HTTP has already reported it
}

func (e *goneError) Error() string { return e.why }

func gone(format string, args ...any) error { return &goneError{why: fmt.Sprintf(format, args...)} }

// laterError reports a server that said when to come back, or that has a problem.
type laterError struct {
	why  string
	wait time.Duration // 0: it did not say
}

func (e *laterError) Error() string { return e.why }

// refusedError reports a file that a server does not have, or not from end on.
type refusedError struct {
	why    string
	end    int64 // 0: it has nothing of it
	mirror bool  // a server that it redirected to said so
}

func (e *refusedError) Error() string { return e.why }

// open requests bytes of a file. The body starts with them, and has at most n of them.
func (f *fetch) open(ctx context.Context, s *source, file int, off, length int64) (r io.ReadCloser, n int64, err error) {
	t := f.o.Torrent
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.of(t, file), nil)
	if err != nil {
		return nil, 0, gone("its address is not a URL")
	}
	req.Header.Set("User-Agent", f.o.Agent)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	client := http.Client{Transport: f.o.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, judgeFailure(s, err)
	}
	b, err := judgeAnswer(res, t.Files[file].Length, off, length)
	if err == nil {
		err = f.mayIgnore(s, res.StatusCode, off)
	}
	if err == nil {
		err = f.skip(ctx, res.Body, b.skip)
	}
	if err != nil {
		res.Body.Close()
		if refused, ok := errors.AsType[*refusedError](err); ok {
			refused.mirror = res.Request != nil && res.Request.URL.String() != req.URL.String()
		}
		return nil, 0, err
	}
	f.compare(s, file, res.Header)
	return res.Body, b.bytes, nil
}

// mayIgnore records whether a range was ignored, and returns nil if the bytes before it may be read. A mirror that ignores
// ranges is often one of several.
func (f *fetch) mayIgnore(s *source, code int, off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case code != http.StatusOK:
		s.ignored = 0
	case off > 0:
		s.ignored++
		if off > skipBytes && !(s.ignoresRanges() && f.alone(s)) {
			return &laterError{"it ignores ranges", 0}
		}
	}
	return nil
}

// openPieces requests whole pieces, with length bytes in total.
func (f *fetch) openPieces(ctx context.Context, s *source, r run, length int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.String()+f.o.Path(r.begin, r.end), nil)
	if err != nil {
		return nil, gone("its address is not a URL")
	}
	req.Header.Set("User-Agent", f.o.Agent)
	res, err := f.o.HTTP.RoundTrip(req)
	switch {
	case err != nil:
		return nil, plain(err)
	case res.StatusCode == http.StatusServiceUnavailable:
		err = &laterError{"it is busy with other peers", 0}
	case res.StatusCode == http.StatusNotFound: // the answer to peers that are not connected
		err = &laterError{"it does not know us yet", 0}
	case res.StatusCode != http.StatusOK:
		err = gone("it answers %s", status(res.StatusCode))
	case res.ContentLength != length:
		err = gone("it sends %d bytes instead of %d", res.ContentLength, length)
	default:
		return res.Body, nil
	}
	res.Body.Close()
	return nil, err
}

// skip reads and discards the n bytes before the requested range.
func (f *fetch) skip(ctx context.Context, body io.Reader, n int64) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		k, err := body.Read(buf[:min(n, int64(len(buf)))])
		n -= int64(k)
		if werr := f.o.Limit.Wait(ctx, k); werr != nil {
			return werr
		}
		if err != nil && n > 0 {
			return plain(err)
		}
	}
	return nil
}

// judgeFailure classifies a request without an answer. A proxy that requires a password and an address that the guard refuses
// are permanent; but the target of a redirect concerns only the file.
func judgeFailure(s *source, err error) error {
	if p, ok := errors.AsType[*netguard.ProxyError](err); ok {
		if p.Code == http.StatusProxyAuthRequired {
			return gone("%v", p)
		}
		return &laterError{p.Error(), 0}
	}
	if r, ok := errors.AsType[*netguard.RedirectError](err); ok {
		return &refusedError{why: r.Error(), mirror: true}
	}
	if b, ok := errors.AsType[*netguard.BlockedError](err); ok {
		if strings.EqualFold(b.Host, s.base.Hostname()) {
			return &goneError{why: b.Error(), warned: true}
		}
		return &refusedError{why: b.Error(), mirror: true}
	}
	return plain(err)
}

// plain strips the URL that net/http puts before an error, because it may contain a password.
func plain(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err) // nested clients add it twice
		if !ok {
			return err
		}
		err = u.Err
	}
}

// finish records how a request to s went. Errors of a server that was asked instead of s, for parts that s does not have,
// count for that server.
func (f *fetch) finish(s *source, w *filler, took time.Duration, err error) {
	f.recordSpeed(s, w.total, took)
	if f.o.Answered != nil {
		_, isGone := errors.AsType[*goneError](err)
		f.o.Answered(err, isGone)
	}
	if err == nil {
		f.succeeded(s)
		return
	}
	if isGone, ok := errors.AsType[*goneError](err); ok {
		f.drop(w.asked, isGone, isGone.warned)
		return
	}
	why := ""
	if refused, ok := errors.AsType[*refusedError](err); ok {
		why = f.recordRefusal(w.asked, w.file, refused)
	} else {
		why = f.recordFailure(w.asked, w.file, w.piece > w.first, err)
	}
	if why != "" {
		f.tell(why)
	}
}

// recordSpeed records how fast a range came.
func (f *fetch) recordSpeed(s *source, n int64, took time.Duration) {
	if n == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	rate := float64(n) / max(took.Seconds(), 1e-4)
	if s.rate == 0 {
		s.rate = rate
	}
	s.rate += (rate - s.rate) / 2
	s.size = max(n, firstRange)
}

// succeeded records that a range came.
func (f *fetch) succeeded(s *source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.failed, s.why = 0, ""
}

// fileSucceeded records that the requested bytes of a file came.
func (f *fetch) fileSucceeded(s *source, file int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if st := s.files[file]; st != nil {
		st.failed = 0
	}
}

// backoff returns the pause after a number of consecutive failures.
func (f *fetch) backoff(failed int) time.Duration {
	return min(f.o.patience.backoff<<min(failed-1, 10), backoffMost)
}

// recordFailure records that a file or the whole server failed, and returns the message for the user. some: pieces came before.
func (f *fetch) recordFailure(s *source, file int, some bool, err error) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	later, busy := errors.AsType[*laterError](err)
	busy = busy && later.wait > 0
	s.failed, s.why = s.failed+1, err.Error()
	if s.failed >= serverFails {
		s.dead = true
		return fmt.Sprintf("the web seed %s is no longer used: it failed %d times in a row: %v", s.shown(), s.failed, err)
	}
	wait := f.backoff(s.failed)
	if busy {
		wait = later.wait
	}
	if !f.o.Near && !some && !busy {
		st := s.state(file)
		if st.failed++; st.failed == 1 {
			st.since = s.good
		}
		if st.failed >= failsEver || st.failed >= failsMost && s.good > st.since {
			return f.giveUp(s, file, st, fmt.Sprintf("it failed %d times in a row: %v", st.failed, err))
		}
		st.until = time.Now().Add(f.backoff(st.failed))
	}
	// As far as we know, a single failure concerns the file. After more failures other files are tried first: if all
	// connections are stuck on the same file, the server would never be used for anything else.
	if f.o.Near || some || busy || s.failed > 1 {
		s.until = time.Now().Add(wait)
		if st := s.files[file]; st != nil && st.failed > 0 {
			st.until = s.until.Add(f.backoff(st.failed))
		}
	}
	f.o.Log.Debug("a web seed fails", "url", s.shown(), "file", file, "reason", err, "wait", wait)
	if s.warned {
		return ""
	}
	s.warned = true
	return fmt.Sprintf("the web seed %s is paused for %v: %v", s.shown(), wait.Round(time.Millisecond), err)
}

// drop gives up a server and reports that, unless the user already knows.
func (f *fetch) drop(s *source, err error, warned bool) {
	f.mu.Lock()
	was := s.dead
	s.dead, s.why = true, err.Error()
	f.mu.Unlock()
	if !was && !warned {
		f.tell(fmt.Sprintf("the web seed %s is no longer used: %v", s.shown(), err))
	}
}
