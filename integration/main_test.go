//go:build linux

package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/tracker"
	"github.com/p2pshare/p2pshare/internal/needs"
)

// us is the program under test, built once.
var us client.P2PShare

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if about := os.Getenv(attackVariable); about != "" {
		return attackMain(about)
	}
	if os.Geteuid() != 0 && !needs.Everything() {
		fmt.Fprintln(os.Stderr, "integration: skipped: it needs root for networks of its own, and other clients: make test installs them and runs it")
		return 0
	}
	netlab.Sweep()
	dir, err := os.MkdirTemp("", "p2pshare-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "p2pshare")
	if built := os.Getenv("P2PSHARE_BIN"); built != "" {
		if err := os.Symlink(built, bin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	} else {
		cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "../cmd/p2pshare")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "integration: build the binary: %v\n%s", err, out)
			return 1
		}
	}
	us = client.P2PShare{Bin: bin}
	// The scripts call it by name.
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "HOME="+filepath.Join(e.WorkDir, "user"), "P2PSHARE_HOME="+filepath.Join(e.WorkDir, "home"))
			e.Defer(func() { // so that a failed script leaves no daemon behind
				for _, home := range []string{"home", "other"} {
					_ = exec.Command(us.Bin, "daemon", "--stop", "--home", filepath.Join(e.WorkDir, home)).Run()
				}
			})
			return nil
		},
	})
}

// newLab makes a lab that is removed at the end of the test.
func newLab(t testing.TB, hosts int) *netlab.Lab {
	t.Helper()
	lab, err := netlab.New(hosts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	return lab
}

// busy multiplies the timeouts of tests: ten tests run in parallel, so events come later than on an idle machine. Promised
// times are compared with the time actually taken, not with these timeouts.
const busy = 3

// within returns a context that ends with the test, or after busy times d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), busy*d)
	t.Cleanup(cancel)
	return ctx
}

// httpTracker runs a tracker at the lab's hub and returns its announce URL.
func httpTracker(t testing.TB, lab *netlab.Lab) (*tracker.Tracker, string) {
	t.Helper()
	tr := new(tracker.Tracker)
	return tr, serveHTTP(t, lab.Hub(), tr) + "/announce"
}

// serveHTTP runs a web server on a host and returns its URL, without a slash at the end.
func serveHTTP(t testing.TB, h *netlab.Host, handler http.Handler) string {
	t.Helper()
	return serveAt(t, h, h.IP+":0", handler)
}

// serveAt is serveHTTP at a given address of the host.
func serveAt(t testing.TB, h *netlab.Host, address string, handler http.Handler) string {
	t.Helper()
	ln := listenAt(t, h, address)
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return "http://" + ln.Addr().String()
}

func listenAt(t testing.TB, h *netlab.Host, address string) net.Listener {
	t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
