package node

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// redirects makes a transport of a client, so that its judgement of redirects holds for web seeds too.
type redirects struct {
	client  *http.Client
	refused func(error) error // is shown every error
}

func (r redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	again := req.Clone(req.Context())
	again.RequestURI = "" // a client refuses a request that has one
	res, err := r.client.Do(again)
	return res, r.refused(err)
}

// padless answers for the pads between files (BEP 47) itself: no web server has them, and the client asks
// for them as for any file, and drops the pieces that they are part of from a web seed that says 404. Every
// creator calls them .pad/ and their length.
type padless struct{ next http.RoundTripper }

// maxPad is longer than any pad, which is shorter than a piece.
const maxPad = 1 << 30

func (p padless) RoundTrip(req *http.Request) (*http.Response, error) {
	dir, name := path.Split(req.URL.Path)
	var length, from, to int64
	if !strings.HasSuffix(dir, "/.pad/") || !number(name, &length) || length > maxPad {
		return p.next.RoundTrip(req)
	}
	if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		from, to = 0, length-1
	}
	if from < 0 || to >= length || from > to {
		return p.next.RoundTrip(req)
	}
	h := http.Header{}
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, length))
	n := to - from + 1
	return &http.Response{
		Status: "206 Partial Content", StatusCode: http.StatusPartialContent,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: n, Request: req,
		Body: io.NopCloser(io.LimitReader(zeros{}, n)),
	}, nil
}

// number reads a name that is a decimal number and nothing else.
func number(name string, n *int64) bool {
	_, err := fmt.Sscanf(name, "%d", n)
	return err == nil && *n > 0 && fmt.Sprint(*n) == name
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
