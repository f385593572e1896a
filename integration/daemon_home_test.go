//go:build linux

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// command runs a command on a home and gives its exit code and what it printed.
func command(t testing.TB, home, verb string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := us
	p.Home = home
	proc := client.Start(t, p.Command(t, nil, verb, args...))
	code, err := proc.Exit(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return code, proc.Stdout.String(), proc.Stderr.String()
}

func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	first := daemon(t, nil, home, still...)
	for _, args := range [][]string{still, append([]string{"--detach"}, still...)} {
		code, stdout, stderr := command(t, home, "daemon", args...)
		if code != 11 || !strings.Contains(stderr, fmt.Sprintf("process %d", first.Pid())) || stdout != "" {
			t.Errorf("%v: got exit code %d, %q, %q, want 11 and process %d", args, code, stdout, stderr, first.Pid())
		}
	}
	if _, err := first.Status(within(t, 10*time.Second)); err != nil {
		t.Errorf("the first one after it: %v", err)
	}
}

// A killed daemon leaves its socket: commands work on the resting home, and the next daemon replaces it.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	path := small(t, "kept", 10_000, 1)
	keeps(t, d, path)
	d.Kill()
	if !exists(filepath.Join(home, "p2pshare.sock")) {
		t.Fatal("no socket is left: the test tests nothing")
	}
	if code, stdout, stderr := command(t, home, "list"); code != 0 || !strings.Contains(stdout, "kept") {
		t.Errorf("list: got %d, %q, %q, want the share", code, stdout, stderr)
	}
	if code, _, stderr := command(t, home, "limit", "--up", "1MiB"); code != 0 {
		t.Errorf("limit: got %d, %q", code, stderr)
	}
	d = daemon(t, nil, home, still...)
	reaches(t, d, "kept", "seeding")
	if s, err := d.Status(within(t, 10*time.Second)); err != nil || s.Limits.Up != 1<<20 {
		t.Errorf("limits: got %+v, %v, want what was set while it rested", s, err)
	}
}

