//go:build linux

package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/payload"
)

// TestSecretsOfAddressesAreNotShown checks that nothing displayed, printed for programs or logged contains a passkey, query or
// password of a tracker or web seed, even if a tracker echoes it. Magnet links are meant to be passed on, and are complete.
func TestSecretsOfAddressesAreNotShown(t *testing.T) {
	t.Parallel()
	const query, key, password = "SECRETQUERY", "0123456789abcdef0123456789abcdef", "SECRETPASSWORD"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/files") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		said := "unknown key " + query
		if strings.Contains(r.URL.Path, key) {
			said = "unknown key " + key
		}
		fmt.Fprintf(w, "d14:failure reason%d:%se", len(said), said)
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	torrent := torrentOf(t, made(t, payload.OneFile),
		"--tracker", srv.URL+"/announce?passkey="+query, "--tracker", "http://"+host+"/"+key+"/announce",
		"--tracker", "http://127.0.0.1:1/announce?passkey="+query, "--webseed", "http://me:"+password+"@"+host+"/files/?token="+query)
	home := filepath.Join(t.TempDir(), "home")
	us := us
	us.Home = home
	magnets := regexp.MustCompile(`"magnet":"[^"]*"`)
	// say runs a command until it exits, with any result, and returns its output without magnet links.
	say := func(cmd *exec.Cmd) string {
		b, _ := cmd.CombinedOutput()
		return magnets.ReplaceAllString(string(b), "")
	}
	judge := func(what, said string, want ...string) {
		t.Helper()
		for _, secret := range []string{query, key, password} {
			if strings.Contains(said, secret) {
				t.Errorf("%s shows %q: %s", what, secret, said)
			}
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: got %s, want %q in it", what, said, w)
			}
		}
	}
	var wg sync.WaitGroup
	for _, flag := range []string{"--alone", "--json"} {
		flags := append([]string{flag, "--allow-private", "--listen", "127.0.0.1", "--timeout", "4s", "-o"}, t.TempDir(), torrent)
		cmd := us
		cmd.Home = filepath.Join(t.TempDir(), "home")
		wg.Go(func() {
			judge("fetch "+flag, say(cmd.Command(t, nil, "fetch", append(flags, nothing...)...)), "unknown key redacted", "403")
		})
	}
	wg.Wait()
	if out, err := us.Command(t, nil, "daemon", append([]string{"--detach", "--listen", "127.0.0.1"}, nothing...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer us.Command(t, nil, "daemon", "--stop").Run()
	judge("fetch --no-wait", say(us.Command(t, nil, "fetch", "--no-wait", "--allow-private", "-o", t.TempDir(), torrent)))
	said := ""
	for end := time.Now().Add(busy * 30 * time.Second); strings.Count(said, "unknown key redacted") < 2 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		said = say(us.Command(t, nil, "status", "--json"))
	}
	judge("status --json", said, "unknown key redacted", `"tracker_words":[`, `"refuses":true`)
	judge("status", say(us.Command(t, nil, "status")), `refuses: "unknown key redacted`)
	for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}, {"list"}, {"log"}, {"log", "--json"}, {"lint", torrent}, {"lint", "--json", torrent}} {
		cmd := us.Command(t, nil, args[0], args[1:]...)
		wg.Go(func() { judge(strings.Join(args, " "), say(cmd)) })
	}
	wg.Wait()
}
