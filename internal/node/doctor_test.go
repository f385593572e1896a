package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func examine(t *testing.T, n *node.Node, refs ...string) *node.Diagnosis {
	t.Helper()
	d, err := n.Doctor(t.Context(), node.DoctorRequest{Refs: refs}, func(node.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// finding is the one of code that says what; the test fails without it.
func finding(t *testing.T, d *node.Diagnosis, code string, grave bool, what string) {
	t.Helper()
	ok := slices.ContainsFunc(d.Findings, func(f node.Finding) bool {
		return f.Code == code && f.Grave == grave && strings.Contains(f.What, what)
	})
	if !ok {
		t.Errorf("got %+v, want %s, grave %v, with %q", d.Findings, code, grave, what)
	}
}

func TestDoctorOfAHealthyDaemon(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Network.NoLAN = true })
	publishIn(t, n, folder(t, "rel", map[string]string{"a": "hello"}))
	d := examine(t, n)
	for _, f := range d.Findings {
		if f.Code != "port-closed" { // on loopback, as these tests are
			t.Errorf("got %+v, want nothing", f)
		}
	}
	if !slices.Contains(d.Looked, "a daemon runs") {
		t.Errorf("looked at: got %q, want that a daemon runs", d.Looked)
	}
	if _, err := n.Doctor(t.Context(), node.DoctorRequest{Refs: []string{"nothing"}}, func(node.Event) {}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown REF: got %v, want not found", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Doctor(ctx, node.DoctorRequest{}, func(node.Event) {}); err == nil {
		t.Error("a caller that has gone: got no error")
	}
}

func TestDoctorOfARestingHome(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	publishIn(t, n, folder(t, "rel", map[string]string{"a": "hello"}))
	end()
	resting := opened(t, node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
	finding(t, examine(t, resting), "no-daemon", true, "one share rests")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := quiet
	taken.Port = l.Addr().(*net.TCPAddr).Port
	finding(t, examine(t, opened(t, node.Options{Home: t.TempDir(), Network: taken, Log: slog.New(slog.DiscardHandler)})), "port", true, "in use by another program")
}

func opened(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestDoctorOfFiles(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	gone := folder(t, "gone", map[string]string{"a": "hello"})
	changed := folder(t, "changed", map[string]string{"a": "hello"})
	still := folder(t, "still", map[string]string{"a": "hello, still"})
	for _, p := range []string{gone, changed, still} {
		publishIn(t, n, p)
	}
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(changed, "a"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	shareIn(t, n, "gone", in(node.StateWaiting))
	shareIn(t, n, "changed", in(node.StateFailed))
	if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{"still"}}); err != nil {
		t.Fatal(err)
	}
	d := examine(t, n)
	finding(t, d, "source-gone", true, gone)
	finding(t, d, "source-changed", true, "a")
	if slices.ContainsFunc(d.Findings, func(f node.Finding) bool { return f.Share == "still" }) {
		t.Errorf("got %+v, want nothing of a share that the user stopped", d.Findings)
	}
	finding(t, examine(t, n, "still"), "stopped", true, "it was stopped")

	// A record of which a byte was flipped.
	still = shareIn(t, n, "still", in(node.StateStopped)).ID
	end()
	path := filepath.Join(home, "shares", still, "record.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ = daemon(t, home, nil)
	finding(t, examine(t, n), "home", true, "cannot be read")
}

func TestDoctorOfHomeAndClock(t *testing.T) {
	home := t.TempDir()
	later := time.Now().Add(3 * time.Hour)
	for name, body := range map[string]string{"limits.json": "torn", "dht.json": "{}"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(home, "dht.json"), later, later); err != nil {
		t.Fatal(err)
	}
	n, _ := daemon(t, home, nil)
	d := examine(t, n)
	finding(t, d, "home", false, "the limits are not known")
	finding(t, d, "clock", false, "dht.json\" was written 3 hours in the future")
}

func TestDoctorOfLimits(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	publishIn(t, n, folder(t, "rel", map[string]string{"a": "hello"}))
	low := int64(1000)
	if _, err := n.Limit(t.Context(), node.LimitRequest{Up: &low}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Limit(t.Context(), node.LimitRequest{Refs: []string{"rel"}, Down: &low}); err != nil {
		t.Fatal(err)
	}
	d := examine(t, n)
	finding(t, d, "rate-limit", false, "sending is limited to 1.0 kB a second")
	finding(t, d, "rate-limit", false, "receiving of this share is limited to 1.0 kB a second")
	all := []node.Window{{From: "00:00", To: "24:00", Up: 2000}}
	if _, err := n.Limit(t.Context(), node.LimitRequest{Windows: &all}); err != nil {
		t.Fatal(err)
	}
	finding(t, examine(t, n), "rate-limit", false, "by the schedule of this hour")
}

func TestDoctorOfFetches(t *testing.T) {
	const magnet = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=lost"
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Fetches = 1 })
	fetch := func(ref string) {
		t.Helper()
		if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return n.Fetch(ctx, node.FetchRequest{Ref: ref, Dir: t.TempDir()}, on)
		}, func(e node.Event) bool { return e.Kept != nil }); err == nil {
			t.Fatal("the fetch is done, want it kept")
		}
	}
	fetch(magnet)
	end := time.Now().Add(90 * time.Second)
	for { // nobody is there from the first moment, and it is said when a fetch has looked for a while
		d := examine(t, n)
		if slices.ContainsFunc(d.Findings, func(f node.Finding) bool { return f.Code == "nobody" }) {
			finding(t, d, "nobody", true, "nobody who has it was found")
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %+v, want that nobody was found", d.Findings)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func TestDoctorOfAFullDisk(t *testing.T) {
	src := folder(t, "rel", map[string]string{"a": strings.Repeat("x", 100_000)})
	from, _ := daemon(t, t.TempDir(), nil)
	torrent := filepath.Join(t.TempDir(), "rel.torrent")
	if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return from.Publish(ctx, node.PublishRequest{Path: src, Output: torrent}, on)
	}, func(e node.Event) bool { return e.Published != nil }); err != nil {
		t.Fatal(err)
	}
	// No disk has so much, and so all are too full for the floor.
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Floor = 1 << 60 })
	if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Fetch(ctx, node.FetchRequest{Ref: torrent, Dir: t.TempDir()}, on)
	}, func(e node.Event) bool { return e.Kept != nil }); err == nil {
		t.Fatal("the fetch is done, want it kept")
	}
	shareIn(t, n, "rel", in(node.StateWaiting))
	finding(t, examine(t, n), "disk-full", true, "are to stay free")
}

