package group_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupsync"
)

// FuzzHTTP has strangers call every endpoint of a member of a real group, with any body. Nothing of theirs is kept, and what
// the group knows stays as it is.
func FuzzHTTP(f *testing.F) {
	alice, err := group.Create(f.TempDir(), group.Created{Name: "acme", User: "alice", Label: "laptop", Stale: 720}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	root, head := alice.Roots(1)[0], alice.AllHeads()[0]
	records, err := alice.Records(head.Device, 0, 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	strange, raw := stranger(f, alice, `{"n":1,"op":"junk"}`)
	mine, theirs := head.Device.String(), strange.Device.String()
	seed := func(path, body string) { f.Add("POST", path, []byte(body)) }
	seed("/v1/root", fmt.Sprintf(`{"roots":[%q]}`, root))
	seed("/v1/root", fmt.Sprintf(`{"roots":[%q]}`, bytes.Replace(root, []byte("acme"), []byte("acmf"), 1)))
	seed("/v1/heads", fmt.Sprintf(`{"root":1,"all":true,"heads":[%q,%q],"port":6881}`, head.Raw, strange.Raw))
	seed("/v1/heads", `{"all":true,"heads":[]}`)
	seed("/v1/forks", fmt.Sprintf(`{"forks":["{\"instead\":\"%064d\",\"large\":%q,\"proof\":[],\"small\":%q,\"v\":1}"]}`, 0, "x", "y"))
	seed("/v1/log/"+mine+"?from=0", string(head.Raw)+string(records))
	seed("/v1/log/"+mine+"?from=9223372036854775807", string(head.Raw)+string(records))
	seed("/v1/log/"+theirs+"?from=0", string(strange.Raw)+string(raw[0])+"\n")
	for _, path := range []string{"/v1/root?from=1", "/v1/heads?since=0.0&wait=0", "/v1/log/" + mine + "?from=1", "/v1/slot/" + mine[:32], "/v1/torrent/" + mine, "/v1/have", "/v1/peers", "/v1/forks"} {
		f.Add("GET", path, []byte{})
	}
	h := groupsync.NewHandler(groupsync.Options{Group: alice.ID(), Vault: alice, Self: head.Device, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Root: true, Slot: true, Read: true, Push: true, Content: true}
	}})
	caller := 0
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		u, err := r.URL.Parse(path)
		if err != nil || u.Query().Get("wait") != "" && u.Query().Get("wait") != "0" {
			return
		}
		r.Method, r.URL = method, u
		caller++
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1", caller%65536)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if heads := alice.AllHeads(); len(heads) != 1 || !bytes.Equal(heads[0].Raw, head.Raw) || len(alice.Roots(1)) != 1 || len(alice.Forks()) != 0 {
			t.Fatalf("%s %s %q has changed what the group knows", method, path, body)
		}
	})
}
