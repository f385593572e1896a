package netguard_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/netguard"
)

// ask sends an announce to a URL and returns the body.
func ask(t *testing.T, g *netguard.Guard, u string) (body, from string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, at, err := g.Trackers().Do(req)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if !at.IsValid() {
		return string(b), "", err
	}
	return string(b), at.String(), err
}

// quietTLS starts a server with a certificate of an unknown authority.
func quietTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A tracker's certificate is verified; the exception holds for one host, not for those that it redirects to.
func TestTrackerCertificates(t *testing.T) {
	to := ""
	s := quietTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		io.WriteString(w, "answer")
	})
	localhost := asLocalhost(s)
	base := netguard.Options{Allow: []string{"127.0.0.1", "localhost"}, Proxy: noProxy, RootCAs: x509.NewCertPool()}
	for _, c := range []struct {
		name     string
		insecure []string
		url, to  string
		want     string // part of the error; empty if it is answered
	}{
		{"unknown authority", nil, s.URL, "", "--insecure-tracker 127.0.0.1"},
		{"excepted", []string{"127.0.0.1"}, s.URL, "", ""},
		{"excepted by URL", []string{s.URL + "/announce"}, s.URL, "", ""},
		{"excepted by name, in another spelling", []string{"LocalHost."}, localhost, "", ""},
		{"another host is excepted", []string{"localhost"}, s.URL, "", "--insecure-tracker"},
		{"excepted, redirecting to a host that is not", []string{"127.0.0.1"}, s.URL + "/away", localhost, "refused the redirect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := base
			o.InsecureTrackers, to = c.insecure, c.to
			body, from, err := ask(t, netguard.New(o), c.url)
			if c.want == "" {
				if err != nil || body != "answer" || from == "" {
					t.Errorf("got %q from %q, %v, want the answer", body, from, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, %v, want an error with %q", body, err, c.want)
			}
		})
	}
	o := base
	o.InsecureTrackers = []string{"127.0.0.1"}
	if _, err := get(t, netguard.New(o), s.URL); err == nil {
		t.Error("the certificate of a web seed at the excepted host was not verified")
	}
}

// Redirects of trackers are judged at each hop, carry no Referer, and are limited in number.
func TestTrackerRedirects(t *testing.T) {
	referer, reached := "", 0
	inside := serve(t, func(w http.ResponseWriter, r *http.Request) { reached++ })
	to := ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			referer = r.Header.Get("Referer")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	for name, c := range map[string]struct {
		to    string
		allow []string
	}{
		"to a host named elsewhere":       {asLocalhost(inside) + "/admin/delete?/announce", []string{s.URL, asLocalhost(inside)}},
		"to another port of the host":     {inside.URL + "/admin", []string{s.URL}},
		"to a host that was not named":    {asLocalhost(inside), []string{s.URL}},
		"to metadata":                     {"http://169.254.169.254/latest", []string{s.URL}},
		"to a file":                       {"file:///etc/passwd", []string{s.URL}},
		"endless":                         {"/again", []string{s.URL}},
		"to an address in another script": {strings.Replace(inside.URL, "127.0.0.1", "１２７.0.0.1", 1), []string{s.URL}},
	} {
		to = c.to
		if _, _, err := ask(t, netguard.New(netguard.Options{Allow: c.allow, Proxy: noProxy}), s.URL+"/announce?passkey=secret"); err == nil {
			t.Errorf("%s: got an answer, want an error", name)
		}
	}
	if reached > 0 {
		t.Errorf("%d requests reached the private server, want none", reached)
	}
	to = "/end"
	if _, _, err := ask(t, netguard.New(netguard.Options{Allow: []string{s.URL}, Proxy: noProxy}), s.URL+"/announce?passkey=secret"); err != nil || referer != "" {
		t.Errorf("within the host: got %v, Referer %q; want an answer, and no Referer", err, referer)
	}
}

// Through a proxy only names are known: every form of a private address or local name is refused.
func TestTrackersThroughAProxy(t *testing.T) {
	asked := 0
	p := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked++; io.WriteString(w, "through") })
	at, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := netguard.New(netguard.Options{Allow: []string{"http://10.7.7.7:6969/announce"}, Proxy: func(*http.Request) (*url.URL, error) { return at, nil }})
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "0", "127.0.0.1.",
		"１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "intranet", "metadata.google.internal", "printer.local", "nas.lan", "router.home.arpa",
		"169.254.169.254", "[fe80::1%25eth0]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "[fd00:ec2::254]", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"10.7.7.7", "10.7.7.7:6970",
	} {
		before := asked
		body, _, err := ask(t, g, "http://"+host+"/announce")
		if _, ok := errors.AsType[*netguard.BlockedError](err); !ok || asked != before {
			t.Errorf("%s: got %q, %v, and the proxy was asked %d times; want a BlockedError and no request", host, body, err, asked-before)
		}
	}
	for host, from := range map[string]string{"tracker.example.org": "", "8.8.8.8": "8.8.8.8", "10.7.7.7:6969": "10.7.7.7"} {
		if body, got, err := ask(t, g, "http://"+host+"/announce"); err != nil || body != "through" || got != from {
			t.Errorf("%s: got %q from %q, %v; want the proxy's answer, from %q", host, body, got, err, from)
		}
	}
}

// The header of an answer is bounded.
func TestTrackerHeaderIsBounded(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("y", 1<<20)) })
	if _, _, err := ask(t, netguard.New(netguard.Options{Allow: []string{s.URL}, Proxy: noProxy}), s.URL); err == nil {
		t.Error("a header of 1 MiB: got an answer, want an error")
	}
}
