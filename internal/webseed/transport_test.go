package webseed_test

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

// through is run over the transport that real fetches use.
func (f *files) through(ctx context.Context, transport http.RoundTripper, urls ...string) (messages string, err error) {
	var said []string
	err = webseed.Run(ctx, webseed.WithPatience(webseed.Options{
		Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}}, URLs: urls,
		Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: transport, Agent: "test",
		Tell: func(m string) { said = append(said, m) }, Log: slog.New(slog.DiscardHandler),
	}, 20*time.Second, 20*time.Millisecond))
	return strings.Join(said, "\n"), err
}

// secure starts an HTTPS server, and returns a pool with its certificate, which is valid for example.com too.
func secure(t *testing.T, http2 bool, h http.Handler) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// together holds answers back until two requests are running.
type together struct {
	mu    sync.Mutex
	under int
	both  chan struct{}
	first atomic.Int64
}

func (g *together) enter(ctx context.Context) {
	if g.first.Add(1) == 1 {
		return // until the server has answered there is only one connection
	}
	g.mu.Lock()
	if g.under++; g.under == 2 {
		close(g.both)
	}
	g.mu.Unlock()
	select {
	case <-g.both:
	case <-ctx.Done():
	}
}

// TestSeveralRangesOverHTTP2 checks that ranges share one HTTP/2 connection.
func TestSeveralRangesOverHTTP2(t *testing.T) {
	f := newFiles(t, "name", 12_000_001) // larger than the first two ranges can be
	files := http.FileServer(http.Dir(f.dir))
	g := &together{both: make(chan struct{})}
	var conns sync.Map
	s, pool := secure(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked over %s, want HTTP/2", r.Proto)
		}
		conns.Store(r.RemoteAddr, true)
		g.enter(r.Context())
		files.ServeHTTP(w, r)
	}))
	transport := netguard.New(netguard.Options{Allow: []string{"127.0.0.1"}, Proxy: noProxy, RootCAs: pool}).Transport()
	defer transport.CloseIdleConnections()
	messages, err := f.through(limited(t), transport, s.URL+"/")
	if err != nil || messages != "" {
		t.Errorf("got %v, messages %q, want neither", err, messages)
	}
	if err := f.got(); err != nil {
		t.Error(err)
	}
	n := 0
	conns.Range(func(_, _ any) bool { n++; return true })
	if n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
	select {
	case <-g.both:
	default:
		t.Error("no two ranges were requested at once")
	}
}

// TestResetOverHTTP2 checks that a reset HTTP/2 stream fails only its range, not the fetch.
func TestResetOverHTTP2(t *testing.T) {
	f := newFiles(t, "name", 3_000_001)
	files := http.FileServer(http.Dir(f.dir))
	var n atomic.Int64
	s, pool := secure(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		files.ServeHTTP(w, r)
	}))
	transport := netguard.New(netguard.Options{Allow: []string{"127.0.0.1"}, Proxy: noProxy, RootCAs: pool}).Transport()
	defer transport.CloseIdleConnections()
	messages, err := f.through(limited(t), transport, s.URL+"/")
	if err != nil || !strings.Contains(messages, "paused") {
		t.Errorf("got %v, messages %q, want that the server is paused", err, messages)
	}
	if err := f.got(); err != nil {
		t.Error(err)
	}
}

// proxy connects all requests to one server, or answers with a status itself.
type proxy struct {
	to     *url.URL
	code   int  // 0: it works
	silent bool // it never answers
	asked  atomic.Int64
	tunnel atomic.Int64
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup // of tunnels; none starts after closing
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	switch {
	case p.silent:
		<-r.Context().Done()
	case p.code != 0:
		w.WriteHeader(p.code)
	case r.Method == http.MethodConnect:
		p.tunnel.Add(1)
		p.connect(w)
	default:
		(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Host = p.to.Host }}).ServeHTTP(w, r)
	}
}

func (p *proxy) connect(w http.ResponseWriter) {
	there, err := net.Dial("tcp", p.to.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		here.Close()
		there.Close()
		return
	}
	p.wg.Go(func() { io.Copy(there, here); there.Close() })
	p.wg.Go(func() { io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); io.Copy(here, there); here.Close() })
}

// proxied returns a transport as the environment would configure it; direct.example bypasses the proxy and reaches p's server.
func proxied(t *testing.T, p *proxy, pool *x509.CertPool) *http.Transport {
	t.Helper()
	s := httptest.NewServer(p)
	env := httpproxy.Config{HTTPProxy: s.URL, HTTPSProxy: s.URL, NoProxy: "direct.example"}
	choose := env.ProxyFunc()
	transport := netguard.New(netguard.Options{Proxy: func(r *http.Request) (*url.URL, error) { return choose(r.URL) }, RootCAs: pool}).Transport()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "direct.example:80" {
			return (&net.Dialer{}).DialContext(ctx, network, p.to.Host)
		}
		return dial(ctx, network, addr)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.wg.Wait()
	})
	return transport
}

