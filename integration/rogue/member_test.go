package rogue_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/rogue"
)

// TestLinkAgreesWithTheSpecification uses the test vectors of the specification of links.
func TestLinkAgreesWithTheSpecification(t *testing.T) {
	data := filepath.Join("..", "..", "internal", "signed", "testdata")
	links, err := os.ReadFile(filepath.Join(data, "links"))
	if err != nil {
		t.Fatal(err)
	}
	derived, err := os.ReadFile(filepath.Join(data, "derived"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(links))
	private, err := rogue.ParseLink(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []int64{20717, 20718} {
		for _, want := range []string{
			fmt.Sprintf("private rendezvous %d %x", day, private.Rendezvous(day)),
			fmt.Sprintf("private sni %d %s", day, private.ServerName(day)),
			fmt.Sprintf("private lobby %x", private.Lobby().Public()),
		} {
			if !strings.Contains(string(derived), want+"\n") {
				t.Errorf("got %q, want it among\n%s", want, derived)
			}
		}
	}
	if _, err := rogue.ParseLink("p2pshare:aaaa"); err == nil {
		t.Error("half a link: got no error")
	}
}

// TestSlotAgreesWithTheSpecification uses the test vector of the specification of slots.
func TestSlotAgreesWithTheSpecification(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("..", "..", "internal", "seal", "testdata", "slot"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := rogue.Link{Group: [20]byte{1, 2, 3}}.Slot("office", "stored in the slot", 10)
	if want := hex.EncodeToString(stored[:32]); err != nil || got.Tag != want {
		t.Errorf("got %s, %v, want %s", got.Tag, err, want)
	}
}

func TestStolenKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.json")
	key := rogue.NewKey()
	raw, err := json.Marshal(map[string]any{"version": 1, "kind": "device", "seed": hex.EncodeToString(key.Seed())})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := rogue.StolenKey(path); err != nil || !got.Equal(key) {
		t.Errorf("got %v, want the key", err)
	}
	if err := os.WriteFile(path, []byte(`{"seed":"00"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rogue.StolenKey(path); err == nil {
		t.Error("without a seed: got no error")
	}
}

// TestMember talks to a server that reports what it received: the name, the protocol, the key, the handshake.
func TestMember(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %x", r.Method, r.URL.Path, r.TLS.ServerName, r.TLS.PeerCertificates[0].PublicKey.(ed25519.PublicKey))
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{rogue.Sync, rogue.Swarm}}
	srv.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){rogue.Swarm: func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		hello, request := make([]byte, 73), make([]byte, 17)
		if _, err := io.ReadFull(c, hello); err != nil {
			return
		}
		_, _ = c.Write(append(hello[:68], 0, 0, 0, 0, 0, 0, 0, 1, 1)) // a keep-alive, and unchoke; the test notices if they are missing
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		_, _ = c.Write(append([]byte{0, 0, 0, 18, 20}, request...))
	}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	key := rogue.NewKey()
	m := rogue.Member{Name: "name.of.the.day", Key: key, Connect: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", srv.Listener.Addr().String())
	}}
	a, err := m.Get(ctx, "/v1/x")
	if want := fmt.Sprintf("GET /v1/x name.of.the.day %x", key.Public()); err != nil || a.Status != 200 || string(a.Body) != want {
		t.Errorf("got %v, %v, want %q", a, err, want)
	}
	hash := [20]byte{1, 2, 3}
	got, err := m.Take(ctx, hash, 1, 1<<20)
	if err != nil || !bytes.HasPrefix(got, rogue.Handshake(hash)) || !bytes.HasSuffix(got, []byte("\x00\x00\x00\x0d\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00")) {
		t.Errorf("got %q, %v, want the messages", got, err)
	}
	m.Key = nil
	if a, err := m.Get(ctx, "/v1/x"); err == nil {
		t.Errorf("without a certificate: got %v, want a refusal", a)
	}
}

// TestSlotOpens opens the slot of the specification, which no other password does.
func TestSlotOpens(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("..", "..", "internal", "seal", "testdata", "slot"))
	if err != nil {
		t.Fatal(err)
	}
	link := rogue.Link{Group: [20]byte{1, 2, 3}}
	for password, want := range map[string]bool{"stored in the slot": true, "another": false} {
		s, err := link.Slot("office", password, 10)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Account(stored[96:]) // after the tag and its signature
		if (err == nil) != want || want && (a.Name != "office" || len(a.Key) == 0) {
			t.Errorf("%q: got %v, %v", password, a.Name, err)
		}
	}
}

// TestHeadAgreesWithTheSpecification signs the head in the specification of formats.
func TestHeadAgreesWithTheSpecification(t *testing.T) {
	data := filepath.Join("..", "..", "internal", "signed", "testdata")
	want, err := os.ReadFile(filepath.Join(data, "head.note"))
	if err != nil {
		t.Fatal(err)
	}
	gid, err := os.ReadFile(filepath.Join(data, "gid"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := hex.DecodeString(strings.TrimSpace(string(gid)))
	if err != nil {
		t.Fatal(err)
	}
	seed := sha256.Sum256([]byte("dev"))
	l := rogue.Log{Group: [20]byte(id), Key: ed25519.NewKeyFromSeed(seed[:])}
	const ms = 1_790_000_000_000
	for i := range int64(5) {
		if err := l.Add(ms+i, "share", rogue.Record{"id": fmt.Sprintf("%08x", i), "text": strings.Repeat("x", 300)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Head(time.Unix(ms/1000, 0)); !bytes.Equal(got, want) {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}
