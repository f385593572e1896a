package groupnet

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/places"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const aGroup = "0123456789abcdef0123456789abcdef"

func newSecret(t *testing.T) signed.SigningKey {
	t.Helper()
	s, err := signed.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// claimed is a connection that comes from where the test says.
type claimed struct {
	net.Conn
	from address
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

func (c claimed) RemoteAddr() net.Addr { return c.from }

// made is a dialer of one connection that is there already.
type made struct{ net.Conn }

func (m made) DialContext(context.Context, string, string) (net.Conn, error) { return m.Conn, nil }

// site is a server with one group, which is reached from any address. No handshake ends by itself.
type site struct {
	*Server
	t   *testing.T
	ctx context.Context
	l   net.Listener

	wrap func(net.Conn) net.Conn // of what the server accepts; nil: as it is
}

func newSite(t *testing.T, change func(*Group)) *site {
	t.Helper()
	g := &Group{
		Identity: newSecret(t),
		Admit:    func(signed.Key, string) error { return nil },
		Sync:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }),
		Swarm:    func(c net.Conn, _ signed.Key) { _, _ = io.Copy(c, c); c.Close() },
	}
	if change != nil {
		change(g)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, ctx: ctx, l: l, Server: NewServer(func(n string) *Group {
		if n == aGroup {
			return g
		}
		return nil
	}, slog.New(slog.DiscardHandler))}
	s.patience = time.Hour
	t.Cleanup(func() {
		cancel()
		l.Close()
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// connect comes from an address, and says nothing.
func (s *site) connect(from string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	in, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.wrap != nil {
		in = s.wrap(in)
	}
	s.Take(s.ctx, claimed{in, address(from)})
	return c
}

// member comes from an address as a member.
func (s *site) member(from, protocol string) net.Conn {
	s.t.Helper()
	c, _, err := Dial(s.ctx, made{s.connect(from)}, Member{ServerName: aGroup, Identity: newSecret(s.t)}, protocol)
	if err != nil {
		s.t.Fatalf("a member from %s: %v", from, err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// asks says whether a request is answered.
func asks(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET /hello HTTP/1.1\r\nHost: member\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "/hello" {
		return fmt.Errorf("%q, %w", b, err)
	}
	return nil
}

func (s *site) wait(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it does not come to this: %s", what)
		}
	}
}

// TestPlacesOfHandshakes: those who never end theirs displace each other, and a member who comes then shakes hands.
func TestPlacesOfHandshakes(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts int
		most  int
	}{{"one address", 1, maxHandshakesPerHost}, {"many addresses", 250, maxHandshakes}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, nil)
			n := c.most + 20
			closed := make(chan int, n)
			for i := range n {
				conn := s.connect(fmt.Sprintf("192.0.2.%d:1", 1+i%c.hosts))
				go func() {
					_, _ = conn.Read(make([]byte, 1))
					closed <- i
				}()
			}
			for i := range n - c.most {
				select {
				case <-closed:
				case <-time.After(60 * time.Second):
					t.Fatalf("%d of %d silent connections were closed, want %d", i, n, n-c.most)
				}
			}
			if got := s.young.Len(); got != c.most {
				t.Errorf("%d handshakes are under way, want %d", got, c.most)
			}
			if err := asks(s.member("192.0.2.1:1", Sync)); err != nil {
				t.Errorf("a member: %v", err)
			}
			if got := s.young.Len(); got != c.most-1 {
				t.Errorf("%d handshakes are under way after a member's, want %d", got, c.most-1)
			}
		})
	}
}

// TestFlood has a thousand connections come at once: there is a place for some, the others are closed, and when they have gone the
// server answers as before.
func TestFlood(t *testing.T) {
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(s.ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, s.l) }()
	defer func() { cancel(); <-served }()
	const n = 1000
	var wg sync.WaitGroup
	var closed, dialed atomic.Int64
	held := make(chan net.Conn, n)
	for range n {
		wg.Go(func() {
			c, err := net.Dial("tcp", s.l.Addr().String())
			if err != nil {
				closed.Add(1)
				return
			}
			held <- c
			dialed.Add(1)
			_, _ = c.Read(make([]byte, 1))
			closed.Add(1)
		})
	}
	s.wait("all but a few are closed", func() bool { return closed.Load() == n-maxHandshakesPerHost })
	if got := s.young.Len(); got != maxHandshakesPerHost {
		t.Errorf("%d handshakes are under way, want %d", got, maxHandshakesPerHost)
	}
	if dialed.Load() < n/2 {
		t.Errorf("%d of %d connections came in: nothing is tested", dialed.Load(), n)
	}
	close(held)
	for c := range held {
		c.Close()
	}
	wg.Wait()
	s.wait("they have gone", func() bool { return s.young.Len() == 0 })
	c, _, err := Dial(s.ctx, &net.Dialer{}, Member{Addr: s.l.Addr().String(), ServerName: aGroup, Identity: newSecret(t)}, Sync)
	if err != nil {
		t.Fatalf("after the flood: %v", err)
	}
	defer c.Close()
	if err := asks(c); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

