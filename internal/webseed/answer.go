package webseed

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// body locates the requested bytes in the body of an answer.
type body struct {
	skip  int64 // bytes before them
	bytes int64 // maximum number of them
}

// judgeAnswer locates the bytes off to off+length of a file in an answer. Only headers that say which bytes they are count:
// total sizes, versions and encodings do not matter, because the hash decides about the bytes.
func judgeAnswer(res *http.Response, size, off, length int64) (body, error) {
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return wholeFile(res.ContentLength, size, off, length)
	case code == http.StatusPartialContent:
		return part(res, size, off, length)
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return body{}, &laterError{"busy: " + status(code), retryAfter(res.Header.Get("Retry-After"))}
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return body{}, &laterError{"it answers " + status(code), 0}
	case code == http.StatusProxyAuthRequired:
		return body{}, gone("the proxy answers %s: it requires a name and a password, as in HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT", status(code))
	case code == http.StatusRequestedRangeNotSatisfiable:
		_, _, total, _ := contentRange(res.Header.Get("Content-Range"))
		if total <= 0 || total > off+length {
			total = off
		}
		return body{}, shorter(total, size)
	default:
		return body{}, &refusedError{why: "it answers " + status(code)}
	}
}

// wholeFile handles an answer that ignores the range and has the given number of bytes; -1: unknown.
func wholeFile(bytes, size, off, length int64) (body, error) {
	if bytes >= 0 && bytes < off+length {
		return body{}, shorter(bytes, size)
	}
	return body{off, length}, nil
}

// part handles an answer with one range. Servers may send less than requested (RFC 9110, 15.3.7), and some do not say what
// they send.
func part(res *http.Response, size, off, length int64) (body, error) {
	text := res.Header.Get("Content-Range")
	from, to, total, ok := contentRange(text)
	switch n := res.ContentLength; {
	case text == "" && (n == length || n < 0):
		return body{0, length}, nil
	case text == "" && n == size:
		return wholeFile(n, size, off, length)
	case !ok:
		return body{}, &refusedError{why: fmt.Sprintf("its answer does not say which bytes it contains (Content-Range %q)", text)}
	case total >= 0 && total < off+length:
		return body{}, shorter(total, size)
	case from > off || to < off || off-from > skipBytes || to < off+length-1 && to-off+1 < leastAnswer:
		return body{}, &refusedError{why: fmt.Sprintf("it sends bytes %d to %d instead of %d to %d", from, to, off, off+length-1)}
	}
	return body{off - from, min(to-off+1, length)}, nil
}

// shorter reports a file that has only end bytes.
func shorter(end, size int64) error {
	return &refusedError{why: fmt.Sprintf("the file has %d bytes there, and %d in the torrent", end, size), end: end}
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// contentRange parses "bytes 0-99/1000", in upper or lower case, and the forms of servers that omit the total; total is -1 if
// it is unknown. For "bytes */1000" only the total is meaningful.
func contentRange(s string) (from, to, total int64, ok bool) {
	const unit = "bytes"
	if s = strings.TrimSpace(s); len(s) < len(unit) || !strings.EqualFold(s[:len(unit)], unit) {
		return 0, 0, -1, false
	}
	span, size, hasTotal := strings.Cut(strings.TrimLeft(s[len(unit):], " \t=:"), "/")
	total = -1
	if size = strings.TrimSpace(size); hasTotal && size != "*" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 {
			return 0, 0, -1, false
		}
		total = n
	}
	first, last, _ := strings.Cut(span, "-")
	from, err1 := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	to, err2 := strconv.ParseInt(strings.TrimSpace(last), 10, 64)
	return from, to, total, err1 == nil && err2 == nil && from >= 0 && to >= from
}

// retryAfter parses a number of seconds or a date.
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return min(time.Duration(max(n, 0))*time.Second, waitMost)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(time.Until(at), 0), waitMost)
	}
	return 0
}
