package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/bench"
)

func sh(t *testing.T, ctx context.Context, script string) *bench.Process {
	t.Helper()
	p, err := bench.StartProcess(ctx, time.Now, t.TempDir(), []string{"PATH=/usr/bin:/bin"}, []string{"sh", "-c", script})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func minute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestProcessReportsDone(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"a hook", "echo '" + bench.DoneMark + "'; exec sleep 1000"},
		{"p2pshare", `echo '{"version":1,"type":"progress"}'; echo '{"version":1,"type":"fetched","name":"x"}'; exec sleep 1000`},
		{"after a meter that never ends its line", `printf 'Progress: 1%%\rProgress: 2%%\r` + bench.DoneMark + `\r'; exec sleep 1000`},
		{"after a line without an end", `head -c 300000 /dev/zero | tr '\0' x; printf '\n` + bench.DoneMark + `\n'; exec sleep 1000`},
		{"on stderr", "echo '" + bench.DoneMark + "' >&2; exec sleep 1000"},
		{"by its exit", "exit 0"},
		{"twice", "echo '" + bench.DoneMark + "'; echo '" + bench.DoneMark + "'; exit 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := sh(t, minute(t), c.script).Wait(minute(t)); err != nil {
				t.Errorf("got %v, want it done", err)
			}
		})
	}
}

func TestProcessThatFails(t *testing.T) {
	err := sh(t, minute(t), "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; exit 3").Wait(minute(t))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "line 9") || strings.Contains(err.Error(), "line 5\n") {
		t.Errorf("got %v, want the code and the last %d lines", err, bench.KeptLines)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := sh(t, minute(t), "exec sleep 1000").Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: got %v, want that", err)
	}
	if _, err := bench.StartProcess(minute(t), time.Now, t.TempDir(), nil, []string{"/nonexistent/program"}); err == nil || !strings.Contains(err.Error(), "/nonexistent/program") {
		t.Errorf("a missing program: got %v, want its name", err)
	}
}

// child starts a script with a child that writes its process number, and waits until it has.
func child(t *testing.T, ctx context.Context) (*bench.Process, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	p := sh(t, ctx, "sleep 1000 & echo $! > "+file+"; echo '"+bench.DoneMark+"'; wait")
	if err := p.Wait(minute(t)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return p, pid
}

// gone waits until a process no longer exists, or is a zombie left to its new parent.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the child %d outlived its parent", pid)
}

func TestProcessEndsItsChildren(t *testing.T) {
	for name, end := range map[string]func(p *bench.Process, cancel func()){
		"stop":    func(p *bench.Process, _ func()) { p.Stop() },
		"kill":    func(p *bench.Process, _ func()) { p.Kill() },
		"all":     func(p *bench.Process, _ func()) { bench.StopAll([]*bench.Process{p}) },
		"context": func(p *bench.Process, cancel func()) { cancel(); <-p.Exited() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			p, pid := child(t, ctx)
			if err := syscall.Kill(pid, 0); err != nil {
				t.Fatalf("the child is not there: %v", err)
			}
			end(p, cancel)
			gone(t, pid)
			p.Stop() // has no effect now
		})
	}
}

func TestProcessUsage(t *testing.T) {
	p := sh(t, minute(t), `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; x=$(head -c 8000000 /dev/zero | tr '\0' x); echo '`+bench.DoneMark+`'; sleep 1000; : $x`)
	if err := p.Wait(minute(t)); err != nil {
		t.Fatal(err)
	}
	if cpu, rss := p.Used(); cpu <= 0 || rss < 4<<20 {
		t.Errorf("while it runs: got %v s and %d bytes, want some, and the 8 MB that it holds", cpu, rss)
	}
	p = sh(t, minute(t), `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`)
	<-p.Exited()
	if cpu, _ := p.Used(); cpu <= 0 {
		t.Errorf("when it has ended: got %v s, want some", cpu)
	}
}

func TestSweep(t *testing.T) {
	root := t.TempDir()
	own, err := bench.OwnerOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	pid, start, _ := strings.Cut(own, "-")
	for name, stays := range map[string]bool{
		bench.LabPrefix + own + "-swarm":              true,
		bench.LabPrefix + pid + "-1-swarm":            false, // an earlier process with this number
		bench.LabPrefix + "999999999-" + start + "-x": false, // no such process
		bench.LabPrefix + "of-somebody-else":          true,
		bench.LabPrefix + "1":                         true,
		"something":                                   true,
	} {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Join(dir, "in", "it"), 0o700); err != nil {
			t.Fatal(err)
		}
		bench.Sweep([]string{root})
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: got %v, want it there: %v", name, err, stays)
		}
	}
}