func TestSocketOfAnotherUser(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	if err := os.Lchown(filepath.Join(home, "p2pshare.sock"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"status", "list"} {
		code, stdout, stderr := command(t, home, verb)
		if code != 12 || !strings.Contains(stderr, "65534") || stdout != "" {
			t.Errorf("%s: got %d, %q, %q, want 12 and whose it is", verb, code, stdout, stderr)
		}
	}
	if !d.Running() {
		t.Error("the daemon has ended")
	}
	// And from the other side: another user finds neither home nor socket.
	cmd := asNobody(exec.Command(binaryForAll(t), "status", "--home", home))
	reachable(t, home)
	refused(t, client.Start(t, cmd), 12, "belongs to user 0")
}

func TestDaemonOfANewerVersion(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(home, "p2pshare.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		w.Header().Set("P2pshare-Api", "7")
		w.Header().Set("P2pshare-Version", "9.8.7")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"problem":{"kind":"not-found","text":"gone"}}`))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	path := small(t, "x", 100, 1)
	for _, args := range [][]string{{"status"}, {"publish", path}, {"remove", "x"}} {
		code, stdout, stderr := command(t, home, args[0], args[1:]...)
		if code != 1 || stdout != "" {
			t.Errorf("%v: got exit code %d, %q, want 1 and no answer", args, code, stdout)
		}
		for _, word := range []string{"9.8.7", "version 7", "daemon"} {
			if !strings.Contains(stderr, word) {
				t.Errorf("%v: got %q, want it to say %q", args, stderr, word)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were sent to a daemon that could not be understood", n)
	}
}

// TestDiskFullOfState fills the disk that the home is on: what cannot be written is refused, nothing is half there,
// what was there goes on.
func TestDiskFullOfState(t *testing.T) {
	t.Parallel()
	disk := mounted(t, "size=2m")
	home := filepath.Join(disk, "home")
	d := daemon(t, nil, home, still...)
	path := small(t, "first", 200_000, 1)
	magnet := keeps(t, d, path)
	ctx := within(t, time.Minute)
	if err := d.Ask(ctx, "limit", map[string]any{"up": 50_000_000}, nil); err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(disk, "hog")
	if err := exec.Command("sh", "-c", "cat /dev/zero > "+hog+" 2>/dev/null; true").Run(); err != nil {
		t.Fatal(err)
	}
	second := small(t, "second", 200_000, 2)
	full := func(what string, err error) {
		t.Helper()
		if no := new(client.Refusal); !errors.As(err, &no) || !strings.Contains(no.Text, "no space") {
			t.Errorf("%s on a full disk: got %v, want it refused for want of space", what, err)
		}
	}
	_, err := d.Publish(ctx, second)
	full("publish", err)
	full("limit", d.Ask(ctx, "limit", map[string]any{"up": 60_000_000}, nil))
	full("limit of a share", d.Ask(ctx, "limit", map[string]any{"up": 60_000_000, "refs": []string{"first"}}, nil))
	full("stop", d.Ask(ctx, "change", map[string]any{"refs": []string{"first"}}, nil))
	full("fetch", d.Stream(ctx, "fetch", map[string]any{"ref": strings.Repeat("ab", 20), "dir": t.TempDir()}, func(e client.Event) bool { return e.Kept != nil }))
	fetchable(ctx, t, nil, magnet, path, peerOf(t, d, nil))
	same := func(when string, d *client.Daemon) {
		t.Helper()
		reaches(t, d, "first", "seeding")
		s, err := d.Status(ctx)
		if err != nil || len(s.Shares) != 1 || s.Limits.Up != 50_000_000 || s.Shares[0].Limits.Up != 0 || len(s.Problems) > 0 {
			t.Errorf("%s: got %+v, %v, want the first share alone and its limits as they were", when, s, err)
		}
	}
	same("on the full disk", d)
	d.Kill()
	d = daemon(t, nil, home, still...) // it can start there
	same("started on the full disk", d)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	keeps(t, d, second)
	reaches(t, d, "second", "seeding")
	ended(t, d)
}

func TestHomeMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := daemon(t, nil, filepath.Join(dir, "before"), still...)
	path := small(t, "kept", 300_000, 1)
	magnet := keeps(t, d, path)
	ended(t, d)
	after := filepath.Join(dir, "some", "where")
	if err := os.MkdirAll(filepath.Dir(after), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "before"), after); err != nil {
		t.Fatal(err)
	}
	d = daemon(t, nil, after, still...)
	reaches(t, d, "kept", "seeding")
	if log := d.Stderr.String(); strings.Contains(log, "hashing") {
		t.Errorf("it was hashed again: %s", log)
	}
	fetchable(within(t, 30*time.Second), t, nil, magnet, path, peerOf(t, d, nil))
	if exists(filepath.Join(dir, "before")) {
		t.Error("something is written where the home was")
	}
}

// TestManyRequests asks 10,000 times at once. All are answered in the end, and the daemon is what it was.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), still...)
	path := small(t, "kept", 10_000, 1)
	keeps(t, d, path)
	before := descriptors(t, d)
	const requests = 10_000
	ctx := within(t, 2*time.Minute)
	var (
		all      sync.WaitGroup
		answered atomic.Int64
		again    atomic.Int64
		gate     = make(chan struct{})
		most     atomic.Int64
	)
	for i := range requests {
		all.Go(func() {
			<-gate
			for ctx.Err() == nil {
				var err error
				if i%10 == 0 {
					err = d.Ask(ctx, "limit", map[string]any{"up": 1_000_000 + i}, nil)
				} else {
					err = d.Ask(ctx, "status", map[string]any{"refs": []string{"kept"}}, nil)
				}
				var no *client.Refusal
				switch {
				case err == nil:
					answered.Add(1)
					return
				case errors.As(err, &no) && strings.Contains(no.Text, "busy"), client.Gone(err) && d.Running():
					// Told to come again, no room in the queue of the socket, or so starved in this process that its
					// connection was given up: it asks again, as the commands do.
					again.Add(1)
					pause(ctx)
				default:
					t.Errorf("request %d: %v", i, err)
					return
				}
			}
		})
	}
	close(gate)
	for answered.Load() < requests && ctx.Err() == nil && !t.Failed() {
		most.Store(max(most.Load(), int64(descriptors(t, d))))
		<-time.After(20 * time.Millisecond)
	}
	all.Wait()
	t.Logf("%d answered, %d asked again, at most %d descriptors", answered.Load(), again.Load(), most.Load())
	if n := answered.Load(); n != requests {
		t.Errorf("%d of %d requests were answered", n, requests)
	}
	if most.Load() > 800 {
		t.Errorf("the daemon had %d files open, want it to hold a bound", most.Load())
	}
	if err := d.Process.Until(ctx, "the connections are closed", func() bool { return descriptors(t, d) <= before+10 }); err != nil {
		t.Errorf("%d descriptors after it, %d before: %v", descriptors(t, d), before, err)
	}
	reaches(t, d, "kept", "seeding")
	ended(t, d)
}

func descriptors(t testing.TB, d *client.Daemon) int {
	t.Helper()
	list, err := os.ReadDir("/proc/" + strconv.Itoa(d.Pid()) + "/fd")
	if err != nil {
		t.Errorf("looking at the daemon's descriptors: %v", err)
	}
	return len(list)
}

// TestTerminatedAmongTheSilent ends a daemon while it waits for others in every way: trackers, a node of the DHT and a member of a
// group that do not answer, peers and commands that have begun to say something and do not go on, and who does not take what it
// has asked for.
func TestTerminatedAmongTheSilent(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	m, owner := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	ctx := within(t, time.Minute)

	// A tracker that answers the first announces, one that never answers, one of UDP, and a node of the DHT.
	silence := make(chan struct{})
	var started atomic.Bool
	trackers := [][]string{
		{serveHTTP(t, lab.Hub(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("event") != "started" {
				<-silence
			}
			io.WriteString(w, "d8:intervali1800e5:peers0:e")
			started.Store(true)
		})) + "/announce"},
		{serveHTTP(t, lab.Hub(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silence })) + "/announce"},
	}
	t.Cleanup(func() { close(silence) }) // before the servers' end, which waits for their answers
	deaf, err := lab.Hub().ListenPacket("udp", lab.Hub().IP+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	trackers = append(trackers, []string{"udp://" + deaf.LocalAddr().String() + "/announce"})
	d := m.daemon("--no-lan", "--no-upnp", "--floor", "0", "--dht-node", deaf.LocalAddr().String())

	// A group whose only other member takes connections, and says nothing on them.
	gone := owner.daemon(nothing...)
	m.must("group", "join", owner.must("group", "create", "acme", "--public"), "--peer", lab.Host(2).IP+":6881")
	gone.Kill()
	l := listenAt(t, lab.Host(2), lab.Host(2).IP+":6881")
	defer l.Close()
	called := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if n == 0 {
				close(called)
			}
		}
	}()

	path := small(t, "shared", 20<<20, 5)
	var hash string
	if err := d.Stream(ctx, "publish", map[string]any{"path": path, "format": "v1", "trackers": trackers}, func(e client.Event) bool {
		if e.Published != nil {
			hash = e.Published.Infohash
		}
		return e.Published != nil
	}); err != nil {
		t.Fatal(err)
	}
	fetch := map[string]any{"ref": "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20), "dir": t.TempDir(), "peers": []string{lab.Host(2).IP + ":6881"}}
	if err := d.Stream(ctx, "fetch", fetch, func(e client.Event) bool { return e.Kept != nil }); err != nil {
		t.Fatal(err)
	}

	handshake := string(rogue.Handshake([20]byte(unhex(t, hash))))
	interested := handshake + "\x00\x00\x00\x01\x02"
	for _, begin := range []string{
		"", "\x13", handshake[:30], handshake, interested, strings.Repeat("x", 600), "\x16", "\x16\x03\x01\x40\x00", "\x16\x03\x01\x02\x00\x01",
		"GE", "GET /p2pshare/pieces/" + hash, "GET /p2pshare/pieces/" + hash + "/0-1 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := lab.Host(2).Dial(ctx, "tcp", lab.Host(1).IP+":6881")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
	}
	for _, begin := range []string{"", "POST /v1/st", "POST /v1/fetch HTTP/1.1\r\nHost: p2pshare\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"} {
		c, err := net.Dial("unix", filepath.Join(m.home, "p2pshare.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Status(ctx); err != nil { // it has the connections of before, too
		t.Fatal(err)
	}
	eventually(t, "the tracker was told of the share", started.Load)
	select {
	case <-called:
	case <-ctx.Done():
		t.Error("the member that is silent was not called")
	}
	ended(t, d)
}

// TestTerminated ends a daemon in the middle of everything.
func TestTerminated(t *testing.T) {
	t.Parallel()
	source := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "512KiB"}, still...)...)
	path := made(t, payload.OneFile)
	magnet := keeps(t, source, path)
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	done := small(t, "done", 100_000, 3)
	keeps(t, d, done)
	out := t.TempDir()
	ctx := within(t, time.Minute)
	fetch := map[string]any{"ref": magnet, "dir": out, "seed": true, "peers": []string{peerOf(t, source, nil)}}
	if err := d.Stream(ctx, "fetch", fetch, func(e client.Event) bool {
		return e.Progress != nil && e.Progress.Phase == "fetching" && e.Progress.Done > 1_500_000
	}); err != nil {
		t.Fatal(err)
	}
	// More zeros than can be hashed meanwhile.
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 64<<30); err != nil {
		t.Fatal(err)
	}
	if err := d.Stream(ctx, "publish", map[string]any{"path": huge}, func(e client.Event) bool { return e.Progress != nil && e.Progress.Done > 0 }); err != nil {
		t.Fatal(err)
	}
	ended(t, d)
	if exists(filepath.Join(home, "p2pshare.sock")) {
		t.Error("the socket is left")
	}
	if err := source.Ask(ctx, "limit", map[string]any{"up": 0}, nil); err != nil {
		t.Fatal(err)
	}
	d = daemon(t, nil, home, still...)
	reaches(t, d, payload.OneFile.Name, "seeding")
	reaches(t, d, "done", "seeding")
	s, err := d.Status(ctx)
	if err != nil || len(s.Shares) != 2 {
		t.Errorf("got %+v, %v, want the fetch and the share, and no half publish", s, err)
	}
	for _, sh := range s.Shares {
		// What came before the end was taken up, and not fetched again, but for pieces that were not whole.
		if size := int64(3_000_001); sh.Name == payload.OneFile.Name && (sh.Downloaded < size || sh.Downloaded > size+1_000_000) {
			t.Errorf("%d bytes were received over both runs, want about %d", sh.Downloaded, size)
		}
	}
	if err := payload.Same(path, filepath.Join(out, payload.OneFile.Name)); err != nil {
		t.Error(err)
	}
	b, err := json.Marshal(s.Problems)
	if err != nil || len(s.Problems) > 0 {
		t.Errorf("problems: %s, %v", b, err)
	}
}