// TestPlacesOfRequests: of one address the connection that has asked for nothing for longest goes; content takes no place.
func TestPlacesOfRequests(t *testing.T) {
	s := newSite(t, nil)
	var conns []net.Conn
	for i := range maxPerHost {
		conns = append(conns, s.member("192.0.2.1:1", Sync))
		s.wait("a place for each", func() bool { return s.seats.Len() == i+1 })
	}
	other := s.member("192.0.2.2:1", Sync)
	if err := asks(conns[0]); err != nil { // it is not the one that is idle for longest now
		t.Fatal(err)
	}
	var content []net.Conn
	for range maxPerHost + 1 {
		content = append(content, s.member("192.0.2.1:1", Swarm))
	}
	for i, c := range content {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("content connection %d: %v", i, err)
		}
	}
	if got := s.seats.Len(); got != maxPerHost+1 {
		t.Errorf("%d places are taken, want none for content besides %d", got, maxPerHost+1)
	}
	late := s.member("192.0.2.1:1", Sync)
	if err := asks(late); err != nil {
		t.Errorf("who came last: %v", err)
	}
	_ = conns[1].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conns[1].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the one that was idle for longest: got %v, want it closed", err)
	}
	for name, c := range map[string]net.Conn{"who has asked": conns[0], "the next idle one": conns[2], "one of another address": other} {
		if err := asks(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range append(conns, other, late) {
		c.Close()
	}
	s.wait("no place taken", func() bool { return s.seats.Len() == 0 && s.young.Len() == 0 })
}

// TestPlacesInAll: with all of them taken a newcomer gets one, and another goes.
func TestPlacesInAll(t *testing.T) {
	if maxHandshakes+maxConns > 1024/2+64 {
		t.Errorf("%d connections of members leave a process of 1,024 descriptors too few", maxHandshakes+maxConns)
	}
	s := newSite(t, nil)
	gone := 0
	for i := range maxConns {
		s.seats.Take(places.Origin(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)), func() { gone++ })
	}
	if err := asks(s.member("192.0.2.1:1", Sync)); err != nil {
		t.Errorf("a newcomer: %v", err)
	}
	if got := s.seats.Len(); gone != 1 || got != maxConns {
		t.Errorf("%d went and %d are taken, want one and %d", gone, got, maxConns)
	}
}

// TestLimitsOfRequests: what the server waits for, and how much of it, has an end.
func TestLimitsOfRequests(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		what      string
		got, most time.Duration
	}{
		{"a handshake", handshakeTime, 5 * time.Second},
		{"the head of a request", s.http.ReadHeaderTimeout, 10 * time.Second},
		{"a request", s.http.ReadTimeout, 30 * time.Second},
		{"an answer", s.http.WriteTimeout, 30 * time.Second},
		{"the pause between two", s.http.IdleTimeout, 2 * time.Minute},
	} {
		if c.got <= 0 || c.got > c.most {
			t.Errorf("%s may take %v, want a time up to %v", c.what, c.got, c.most)
		}
	}
	c := s.member("192.0.2.1:1", Sync)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: member\r\nA: "+strings.Repeat("a", 16<<10)+"\r\n\r\n")
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 16 KiB: got %d, want it refused", resp.StatusCode)
	}
}

// tickets counts those that a server hands out.
type tickets struct {
	tls.ClientSessionCache
	n *int
}

func (c tickets) Put(key string, s *tls.ClientSessionState) {
	if s != nil {
		*c.n++
	}
	c.ClientSessionCache.Put(key, s)
}

// TestNobodyIsResumed: each connection proves the key of its peer anew, and nobody gets what would spare it.
func TestNobodyIsResumed(t *testing.T) {
	s := newSite(t, nil)
	conf, err := config(newSecret(t), Sync)
	if err != nil {
		t.Fatal(err)
	}
	conf.ServerName, conf.InsecureSkipVerify = aGroup, true
	handed := 0
	conf.SessionTicketsDisabled, conf.ClientSessionCache = false, tickets{tls.NewLRUClientSessionCache(4), &handed}
	for i := range 2 {
		c := tls.Client(s.connect("192.0.2.1:1"), conf)
		if err := asks(c); err != nil { // tickets come before the answer
			t.Fatal(err)
		}
		if c.ConnectionState().DidResume {
			t.Errorf("connection %d resumes the one before", i)
		}
		c.Close()
	}
	if handed > 0 {
		t.Errorf("%d tickets were handed out", handed)
	}
}

