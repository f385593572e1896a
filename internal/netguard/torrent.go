package netguard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// MagnetError is returned by FetchTorrent if the address leads to a magnet link instead of a .torrent.
type MagnetError struct{ Link string }

func (e *MagnetError) Error() string { return "it leads to a magnet link" }

// maxMagnet bounds a magnet link that an address leads to, in bytes.
const maxMagnet = 64 << 10

// asMagnet returns a *MagnetError if s begins with a magnet link, else nil.
func asMagnet(s string) error {
	const scheme = "magnet:?"
	s = strings.TrimSpace(s)
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return nil
	}
	if end := strings.IndexAny(s, "\r\n\"<>"); end >= 0 {
		s = s[:end]
	}
	if len(s) > maxMagnet {
		return nil
	}
	return &MagnetError{s}
}

// magnets fails a request whose answer redirects to a magnet link, which http.Client cannot follow.
type magnets struct{ http.RoundTripper }

func (m magnets) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := m.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := asMagnet(res.Header.Get("Location")); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// FetchTorrent gets the bytes of a .torrent from an http or https address. client comes from Guard.Client. It checks
// the status, the size (64 MiB), that the bytes begin like a torrent and not like a web page, and the time (2
// minutes); the content is for the caller to check. Errors are fault errors and contain the redacted address; if a
// redirect or the answer is a magnet link, the error is a *MagnetError.
func FetchTorrent(ctx context.Context, client *http.Client, addr string) ([]byte, error) {
	return fetchTorrent(ctx, client, addr, maxTorrentSize)
}

func fetchTorrent(ctx context.Context, client *http.Client, addr string, limit int64) ([]byte, error) {
	outer, asked := ctx, addr
	addr = webaddr.RedactURL(addr)
	ctx, cancel := context.WithTimeout(ctx, torrentTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, asked, nil)
	if err != nil {
		return nil, fault.New(fault.Usage, "%q is not a web address: %w", addr, err)
	}
	req.Header.Set("Accept", "application/x-bittorrent, */*;q=0.1")
	c := *client
	c.Transport = magnets{client.Transport}
	resp, err := c.Do(req)
	if m, ok := errors.AsType[*MagnetError](err); ok {
		return nil, m
	}
	if err != nil {
		return nil, getting(outer, addr, err)
	}
	defer resp.Body.Close()
	if err := judgeStatus(addr, resp.StatusCode); err != nil {
		return nil, err
	}
	tooLarge := fault.New(fault.Failed, "getting %q: larger than %d bytes, the limit for a .torrent", addr, limit)
	if resp.ContentLength > limit {
		return nil, tooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, getting(outer, addr, err)
	}
	if int64(len(data)) > limit {
		return nil, tooLarge
	}
	if err := sniff(addr, resp.Header.Get("Content-Type"), data); err != nil {
		return nil, err
	}
	return data, nil
}

func judgeStatus(addr string, code int) error {
	kind, hint := fault.Failed, ""
	switch {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound || code == http.StatusGone:
		kind, hint = fault.NotFound, "check the address"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		kind, hint = fault.Denied, "get the .torrent with a browser and use the path of that file"
	case code == http.StatusTooManyRequests || code >= 500:
		hint = "the server has problems; try again later"
	}
	return fault.Hint(fault.New(kind, "getting %q: the server answered %d %s", addr, code, http.StatusText(code)), "%s", hint)
}

// sniff refuses early, and with a clear error, what is obviously not a torrent.
func sniff(addr, contentType string, data []byte) error {
	start := bytes.TrimLeft(data[:min(len(data), 512)], " \t\r\n\xef\xbb\xbf")
	if bytes.HasPrefix(bytes.ToLower(start), []byte("magnet:?")) {
		if err := asMagnet(strings.TrimLeft(string(data[:min(len(data), 2*maxMagnet)]), " \t\r\n\xef\xbb\xbf")); err != nil {
			return err
		}
	}
	switch {
	case len(data) == 0:
		return fault.New(fault.Failed, "getting %q: the answer is empty", addr)
	case bytes.HasPrefix(start, []byte("<")) || strings.HasPrefix(http.DetectContentType(data), "text/html"):
		return fault.Hint(fault.New(fault.Failed, "getting %q: this is a web page, not a .torrent", addr),
			"open the page and copy the address of the .torrent, or its magnet link")
	case data[0] != 'd':
		return fault.New(fault.Failed, "getting %q: not a .torrent (the server calls it %q)", addr, contentType)
	}
	return nil
}

func getting(outer context.Context, addr string, err error) error {
	if outer.Err() != nil {
		return outer.Err() // ended by the user: interrupted, or --timeout
	}
	wrapped := fmt.Errorf("getting %q: %w", addr, shorten(err))
	var netErr net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() {
		return &fault.Error{Kind: fault.Timeout, Hint: "the server is too slow; try again later", Err: wrapped}
	}
	return Explain(wrapped)
}

// shorten strips the method and the URL that net/http prepends: the caller adds the URL.
func shorten(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
