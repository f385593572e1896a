package groupnet_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestAPanicCostsItsConnection: a bug in a handshake, or in the answer to a request, ends that connection; others are
// served, and the server ends.
func TestAPanicCostsItsConnection(t *testing.T) {
	ill, well := secret(t), secret(t)
	addr, _ := serve(t, func(g *groupnet.Group) {
		g.Admit = func(k signed.Key, _ string) error {
			if k == ill.Public() {
				panic("a bug that was planted")
			}
			return nil
		}
		g.Sync = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/bug" {
				panic("another")
			}
			io.WriteString(w, "fine")
		})
	})
	as := func(me signed.SigningKey) *http.Client {
		return groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: me})
	}
	for range 3 {
		if got, err := get(as(ill)); err == nil {
			t.Errorf("got %q", got)
		}
		if r, err := as(well).Get("https://member/v1/bug"); err == nil {
			t.Errorf("got %v, want a connection that ends", r.Status)
		}
		if got, err := get(as(well)); err != nil || got != "fine" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// TestAPanicInADialIsItsError: net/http dials in a goroutine of its own.
func TestAPanicInADialIsItsError(t *testing.T) {
	addr, _ := serve(t, nil)
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: secret(t), Accept: func(signed.Key) error { panic("a bug that was planted") }})
	if got, err := get(c); err == nil {
		t.Errorf("got %q", got)
	}
}
