package webseed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/netguard"
)

// source is one URL. Its fields but address and host are guarded by fetch.mu.
type source struct {
	address
	host *host

	dead   bool
	until  time.Time // it is left alone
	failed int       // times in a row
	told   bool      // that it fails
	rate   float64   // bytes a second of one connection
	size   int64     // of the last range
	whole  bool      // it ignores ranges
	files  map[int]version
}

// host is what URLs of one machine share. Guarded by fetch.mu.
type host struct {
	allowed int // connections
}

// version is which one of a file a server has.
type version struct {
	etag, modified string
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

// open asks for bytes of a file. The body begins with them.
func (f *fetch) open(ctx context.Context, s *source, file int, off, length int64) (io.ReadCloser, error) {
	t := f.o.Torrent
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.of(t, file), nil)
	if err != nil {
		return nil, gone("its address is no URL")
	}
	req.Header.Set("User-Agent", f.o.Agent)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	f.mu.Lock()
	before, known := s.files[file]
	f.mu.Unlock()
	if mark := cmp.Or(before.etag, before.modified); mark != "" {
		req.Header.Set("If-Range", mark)
	}
	client := http.Client{Transport: f.o.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, judgeFailure(err)
	}
	now := versionOf(res.Header)
	if err := judgeAnswer(res, t.Files[file].Length, off, length); err != nil {
		res.Body.Close()
		return nil, err
	}
	if known && (now.etag != before.etag || now.modified != before.modified) {
		res.Body.Close()
		return nil, gone("the file changed while it was fetched")
	}
	f.mu.Lock()
	s.files[file] = now
	s.whole = s.whole || res.StatusCode == http.StatusOK && off > 0
	alone := f.alone(s)
	f.mu.Unlock()
	if res.StatusCode == http.StatusOK && off > 0 {
		if off > skipBytes && !alone {
			res.Body.Close()
			return nil, gone("it ignores ranges")
		}
		if err := f.skip(ctx, res.Body, off); err != nil {
			res.Body.Close()
			return nil, err
		}
	}
	return res.Body, nil
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

// judgeFailure is why there is no answer. A proxy that wants a password will want it the next time too.
func judgeFailure(err error) error {
	if p, ok := errors.AsType[*netguard.ProxyError](err); ok {
		if p.Code == http.StatusProxyAuthRequired {
			return gone("%v", p)
		}
		return &laterError{p.Error(), 0}
	}
	return plain(err)
}

// judgeAnswer is nil if an answer is about the file that was asked for.
func judgeAnswer(res *http.Response, size, off, length int64) error {
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		if res.ContentLength >= 0 && res.ContentLength != size {
			return gone("its file has %d bytes, the torrent's %d", res.ContentLength, size)
		}
	case code == http.StatusPartialContent:
		from, to, total, ok := contentRange(res.Header.Get("Content-Range"))
		switch {
		case !ok:
			return gone("its answer does not say which bytes it holds")
		case total >= 0 && total != size:
			return gone("its file has %d bytes, the torrent's %d", total, size)
		case from != off || to != off+length-1:
			return gone("it sends bytes %d to %d where %d to %d were asked for", from, to, off, off+length-1)
		}
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return &laterError{"it is busy: " + status(code), retryAfter(res.Header.Get("Retry-After"))}
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return &laterError{"it answers " + status(code), 0}
	case code == http.StatusProxyAuthRequired:
		return gone("the proxy on the way to it answers %s: it wants a name and a password, as in HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT", status(code))
	case code == http.StatusRequestedRangeNotSatisfiable:
		return gone("its file is shorter than the torrent's")
	default:
		return gone("it answers %s", status(code))
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return gone("it sends %q encoding that was not asked for", e)
	}
	return nil
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// contentRange reads "bytes 0-99/1000"; total is -1 for "*".
func contentRange(s string) (from, to, total int64, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), "bytes ")
	if !ok {
		return 0, 0, 0, false
	}
	span, size, ok1 := strings.Cut(rest, "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !ok1 || !ok2 {
		return 0, 0, 0, false
	}
	from, err1 := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	to, err2 := strconv.ParseInt(strings.TrimSpace(last), 10, 64)
	total = -1
	var err3 error
	if size = strings.TrimSpace(size); size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	return from, to, total, err1 == nil && err2 == nil && err3 == nil && from >= 0 && to >= from && total >= -1
}

// versionOf is what tells two versions of a file apart. A weak mark is none: bytes may differ under it.
func versionOf(h http.Header) version {
	v := version{etag: h.Get("ETag"), modified: h.Get("Last-Modified")}
	if strings.HasPrefix(v.etag, "W/") {
		v.etag = ""
	}
	return v
}

// retryAfter reads seconds or a date.
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return min(time.Duration(max(n, 0))*time.Second, waitMost)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(time.Until(at), 0), waitMost)
	}
	return 0
}

// plain is err without the URL that net/http puts before it, which may hold a password.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// redact is a URL without its password, as far as it is one.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "that is no URL"
	}
	if u.User != nil {
		u.User = url.User("…")
	}
	s, err := url.PathUnescape(u.String())
	if err != nil || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return u.String()
	}
	return s
}

// ended notes how a range went.
func (f *fetch) ended(s *source, n int64, took time.Duration, err error) {
	_, isGone := errors.AsType[*goneError](err)
	_, isBlocked := errors.AsType[*netguard.BlockedError](err)
	_, isRedirect := errors.AsType[*netguard.RedirectError](err)
	if isGone || isBlocked || isRedirect {
		f.lost(s, err)
		return
	}
	if f.o.Answered != nil {
		f.o.Answered(err, false)
	}
	if why := f.note(s, n, took, err); why != "" {
		f.tell(why)
	}
}

// note keeps what a range says of its server, and gives what the user should hear.
func (f *fetch) note(s *source, n int64, took time.Duration, err error) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n > 0 {
		rate := float64(n) / max(took.Seconds(), 1e-4)
		if s.rate == 0 {
			s.rate = rate
		}
		s.rate += (rate - s.rate) / 2
		s.size = max(n, firstRange)
	}
	if err == nil {
		s.failed = 0
		return ""
	}
	wait := min(f.o.patience.backoff<<min(s.failed, 10), backoffMost)
	if later, ok := errors.AsType[*laterError](err); ok && later.wait > 0 {
		wait = later.wait
	}
	s.failed++
	s.until = time.Now().Add(wait)
	f.o.Log.Debug("a web seed fails", "url", redact(s.base.String()), "reason", err, "wait", wait)
	if s.told {
		return ""
	}
	s.told = true
	return fmt.Sprintf("the web seed %s is left alone for %v: %v", redact(s.base.String()), wait.Round(time.Millisecond), err)
}

// lost gives a server up for what it answered.
func (f *fetch) lost(s *source, err error) {
	f.drop(s, err)
	if f.o.Answered != nil {
		f.o.Answered(err, true)
	}
}

// drop gives a server up.
func (f *fetch) drop(s *source, err error) {
	f.mu.Lock()
	was := s.dead
	s.dead = true
	f.mu.Unlock()
	if !was {
		f.tell(fmt.Sprintf("the web seed %s is not used any more: %v", redact(s.base.String()), err))
	}
}
