package netguard_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/netguard"
)

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// asLocalhost returns the server's URL with localhost as host.
func asLocalhost(s *httptest.Server) string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func get(t *testing.T, g *netguard.Guard, addr string) (string, error) {
	t.Helper()
	c := g.Client()
	defer c.CloseIdleConnections()
	resp, err := c.Get(addr)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestDialRefusesUnnamedHosts(t *testing.T) {
	asked := false
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked = true; io.WriteString(w, "secret") })
	for _, c := range []struct {
		name  string
		allow []string
		url   string
		ok    bool
	}{
		{"loopback by number", nil, s.URL, false},
		{"loopback by name", nil, asLocalhost(s), false},
		{"another host was named", []string{"10.0.0.1", "example.org"}, s.URL, false},
		{"a longer name was named", []string{"localhost.example.org"}, asLocalhost(s), false},
		{"named by number", []string{"127.0.0.1"}, s.URL, true},
		{"named by name", []string{"LocalHost."}, asLocalhost(s), true},
		{"named by URL", []string{s.URL + "/path"}, s.URL, true},
		{"named by host:port", []string{strings.TrimPrefix(s.URL, "http://")}, s.URL, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked = false
			body, err := get(t, netguard.New(netguard.Options{Allow: c.allow, Proxy: noProxy}), c.url)
			if c.ok {
				if err != nil || body != "secret" {
					t.Fatalf("got %q, %v, want the body", body, err)
				}
				return
			}
			blocked, ok := errors.AsType[*netguard.BlockedError](err)
			if !ok {
				t.Fatalf("got %v, want a BlockedError", err)
			}
			if !blocked.IP.IsLoopback() || !strings.Contains(blocked.Error(), "a loopback address") {
				t.Errorf("got %+v, want the loopback address and the reason", blocked)
			}
			if asked {
				t.Error("the server got a request all the same")
			}
			explained := netguard.Explain(err)
			if fault.KindOf(explained) != fault.Denied || !strings.Contains(fault.HintOf(explained), "--allow-private") {
				t.Errorf("explained as kind %v, hint %q; want denied and a hint", fault.KindOf(explained), fault.HintOf(explained))
			}
		})
	}
}

func TestJudge(t *testing.T) {
	g := netguard.New(netguard.Options{Allow: []string{"tracker.lan"}})
	lan := netip.MustParseAddr("192.168.1.2")
	if err := g.Judge("tracker.lan:80", lan); err != nil {
		t.Errorf("named host: got %v, want nil", err)
	}
	if err := g.Judge("evil.example:80", netip.MustParseAddr("8.8.8.8")); err != nil {
		t.Errorf("public address: got %v, want nil", err)
	}
	err := g.Judge("evil.example:80", lan)
	if err == nil || !strings.Contains(err.Error(), `"evil.example"`) || !strings.Contains(err.Error(), "192.168.1.2") {
		t.Errorf("private address: got %v, want a refusal that names host and address", err)
	}
	g.Allow("evil.example")
	if err := g.Judge("EVIL.example:80", lan); err != nil {
		t.Errorf("after Allow: got %v, want nil", err)
	}
}

