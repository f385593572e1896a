package daemonlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/daemonlog"
	"github.com/p2pshare/p2pshare/internal/fault"
)

func lines(t *testing.T, home string, o daemonlog.Options) string {
	t.Helper()
	var got []string
	err := daemonlog.Read(context.Background(), home, o, func(b []byte) error {
		got = append(got, string(b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

func TestLastLines(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 12)
	for i := range 7 {
		write(t, l, fmt.Sprintf("n%d\n", i)) // three bytes: four lines a file
	}
	for _, c := range []struct {
		n    int
		want string
	}{
		{0, ""}, {1, "n6"}, {3, "n4 n5 n6"}, {5, "n2 n3 n4 n5 n6"}, {100, "n0 n1 n2 n3 n4 n5 n6"}, {-1, "n0 n1 n2 n3 n4 n5 n6"},
	} {
		if got := lines(t, home, daemonlog.Options{Lines: c.n}); got != c.want {
			t.Errorf("the last %d: got %q, want %q", c.n, got, c.want)
		}
	}
}

func TestLastLineOfACrash(t *testing.T) {
	home := t.TempDir()
	l := open(t, home, 0)
	write(t, l, "whole\n")
	if err := l.OnOpen(func(f *os.File) error { _, err := f.WriteString("panic: torn"); return err }); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(t, home, daemonlog.Options{Lines: -1}), "whole panic: torn"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	home := t.TempDir()
	never := func([]byte) error { return errors.New("called") }
	if err := daemonlog.Read(context.Background(), home, daemonlog.Options{}, never); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("without a log: got %v, want not found with a hint", err)
	}
	write(t, open(t, home, 0), "x\n")
	if err := daemonlog.Read(context.Background(), home, daemonlog.Options{Lines: 1}, never); err == nil || err.Error() != "called" {
		t.Errorf("got %v, want emit's error", err)
	}
	if err := os.Remove(daemonlog.Path(home)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", daemonlog.Path(home)); err != nil {
		t.Fatal(err)
	}
	if err := daemonlog.Read(context.Background(), home, daemonlog.Options{Lines: 1}, never); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a symlink: got %v, want it refused", err)
	}
}

// TestFollow puts a log through everything that can happen to it; each line must be seen once, in order.
func TestFollow(t *testing.T) {
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got, done := make(chan string, 1000), make(chan error, 1)
	go func() {
		done <- daemonlog.Read(ctx, home, daemonlog.Options{Lines: 2, Follow: true, Every: time.Millisecond}, func(b []byte) error {
			got <- string(b)
			return nil
		})
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case line := <-got:
			if line != want {
				t.Fatalf("got %q, want %q", line, want)
			}
		case <-ctx.Done():
			t.Fatalf("%q did not come", want)
		}
	}
	l := open(t, home, 40) // after the reader began: it waits for the file
	write(t, l, "first\n")
	expect("first")
	for i := range 50 { // about eight lines per file
		line := fmt.Sprintf("%04d", i)
		write(t, l, line+"\n")
		expect(line)
	}
	// Two lines, each in a file of its own, possibly between two polls: neither is lost.
	write(t, l, strings.Repeat("a", 39)+"\n"+strings.Repeat("b", 39)+"\n")
	expect(strings.Repeat("a", 39))
	expect(strings.Repeat("b", 39))
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	write(t, l, "recreated\n")
	expect("recreated")
	if err := os.Truncate(l.Path(), 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the reader can only notice if it sees the file empty
	write(t, l, "emptied\n")
	expect("emptied")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the end of ctx: got %v, want nil", err)
	}
}
