package webseed

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// body is what of an answer holds the bytes that were asked for.
type body struct {
	skip  int64 // bytes before them
	bytes int64 // how many of them there are at most
}

// judgeAnswer says where in an answer the bytes off to off+length of a file are. Only what says which bytes they are
// counts: sizes of the whole, marks of versions and encodings say nothing of the bytes, and their hash says all.
func judgeAnswer(res *http.Response, size, off, length int64) (body, error) {
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return wholeFile(res.ContentLength, size, off, length)
	case code == http.StatusPartialContent:
		return part(res, size, off, length)
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return body{}, &laterError{"it is busy: " + status(code), retryAfter(res.Header.Get("Retry-After"))}
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return body{}, &laterError{"it answers " + status(code), 0}
	case code == http.StatusProxyAuthRequired:
		return body{}, gone("the proxy on the way to it answers %s: it wants a name and a password, as in HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT", status(code))
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

// wholeFile is an answer that ignores the range, of so many bytes; -1: it does not say.
func wholeFile(bytes, size, off, length int64) (body, error) {
	if bytes >= 0 && bytes < off+length {
		return body{}, shorter(bytes, size)
	}
	return body{off, length}, nil
}

// part is an answer of one range. Servers may send less than was asked for (RFC 9110, 15.3.7), and some do not say what
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
		return body{}, &refusedError{why: fmt.Sprintf("its answer does not say which bytes it holds (Content-Range %q)", text)}
	case total >= 0 && total < off+length:
		return body{}, shorter(total, size)
	case from > off || to < off || off-from > skipBytes || to < off+length-1 && to-off+1 < leastAnswer:
		return body{}, &refusedError{why: fmt.Sprintf("it sends bytes %d to %d where %d to %d were asked for", from, to, off, off+length-1)}
	}
	return body{off - from, min(to-off+1, length)}, nil
}

// shorter is a file that has no more than end bytes.
func shorter(end, size int64) error {
	return &refusedError{why: fmt.Sprintf("it has %d bytes of it, and the torrent %d", end, size), end: end}
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// contentRange reads "bytes 0-99/1000", in any case and as servers write it that forget the total; total is -1 where it is
// not known. Of "bytes */1000" the total alone is of use.
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