// The user's own networks are as good as the internet, but nobody's secrets are given away there.
func TestOwnNets(t *testing.T) {
	g := netguard.New(netguard.Options{Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00::/8")}})
	for ip, ok := range map[string]bool{
		"10.79.0.4": true, "::ffff:10.79.0.4": true, "fd12::1": true, "169.254.7.7": true, "8.8.8.8": true,
		"192.168.1.2": false, "127.0.0.1": false, "::1": false, "fe80::1": false, "169.254.169.254": false, "fd00:ec2::254": false,
	} {
		if err := g.Judge("seed.example:80", netip.MustParseAddr(ip)); (err == nil) != ok {
			t.Errorf("%s: got %v, want allowed %v", ip, err, ok)
		}
	}
}

func TestRedirects(t *testing.T) {
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })
	to := ""
	from := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			io.WriteString(w, "end")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	for _, c := range []struct {
		name, to string
		allow    []string
		want     string // part of the error; empty if it is followed
		blocked  bool
	}{
		{"same host", "/end", []string{"127.0.0.1"}, "", false},
		{"same host, other port", target.URL, []string{"127.0.0.1"}, "", false},
		{"to a host that was not named", asLocalhost(target), []string{"127.0.0.1"}, "a loopback address", true},
		{"to a host named elsewhere", asLocalhost(target), []string{"127.0.0.1", "localhost"}, "a loopback address", true},
		{"to cloud metadata", "http://169.254.169.254/latest/meta-data/", []string{"127.0.0.1"}, "a cloud's metadata address", true},
		{"endless", "/again", []string{"127.0.0.1"}, "it is the 6th", false},
		{"to a file", "file:///etc/passwd", []string{"127.0.0.1"}, "neither http nor https", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			to = c.to
			body, err := get(t, netguard.New(netguard.Options{Allow: c.allow, Proxy: noProxy}), from.URL)
			if c.want == "" {
				if err != nil {
					t.Fatalf("got %v, want the body", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("got %q, want an error with %q", body, c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			if _, ok := errors.AsType[*netguard.BlockedError](err); ok != c.blocked {
				t.Errorf("BlockedError in %v: got %v, want %v", err, ok, c.blocked)
			}
			if fault.KindOf(netguard.Explain(err)) != fault.Denied {
				t.Errorf("kind: got %v, want denied", fault.KindOf(netguard.Explain(err)))
			}
		})
	}
}

func TestTLS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "plain") })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		io.WriteString(w, "tls")
	}))
	s.Config.ErrorLog = nil
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	known := netguard.Options{Allow: []string{"127.0.0.1"}, Proxy: noProxy, RootCAs: pool}
	if body, err := get(t, netguard.New(known), s.URL); err != nil || body != "tls" {
		t.Errorf("known certificate: got %q, %v, want the body", body, err)
	}
	if _, err := get(t, netguard.New(known), s.URL+"/down"); err == nil || !strings.Contains(err.Error(), "it leaves https") {
		t.Errorf("redirect from https to http: got %v, want a refusal", err)
	}
	unknown := known
	unknown.RootCAs = x509.NewCertPool()
	_, err := get(t, netguard.New(unknown), s.URL)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("unknown certificate: got %v, want UnknownAuthorityError", err)
	}
}

func TestProxy(t *testing.T) {
	var asked []string
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		io.WriteString(w, "through")
	})
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := netguard.New(netguard.Options{Proxy: func(*http.Request) (*url.URL, error) { return at, nil }})
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{"http://example.org/a", true},
		{"http://8.8.8.8/a", true},
		{"http://10.0.0.1/admin", false},
		{"http://localhost:8080/admin", false},
		{"http://[::1]/admin", false},
	} {
		asked = nil
		body, err := get(t, g, c.url)
		if c.ok {
			if err != nil || body != "through" {
				t.Errorf("%s: got %q, %v, want the proxy's answer", c.url, body, err)
			}
			continue
		}
		if _, ok := errors.AsType[*netguard.BlockedError](err); !ok || len(asked) != 0 {
			t.Errorf("%s: got %v and requests to the proxy %q, want a BlockedError and none", c.url, err, asked)
		}
	}
}

