//go:build linux

package integration_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// nothingIn says when a target folder holds anything but the staging folder.
func nothingIn(t testing.TB, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if e.Name() != ".p2pshare" {
			t.Errorf("%q was left in the target folder", e.Name())
		}
	}
}

// swarm is a lab where host 1 publishes a payload.
type swarm struct {
	lab    *netlab.Lab
	path   string // the payload
	seeder *client.Process
	ref    string // its infohash
	magnet string
}

func newSwarm(t testing.TB, hosts int, tree payload.Tree, flags ...string) *swarm {
	t.Helper()
	s := &swarm{lab: newLab(t, hosts), path: made(t, tree)}
	s.seeder, s.magnet = published(t, s.lab.Host(1), s.path, append(flags, nothing...)...)
	s.ref = infohash(t, s.magnet)
	return s
}

// fetch starts a fetch on the last host that is told of the seeder.
func (s *swarm) fetch(t testing.TB, out string, flags ...string) *client.Process {
	t.Helper()
	flags = append(append(flags, peerFlag(s.lab.Host(1))...), nothing...)
	return client.Start(t, us.With(flags...).Command(t, s.lab.Host(2), "fetch", "-o", out, s.ref))
}

// refused waits for the end of a command that must fail: with this exit code, a message that holds
// each of the words, and nothing on stdout.
func refused(t testing.TB, p *client.Process, code int, words ...string) {
	t.Helper()
	got, err := p.Exit(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if got != code {
		t.Errorf("exit code: got %d, want %d", got, code)
	}
	for _, w := range words {
		if !strings.Contains(p.Stderr.String(), w) {
			t.Errorf("message: got %q, want it to say %q", p.Stderr.String(), w)
		}
	}
	if out := p.Stdout.String(); out != "" {
		t.Errorf("stdout: got %q, want nothing", out)
	}
}

func TestTargetHasOtherBytes(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.OneFile)
	out := t.TempDir()
	size, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	mine := bytes.Repeat([]byte("mine"), int(size.Size()+3)/4)[:size.Size()]
	target := filepath.Join(out, payload.OneFile.Name)
	if err := os.WriteFile(target, mine, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, s.fetch(t, out), 13, payload.OneFile.Name)
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, mine) {
		t.Errorf("the user's file was changed (%v)", err)
	}
}

func TestTargetIsTheContent(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.Folder)
	out := t.TempDir()
	if _, err := payload.Folder.Make(out); err != nil {
		t.Fatal(err)
	}
	p := s.fetch(t, out, "--json")
	if err := p.Finished(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := p.Stdout.String(); !strings.Contains(got, `"peers":0`) || !strings.Contains(got, `"reused":`) {
		t.Errorf("got %s, want all bytes reused", got)
	}
	if err := payload.Same(s.path, filepath.Join(out, payload.Folder.Name)); err != nil {
		t.Error(err)
	}
}

func TestSymlinksPlantedInTheTarget(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, link string }{
		{"as the content", payload.Folder.Name},
		{"as the staging folder", ".p2pshare"},
		{"as a file of the content", filepath.Join(payload.Folder.Name, "file-00.bin")},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 2, payload.Folder)
			out, victim := t.TempDir(), t.TempDir()
			precious := filepath.Join(victim, "precious")
			if err := os.WriteFile(precious, []byte("keep"), 0o644); err != nil {
				t.Fatal(err)
			}
			to := victim
			if filepath.Dir(tc.link) != "." {
				to = precious
			}
			link := filepath.Join(out, tc.link)
			if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
			p := s.fetch(t, out)
			code, err := p.Exit(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if code == 0 {
				t.Error("the fetch ended well, want it to refuse the link")
			}
			if !strings.Contains(p.Stderr.String(), filepath.Base(tc.link)) {
				t.Errorf("message: got %q, want it to name %q", p.Stderr.String(), filepath.Base(tc.link))
			}
			left, err := os.ReadDir(victim)
			if err != nil || len(left) != 1 {
				t.Errorf("where the link points there is %v, %v, want the one file", left, err)
			}
			if b, err := os.ReadFile(precious); err != nil || string(b) != "keep" {
				t.Errorf("the file outside: got %q, %v, want it untouched", b, err)
			}
		})
	}
}

// mounted is a file system of its own with little room.
func mounted(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.OneFile)
	out := mounted(t, "size=1m")
	refused(t, s.fetch(t, out), 1, payload.OneFile.Name, out, "free")
	nothingIn(t, out)
}

// The disk fills up while the fetch is under way, by somebody else; with room again it goes on.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.OneFile)
	out := mounted(t, "size=4m")
	p := s.fetch(t, out, "--max-down", "512KiB", "--json")
	ctx := within(t, time.Minute)
	if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(out, "hog")
	if err := exec.Command("sh", "-c", "cat /dev/zero > "+hog+" 2>/dev/null; true").Run(); err != nil {
		t.Fatal(err)
	}
	code, err := p.Exit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code != 1 || !strings.Contains(p.Stdout.String()+p.Stderr.String(), "space") {
		t.Errorf("got exit code %d, %s, want 1 and a word of the space", code, p.Stdout.String())
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	if err := s.fetch(t, out).Finished(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(s.path, filepath.Join(out, payload.OneFile.Name)); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyTarget(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.OneFile)
	out := mounted(t, "ro")
	refused(t, s.fetch(t, out), 1, out)
}

func TestUnreadableSource(t *testing.T) {
	t.Parallel()
	path := made(t, payload.Folder)
	bad := filepath.Join(path, "file-00.bin")
	if err := os.Chmod(bad, 0); err != nil {
		t.Fatal(err)
	}
	// Root reads everything, so this runs as nobody.
	home := filepath.Join(t.TempDir(), "home")
	reachable(t, path, home)
	cmd := asNobody(exec.Command(binaryForAll(t), "publish", "--home", home, "--no-seed", path))
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=") // not root's
	refused(t, client.Start(t, cmd), 1, "file-00.bin")
}

// binaryForAll is a copy of the program where every user can run it.
func binaryForAll(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "p2pshare")
	b, err := os.ReadFile(us.Bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, b, 0o755); err != nil {
		t.Fatal(err)
	}
	reachable(t, bin)
	return bin
}

