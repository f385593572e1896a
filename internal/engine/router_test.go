package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// TestRouterClient: whoever answers the search for a router is asked only where a router can be, and not without end.
func TestRouterClient(t *testing.T) {
	long := make([]byte, 1<<20)
	asked := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		for range 8 {
			if _, err := w.Write(long); err != nil {
				return
			}
		}
	}))
	defer s.Close()

	near := routerClient(func(netip.Addr) bool { return true })
	resp, err := near.Get(s.URL + "/root.xml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || n != routerBytes {
		t.Errorf("a long answer: got %d bytes and %v, want %d", n, err, routerBytes)
	}
	if resp, err := near.Get(s.URL + "/away"); err == nil {
		resp.Body.Close()
		t.Error("a redirect is followed")
	}
	if resp, err := http.Get(s.URL + "/loopback"); err == nil {
		resp.Body.Close()
		t.Error("a service of this machine is asked")
	}
	if asked["/there"] != 0 || asked["/loopback"] != 0 {
		t.Errorf("asked %v", asked)
	}
}

func TestOnNetwork(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "::1", "169.254.169.254", "203.0.113.9", "2001:db8::1"} {
		if onNetwork(netip.MustParseAddr(s)) {
			t.Errorf("%s is taken for a router's address", s)
		}
	}
	for _, l := range ownLinks() {
		if onNetwork(l.net.Addr()) {
			t.Errorf("this machine's own %v is taken for a router's", l.net.Addr())
		}
	}
}
