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

// source is one URL. Its fields but address and host are guarded by fetch.mu.
type source struct {
	address
	host *host

	dead    bool
	spent   bool      // nothing that is missing will come from it
	why     string    // it is dead, or failed the last time
	until   time.Time // it is left alone
	nothing time.Time // when a look last found nothing to ask it for
	failed  int       // times in a row
	told    bool      // that it fails
	said    int       // messages about its files
	rate    float64   // bytes a second of one connection
	size    int64     // of the last range
	ignored int       // ranges in a row that it ignored

	files                  map[int]*standing // those of which something is known
	wrong                  map[int]int       // pieces that did not fit their hash, and how often
	rightBytes, wrongBytes int64
	good                   int64 // pieces that were right
	lost                   int   // files that it does not give

	version   string // of a file, by the last answer
	versionOf int    // that file
	mixed     bool   // its answers are of several versions
}

// whole says that it ignores ranges.
func (s *source) whole() bool { return s.ignored >= ignoredTries }

// shown is its address, readable and without what may be secret in it.
func (s *source) shown() string {
	text := webaddr.RedactURL(s.base.String())
	if plain, err := url.PathUnescape(text); err == nil && !strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' }) {
		return plain
	}
	return text
}

// host is what URLs of one machine share. Guarded by fetch.mu.
type host struct {
	allowed int // connections
}

var (
	errStalled = errors.New("it sends nothing any more")
	errSlow    = errors.New("it sends almost nothing")
)

// goneError is a server that is of no use: it is not asked again.
type goneError struct{ why string }

func (e *goneError) Error() string { return e.why }

func gone(format string, args ...any) error { return &goneError{fmt.Sprintf(format, args...)} }

// laterError is a server that said when to come back, or that is in trouble.
type laterError struct {
	why  string
	wait time.Duration // 0: it did not say
}

func (e *laterError) Error() string { return e.why }

// refusedError is a file that a server does not give, or not from end on.
type refusedError struct {
	why    string
	end    int64 // 0: it does not give any of it
	mirror bool  // another server said so, to which it redirected
}

func (e *refusedError) Error() string { return e.why }

// open asks for bytes of a file. The body begins with them, and holds n of them at most.
func (f *fetch) open(ctx context.Context, s *source, file int, off, length int64) (r io.ReadCloser, n int64, err error) {
	t := f.o.Torrent
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.of(t, file), nil)
	if err != nil {
		return nil, 0, gone("its address is no URL")
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

// mayIgnore notes whether a range was ignored, and is nil if what lies before it may be read. A mirror that ignores ranges
// is often one of several.
func (f *fetch) mayIgnore(s *source, code int, off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case code != http.StatusOK:
		s.ignored = 0
	case off > 0:
		s.ignored++
		if off > skipBytes && !(s.whole() && f.alone(s)) {
			return &laterError{"it ignores ranges", 0}
		}
	}
	return nil
}

// openPieces asks for whole pieces, of which there are length bytes.
func (f *fetch) openPieces(ctx context.Context, s *source, r run, length int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.String()+f.o.Path(r.begin, r.end), nil)
	if err != nil {
		return nil, gone("its address is no URL")
	}
	req.Header.Set("User-Agent", f.o.Agent)
	res, err := f.o.HTTP.RoundTrip(req)
	switch {
	case err != nil:
		return nil, plain(err)
	case res.StatusCode == http.StatusServiceUnavailable:
		err = &laterError{"it gives to others now", 0}
	case res.StatusCode == http.StatusNotFound: // as for who is not connected
		err = &laterError{"it does not know us yet", 0}
	case res.StatusCode != http.StatusOK:
		err = gone("it answers %s", status(res.StatusCode))
	case res.ContentLength != length:
		err = gone("it sends %d bytes where %d were asked for", res.ContentLength, length)
	default:
		return res.Body, nil
	}
	res.Body.Close()
	return nil, err
}

// skip reads what lies before a range that was ignored.
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