// reachable opens the test's own temporary folders above the paths to every user.
func reachable(t testing.TB, paths ...string) {
	t.Helper()
	for _, p := range paths {
		for d := filepath.Dir(p); d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// asNobody lets a command run as a user with no rights.
func asNobody(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// The demo is what a newcomer runs first: an ordinary user, no internet, nothing left behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	tmp := filepath.Join(t.TempDir(), "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	reachable(t, tmp)
	script, err := os.ReadFile("demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	lab := newLab(t, 1)
	cmd := lab.Host(1).Command(within(t, time.Minute), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"bash", "-c", string(script), "demo.sh", binaryForAll(t))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME=/nonexistent")
	p := client.Start(t, cmd)
	if err := p.Finished(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"$ p2pshare publish", "magnet:?xt=urn:btih:", "$ p2pshare fetch", "the same bytes"} {
		if !strings.Contains(p.Stdout.String(), want) {
			t.Errorf("the demo does not show %q: %s", want, p.Stdout.String())
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v, %v, want nothing", left, err)
	}
}

// TestSourceChanges changes a shared file under the publisher: no fetcher ever gets a wrong byte, and
// the publisher says which file it was.
func TestSourceChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(path string) error
	}{
		{"written to", func(p string) error {
			b := bytes.Repeat([]byte("x"), 3_000_001)
			return os.WriteFile(p, b, 0o644)
		}},
		{"truncated", func(p string) error { return os.Truncate(p, 100) }},
		{"removed", os.Remove},
		{"replaced", func(p string) error {
			if err := payload.Write(p+".new", 3_000_001, 99); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 2, payload.OneFile, "--piece-length", "64KiB")
			out := t.TempDir()
			p := s.fetch(t, out, "--max-down", "256KiB", "--json", "--timeout", "25s")
			ctx := within(t, time.Minute)
			if _, err := p.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
				t.Fatal(err)
			}
			if err := tc.change(s.path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.seeder.Stderr.Line(ctx, func(l string) bool {
				return strings.Contains(l, payload.OneFile.Name) && strings.Contains(l, "since it was published")
			}); err != nil {
				t.Errorf("the publisher says nothing of the file: %v", err)
			}
			code, err := p.Exit(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if code != 14 {
				t.Errorf("fetch: got exit code %d, want 14: nobody has the content any more", code)
			}
			nothingIn(t, out)
		})
	}
}

// TestKilledFetchResumes kills a fetch as a power cut would, fifty times at random moments, always
// with the same staging folder; then it is let go to its end.
func TestKilledFetchResumes(t *testing.T) {
	t.Parallel()
	const kills, seed = 50, 20261122
	random := rand.New(rand.NewPCG(seed, seed))
	tree := payload.Large // the rate limit keeps all runs that are killed together from ending it
	s := newSwarm(t, 2, tree, "--piece-length", "16KiB")
	out := t.TempDir()
	size := 0
	for i := range kills {
		p := s.fetch(t, out, "--json", "--max-down", "512KiB")
		// Some die before they know what they fetch, some in the middle of writing.
		select {
		case <-time.After(time.Duration(random.IntN(700)) * time.Millisecond):
		case <-within(t, time.Minute).Done():
		}
		if !p.Running() {
			t.Fatalf("kill %d: the fetch ended before it: %s %s", i, p.Stdout.String(), p.Stderr.String())
		}
		p.Kill()
		nothingIn(t, out)
	}
	p := s.fetch(t, out, "--json")
	if err := p.Finished(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	last := p.Stdout.String()
	if i := strings.LastIndex(last, `"reused":`); i >= 0 {
		digits, _, _ := strings.Cut(last[i+len(`"reused":`):], "}")
		size, _ = strconv.Atoi(digits)
	}
	if size == 0 {
		t.Errorf("nothing was reused after %d kills: %s", kills, last)
	}
	if err := payload.Same(s.path, filepath.Join(out, tree.Name)); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 1 {
		t.Errorf("the target holds %v, %v, want the content alone", left, err)
	}
}

// Ctrl-C leaves what a later run goes on from.
func TestInterruptedFetchResumes(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, 2, payload.OneFile, "--piece-length", "64KiB")
	out := t.TempDir()
	p := s.fetch(t, out, "--max-down", "512KiB")
	ctx := within(t, time.Minute)
	if err := p.Until(ctx, "there is something in the staging folder", func() bool {
		m, err := filepath.Glob(filepath.Join(out, ".p2pshare", "*"))
		return err == nil && len(m) > 0
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	refused(t, p, 130, ".p2pshare")
	nothingIn(t, out)
	if err := s.fetch(t, out).Finished(ctx); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(s.path, filepath.Join(out, payload.OneFile.Name)); err != nil {
		t.Error(err)
	}
}