// certified is a certificate of a key.
func certified(t *testing.T, public, private any) []tls.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}
}

// TestUnfitThoughAdmitted: a group that lets anybody in lets in nobody who proves no key, or names no protocol of ours.
func TestUnfitThoughAdmitted(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fine := certified(t, pub, priv)
	twice := []tls.Certificate{{Certificate: [][]byte{fine[0].Certificate[0], fine[0].Certificate[0]}, PrivateKey: priv}}
	for _, c := range []struct {
		name string
		conf *tls.Config
		ok   bool
		says string // in the server's alert
	}{
		{"fit", &tls.Config{Certificates: fine, NextProtos: []string{Sync}}, true, ""},
		{"no certificate", &tls.Config{NextProtos: []string{Sync}}, false, "certificate required"},
		{"two certificates", &tls.Config{Certificates: twice, NextProtos: []string{Sync}}, false, ""},
		{"ECDSA", &tls.Config{Certificates: certified(t, ec.Public(), ec), NextProtos: []string{Sync}}, false, ""},
		{"TLS 1.2", &tls.Config{Certificates: fine, NextProtos: []string{Sync}, MaxVersion: tls.VersionTLS12}, false, ""},
		{"no protocol", &tls.Config{Certificates: fine}, false, ""},
		{"another protocol", &tls.Config{Certificates: fine, NextProtos: []string{"h2"}}, false, ""},
		{"content where there is none", &tls.Config{Certificates: fine, NextProtos: []string{Swarm}}, false, ""},
	} {
		s := newSite(t, func(g *Group) { g.Swarm = nil })
		c.conf.ServerName, c.conf.InsecureSkipVerify = aGroup, true
		err := asks(tls.Client(s.connect("192.0.2.1:1"), c.conf))
		if (err == nil) != c.ok || !c.ok && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an answer: %v, with %q", c.name, err, c.ok, c.says)
		}
		s.wait("no handshake under way", func() bool { return s.young.Len() == 0 })
	}
}

func TestKeyOf(t *testing.T) {
	me := newSecret(t)
	mine, err := certificate(me)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(mine.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if ends := leaf.NotAfter.Year(); ends < 2060 || ends > 2080 {
		t.Errorf("a certificate ends in %d", ends)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := []*x509.Certificate{leaf}
	for _, c := range []struct {
		name string
		cs   tls.ConnectionState
		want error
	}{
		{"fit", tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: one}, nil},
		{"TLS 1.2", tls.ConnectionState{Version: tls.VersionTLS12, PeerCertificates: one}, errNotTLS13},
		{"no version", tls.ConnectionState{PeerCertificates: one}, errNotTLS13},
		{"no certificate", tls.ConnectionState{Version: tls.VersionTLS13}, errNoCertificate},
		{"two", tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{leaf, leaf}}, errNoCertificate},
		{"another kind of key", tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{PublicKey: ec.Public()}}}, errNotEd25519},
		{"a short key", tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{PublicKey: ed25519.PublicKey("short")}}}, errNotEd25519},
	} {
		got, err := keyOf(c.cs)
		if err != c.want || err == nil && got != me.Public() || err != nil && got != (signed.Key{}) {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	if _, err := AnswerKey(&http.Response{}); err == nil {
		t.Error("an answer without TLS has a key")
	}
	if k, err := AnswerKey(&http.Response{TLS: &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: one}}); err != nil || k != me.Public() {
		t.Errorf("an answer: got %v, %v", k, err)
	}
}

// TestRequestsOfNobody: a request that came by no member's connection is answered by no group.
func TestRequestsOfNobody(t *testing.T) {
	s := newSite(t, nil)
	r, w := httptest.NewRequest(http.MethodGet, "/v1/root", nil), httptest.NewRecorder()
	s.answer(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("got %d, want 403", w.Code)
	}
	if _, err := PeerKey(r); err == nil {
		t.Error("the request has a key")
	}
}