// judgeFailure is why there is no answer. A proxy that wants a password will want it the next time too, and what the guard
// refuses it will refuse again; but where a server redirects to it is about the file.
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
			return gone("%v", b)
		}
		return &refusedError{why: b.Error(), mirror: true}
	}
	return plain(err)
}

// plain is err without the URL that net/http puts before it, which may hold a password.
func plain(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err) // a client in a client says it twice
		if !ok {
			return err
		}
		err = u.Err
	}
}

// ended notes how a range went that s was asked for. What another was asked for with it, because s does not give it, is
// about that one.
func (f *fetch) ended(s *source, w *filler, took time.Duration, err error) {
	f.note(s, w.total, took)
	if f.o.Answered != nil {
		_, isGone := errors.AsType[*goneError](err)
		f.o.Answered(err, isGone)
	}
	if err == nil {
		f.went(s)
		return
	}
	if isGone, ok := errors.AsType[*goneError](err); ok {
		f.drop(w.asked, isGone)
		return
	}
	why := ""
	if refused, ok := errors.AsType[*refusedError](err); ok {
		why = f.refuse(w.asked, w.file, refused)
	} else {
		why = f.fails(w.asked, w.file, w.piece > w.first, err)
	}
	if why != "" {
		f.tell(why)
	}
}

// note keeps how fast a range came.
func (f *fetch) note(s *source, n int64, took time.Duration) {
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

// went notes that a range came.
func (f *fetch) went(s *source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.failed, s.why = 0, ""
}

// came notes that the bytes of a file came which were asked for.
func (f *fetch) came(s *source, file int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if st := s.files[file]; st != nil {
		st.failed, st.refused = 0, 0
	}
}

// wait is how long to leave alone what failed so often in a row.
func (f *fetch) wait(failed int) time.Duration {
	return min(f.o.patience.backoff<<min(failed-1, 10), backoffMost)
}

// fails notes that a file, or the whole server, is in trouble, and gives what the user should hear. some: pieces came before.
func (f *fetch) fails(s *source, file int, some bool, err error) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	later, busy := errors.AsType[*laterError](err)
	busy = busy && later.wait > 0
	s.failed, s.why = s.failed+1, err.Error()
	if s.failed >= serverFails {
		s.dead = true
		return fmt.Sprintf("the web seed %s is not used any more: it failed %d times in a row: %v", s.shown(), s.failed, err)
	}
	wait := f.wait(s.failed)
	if busy {
		wait = later.wait
	}
	if !f.o.Near && !some && !busy {
		st := s.at(file)
		if st.failed++; st.failed == 1 {
			st.since = s.good
		}
		if st.failed >= failsEver || st.failed >= failsMost && s.good > st.since {
			return f.giveUp(s, file, st, fmt.Sprintf("it failed %d times in a row: %v", st.failed, err))
		}
		st.until = time.Now().Add(f.wait(st.failed))
	}
	// One failure is the file's, as far as is known. After more of them other files are tried before it: where all
	// connections have met the same one, nothing else would ever come of the server.
	if f.o.Near || some || busy || s.failed > 1 {
		s.until = time.Now().Add(wait)
		if st := s.files[file]; st != nil && st.failed > 0 {
			st.until = s.until.Add(f.wait(st.failed))
		}
	}
	f.o.Log.Debug("a web seed fails", "url", s.shown(), "file", file, "reason", err, "wait", wait)
	if s.told {
		return ""
	}
	s.told = true
	return fmt.Sprintf("the web seed %s is left alone for %v: %v", s.shown(), wait.Round(time.Millisecond), err)
}

// drop gives a server up.
func (f *fetch) drop(s *source, err error) {
	f.mu.Lock()
	was := s.dead
	s.dead, s.why = true, err.Error()
	f.mu.Unlock()
	if !was {
		f.tell(fmt.Sprintf("the web seed %s is not used any more: %v", s.shown(), err))
	}
}