func TestThroughProxy(t *testing.T) {
	for _, c := range []struct {
		name, url      string
		tls, http2     bool
		asked, tunnels bool
	}{
		{name: "plain", url: "http://mirror.example/", asked: true},
		{name: "CONNECT", url: "https://example.com/", tls: true, asked: true, tunnels: true},
		{name: "CONNECT and HTTP/2", url: "https://example.com/", tls: true, http2: true, asked: true, tunnels: true},
		{name: "NO_PROXY", url: "http://direct.example/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFiles(t, "name", 3_000_001)
			files := http.FileServer(http.Dir(f.dir))
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if want := c.http2; (r.ProtoMajor == 2) != want {
					t.Errorf("asked over %s, want HTTP/2 %v", r.Proto, want)
				}
				if r.Host == "" || !strings.Contains(c.url, r.Host) {
					t.Errorf("asked for host %q, want that of %s", r.Host, c.url)
				}
				files.ServeHTTP(w, r)
			})
			var pool *x509.CertPool
			var s *httptest.Server
			if c.tls {
				s, pool = secure(t, c.http2, h)
			} else {
				s = httptest.NewServer(h)
				t.Cleanup(s.Close)
			}
			to, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			p := &proxy{to: to}
			messages, err := f.through(limited(t), proxied(t, p, pool), c.url)
			if err != nil || messages != "" {
				t.Errorf("got %v, messages %q, want neither", err, messages)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
			if asked, tunnels := p.asked.Load() > 0, p.tunnel.Load() > 0; asked != c.asked || tunnels != c.tunnels {
				t.Errorf("the proxy was asked %v, for tunnels %v, want %v and %v", asked, tunnels, c.asked, c.tunnels)
			}
		})
	}
}

// TestProxyThatRefuses checks that a refusal is reported as the proxy's, and that a server that needs no proxy provides
// everything.
func TestProxyThatRefuses(t *testing.T) {
	for _, c := range []struct {
		name, url string
		code      int // 0: it does not answer
		want      []string
	}{
		{"plain 407", "http://mirror.example/", 407, []string{"no longer used", "the proxy", "407 Proxy Authentication Required", "HTTP_PROXY"}},
		{"CONNECT 407", "https://example.com/", 407, []string{"no longer used", "the proxy", "127.0.0.1", "407 Proxy Authentication Required", "HTTPS_PROXY"}},
		{"plain 502", "http://mirror.example/", 502, []string{"paused", "502 Bad Gateway"}},
		{"CONNECT 502", "https://example.com/", 502, []string{"paused", "the proxy", "127.0.0.1", "502 Bad Gateway"}},
		{"plain, no answer", "http://mirror.example/", 0, []string{"paused", "stopped sending"}},
		{"CONNECT, no answer", "https://example.com/", 0, []string{"paused", "stopped sending"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, "name", 500_000)
			files := http.FileServer(http.Dir(f.dir))
			heard := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select { // wait until the proxy's failure is reported
				case <-heard:
				case <-r.Context().Done():
				}
				files.ServeHTTP(w, r)
			}))
			t.Cleanup(s.Close)
			to, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			var once sync.Once
			err = webseed.Run(limited(t), webseed.WithPatience(webseed.Options{
				Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}}, URLs: []string{c.url, "http://direct.example/"},
				Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: proxied(t, &proxy{to: to, code: c.code, silent: c.code == 0}, nil), Agent: "test",
				Tell: func(m string) {
					if strings.Contains(m, c.url) {
						said = append(said, m)
						once.Do(func() { close(heard) })
					}
				}, Log: slog.New(slog.DiscardHandler),
			}, 300*time.Millisecond, 20*time.Millisecond))
			if err != nil {
				t.Errorf("got %v, want it fetched from the other server", err)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
			messages := strings.Join(said, "\n")
			for _, want := range c.want {
				if !strings.Contains(messages, want) {
					t.Errorf("got messages %q, want %q in it", messages, want)
				}
			}
		})
	}
}

// TestNothingButAProxyThatRefuses checks that servers behind a proxy that requires a password are given up at once.
func TestNothingButAProxyThatRefuses(t *testing.T) {
	f := newFiles(t, "name", 500_000)
	messages, err := f.through(limited(t), proxied(t, &proxy{to: &url.URL{}, code: 407}, nil), "http://mirror.example/", "https://example.com/")
	if err != nil || strings.Count(messages, "no longer used") != 2 {
		t.Errorf("got %v, messages %q, want both given up", err, messages)
	}
}