func TestDoctorOfSites(t *testing.T) {
	ahead := 48*time.Hour + 20*time.Minute // the header has whole seconds: nothing may hang on less
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		if r.URL.Path != "/announce" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("d8:intervali60e5:peers0:e"))
	}))
	defer srv.Close()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadURL := "http://user:secret@" + dead.Addr().String() + "/announce"
	dead.Close()
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Network.Trackers = []string{srv.URL + "/announce", deadURL} })
	file := filepath.Join(folder(t, "dir", map[string]string{"a.iso": "hello"}), "a.iso")
	if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: file, WebSeeds: []string{srv.URL + "/a.iso"}}, on)
	}, func(e node.Event) bool { return e.Published != nil }); err != nil {
		t.Fatal(err)
	}
	d := examine(t, n)
	finding(t, d, "clock", true, "2 days behind the time that "+srv.URL)
	finding(t, d, "tracker", false, "connection refused")
	finding(t, d, "web-seed", false, "it answers 404")
	for _, f := range d.Findings {
		if strings.Contains(f.What, "secret") {
			t.Errorf("got %q, want no password in it", f.What)
		}
	}
}

// TestDoctorOfACertificateOfTheFuture: with a clock that is behind, every certificate is.
func TestDoctorOfACertificateOfTheFuture(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(72 * time.Hour), NotAfter: time.Now().Add(900 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, &cert, &cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.StartTLS()
	defer srv.Close()
	n, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Network.Trackers = []string{srv.URL + "/announce"} })
	finding(t, examine(t, n), "clock", true, "3 days behind the time that the certificate of "+srv.URL)
}

func TestDoctorOfAPrivateTorrent(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: folder(t, "rel", map[string]string{"a": "hello"}), Private: true}, on)
	}, func(e node.Event) bool { return e.Published != nil }); err != nil {
		t.Fatal(err)
	}
	finding(t, examine(t, n), "private-no-tracker", true, "nobody can find it")
}
