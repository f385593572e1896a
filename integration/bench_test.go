//go:build linux

package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchReport holds the parts of a report that these tests check.
type benchReport struct {
	Type   string
	Bench  string
	Tables []struct{ Rows [][]string }
	Plots  []struct{ Curves []struct{ Done []float64 } }
	Runs   []struct {
		Part, Kind, Failure string
		Whole               bool
		Values              map[string]float64
		Fetchers            []struct {
			Done float64
			Left bool
		}
	}
}

var builtBench = sync.OnceValues(func() (string, error) {
	if us.Bin == os.Getenv("P2PSHARE_BIN") {
		return us.Bin + "-bench", nil // make builds both
	}
	bin := filepath.Join(filepath.Dir(us.Bin), "p2pshare-bench")
	out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "../cmd/p2pshare-bench").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building p2pshare-bench: %w\n%s", err, out)
	}
	return bin, nil
})

// benchBin returns the path of p2pshare-bench.
func benchBin(t *testing.T) string {
	t.Helper()
	bin, err := builtBench()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// measure is runBench, and fails if a run is incomplete.
func measure(t *testing.T, args ...string) (benchReport, string) {
	t.Helper()
	r, text := runBench(t, args...)
	for _, run := range r.Runs {
		if !run.Whole {
			t.Errorf("%s, %s: got %s, want all of it", run.Part, run.Kind, run.Failure)
		}
	}
	return r, text
}

// runBench runs a bench with a work folder of the test, and checks that nothing is left behind.
func runBench(t *testing.T, args ...string) (benchReport, string) {
	t.Helper()
	dir := t.TempDir()
	work, report := filepath.Join(dir, "work"), filepath.Join(dir, "report.json")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, 10*time.Minute), benchBin(t), append(args, "--program", us.Bin, "--work", work, "--report", report)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bench %q: %v\n%s%s", args, err, out, stderr.String())
	}
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var r benchReport
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("the report is not JSON: %v", err)
	}
	leftNothing(t, cmd.Process.Pid, work)
	return r, string(out)
}

// leftNothing checks that no networks of a process and no files in its work folder are left.
func leftNothing(t *testing.T, pid int, work string) {
	t.Helper()
	if ns := benchLabs(t, pid); len(ns) != 0 {
		t.Errorf("networks left: %q, want none", ns)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) != 0 {
		t.Errorf("files left: %v, %v, want none", left, err)
	}
}

func benchLabs(t *testing.T, pid int) []string {
	t.Helper()
	ns, err := filepath.Glob(fmt.Sprintf("/run/netns/p2pshare-bench-%d-*", pid))
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestBenchSwarm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	svg := filepath.Join(dir, "swarm.svg")
	r, text := measure(t, "swarm", "--peers", "3", "--size", "2MB", "--runs", "2", "--kinds", "p2pshare,http,aria2+p2pshare", "--leave", "half", "--stagger", "10ms", "--svg", svg)
	if r.Type != "bench" || r.Bench != "swarm" || len(r.Runs) != 6 || len(r.Plots) != 1 || len(r.Plots[0].Curves) != 3 {
		t.Fatalf("got %+v, want two runs of three kinds and their curves", r)
	}
	const bound = 0.2 // 2 MB at 80 Mbit/s
	for _, run := range r.Runs {
		if s := run.Values["seconds"]; s < bound {
			t.Errorf("%s: got %.3f s, want no less than the bound of %.1f s: the links are not limited", run.Kind, s, bound)
		}
		if c := run.Values["origin_copies"]; c < 1 || run.Kind == "http" && c < 3 {
			t.Errorf("%s: got %.2f copies from the origin, want at least one, and three without peers", run.Kind, c)
		}
		if len(run.Fetchers) != 3 || run.Fetchers[0].Left || !run.Fetchers[1].Left {
			t.Errorf("%s: got %+v, want three, of whom the second leaves", run.Kind, run.Fetchers)
		}
	}
	if !strings.Contains(text, "last / bound") || !strings.Contains(text, "– its aria2") {
		t.Errorf("got %s, want the table", text)
	}
	if b, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(b), "<svg ") {
		t.Errorf("got %.20s, %v, want a picture", b, err)
	}
}