// TestClientTakesAnswersAsTheyAre: a member cannot have it unpack, go elsewhere, or hold more than its share.
func TestClientTakesAnswersAsTheyAre(t *testing.T) {
	paths := make(chan string, 10)
	s := newSite(t, func(g *Group) {
		g.Sync = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths <- r.URL.Path + " " + r.Header.Get("Accept-Encoding")
			switch r.URL.Path {
			case "/gzip":
				w.Header().Set("Content-Encoding", "gzip")
				io.WriteString(w, "\x1f\x8b no archive")
			case "/moved":
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
			case "/head":
				w.Header().Set("X-Long", strings.Repeat("a", 2*headerBytes))
			}
		})
	})
	client := func() *http.Client {
		return Client(made{s.connect("192.0.2.1:1")}, Member{ServerName: aGroup, Identity: newSecret(t)})
	}
	for _, c := range []struct {
		path string
		code int // 0: an error
		body string
	}{{"/gzip", 200, "\x1f\x8b no archive"}, {"/moved", 307, ""}, {"/head", 0, ""}} {
		cl := client()
		resp, err := cl.Get("https://member" + c.path)
		if got := <-paths; got != c.path+" " {
			t.Errorf("%s: asked for %q, want nothing packed", c.path, got)
		}
		if c.code == 0 {
			if err == nil {
				resp.Body.Close()
				t.Errorf("%s: the answer was taken", c.path)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.code || string(b) != c.body {
			t.Errorf("%s: got %d %q, %v, want %d %q", c.path, resp.StatusCode, b, err, c.code, c.body)
		}
		cl.CloseIdleConnections()
	}
	select {
	case got := <-paths:
		t.Errorf("then asked for %q", got)
	default:
	}
	if tr := client().Transport.(*http.Transport); tr.Proxy != nil || tr.ResponseHeaderTimeout <= 0 || tr.ResponseHeaderTimeout > time.Minute {
		t.Errorf("a proxy: %v, and %v for an answer", tr.Proxy != nil, tr.ResponseHeaderTimeout)
	}
}

// TestPrefixesOfHosts: a network of IPv6 has the places of one address.
func TestPrefixesOfHosts(t *testing.T) {
	s := newSite(t, nil)
	var first net.Conn
	for i := range maxHandshakesPerHost + 1 {
		c := s.connect(fmt.Sprintf("[2001:db8::%x]:1", i+1))
		if first == nil {
			first = c
			s.wait("the first handshake", func() bool { return s.young.Len() == 1 })
		}
	}
	_ = first.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := first.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the oldest handshake of the network: got %v, want it closed", err)
	}
}

// TestSecondLook: who is put out while it shakes hands is not served, though a Recheck could not see it yet.
func TestSecondLook(t *testing.T) {
	for _, protocol := range []string{Sync, Swarm} {
		looks, served, why := 0, make(chan string, 2), make(chan error, 2)
		s := newSite(t, func(g *Group) {
			g.Admit = func(signed.Key, string) error {
				if looks++; looks > 1 {
					return errNoCertificate // any will do
				}
				return nil
			}
			g.Refused = func(_ signed.Key, _ string, err error) { why <- err }
			g.Sync = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served <- Sync })
			g.Swarm = func(c net.Conn, _ signed.Key) { served <- Swarm; c.Close() }
		})
		if c, _, err := Dial(s.ctx, made{s.connect("192.0.2.1:1")}, Member{ServerName: aGroup, Identity: newSecret(t)}, protocol); err == nil {
			if err := asks(c); err == nil {
				t.Errorf("%s: a request was answered", protocol)
			}
		}
		select {
		case err := <-why:
			if err != errNoCertificate {
				t.Errorf("%s: it is told as %v", protocol, err)
			}
		case <-served:
			t.Errorf("%s: it was served", protocol)
		case <-time.After(60 * time.Second):
			t.Errorf("%s: nothing was told of it", protocol)
		}
		if len(served) > 0 {
			t.Errorf("%s: it was served", protocol)
		}
	}
}

// TestCloseDoesNotWaitForFarewells: the server ends although a member takes nothing more, not even the end of its connection.
func TestCloseDoesNotWaitForFarewells(t *testing.T) {
	s := newSite(t, nil)
	var in *stuck
	s.wrap = func(c net.Conn) net.Conn {
		in = &stuck{Conn: c, closed: make(chan struct{})}
		return in
	}
	if err := asks(s.member("192.0.2.1:1", Sync)); err != nil {
		t.Fatal(err)
	}
	in.full.Store(true)
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// stuck is a connection that takes nothing once it is full.
type stuck struct {
	net.Conn
	full   atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (c *stuck) Write(b []byte) (int, error) {
	if c.full.Load() {
		<-c.closed
	}
	return c.Conn.Write(b)
}

func (c *stuck) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
