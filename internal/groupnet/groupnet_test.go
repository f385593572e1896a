package groupnet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const name = "0123456789abcdef0123456789abcdef"

func secret(t *testing.T) signed.SigningKey {
	t.Helper()
	s, err := signed.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve starts a server with one group and gives its address.
func serve(t *testing.T, change func(*groupnet.Group)) (addr string, device signed.SigningKey) {
	t.Helper()
	device = secret(t)
	g := &groupnet.Group{
		Identity: device,
		Admit:    func(signed.Key, string) error { return nil },
		Sync: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, err := groupnet.PeerKey(r)
			if err != nil {
				t.Errorf("a request without a key: %v", err)
			}
			io.WriteString(w, key.String())
		}),
	}
	if change != nil {
		change(g)
	}
	s := groupnet.NewServer(func(n string) *groupnet.Group {
		if n == name {
			return g
		}
		return nil
	}, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return l.Addr().String(), device
}

func get(c *http.Client) (string, error) {
	resp, err := c.Get("https://member/v1/root")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestEachEndKnowsTheOther(t *testing.T) {
	addr, device := serve(t, nil)
	me := secret(t)
	var seen signed.Key
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: me, Accept: func(k signed.Key) error {
		seen = k
		return nil
	}})
	defer c.CloseIdleConnections()
	for range 2 {
		got, err := get(c)
		if err != nil || got != me.Public().String() {
			t.Fatalf("got %q, %v, want our own key", got, err)
		}
	}
	if seen != device.Public() {
		t.Errorf("who answered: got %v, want the device", seen)
	}
}

func TestSwarmConnection(t *testing.T) {
	me := secret(t)
	addr, _ := serve(t, func(g *groupnet.Group) {
		g.Swarm = func(c net.Conn, k signed.Key) {
			defer c.Close()
			if k != me.Public() {
				t.Errorf("got key %v", k)
			}
			io.Copy(c, c)
		}
	})
	c, _, err := groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: me}, groupnet.Swarm)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
}

func cert(t *testing.T, key any, public any) []tls.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
}

// TestRefused has strangers knock. None of them gets an answer, and those without the name no certificate.
func TestRefused(t *testing.T) {
	addr, _ := serve(t, func(g *groupnet.Group) {
		g.Sync = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger's request was answered") })
		g.Admit = func(signed.Key, string) error { return errors.New("nobody is admitted") }
	})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fine := cert(t, priv, pub)
	for _, c := range []struct {
		name string
		conf *tls.Config
		sees bool // the certificate of this machine's device
	}{
		{"a name of no group", &tls.Config{ServerName: "ffffffffffffffffffffffffffffffff", Certificates: fine, NextProtos: []string{groupnet.Sync}}, false},
		{"no name", &tls.Config{Certificates: fine, NextProtos: []string{groupnet.Sync}}, false},
		{"no certificate", &tls.Config{ServerName: name, NextProtos: []string{groupnet.Sync}}, true},
		{"RSA", &tls.Config{ServerName: name, Certificates: cert(t, rsaKey, rsaKey.Public()), NextProtos: []string{groupnet.Sync}}, true},
		{"ECDSA", &tls.Config{ServerName: name, Certificates: cert(t, ecKey, ecKey.Public()), NextProtos: []string{groupnet.Sync}}, true},
		{"TLS 1.2", &tls.Config{ServerName: name, Certificates: fine, NextProtos: []string{groupnet.Sync}, MaxVersion: tls.VersionTLS12}, false},
		{"another protocol", &tls.Config{ServerName: name, Certificates: fine, NextProtos: []string{"h2"}}, false},
		{"no protocol", &tls.Config{ServerName: name, Certificates: fine}, true},
		{"content of a group without any", &tls.Config{ServerName: name, Certificates: fine, NextProtos: []string{groupnet.Swarm}}, false},
		{"who is not admitted", &tls.Config{ServerName: name, Certificates: fine, NextProtos: []string{groupnet.Sync}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := c.conf.Clone()
			conf.InsecureSkipVerify = true
			saw := false
			conf.VerifyConnection = func(cs tls.ConnectionState) error {
				saw = len(cs.PeerCertificates) > 0
				return nil
			}
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			raw.SetDeadline(time.Now().Add(60 * time.Second))
			conn := tls.Client(raw, conf)
			if err := conn.Handshake(); err == nil {
				io.WriteString(conn, "GET /v1/root HTTP/1.1\r\nHost: x\r\n\r\n")
				if b, err := io.ReadAll(conn); err == nil || len(b) > 0 {
					t.Errorf("got %q, %v, want a closed connection", b, err)
				}
			}
			if saw != c.sees {
				t.Errorf("saw a certificate: %v, want %v", saw, c.sees)
			}
		})
	}
}

func TestClientJudgesWhoAnswers(t *testing.T) {
	addr, _ := serve(t, nil)
	no := errors.New("not a member")
	_, _, err := groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{
		Addr: addr, ServerName: name, Identity: secret(t), Accept: func(signed.Key) error { return no },
	}, groupnet.Sync)
	if !errors.Is(err, no) {
		t.Errorf("got %v, want the judge's error", err)
	}
}

func TestClientRefusesAnotherKindOfServer(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: cert(t, key, key.Public()), NextProtos: []string{groupnet.Sync}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	_, _, err = groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{Addr: l.Addr().String(), ServerName: name, Identity: secret(t)}, groupnet.Sync)
	if err == nil || !strings.Contains(err.Error(), "Ed25519") {
		t.Errorf("got %v, want a refusal of the key", err)
	}
}

// A peer that says nothing is let go, and does not keep others out.
func TestSilentPeers(t *testing.T) {
	addr, _ := serve(t, nil)
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: secret(t)})
	defer c.CloseIdleConnections()
	if _, err := get(c); err != nil {
		t.Errorf("beside a silent peer: %v", err)
	}
	silent.SetReadDeadline(time.Now().Add(60 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the silent peer: got %v, want it closed", err)
	}
}