func TestFetchTorrent(t *testing.T) {
	const torrent = "d4:infod4:name1:aee"
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		kind fault.Kind
		want string // part of the error; empty if the torrent is returned
	}{
		{"good", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, torrent) }, 0, ""},
		{"404", http.NotFound, fault.NotFound, "404 Not Found"},
		{"410", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, fault.NotFound, "410"},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, fault.Denied, "403"},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Failed, "500"},
		{"unrequested 206", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) }, fault.Failed, "206"},
		{"web page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\n<!doctype html><p>hello") }, fault.Failed, "web page"},
		{"empty", func(http.ResponseWriter, *http.Request) {}, fault.Failed, "empty"},
		{"something else", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "PK\x03\x04") }, fault.Failed, "not a .torrent"},
		{"too large, with its length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2000")
			w.Write(make([]byte, 2000))
		}, fault.Failed, "larger than 1000 bytes"},
		{"too large, without its length", func(w http.ResponseWriter, _ *http.Request) {
			for range 20 {
				w.Write(make([]byte, 100))
				w.(http.Flusher).Flush()
			}
		}, fault.Failed, "larger than 1000 bytes"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, "d4:info")
		}, fault.Failed, "unexpected EOF"},
		{"redirect to a private address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.168.0.1/", http.StatusFound)
		}, fault.Denied, "a private address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.h)
			g := netguard.New(netguard.Options{Allow: []string{s.URL}, Proxy: noProxy})
			client := g.Client()
			defer client.CloseIdleConnections()
			data, err := netguard.FetchTorrentLimit(t.Context(), client, s.URL+"/x.torrent", 1000)
			if c.want == "" {
				if err != nil || string(data) != torrent {
					t.Fatalf("got %q, %v, want the torrent", data, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("got %q, want an error with %q", data, c.want)
			}
			if !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != c.kind {
				t.Errorf("got %q of kind %v, want %q of kind %v", err, fault.KindOf(err), c.want, c.kind)
			}
		})
	}
}

// TestFetchTorrentMagnet: which answers count as a magnet link.
func TestFetchTorrentMagnet(t *testing.T) {
	const link = "magnet:?xt=urn:btih:78ef432a1e021dbe4e5054999fef430ee18e4041&dn=x y&tr=http%3A%2F%2Ft"
	for name, c := range map[string]struct {
		location, body string
		code           int
		want           string
	}{
		"redirect":            {link, "", 302, link},
		"redirect, capitals":  {"MAGNET:" + link[7:], "", 307, "MAGNET:" + link[7:]},
		"created":             {link, "d1:ae", 201, link},
		"body":                {"", link, 200, link},
		"body with more text": {"", "\ufeff \n" + link + "\nthanks", 200, link},
		"page":                {"", "<a href=\"" + link + "\">", 200, ""},
		"too long":            {"", link + strings.Repeat("x", 1<<20), 200, ""},
		"not at the start":    {"", "see " + link, 200, ""},
		"incomplete":          {"magnet:", "", 302, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.code)
				io.WriteString(w, c.body)
			}))
			defer s.Close()
			_, err := netguard.FetchTorrent(t.Context(), netguard.New(netguard.Options{Allow: []string{s.URL}}).Client(), s.URL+"/?key=SECRET")
			got := ""
			if m, ok := errors.AsType[*netguard.MagnetError](err); ok {
				got = m.Link
			}
			if got != c.want || err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %q (%v), want %q", got, err, c.want)
			}
		})
	}
}

func TestFetchTorrentTimeouts(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	g := netguard.New(netguard.Options{Allow: []string{s.URL}, Proxy: noProxy})
	slow := g.Transport()
	slow.ResponseHeaderTimeout = 20 * time.Millisecond
	_, err := netguard.FetchTorrent(t.Context(), &http.Client{Transport: slow}, s.URL)
	if fault.KindOf(err) != fault.Timeout {
		t.Errorf("silent server: got %v of kind %v, want timeout", err, fault.KindOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := netguard.FetchTorrent(ctx, g.Client(), s.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v, want context.Canceled", err)
	}
}

func TestFetchTorrentConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	g := netguard.New(netguard.Options{Allow: []string{addr}, Proxy: noProxy})
	_, err = netguard.FetchTorrent(t.Context(), g.Client(), "http://"+addr+"/a.torrent")
	if err == nil || fault.KindOf(err) != fault.Failed || strings.Count(err.Error(), addr+"/a.torrent") != 1 {
		t.Errorf("got %v, want a failure that names the address once", err)
	}
}
