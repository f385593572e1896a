package groupsync_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/p2pshare/p2pshare/internal/groupsync"
)

// TestEvidenceOfManyDevices has more pieces of evidence than one answer or push takes: all of them arrive.
func TestEvidenceOfManyDevices(t *testing.T) {
	const n = 600
	first, second, third := rooted(t), rooted(t), rooted(t)
	for i := range n {
		must(t, first.AddFork(t.Context(), fmt.Appendf(nil, "%s %d", evidence, i)))
	}
	if _, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(first)))), group, second).Pull(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	must(t, groupsync.NewPeer(client(addrOf(serve(t, handlerOf(third)))), group, second).Push(t.Context()))
	for name, s := range map[string]*shelf{"pulled": second, "pushed": third} {
		if got := len(s.Evidence(0, 2*n)); got != n || s.ForkSum() != first.ForkSum() {
			t.Errorf("%s: %d pieces of evidence, want %d", name, got, n)
		}
	}
}

// TestEvidenceIsNotAskedForAgain has peers whose evidence is never what is here: of devices that are not known, or without end.
func TestEvidenceIsNotAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		unknown bool
		answer  string // instead of the peer's; empty: its own
		most    int32
	}{
		{"of devices that are not known here", true, "", 1},
		{"it says that there is some, and has none", false, `{"forks":[]}`, 1},
		{"the same without end", false, `{"forks":["` + evidence + strings.Repeat(`","`+evidence, 255) + `"]}`, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := rooted(t), rooted(t)
			must(t, from.AddFork(t.Context(), []byte(evidence+" 1")))
			to.unknown = c.unknown
			var calls atomic.Int32
			h := handlerOf(from)
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && r.URL.Path == "/v1/forks" {
					calls.Add(1)
					if c.answer != "" {
						text(c.answer)(w, r)
						return
					}
				}
				h.ServeHTTP(w, r)
			}))
			p := groupsync.NewPeer(client(addrOf(s)), group, to)
			for range 3 {
				if _, err := p.Pull(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			if got := calls.Load(); got > c.most {
				t.Errorf("asked %d times, want at most %d", got, c.most)
			}
		})
	}
}

// TestNewEvidenceAsksForAllHeads has evidence come to a machine that has read a peer's heads before: of the device that it is
// against other records may be wanted, and so all heads are asked for again, once.
func TestNewEvidenceAsksForAllHeads(t *testing.T) {
	from, to := rooted(t), rooted(t)
	a := newDevice(t, group)
	a.into(from, 1)
	var asked []string
	h := handlerOf(from)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/heads" {
			asked = append(asked, r.URL.Query().Get("since"))
		}
		h.ServeHTTP(w, r)
	}))
	p := groupsync.NewPeer(client(addrOf(s)), group, to)
	pull := func(want bool) {
		t.Helper()
		if _, err := p.Pull(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if got := asked[len(asked)-1] == ""; got != want {
			t.Errorf("call %d asks for all heads: %v, want %v", len(asked), got, want)
		}
	}
	pull(true)
	pull(false)
	must(t, to.AddFork(t.Context(), []byte(evidence)))
	pull(true)
	pull(false)
	must(t, to.AddFork(t.Context(), []byte(evidence+" 2")))
	pull(false) // not before a minute has passed: who forks a device again and again makes nobody read all heads all the time
}

// TestUnknownDevicesOfPushedEvidence has a peer push evidence against a device that is not known here: it is no fault of the peer.
func TestUnknownDevicesOfPushedEvidence(t *testing.T) {
	from, to := rooted(t), rooted(t)
	must(t, from.AddFork(t.Context(), []byte(evidence)))
	to.unknown = true
	must(t, groupsync.NewPeer(client(addrOf(serve(t, handlerOf(to)))), group, from).Push(t.Context()))
	if len(to.Evidence(0, 10)) != 0 {
		t.Error("it was taken")
	}
}