// TestBenchOriginLeaves checks that two fetchers of a web server cannot both finish if it leaves after one copy.
func TestBenchOriginLeaves(t *testing.T) {
	t.Parallel()
	r, text := runBench(t, "swarm", "--peers", "2", "--size", "20MB", "--runs", "1", "--kinds", "http", "--leave", "origin=1")
	if len(r.Runs) != 1 || r.Runs[0].Whole || !strings.Contains(r.Runs[0].Failure, "fetcher ") {
		t.Fatalf("got %+v, want an incomplete run with a reason", r.Runs)
	}
	if _, timed := r.Runs[0].Values["seconds"]; timed || !strings.Contains(text, "| 0 of 1 |") {
		t.Errorf("got %v\n%s\nwant no time of it", r.Runs[0].Values, text)
	}
}

func TestBenchOneFetcher(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		kinds []string
		most  float64 // of the received bytes, in payloads
	}{
		{[]string{"link", "--size", "8MB", "--runs", "1", "--kinds", "p2pshare,libtorrent,http"}, []string{"p2pshare", "libtorrent", "http"}, 1.5},
		{[]string{"webseed", "--size", "8MB", "--runs", "1", "--parts", "alone", "--kinds", "p2pshare,http"}, []string{"p2pshare", "http"}, 1.5},
		{[]string{"reuse", "--size", "8MB", "--runs", "1", "--kinds", "p2pshare,libtorrent"}, []string{"p2pshare", "libtorrent"}, 1.5},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			r, _ := measure(t, c.args...)
			if len(r.Runs) != len(c.kinds) || len(r.Tables) != 1 || len(r.Tables[0].Rows) != len(c.kinds) {
				t.Fatalf("got %+v, want a run and a row of each of %q", r, c.kinds)
			}
			for i, run := range r.Runs {
				moved := run.Values["moved_bytes"] / 8e6
				if run.Kind != c.kinds[i] || run.Values["seconds"] <= 0 || run.Kind != "http" && run.Values["rss_bytes"] < 1e6 || moved <= 0 || moved > c.most {
					t.Errorf("got %s with %v, want %s with its time, memory and bytes", run.Kind, run.Values, c.kinds[i])
				}
			}
		})
	}
}

func TestBenchBuild(t *testing.T) {
	t.Parallel()
	r, _ := measure(t, "build", "--size", "4MB", "--runs", "1")
	if len(r.Tables) != 3 || len(r.Runs) != 18 {
		t.Errorf("got %d tables of %d runs, want 3 of 18: every creator, each payload", len(r.Tables), len(r.Runs))
	}
}

// beganToMeasure starts a long bench and waits for its first run.
func beganToMeasure(t *testing.T, work string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(benchBin(t), "swarm", "--program", us.Bin, "--peers", "2", "--size", "100kB", "--runs", "100", "--kinds", "http", "--work", work)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewReader(stderr)
	first, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, "round 1 of 100, http: ") {
		t.Fatalf("got %q, %v, want the first round", first, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the process
	return cmd
}

func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	cmd := beganToMeasure(t, work)
	if len(benchLabs(t, cmd.Process.Pid)) == 0 {
		t.Error("while it measures: got no network")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("got %v, want exit code 130", err)
	}
	leftNothing(t, cmd.Process.Pid, work)
}

func TestBenchKilled(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	cmd := beganToMeasure(t, work)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the error says that it was killed
	if len(benchLabs(t, cmd.Process.Pid)) == 0 {
		t.Fatal("the killed process left no network: the test proves nothing")
	}
	next := exec.CommandContext(within(t, 5*time.Minute), benchBin(t), "swarm", "--program", us.Bin, "--peers", "1", "--size", "100kB", "--runs", "1", "--kinds", "http", "--work", work)
	if out, err := next.CombinedOutput(); err != nil {
		t.Fatalf("the next one: %v\n%s", err, out)
	}
	leftNothing(t, cmd.Process.Pid, work)
}

func TestBenchNeedsRoot(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(openFolder(t), "p2pshare-bench")
	if out, err := exec.Command("install", "-m", "0755", benchBin(t), bin).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.CommandContext(context.Background(), bin, "swarm", "--program", "/bin/true", "--kinds", "p2pshare")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 12 || !strings.Contains(string(out), "sudo p2pshare-bench") {
		t.Errorf("got %v, %s, want exit code 12 and how to become root", err, out)
	}
}

// openFolder returns a folder that every user may read, unlike the test's own folders.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "p2pshare-open-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
