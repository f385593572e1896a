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

// MagnetError is an address that leads to a magnet link where a .torrent was looked for.
type MagnetError struct{ Link string }

func (e *MagnetError) Error() string { return "it leads to a magnet link" }

// maxMagnet bounds a magnet link that an address leads to.
const maxMagnet = 64 << 10

// asMagnet is a *MagnetError if s is a magnet link and maybe more behind it, else nil.
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

// magnets ends a request at an answer that points at a magnet link, which the redirects of a client cannot follow.
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

// FetchTorrent gets the bytes of a .torrent from an http or https address. client is Guard.Client's.
// Judged: the status, the size (64 MiB), that the bytes begin like a torrent and not like a web page,
// and the time (2 minutes); what is inside is the caller's to judge. Errors are fault errors, and name the address without
// what may be secret in it; one is a *MagnetError if a redirect or the answer is a magnet link.
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
		return nil, fault.New(fault.Usage, "%q is no web address: %w", addr, err)
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
	tooLarge := fault.New(fault.Failed, "getting %q: larger than %d bytes, the most a .torrent may have", addr, limit)
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
		kind, hint = fault.Denied, "get the .torrent with a browser and give its path"
	case code == http.StatusTooManyRequests || code >= 500:
		hint = "the server is in trouble; try again later"
	}
	return fault.Hint(fault.New(kind, "getting %q: the server answered %d %s", addr, code, http.StatusText(code)), "%s", hint)
}

// sniff refuses early, and in the user's words, what is plainly no torrent.
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
		return outer.Err() // the user's own: interrupted, or --timeout
	}
	wrapped := fmt.Errorf("getting %q: %w", addr, shorten(err))
	var netErr net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() {
		return &fault.Error{Kind: fault.Timeout, Hint: "the server is too slow; try again later", Err: wrapped}
	}
	return Explain(wrapped)
}

// shorten strips the method and the URL that net/http puts in front: the caller names the URL.
func shorten(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
