package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain is the program itself when a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("P2PSHARE_TEST_PROGRAM") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// alone keeps a node on this machine.
var alone = []string{"--no-dht", "--no-lan", "--no-upnp", "--listen", "127.0.0.1"}

// program is a command that has a minute.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "P2PSHARE_TEST_PROGRAM=1", "P2PSHARE_HOME="+t.TempDir()+"/home", "TERM=xterm", "NO_COLOR=")
	cmd.Dir = t.TempDir()
	return cmd
}

// screenLog collects what a process writes, and wakes who waits for a part of it.
type screenLog struct {
	mu  sync.Mutex
	b   bytes.Buffer
	new chan struct{}
}

func newLog() *screenLog { return &screenLog{new: make(chan struct{}, 1)} }

func (l *screenLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.new <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *screenLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *screenLog) wait(t *testing.T, part string) {
	t.Helper()
	late := time.After(90 * time.Second)
	for !strings.Contains(l.String(), part) {
		select {
		case <-l.new:
		case <-late:
			t.Fatalf("waited for %q; got %q", part, l.String())
		}
	}
}

func content(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "release")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"a.bin": 3_000_000, "sub/b.txt": 10, "empty": 0} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name+"\n"), n/len(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPublishAndFetch goes the product's whole way, as its users do.
func TestPublishAndFetch(t *testing.T) {
	dir := content(t)
	publish := program(t, append([]string{"publish", dir, "--json", "-o", "rel.torrent"}, alone...)...)
	out, err := publish.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := publish.Start(); err != nil {
		t.Fatal(err)
	}
	var seeding struct {
		Type, Magnet string
		Port         int
	}
	lines := bufio.NewScanner(out)
	for seeding.Type != "seeding" && lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &seeding); err != nil {
			t.Fatalf("line %q: %v", lines.Text(), err)
		}
	}
	if seeding.Magnet == "" || seeding.Port == 0 {
		t.Fatalf("seeding: got %+v, want a magnet and a port", seeding)
	}

	fetch := program(t, append([]string{"fetch", seeding.Magnet, "--peer", fmt.Sprintf("127.0.0.1:%d", seeding.Port)}, alone...)...)
	var stderr bytes.Buffer
	fetch.Stderr = &stderr
	got, err := fetch.Output()
	if err != nil {
		t.Fatalf("fetch: %v\n%s", err, stderr.String())
	}
	path := filepath.Join(fetch.Dir, "release")
	if string(got) != path+"\n" {
		t.Errorf("stdout of fetch: got %q, want the path %q alone", got, path)
	}
	for _, name := range []string{"a.bin", "sub/b.txt", "empty"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if have, err := os.ReadFile(filepath.Join(path, name)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s: %d bytes, %v; want the %d published", name, len(have), err, len(want))
		}
	}

	verify := program(t, "verify", filepath.Join(publish.Dir, "rel.torrent"), path)
	if got, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(got), "OK ") {
		t.Errorf("verify: got %q, %v, want OK", got, err)
	}

	if err := publish.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	if err := publish.Wait(); err != nil {
		t.Errorf("publish after an interrupt: got %v, want a normal end", err)
	}
}

func TestFetchOfNobody(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	cmd := program(t, append([]string{"fetch", hash, "--timeout", "300ms"}, alone...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 14 {
		t.Errorf("time ran out: got %v and %q, want exit code 14", err, out)
	}
	for _, c := range out {
		if c < ' ' && c != '\n' {
			t.Errorf("through a pipe: got the control character %q in %q", c, out)
			break
		}
	}

	cmd = program(t, append([]string{"fetch", hash}, alone...)...)
	stderr := newLog()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, "looking for")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("interrupted: got %v, want exit code 130", err)
	}
	if !strings.Contains(stderr.String(), "the same command goes on from there") {
		t.Errorf("interrupted: stderr is %q, want how to go on", stderr.String())
	}
}
