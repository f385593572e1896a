package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logged is a shell whose home has a log.
func logged(t *testing.T, lines ...string) (s *shell, path string) {
	t.Helper()
	s = newShell(t)
	s.env["P2PSHARE_HOME"] = filepath.Join(s.dir, "home")
	path = filepath.Join(s.dir, "home", "log", "daemon.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, path
}

func TestLogShowsLastLines(t *testing.T) {
	s, _ := logged(t, "one", "two", "a\x1b[31mred")
	s.want(0, "one\ntwo\na\\x1b[31mred\n", "", "log")
	s, _ = logged(t, "one", "two", "three")
	s.want(0, "two\nthree\n", "", "log", "--lines", "2")
	if got := s.stdout.String(); strings.Contains(got, "one") || s.fake.opened != 0 {
		t.Errorf("got %q and %d nodes opened, want two lines and none", got, s.fake.opened)
	}
	s, _ = logged(t, "one")
	s.want(0, "", "", "log", "-n", "0")
}

func TestLogRefuses(t *testing.T) {
	s := newShell(t)
	s.want(10, "", "p2pshare daemon --detach", "log", "--home", s.dir)
	s = newShell(t)
	s.want(4, "", "--lines -2", "log", "--lines=-2")
	s = newShell(t)
	s.want(4, "", "no argument", "log", "x")
}

func TestLogAsJSON(t *testing.T) {
	s, _ := logged(t,
		`time=2026-01-02T03:04:05Z level=WARN msg="a share stopped" name="x y" n=3`,
		`{"time":"2026-01-02T03:04:06Z","level":"INFO","msg":"hello","g":{"a":1}}`,
		`panic: runtime error: index = 3`, `null`, `a=b`)
	s.want(0, `{"version":1,"type":"log","time":"2026-01-02T03:04:05Z","level":"WARN","message":"a share stopped","attrs":{"n":"3","name":"x y"},"line":"time=`, "", "log", "--json")
	for _, want := range []string{
		`{"version":1,"type":"log","time":"2026-01-02T03:04:06Z","level":"INFO","message":"hello","attrs":{"g":{"a":1}},"line":"{`,
		`{"version":1,"type":"log","line":"panic: runtime error: index = 3"}`,
		`{"version":1,"type":"log","line":"null"}`,
		`{"version":1,"type":"log","line":"a=b"}`,
	} {
		if !strings.Contains(s.stdout.String(), want) {
			t.Errorf("got\n%s\nwant %s in it", s.stdout.String(), want)
		}
	}
}

func TestLogFollows(t *testing.T) {
	s, path := logged(t, "before")
	code := make(chan int, 1)
	go func() { code <- s.run("log", "--follow") }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	wait := func(want string) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !strings.Contains(s.stdout.String(), want) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("got %q, waited in vain for %q", s.stdout.String(), want)
			}
		}
	}
	wait("before\n")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	wait("after\n")
	s.sig <- syscall.SIGINT
	select {
	case got := <-code:
		if got != 0 {
			t.Errorf("exit code after Ctrl-C: got %d, want 0", got)
		}
	case <-ctx.Done():
		t.Fatal("Ctrl-C did not end it")
	}
}
